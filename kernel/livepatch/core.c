// SPDX-License-Identifier: GPL-2.0
/*
 * The life of a patch.
 *
 *	klp_enable_patch()	       klp_enable_again()
 *	       |			      |
 *	       v			      |
 *	   INSTALLED <------------------------+
 *	       |     \
 *	       |      +--- an object fails ---> freed, or PARKED again
 *	       v
 *	   PATCHING <--- klp_transition_reverse() ---> UNPATCHING
 *	       |					^     |
 *	       v					|     v
 *	    PATCHED ------- klp_revert_patch() ---------+   RETIRED, or PARKED if persistent
 *	       |
 *	       +--- another patch replaces it ---> RETIRED
 *
 *   INSTALLED	The patch has its directory in sysfs, the symbols of its loaded objects are
 *		resolved, and it is on the stack of patches, klp_patches. klp_install_patch()
 *		does this and klp_apply_patch() continues. Their callers undo it.
 *   PATCHING	The patch is klp_transition_patch, and all tasks are being switched to
 *		KLP_TRANSITION_PATCHED.
 *   PATCHED	No transition, and patch->enabled is true.
 *   UNPATCHING	As PATCHING, for KLP_TRANSITION_UNPATCHED.
 *   PARKED	The patch is on klp_disabled_patches without a reference to its module.
 *		klp_module_going() frees it when its module is unloaded.
 *   RETIRED	The patch is on klp_retired_patches until klp_free_work frees it.
 *
 * A description is checked in six places:
 *
 *   klp_check_description()	the arrays exist, the module is a livepatch
 *   klp_check_installed()	no other transition, the states fit the installed patches and
 *				none is removed that must stay
 *   klp_rt_create_patch()	names, duplicates by name, no part in an init section
 *   klp_rt_check_conflicts()	no function of a patch of another set
 *   klp_sysfs_add_patch()	no directory or file of the same name exists
 *   klp_symbols_resolve()	per loaded object: symbols, sizes, duplicates by address
 */

#define pr_fmt(fmt) "livepatch: " fmt

#include <linux/err.h>
#include <linux/init.h>
#include <linux/timekeeping.h>
#include <linux/workqueue.h>
#include "callbacks.h"
#include "core.h"
#include "exiting.h"
#include "held.h"
#include "redirect.h"
#include "runtime.h"
#include "stackcheck.h"
#include "state.h"
#include "symbols.h"
#include "sysfs.h"
#include "transition.h"
#include "uevent.h"

#define CREATE_TRACE_POINTS
#include <trace/events/livepatch.h>

/*
 * Name a request in the trace. Each klp_request event has one klp_request_done event: with
 * an errno when the request is refused, with 0 when the transition is complete, and with
 * -ECANCELED when the opposite is requested before that.
 */
static const char *klp_request_name(bool enable, bool replace)
{
	if (!enable)
		return "disable";
	return replace ? "replace" : "enable";
}

static void klp_request_begin(struct klp_rt_patch *patch, const char *request, u64 start)
{
	patch->request = request;
	patch->requested_ns = start;
	WRITE_ONCE(patch->since, ktime_get_boottime_seconds());
}

static void klp_request_end(struct klp_rt_patch *patch, int result)
{
	WRITE_ONCE(patch->since, ktime_get_boottime_seconds());
	trace_klp_request_done(patch->name, patch->request, result,
			       ktime_get_ns() - patch->requested_ns);
}

/* Free @patch. It is not on the stack of patches, and no task runs its code. */
static void klp_free_patch(struct klp_rt_patch *patch)
{
	struct module *mod = patch->mod;

	klp_states_forget(patch);
	klp_rt_clear_description(patch);
	klp_rt_destroy_patch(patch);
	/* The last reference may be dropped here: the module and its description may be freed. */
	module_put(mod);
}

/* Patches that have left the stack and that klp_free_work frees. */
static LIST_HEAD(klp_retired_patches);

