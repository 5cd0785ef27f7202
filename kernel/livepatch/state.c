// SPDX-License-Identifier: GPL-2.0
/*
 * System states: things that patches change for good, such as global data, and
 * that a later patch may have to know of.
 */

#include <kunit/visibility.h>
#include "runtime.h"
#include "state.h"

/**
 * klp_get_state() - find a state that a patch says it changes
 * @patch: the author's description of the patch
 * @id:    which state
 *
 * Context: any; reads nothing but the description.
 * Return: the state, or NULL when the patch does not have it.
 * The semantics are those of Linux 6.12.
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
 * klp_get_prev_state() - find what the patches below this one know of a state
 * @id: which state
 *
 * "This one" is the patch that is in transition. In a callback that runs because
 * its patch is enabled or disabled, that is the callback's own. In one that runs
 * because a module comes or goes it may be another patch, or none. When several
 * patches below have the state, the newest of them counts.
 *
 * Context: from a callback or a hook: klp_mutex is held. Does not sleep.
 * Return: the state, or NULL when there is none or no transition is under way. It
 * is valid while the patch that it belongs to is on the stack.
 * The semantics are those of Linux 6.12.
 */
struct klp_state *klp_get_prev_state(unsigned long id)
{
	struct klp_state *state;
	struct klp_rt_patch *patch;

	lockdep_assert_held(&klp_mutex);

	if (!klp_transition_patch)
		return NULL;

	/* Down from the one that is right below. */
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
 * May @patch be put on top of those there are? It must not have an older version
 * of a state than one of them, and if it replaces them, it must have them all.
 */
bool klp_states_compatible(struct klp_patch *patch)
{
	struct klp_state *installed, *state;
	struct klp_rt_patch *below;

	lockdep_assert_held(&klp_mutex);

	klp_for_each_patch(below) {
		for (installed = below->desc->states; installed && installed->id; installed++) {
			state = klp_get_state(patch, installed->id);
			if (state ? state->version < installed->version : patch->replace)
				return false;
		}
	}
	return true;
}
EXPORT_SYMBOL_IF_KUNIT(klp_states_compatible);
