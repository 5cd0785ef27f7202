// SPDX-License-Identifier: GPL-2.0
/*
 * System states: changes of the system that outlive one patch, such as changes of global data.
 *
 * A patch owns a state when it lists its number. A state is in force while an enabled patch owns
 * it and, when it is bound to a module, while that module is loaded. Its callbacks run when it
 * comes into force and when it goes out of force:
 *
 *	          introduce           publish
 *	          pre_patch           post_patch
 *	    IDLE ----------> PREPARED ----------> LIVE
 *	         <----------          <----------
 *	          release             withdraw
 *	          post_unpatch        pre_unpatch
 *
 * The owners share one stage. It is kept in the entry of one of them, the holder; all others are
 * IDLE. The callbacks of the holder run. So a callback runs once, however many patches own the
 * state:
 *
 *   - The first owner introduces the state and is the holder.
 *   - The next owners inherit it. No callback runs.
 *   - When the holder leaves and another owner stays, that one becomes the holder.
 *   - When all owners leave, the newest of them becomes the holder and is withdrawn.
 *
 * A state is PREPARED only in a transition of which it is a part. At its end
 * klp_states_settle() publishes or releases it, whichever way the transition has ended.
 */

#define pr_fmt(fmt) "livepatch: " fmt

#include <kunit/visibility.h>
#include <linux/kallsyms.h>
#include <linux/timekeeping.h>
#include <trace/events/livepatch.h>
#include "callbacks.h"
#include "runtime.h"
#include "shadow.h"
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
 * Return true if only the fields of Linux 6.12 are set. The core only compares the numbers and
 * the versions of such states.
 */
static bool klp_state_is_plain(const struct klp_state *desc)
{
	const struct klp_state_callbacks *callbacks = &desc->callbacks;

	return !callbacks->pre_patch && !callbacks->post_patch && !callbacks->pre_unpatch &&
	       !callbacks->post_unpatch && !desc->object && !desc->is_shadow &&
	       !desc->block_disable;
}

/* === Calls of callbacks ==================================================================== */

static noinline_for_stack void klp_trace_state_call(const struct klp_rt_state *state,
						    const char *kind, void *function, int ret,
						    u64 duration)
{
	char symbol[KSYM_SYMBOL_LEN];

	sprint_symbol_no_offset(symbol, (unsigned long)function);
	trace_klp_state_callback(state->patch->name, state->id, kind, symbol, ret, duration);
}

static void klp_run_state_callback(struct klp_rt_state *state, const char *kind,
				   void (*callback)(struct klp_patch *, struct klp_state *))
{
	u64 start;

	if (!callback)
		return;
	start = klp_callback_enter();
	callback(state->patch->desc, state->desc);
	klp_callback_leave();
	if (trace_klp_state_callback_enabled())
		klp_trace_state_call(state, kind, callback, 0, ktime_get_ns() - start);
}

static int klp_run_state_pre_patch(struct klp_rt_state *state)
{
	int (*pre_patch)(struct klp_patch *, struct klp_state *) =
		state->desc->callbacks.pre_patch;
	u64 start;
	int ret;

	if (!pre_patch)
		return 0;
	start = klp_callback_enter();
	ret = pre_patch(state->patch->desc, state->desc);
	klp_callback_leave();
	if (trace_klp_state_callback_enabled())
		klp_trace_state_call(state, "pre_patch", pre_patch, ret, ktime_get_ns() - start);
	if (!klp_is_callback_result(ret)) {
		pr_warn("patch '%s': pre_patch %ps of state %lu returned %d, which is not an errno value\n",
			state->patch->name, pre_patch, state->id, ret);
		ret = -EINVAL;
	}
	return ret;
}

/* === Owners ================================================================================ */

/* Return true if the module to which @state is bound is loaded, or if there is none. */
static bool klp_state_is_active(const struct klp_rt_state *state)
{
	return !state->obj || state->obj->mod;
}