/*
 * Free the retired patches, then send the events. Functions are unregistered from ftrace first, so
 * that another user of ftrace can have them as soon as the directory of the patch is removed.
 *
 * Patches and events are taken together: an event that is taken is sent when the patches that had
 * been retired before it are freed.
 */
static void klp_free_work_fn(struct work_struct *work)
{
	struct klp_rt_patch *patch, *next;
	LIST_HEAD(uevents);
	LIST_HEAD(patches);

	scoped_guard(mutex, &klp_mutex) {
		list_splice_init(&klp_retired_patches, &patches);
		klp_uevents_take(&uevents);
	}
	if (!list_empty(&patches))
		klp_redirect_trim();
	list_for_each_entry_safe(patch, next, &patches, node) {
		list_del_init(&patch->node);
		klp_free_patch(patch);
	}
	klp_uevents_send(&uevents);
}

static DECLARE_WORK(klp_free_work, klp_free_work_fn);

/* Send an event of @patch, which is in transition or has been. */
static void klp_announce(const struct klp_rt_patch *patch, const char *event, int remaining)
{
	const char *direction = patch->enabled ? "patching" : "unpatching";

	klp_uevent_add(patch->name, event, direction, remaining, 0);
	queue_work(system_unbound_wq, &klp_free_work);
}

/* Send an event of a request that has been refused. */
static void klp_announce_failure(const char *name, int error)
{
	klp_uevent_add(name, "fail", NULL, KLP_UEVENT_NO_REMAINING, error);
	queue_work(system_unbound_wq, &klp_free_work);
}

/*
 * Free a disabled or replaced patch from a work item. The caller may be in a write to one of
 * its sysfs files, and removing a file waits for its writers.
 */
static void klp_retire_patch(struct klp_rt_patch *patch)
{
	klp_rt_unlink_patch(patch);
	patch->retired = true;
	list_add_tail(&patch->node, &klp_retired_patches);
	queue_work(system_unbound_wq, &klp_free_work);
}

/*
 * Move a disabled persistent patch to klp_disabled_patches. The reference to its module is
 * dropped: the module can be unloaded, which frees the patch.
 */
static void klp_park_patch(struct klp_rt_patch *patch)
{
	klp_rt_unlink_patch(patch);
	klp_rt_drop_nops(patch);
	klp_states_forget(patch);
	klp_rt_clear_description(patch);
	list_add_tail(&patch->node, &klp_disabled_patches);
	module_put(patch->mod);
}

/* Answer the request for the transition of @patch, and retire what the transition leaves. */
static void klp_transition_finished(struct klp_rt_patch *patch)
{
	struct klp_rt_patch *old, *next;

	klp_request_end(patch, 0);
	klp_announce(patch, "complete", 0);
	if (!patch->enabled) {
		if (patch->persistent)
			klp_park_patch(patch);
		else
			klp_retire_patch(patch);
		return;
	}
	/* Keep the patches above @patch: its disabling has been reversed, and they are newer. */
	list_for_each_entry_safe(old, next, &klp_patches, node) {
		if (old == patch)
			break;
		if (klp_replaces(patch->desc, old))
			klp_retire_patch(old);
	}
}

/* Return -EBUSY during a transition: there is one at a time. */
static int klp_check_transition(const char *name, const char *request)
{
	if (!klp_transition_patch)
		return 0;
	pr_err("patch '%s' cannot be %s while '%s' is in transition\n", name, request,
	       klp_transition_patch->name);
	return -EBUSY;
}

static int klp_apply_object(struct klp_rt_object *obj)
{
	int ret;

	ret = klp_callbacks_prepare(obj);
	if (ret) {
		pr_warn("pre-patch callback failed for object '%s'\n", klp_object_name(obj));
		return ret;
	}
	ret = klp_redirect_object(obj);
	if (ret)
		pr_warn("failed to patch object '%s'\n", klp_object_name(obj));
	return ret;
}

