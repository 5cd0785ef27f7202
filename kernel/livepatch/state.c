// SPDX-License-Identifier: GPL-2.0
/*
 * System states: permanent changes by patches, such as changes of global data, that a later
 * patch may have to know.
 */

#include <kunit/visibility.h>
#include "runtime.h"
#include "state.h"

/**
 * klp_get_state() - find a state in the description of a patch
 * @patch: description of the patch
 * @id:    number of the state
 *
 * The semantics are those of Linux 6.12.
 *
 * Context: any. Reads only the description.
 * Return: the state, or NULL when the patch does not have it.
 */
struct klp_state *klp_get_state(struct klp_patch *patch, unsigned long id)
{
	struct klp_state *state = patch->states;

	if (!state)
		return NULL;
	while (state->id && state->id != id)
		state++;
	return state->id ? state : NULL;
}
EXPORT_SYMBOL_GPL(klp_get_state);

/**
 * klp_get_prev_state() - find a state of the patches below the one in transition
 * @id: number of the state
 *
 * In a callback that runs because its patch is enabled or disabled, the patch in transition is
 * the patch of the callback. In a callback that runs because a module is loaded or unloaded it
 * may be another patch, or there may be none. When several patches have the state, the newest
 * one of them counts. The semantics are those of Linux 6.12.
 *
 * Context: callbacks and hooks, klp_mutex is held. Does not sleep.
 * Return: the state, or NULL when there is none or no transition is running. It is valid while
 * its patch is on the stack.
 */
struct klp_state *klp_get_prev_state(unsigned long id)
{
	struct klp_state *state;
	struct klp_rt_patch *patch;

	lockdep_assert_held(&klp_mutex);

	if (!klp_transition_patch)
		return NULL;

	/* Newest first, beginning with the patch below the one in transition. */
	patch = klp_transition_patch;
	list_for_each_entry_continue_reverse(patch, &klp_patches, node) {
		state = klp_get_state(patch->desc, id);
		if (state)
			return state;
	}
	return NULL;
}
EXPORT_SYMBOL_GPL(klp_get_prev_state);

/*
 * Return true if the states of @patch fit those of the installed patches: no state has an older
 * version than there, and a replacing patch has all states of the patches that it replaces.
 * klp_rt_check_conflicts() checks the states of patches of other sets.
 */
bool klp_states_compatible(struct klp_patch *patch)
{
	struct klp_state *installed, *state;
	struct klp_rt_patch *below;
	bool replaced;

	lockdep_assert_held(&klp_mutex);

	klp_for_each_patch(below) {
		if (klp_sets_conflict(patch, below))
			continue;
		replaced = klp_replaces(patch, below);
		for (installed = below->desc->states; installed && installed->id; installed++) {
			state = klp_get_state(patch, installed->id);
			if (state ? state->version < installed->version : replaced)
				return false;
		}
	}
	return true;
}
EXPORT_SYMBOL_IF_KUNIT(klp_states_compatible);