static struct klp_rt_state *klp_find_state(struct klp_rt_patch *patch, unsigned long id)
{
	struct klp_rt_state *state;

	klp_rt_for_each_state(state, patch) {
		if (state->id == id)
			return state;
	}
	return NULL;
}

/* Return true if the transition that is running decides whether @patch is enabled. */
static bool klp_patch_is_affected(const struct klp_rt_patch *patch)
{
	const struct klp_rt_patch *moving = klp_transition_patch, *older;

	if (!moving)
		return false;
	if (patch == moving)
		return true;
	if (!klp_replaces(moving->desc, patch))
		return false;
	/* A replace affects only the patches below it. */
	klp_for_each_patch(older) {
		if (older == moving)
			return false;
		if (older == patch)
			return true;
	}
	return false;
}

/* Return true if @patch is enabled when the transition that is running has ended. */
static bool klp_patch_stays(const struct klp_rt_patch *patch)
{
	return !klp_patch_is_affected(patch) ||
	       klp_transition_patch->enabled == (patch == klp_transition_patch);
}

/*
 * Return the newest active owner of a state, or NULL. With @staying, only a patch that is
 * enabled when the transition has ended. @but is not considered.
 */
static struct klp_rt_state *klp_newest_owner(unsigned long id, bool staying,
					     const struct klp_rt_patch *but)
{
	struct klp_rt_state *state;
	struct klp_rt_patch *patch;

	list_for_each_entry_reverse(patch, &klp_patches, node) {
		if (patch == but || (staying && !klp_patch_stays(patch)))
			continue;
		state = klp_find_state(patch, id);
		if (state && klp_state_is_active(state))
			return state;
	}
	return NULL;
}

/* Return true if an active owner of a state stays in whichever direction a transition ends. */
static bool klp_state_outlasts(unsigned long id)
{
	struct klp_rt_state *state;
	struct klp_rt_patch *patch;

	klp_for_each_patch(patch) {
		if (klp_patch_is_affected(patch))
			continue;
		state = klp_find_state(patch, id);
		if (state && klp_state_is_active(state))
			return true;
	}
	return false;
}

/* Return the owner whose stage is that of the state, or NULL when the state is not in force. */
static struct klp_rt_state *klp_find_holder(unsigned long id)
{
	struct klp_rt_state *state;
	struct klp_rt_patch *patch;

	klp_for_each_patch(patch) {
		state = klp_find_state(patch, id);
		if (state && state->stage != KLP_OBJECT_IDLE)
			return state;
	}
	return NULL;
}

static void klp_state_move_stage(struct klp_rt_state *from, struct klp_rt_state *to)
{
	enum klp_object_state stage = from->stage;

	/* In this order: both may be the same. */
	from->stage = KLP_OBJECT_IDLE;
	to->stage = stage;
}

/*
 * Hand the data of the newest other owner on to @state, unless the author has set it. The other
 * owner may be above @state, when the state is bound to a module that is loaded later.
 */
static void klp_state_inherit(struct klp_rt_state *state)
{
	struct klp_rt_state *from;

	WRITE_ONCE(state->inherited, true);
	if (klp_state_is_plain(state->desc))
		return;
	trace_klp_state_inherited(state->patch->name, state->id, state->version);
	from = klp_newest_owner(state->id, false, state->patch);
	if (from && !state->desc->data)
		state->desc->data = from->desc->data;
}

/* === Stages ================================================================================ */

static int klp_state_introduce(struct klp_rt_state *state)
{
	int ret;

	WRITE_ONCE(state->inherited, false);
	ret = klp_run_state_pre_patch(state);
	if (ret) {
		pr_warn("pre-patch callback failed for state %lu of patch '%s'\n", state->id,
			state->patch->name);
		return ret;
	}
	state->stage = KLP_OBJECT_PREPARED;
	if (!klp_state_is_plain(state->desc))
		trace_klp_state_introduced(state->patch->name, state->id, state->version);
	return 0;
}