/* Patch the loaded objects and start the transition. @patch is on top of the stack. */
static int klp_apply_patch(struct klp_rt_patch *patch)
{
	struct klp_rt_object *obj;
	int ret;

	pr_notice("enabling patch '%s'\n", patch->name);
	klp_transition_init(patch, KLP_TRANSITION_PATCHED);
	ret = klp_states_enable(patch, NULL);
	if (ret)
		goto cancel;
	klp_redirect_prepare(patch);

	klp_rt_for_each_object(obj, patch) {
		if (!klp_object_loaded(obj))
			continue;
		ret = klp_apply_object(obj);
		if (ret)
			goto cancel;
	}

	/* No failure can follow: states that the patch removes are withdrawn. */
	klp_states_replace(patch);
	klp_rt_set_enabled(patch, true);
	klp_announce(patch, "start", KLP_UEVENT_NO_REMAINING);
	klp_transition_start();
	return 0;

cancel:
	pr_warn("failed to enable patch '%s'\n", patch->name);
	/* Releases the prepared states and objects, the failed ones included. */
	klp_transition_cancel();
	return ret;
}

/* Start to disable @patch. No transition is running. */
static void klp_revert_patch(struct klp_rt_patch *patch)
{
	struct klp_rt_object *obj;

	klp_transition_init(patch, KLP_TRANSITION_UNPATCHED);
	klp_states_disable(patch);
	klp_rt_for_each_object(obj, patch)
		klp_callbacks_withdraw(obj);

	klp_rt_set_enabled(patch, false);
	klp_announce(patch, "start", KLP_UEVENT_NO_REMAINING);
	klp_transition_start();
}

static int klp_resolve_objects(struct klp_rt_patch *patch)
{
	struct klp_rt_object *obj;
	int ret;

	klp_rt_for_each_object(obj, patch) {
		klp_rt_find_module(obj);
		if (!klp_object_loaded(obj))
			continue;
		ret = klp_symbols_resolve(obj);
		if (ret) {
			klp_rt_set_module(obj, NULL);
			return ret;
		}
	}
	return 0;
}

static void klp_release_objects(struct klp_rt_patch *patch)
{
	struct klp_rt_object *obj;

	klp_rt_for_each_object(obj, patch) {
		if (klp_object_loaded(obj))
			klp_symbols_release(obj);
	}
}

/* Put @patch on the stack and start its transition. The caller holds a module reference. */
static int klp_install_patch(struct klp_rt_patch *patch)
{
	int ret;

	ret = klp_sysfs_add_patch(patch);
	if (ret)
		return ret;
	ret = klp_resolve_objects(patch);
	if (ret)
		return ret;

	klp_rt_push_patch(patch);
	ret = klp_apply_patch(patch);
	if (ret) {
		klp_rt_unlink_patch(patch);
		klp_redirect_retire();
	}
	return ret;
}

/*
 * Check that the arrays exist and that the module is a livepatch. klp_rt_create_patch()
 * validates the entries.
 */
static int klp_check_description(const struct klp_patch *desc)
{
	const struct klp_object *obj;

	if (!desc->objs) {
		pr_err("patch '%s' has no objects\n", desc->mod->name);
		return -EINVAL;
	}
	klp_for_each_object_static(desc, obj) {
		if (obj->funcs)
			continue;
		pr_err("object '%.64s' of patch '%s' has no array of functions\n", obj->name,
		       desc->mod->name);
		return -EINVAL;
	}
	if (!is_livepatch_module(desc->mod)) {
		pr_err("module %s is not marked as a livepatch module\n", desc->mod->name);
		return -EINVAL;
	}
	return 0;
}

/* Check that the installed patches allow this one: no transition, compatible states. */
static int klp_check_installed(struct klp_patch *desc)
{
	int ret;

	ret = klp_check_transition(desc->mod->name, "enabled");
	if (ret)
		return ret;
	if (!klp_states_compatible(desc)) {
		pr_err("Livepatch patch (%s) is not compatible with the already installed livepatches.\n",
		       desc->mod->name);
		return -EINVAL;
	}
	return klp_states_check_replace(desc);
}

/* Return -EDEADLK in a callback: its caller holds klp_mutex, which the request would take. */
static int klp_check_caller(const char *name, const char *request)
{
	if (!klp_callback_is_caller())
		return 0;
	pr_err("patch '%s' cannot be %s from a callback\n", name, request);
	return -EDEADLK;
}

/* Create the patch of @desc, with a reference to its module. Returns it, or an ERR_PTR(). */
static struct klp_rt_patch *klp_create_patch(struct klp_patch *desc)
{
	struct klp_rt_patch *patch;
	int ret;

	ret = klp_check_installed(desc);
	if (ret)
		return ERR_PTR(ret);
	ret = klp_record_exiting();
	if (ret)
		return ERR_PTR(ret);

	if (!try_module_get(desc->mod)) {
		pr_err("module %s is being removed\n", desc->mod->name);
		return ERR_PTR(-ENODEV);
	}
	patch = klp_rt_create_patch(desc);
	if (IS_ERR(patch)) {
		ret = PTR_ERR(patch);
		goto put;
	}
	ret = klp_rt_check_conflicts(patch);
	if (ret) {
		klp_rt_destroy_patch(patch);
		goto put;
	}
	return patch;

put:
	module_put(desc->mod);
	return ERR_PTR(ret);
}

static int klp_enable_new_patch(struct klp_patch *desc, const char *request, u64 start)
{
	struct klp_rt_patch *patch;
	int ret;

	ret = klp_check_description(desc);
	if (ret)
		return ret;
	ret = klp_check_caller(desc->mod->name, "enabled");
	if (ret)
		return ret;
	if (!klp_sysfs_ready())
		return -ENODEV;
	if (!klp_have_reliable_stack()) {
		pr_warn("This architecture doesn't have support for the livepatch consistency model.\n");
		pr_warn("The livepatch transition may never complete.\n");
	}

	scoped_guard(mutex, &klp_mutex) {
		patch = klp_create_patch(desc);
		if (IS_ERR(patch))
			return PTR_ERR(patch);
		klp_request_begin(patch, request, start);
		ret = klp_install_patch(patch);
		if (ret)
			klp_release_objects(patch);
	}
	/* Drop klp_mutex before: a writer to a file of @patch may wait for the lock. */
	if (ret) {
		klp_redirect_trim();
		klp_free_patch(patch);
	}
	return ret;
}

/**
 * klp_enable_patch() - enable a livepatch
 * @desc: description of the patch, which must stay valid until the exit of its module
 *
 * Checks the description, runs pre_patch and the patch_hooks of the loaded objects,
 * redirects their functions and starts the transition of all tasks. An object that is not
 * loaded is patched when its module is loaded. The post_patch callbacks run when the
 * transition is complete, before or after this function returns.
 *
 * Call it from the init of a livepatch module. The patch holds a reference to the module
 * until it has been disabled or replaced. After that the patch is freed, and enabling it
 * again takes another load of its module. A disabled persistent patch is not freed: it
 * stays in sysfs without a reference to its module, and can be enabled there.
 *
 * When the init fails after this call has succeeded, the patch is disabled, and the loader
 * waits for the end of that transition before it frees the module.
 *
 * The semantics are those of Linux 6.12, persistent patches excepted.
 *
 * Context: process context, may sleep, takes klp_mutex.
 * Return:
 * * %0 - the patch is enabled, its transition may still be running
 * * %-EINVAL - the description is malformed, the module is not marked as a livepatch, a
 *   symbol is missing or ambiguous, a function cannot be traced, or the
 *   states do not fit those of the installed patches
 * * %-ENOENT - the size of a function is not known
 * * %-EEXIST - an object, a function or the patch exists already
 * * %-EBUSY - another patch is in transition, a patch of another set changes a function or
 *   has a state of this one, the patch would remove a state that blocks this, another user of
 *   ftrace has redirected a function, or kernel.ftrace_enabled is 0
 * * %-EDEADLK - the caller is a callback or a hook
 * * %-ENODEV - the module is being removed, or sysfs could not be set up (not logged)
 * * %-ENOEXEC - the architecture refuses a relocation
 * * %-ENOMEM - no memory (not logged)
 * * the errno that a pre_patch callback of an object or a state has returned
 */