static void klp_state_publish(struct klp_rt_state *state)
{
	if (state->stage != KLP_OBJECT_PREPARED)
		return;
	state->stage = KLP_OBJECT_LIVE;
	klp_run_state_callback(state, "post_patch", state->desc->callbacks.post_patch);
}

static void klp_state_withdraw(struct klp_rt_state *state)
{
	if (state->stage != KLP_OBJECT_LIVE)
		return;
	state->stage = KLP_OBJECT_PREPARED;
	klp_run_state_callback(state, "pre_unpatch", state->desc->callbacks.pre_unpatch);
}

/* Restore the data of the description: what it pointed to may have been freed. */
static void klp_state_disown(struct klp_rt_state *state)
{
	WRITE_ONCE(state->inherited, false);
	if (!klp_state_is_plain(state->desc))
		state->desc->data = state->data;
}

/* All owners leave, or lose their module: then their data is reset by klp_state_disown(). */
static void klp_state_release(struct klp_rt_state *state)
{
	if (state->stage != KLP_OBJECT_PREPARED)
		return;
	state->stage = KLP_OBJECT_IDLE;
	klp_run_state_callback(state, "post_unpatch", state->desc->callbacks.post_unpatch);
	if (state->desc->is_shadow)
		klp_shadow_destroy_all(state->id, state->desc->callbacks.shadow_dtor);
	if (!klp_state_is_plain(state->desc))
		trace_klp_state_removed(state->patch->name, state->id, state->version);
}

/* === Requests ============================================================================== */

/*
 * Return true if the states of @patch fit those of the installed patches: no state has an older
 * version than there, and a replacing patch has all plain states of the patches that it
 * replaces. klp_rt_check_conflicts() checks the states of patches of other sets.
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
			if (state && state->version < installed->version)
				return false;
			if (!state && replaced && klp_state_is_plain(installed))
				return false;
		}
	}
	return true;
}
EXPORT_SYMBOL_IF_KUNIT(klp_states_compatible);

static int klp_report_blocked(const struct klp_rt_state *state, const char *request)
{
	pr_err("patch '%s' cannot be %s, as its state %lu must not be removed\n",
	       state->patch->name, request, state->id);
	return -EBUSY;
}

/* Return true if @desc has the state, and its module, if it is bound to one, is loaded. */
static bool klp_desc_owns_state(struct klp_patch *desc, unsigned long id)
{
	const struct klp_state *state = klp_get_state(desc, id);

	return state && (!state->object || klp_find_alive_module(state->object));
}

/**
 * klp_states_check_replace() - check that a replace does not remove a state that must stay
 * @desc: description of the patch that is being enabled
 *
 * Context: process context, klp_mutex held, no transition is running.
 * Return:
 * * %0 - the patch may be enabled
 * * %-EBUSY - @desc replaces the newest owner of a state that has klp_state.block_disable, and
 *   lacks the state or binds it to an absent module, which is logged
 */
int klp_states_check_replace(struct klp_patch *desc)
{
	struct klp_rt_state *state;
	struct klp_rt_patch *old;

	lockdep_assert_held(&klp_mutex);

	klp_for_each_patch(old) {
		if (!klp_replaces(desc, old))
			continue;
		klp_rt_for_each_state(state, old) {
			if (state->desc->block_disable && klp_find_holder(state->id) &&
			    !klp_desc_owns_state(desc, state->id) &&
			    klp_newest_owner(state->id, false, NULL) == state)
				return klp_report_blocked(state, "replaced");
		}
	}
	return 0;
}

/**
 * klp_states_check_disable() - check that disabling a patch does not remove a state that must stay
 * @patch: the patch
 *
 * Context: process context, klp_mutex held, no transition is running.
 * Return:
 * * %0 - the patch may be disabled
 * * %-EBUSY - @patch is the only owner of a state with klp_state.block_disable, which is logged
 */