int klp_enable_patch(struct klp_patch *desc)
{
	u64 start = ktime_get_ns();
	const char *request;
	int ret;

	if (!desc) {
		pr_err("no patch to enable\n");
		return -EINVAL;
	}
	if (!desc->mod) {
		pr_err("a patch without a module cannot be enabled\n");
		return -EINVAL;
	}

	request = klp_request_name(true, desc->replace);
	trace_klp_request(desc->mod->name, request);
	ret = klp_enable_new_patch(desc, request, start);
	if (ret) {
		trace_klp_request_done(desc->mod->name, request, ret, ktime_get_ns() - start);
		klp_announce_failure(desc->mod->name, ret);
	}
	return ret;
}
EXPORT_SYMBOL_GPL(klp_enable_patch);

/* Enable a disabled persistent patch. When that fails, the patch stays disabled. */
static int klp_enable_again(struct klp_rt_patch *patch)
{
	int ret;

	if (patch->retired || list_empty(&patch->node)) {
		pr_err("patch '%s' is being removed and has to be loaded again\n", patch->name);
		return -EINVAL;
	}
	/* Afterwards the exit of the module cannot run. */
	if (!try_module_get(patch->mod)) {
		pr_err("module %s is being removed\n", patch->name);
		return -ENODEV;
	}
	ret = klp_check_installed(patch->desc);
	if (!ret)
		ret = klp_rt_check_conflicts(patch);
	if (!ret && patch->replace)
		ret = klp_rt_add_nops(patch);
	if (!ret)
		ret = klp_install_patch(patch);
	if (ret)
		klp_park_patch(patch);
	return ret;
}

/* Reverse the transition of @patch, and answer the request that had started it. */
static void klp_reverse_patch(struct klp_rt_patch *patch, bool enable, const char *request,
			      u64 start)
{
	klp_request_end(patch, -ECANCELED);
	klp_request_begin(patch, request, start);
	klp_rt_set_enabled(patch, enable);
	klp_announce(patch, "reverse", KLP_UEVENT_NO_REMAINING);
	klp_transition_reverse();
}

/* Return -ENODEV when the module of @patch is being unloaded: the patch only can go. */
static int klp_check_module(struct klp_rt_patch *patch, const char *request)
{
	if (!patch->leaving)
		return 0;
	pr_err("patch '%s' cannot be %s because its module is being unloaded\n", patch->name,
	       request);
	return -ENODEV;
}

static int klp_switch_patch(struct klp_rt_patch *patch, bool enable, const char *request,
			    u64 start)
{
	const char *result = enable ? "enabled" : "disabled";
	int ret;

	ret = klp_check_caller(patch->name, result);
	if (ret)
		return ret;

	guard(mutex)(&klp_mutex);

	ret = klp_check_module(patch, result);
	if (ret)
		return ret;
	if (enable == patch->enabled) {
		pr_err("patch '%s' is already %s\n", patch->name, result);
		return -EINVAL;
	}
	if (patch == klp_transition_patch) {
		klp_reverse_patch(patch, enable, request, start);
		return 0;
	}

	klp_request_begin(patch, request, start);
	if (enable)
		return klp_enable_again(patch);
	ret = klp_check_transition(patch->name, result);
	if (!ret)
		ret = klp_states_check_disable(patch);
	if (!ret)
		klp_revert_patch(patch);
	return ret;
}

/* Handle a write to /sys/kernel/livepatch/<patch>/enabled. */
static int klp_request_enable(struct klp_rt_patch *patch, bool enable)
{
	const char *request = klp_request_name(enable, patch->replace);
	u64 start = ktime_get_ns();
	int ret;

	trace_klp_request(patch->name, request);
	ret = klp_switch_patch(patch, enable, request, start);
	if (ret) {
		trace_klp_request_done(patch->name, request, ret, ktime_get_ns() - start);
		klp_announce_failure(patch->name, ret);
	}
	return ret;
}

/*
 * Return -EBUSY when force would leave tasks in a module whose init has not succeeded. These
 * are the module of @patch while it is being disabled, and the modules of the patches that
 * @patch replaces. When an init fails, the loader frees the module without regard to
 * references.
 */
static int klp_check_init_done(struct klp_rt_patch *patch)
{
	struct klp_rt_patch *old;
	bool is_left;

	klp_for_each_patch(old) {
		is_left = old == patch ? !patch->enabled :
			  patch->enabled && klp_replaces(patch->desc, old);
		if (is_left && old->mod->state != MODULE_STATE_LIVE) {
			pr_err("patch '%s' cannot be forced: the init of module '%s' has not succeeded\n",
			       patch->name, old->name);
			return -EBUSY;
		}
		if (old == patch)
			break;
	}
	return 0;
}

/* Handle 1 written to /sys/kernel/livepatch/<patch>/force. */
static int klp_request_force(struct klp_rt_patch *patch)
{
	int ret;

	ret = klp_check_caller(patch->name, "forced");
	if (ret)
		return ret;

	guard(mutex)(&klp_mutex);

	/* The loader frees the module after this transition, and a forced task may be in it. */
	ret = klp_check_module(patch, "forced");
	if (ret)
		return ret;
	if (patch != klp_transition_patch) {
		pr_err("patch '%s' is not in transition\n", patch->name);
		return -EINVAL;
	}
	ret = klp_check_init_done(patch);
	if (ret)
		return ret;
	klp_announce(patch, "force", klp_transition_remaining(patch));
	klp_transition_force();
	return 0;
}

static struct klp_rt_patch *klp_find_patch_of(const struct module *mod)
{
	struct klp_rt_patch *patch;

	klp_for_each_patch(patch) {
		if (patch->mod == mod)
			return patch;
	}
	return NULL;
}

/*
 * Take the next step in disabling the patch of @mod. Returns false when the patch is not on
 * the stack. After true the caller waits for the end of a transition and calls again.
 */
static bool klp_withdraw_step(struct module *mod)
{
	const char *request = klp_request_name(false, false);
	struct klp_rt_patch *patch;

	guard(mutex)(&klp_mutex);

	patch = klp_find_patch_of(mod);
	if (!patch)
		return false;
	if (!patch->leaving)
		pr_warn("module '%s' is being unloaded, disabling its patch\n", patch->name);
	patch->leaving = true;
	if (!patch->enabled || (klp_transition_patch && klp_transition_patch != patch))
		return true;

	trace_klp_request(patch->name, request);
	if (klp_transition_patch) {
		klp_reverse_patch(patch, false, request, ktime_get_ns());
	} else {
		klp_request_begin(patch, request, ktime_get_ns());
		klp_revert_patch(patch);
	}
	return true;
}

/**
 * klp_withdraw_patch_of() - disable the patch of a module that is being unloaded
 * @mod: the module, MODULE_STATE_GOING
 *
 * An enabled patch holds a reference to its module. But the loader frees a module whose
 * init fails without regard to references, and init may fail after klp_enable_patch() has
 * succeeded. The loader waits here until no task runs code of the patch and post_unpatch
 * has run.
 *
 * Context: process context, takes klp_mutex, sleeps as long as a transition takes.
 */
void klp_withdraw_patch_of(struct module *mod)
{
	if (!is_livepatch_module(mod))
		return;
	while (klp_withdraw_step(mod))
		klp_transition_wait();
	/* A patch that has left the stack uses its module until klp_free_work has freed it. */
	flush_work(&klp_free_work);
}

static const struct klp_sysfs_requests klp_requests = {
	.enable = klp_request_enable,
	.force = klp_request_force,
	.remaining = klp_transition_remaining,
	.held = klp_held_show,
};

static int __init klp_init(void)
{
	klp_transition_setup(klp_transition_finished);
	return klp_sysfs_setup(&klp_requests);
}
module_init(klp_init);