int klp_states_check_disable(struct klp_rt_patch *patch)
{
	struct klp_rt_state *state;

	lockdep_assert_held(&klp_mutex);

	klp_rt_for_each_state(state, patch) {
		if (state->desc->block_disable && state->stage == KLP_OBJECT_LIVE &&
		    !klp_newest_owner(state->id, false, patch))
			return klp_report_blocked(state, "disabled");
	}
	return 0;
}

/**
 * klp_states_enable() - introduce or inherit the states of a patch
 * @patch: the patch, on the stack
 * @obj:   only the states that are bound to this object, or NULL for all that are active
 *
 * Data is inherited before the first callback runs.
 *
 * Context: process context, klp_mutex held. Callbacks may sleep.
 * Return: 0, or the errno of a pre_patch callback. klp_states_settle() or klp_states_release()
 * undoes what has been introduced before.
 */
int klp_states_enable(struct klp_rt_patch *patch, const struct klp_rt_object *obj)
{
	struct klp_rt_state *state;
	int ret;

	lockdep_assert_held(&klp_mutex);

	klp_rt_for_each_state(state, patch) {
		if ((!obj || state->obj == obj) && klp_state_is_active(state) &&
		    klp_find_holder(state->id))
			klp_state_inherit(state);
	}
	klp_rt_for_each_state(state, patch) {
		if ((obj && state->obj != obj) || !klp_state_is_active(state) ||
		    klp_find_holder(state->id))
			continue;
		ret = klp_state_introduce(state);
		if (ret)
			return ret;
	}
	return 0;
}
EXPORT_SYMBOL_IF_KUNIT(klp_states_enable);

/**
 * klp_states_disable() - withdraw the states of which a patch is the last owner
 * @patch: the patch that is about to be disabled
 *
 * Context: process context, klp_mutex held. Callbacks may sleep.
 */
void klp_states_disable(struct klp_rt_patch *patch)
{
	struct klp_rt_state *state;

	lockdep_assert_held(&klp_mutex);

	klp_rt_for_each_state(state, patch) {
		if (!klp_newest_owner(state->id, false, patch))
			klp_state_withdraw(state);
	}
}
EXPORT_SYMBOL_IF_KUNIT(klp_states_disable);

/**
 * klp_states_replace() - withdraw the states that an atomic replace removes
 * @patch: the patch that replaces others. It has been set up completely
 *
 * The newest owner of such a state is the one that is withdrawn.
 *
 * Context: process context, klp_mutex held. Callbacks may sleep.
 */
void klp_states_replace(struct klp_rt_patch *patch)
{
	struct klp_rt_state *state, *holder;
	struct klp_rt_patch *old;

	lockdep_assert_held(&klp_mutex);

	klp_for_each_patch(old) {
		if (old == patch)
			break;
		if (!klp_replaces(patch->desc, old))
			continue;
		klp_rt_for_each_state(state, old) {
			if (klp_newest_owner(state->id, false, NULL) != state)
				continue;
			/* A state with an active owner is in force, so it has a holder. */
			holder = klp_find_holder(state->id);
			klp_state_move_stage(holder, state);
			klp_state_withdraw(state);
		}
	}
}
EXPORT_SYMBOL_IF_KUNIT(klp_states_replace);

/*
 * Remove the state that @state holds at the end of a transition. It is still LIVE if the owner
 * that was to stay has lost its module meanwhile: then the newest owner withdraws it only here.
 */
static void klp_state_settle_removed(struct klp_rt_state *state)
{
	struct klp_rt_state *newest = klp_newest_owner(state->id, false, NULL);

	if (state->stage == KLP_OBJECT_LIVE && newest) {
		klp_state_move_stage(state, newest);
		state = newest;
		klp_state_withdraw(state);
	}
	klp_state_release(state);
}

/* End the transition for the state that @state holds. @owner is the newest owner that stays. */
static void klp_state_settle_kept(struct klp_rt_state *state, struct klp_rt_state *owner)
{
	klp_state_publish(state);
	if (!klp_patch_stays(state->patch))
		klp_state_move_stage(state, owner);
}

/**
 * klp_states_settle() - publish or release all states at the end of a transition
 *
 * klp_rt_patch.enabled of the patch in transition tells in which state all tasks are.
 *
 * Context: process context, klp_mutex held. Callbacks may sleep.
 */
void klp_states_settle(void)
{
	struct klp_rt_state *state, *owner;
	struct klp_rt_patch *patch;
	int round;

	lockdep_assert_held(&klp_mutex);

	/* First publish what stays, then release what is removed. */
	for (round = 0; round < 2; round++) {
		klp_for_each_patch(patch) {
			klp_rt_for_each_state(state, patch) {
				if (state->stage == KLP_OBJECT_IDLE)
					continue;
				owner = klp_newest_owner(state->id, true, NULL);
				if (!round && owner)
					klp_state_settle_kept(state, owner);
				else if (round && !owner)
					klp_state_settle_removed(state);
			}
		}
	}
}
EXPORT_SYMBOL_IF_KUNIT(klp_states_settle);

/**
 * klp_states_publish() - publish the states of a module that has been loaded
 * @obj: the object of the module
 *
 * A state stays prepared if the transition that is running removes it in one direction: the
 * transition may be reversed, and klp_states_replace() has run already. klp_states_settle()
 * publishes or releases the state.
 *
 * Context: process context, klp_mutex held. Callbacks may sleep.
 */
void klp_states_publish(const struct klp_rt_object *obj)
{
	struct klp_rt_state *state, *holder;

	lockdep_assert_held(&klp_mutex);

	klp_rt_for_each_state(state, obj->patch) {
		if (state->obj != obj || !klp_state_outlasts(state->id))
			continue;
		/* An older owner has introduced the state, and could not publish it. */
		holder = klp_find_holder(state->id);
		if (holder)
			klp_state_publish(holder);
	}
}
EXPORT_SYMBOL_IF_KUNIT(klp_states_publish);

/**
 * klp_states_withdraw() - withdraw the states of a module that is being unloaded
 * @obj: the object of the module in one patch
 *
 * If another patch owns the state and has not been reverted from the module yet, that patch
 * holds the state from now on.
 *
 * Context: process context, klp_mutex held. Callbacks may sleep.
 */
void klp_states_withdraw(const struct klp_rt_object *obj)
{
	struct klp_rt_state *state, *owner;

	lockdep_assert_held(&klp_mutex);

	klp_rt_for_each_state(state, obj->patch) {
		if (state->obj != obj || state->stage == KLP_OBJECT_IDLE)
			continue;
		owner = klp_newest_owner(state->id, false, obj->patch);
		if (owner)
			klp_state_move_stage(state, owner);
		else
			klp_state_withdraw(state);
	}
}
EXPORT_SYMBOL_IF_KUNIT(klp_states_withdraw);

/**
 * klp_states_release() - release the states of a module that is being unloaded
 * @obj: the object of the module in one patch, which has been reverted
 *
 * Context: process context, klp_mutex held. Callbacks may sleep.
 */
void klp_states_release(const struct klp_rt_object *obj)
{
	struct klp_rt_state *state;

	lockdep_assert_held(&klp_mutex);

	klp_rt_for_each_state(state, obj->patch) {
		if (state->obj != obj)
			continue;
		klp_state_release(state);
		klp_state_disown(state);
	}
}
EXPORT_SYMBOL_IF_KUNIT(klp_states_release);

/**
 * klp_states_forget() - restore the data of a patch that has left the stack
 * @patch: the patch
 *
 * Context: process context.
 */
void klp_states_forget(struct klp_rt_patch *patch)
{
	struct klp_rt_state *state;

	klp_rt_for_each_state(state, patch)
		klp_state_disown(state);
}
EXPORT_SYMBOL_IF_KUNIT(klp_states_forget);
