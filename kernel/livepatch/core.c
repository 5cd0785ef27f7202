// SPDX-License-Identifier: GPL-2.0
/*
 * Life of a patch: checked, enabled, disabled, enabled again, replaced, freed.
 */

#define pr_fmt(fmt) "livepatch: " fmt

#include <linux/err.h>
#include <linux/init.h>
#include <linux/timekeeping.h>
#include "callbacks.h"
#include "redirect.h"
#include "runtime.h"
#include "stackcheck.h"
#include "state.h"
#include "symbols.h"
#include "sysfs.h"
#include "transition.h"

#define CREATE_TRACE_POINTS
#include <trace/events/livepatch.h>

/*
 * A request to enable or disable a patch has one answer: an errno when it is
 * refused, 0 when the transition is complete, -ECANCELED when the opposite is
 * asked for before that.
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
}

static void klp_request_end(const struct klp_rt_patch *patch, int result)
{
	trace_klp_request_done(patch->name, patch->request, result,
			       ktime_get_ns() - patch->requested_ns);
}

/* Take a patch apart that nothing runs any more. It is not on the stack of patches. */
static void klp_free_patch(struct klp_rt_patch *patch)
{
	struct module *mod = patch->mod;

	klp_rt_hide_modules(patch);
	klp_rt_destroy_patch(patch);
	/* The module may go with this, and the description with the module. */
	module_put(mod);
}

static void klp_free_work_fn(struct work_struct *work)
{
	klp_free_patch(container_of(work, struct klp_rt_patch, free_work));
}

/*
 * Let a patch go that has been disabled or replaced. Not on the spot: the
 * request may have come through one of the files that go with it.
 */
static void klp_retire_patch(struct klp_rt_patch *patch)
{
	klp_rt_unlink_patch(patch);
	schedule_work(&patch->free_work);
}

/* Put a persistent patch aside, disabled. From now on it may go with its module. */
static void klp_park_patch(struct klp_rt_patch *patch)
{
	klp_rt_unlink_patch(patch);
	klp_rt_drop_nops(patch);
	klp_rt_hide_modules(patch);
	list_add_tail(&patch->node, &klp_disabled_patches);
	module_put(patch->mod);
}

/* The transition of @patch is over. */
static void klp_transition_finished(struct klp_rt_patch *patch)
{
	struct klp_rt_patch *old, *next;

	klp_request_end(patch, 0);
	if (!patch->enabled) {
		if (patch->persistent)
			klp_park_patch(patch);
		else
			klp_retire_patch(patch);
		return;
	}
	if (!patch->replace)
		return;
	/* Those above it came later: it has been disabled under them, and turned round. */
	list_for_each_entry_safe(old, next, &klp_patches, node) {
		if (old == patch)
			break;
		klp_retire_patch(old);
	}
}

/* One transition at a time: say so if there is one. */
static bool klp_transition_in_the_way(const char *name, const char *request)
{
	if (!klp_transition_patch)
		return false;
	pr_err("patch '%s' cannot be %s while '%s' is in transition\n", name, request,
	       klp_transition_patch->name);
	return true;
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

/* Patch what is loaded and begin the transition. The patch is on top of the stack. */
static int klp_apply_patch(struct klp_rt_patch *patch)
{
	struct klp_rt_object *obj;
	int ret;

	pr_notice("enabling patch '%s'\n", patch->name);
	klp_transition_init(patch, KLP_TRANSITION_PATCHED);
	klp_redirect_prepare(patch);

	klp_for_each_object(obj, patch) {
		if (!klp_object_loaded(obj))
			continue;
		ret = klp_apply_object(obj);
		if (ret)
			goto cancel;
	}

	WRITE_ONCE(patch->enabled, true);
	klp_transition_start();
	return 0;

cancel:
	pr_warn("failed to enable patch '%s'\n", patch->name);
	/* Releases what has been prepared, this object included. */
	klp_transition_cancel();
	return ret;
}

static int klp_revert_patch(struct klp_rt_patch *patch)
{
	struct klp_rt_object *obj;

	if (klp_transition_in_the_way(patch->name, "disabled"))
		return -EBUSY;

	klp_transition_init(patch, KLP_TRANSITION_UNPATCHED);
	klp_for_each_object(obj, patch)
		klp_callbacks_withdraw(obj);

	WRITE_ONCE(patch->enabled, false);
	klp_transition_start();
	return 0;
}

static int klp_resolve_objects(struct klp_rt_patch *patch)
{
	struct klp_rt_object *obj;
	int ret;

	klp_for_each_object(obj, patch) {
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

	klp_for_each_object(obj, patch) {
		if (klp_object_loaded(obj))
			klp_symbols_release(obj);
	}
}

/* Bring a patch into being that is not on the stack. A reference to its module is held. */
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
	if (ret)
		klp_rt_unlink_patch(patch);
	return ret;
}

/* Is it a description at all? What is in its parts is klp_rt_create_patch()'s. */
static int klp_check_description(const struct klp_patch *desc)
{
	const struct klp_object *obj;

	if (!desc->objs) {
		pr_err("patch '%s' has no objects\n", desc->mod->name);
		return -EINVAL;
	}
	for (obj = desc->objs; obj->name || obj->funcs; obj++) {
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

/* Does it go with the patches that are there? */
static int klp_check_installed(struct klp_patch *desc)
{
	if (klp_transition_in_the_way(desc->mod->name, "enabled"))
		return -EBUSY;
	if (!klp_states_compatible(desc)) {
		pr_err("Livepatch patch (%s) is not compatible with the already installed livepatches.\n",
		       desc->mod->name);
		return -EINVAL;
	}
	return 0;
}

/* A callback holds the lock that the request would wait for. */
static bool klp_callback_in_the_way(const char *name, const char *request)
{
	if (!klp_callback_is_caller())
		return false;
	pr_err("patch '%s' cannot be %s from a callback\n", name, request);
	return true;
}

static int klp_enable_new_patch(struct klp_patch *desc, const char *request, u64 start)
{
	struct klp_rt_patch *patch;
	int ret;

	ret = klp_check_description(desc);
	if (ret)
		return ret;
	if (klp_callback_in_the_way(desc->mod->name, "enabled"))
		return -EDEADLK;
	if (!klp_sysfs_ready())
		return -ENODEV;
	if (!klp_have_reliable_stack()) {
		pr_warn("This architecture doesn't have support for the livepatch consistency model.\n");
		pr_warn("The livepatch transition may never complete.\n");
	}

	mutex_lock(&klp_mutex);
	ret = klp_check_installed(desc);
	if (ret)
		goto unlock;

	if (!try_module_get(desc->mod)) {
		pr_err("module %s is being removed\n", desc->mod->name);
		ret = -ENODEV;
		goto unlock;
	}
	patch = klp_rt_create_patch(desc);
	if (IS_ERR(patch)) {
		ret = PTR_ERR(patch);
		module_put(desc->mod);
		goto unlock;
	}
	INIT_WORK(&patch->free_work, klp_free_work_fn);
	klp_request_begin(patch, request, start);
	ret = klp_install_patch(patch);
	if (ret)
		klp_release_objects(patch);
	mutex_unlock(&klp_mutex);

	/* Without the lock: somebody may wait for it in a file of the patch. */
	if (ret)
		klp_free_patch(patch);
	return ret;

unlock:
	mutex_unlock(&klp_mutex);
	return ret;
}

/**
 * klp_enable_patch() - enable a livepatch
 * @desc: what it changes. Must stay valid until the module's exit is called
 *
 * Checks the patch, runs pre_patch and the patch_hooks of its objects that are
 * loaded, redirects their functions and begins the transition of all tasks.
 * Objects that are not loaded follow when their module comes. When the transition
 * is complete the post_patch callbacks run; that may be before this returns or
 * later.
 *
 * To be called from the init of a livepatch module, as the last thing in it that
 * can fail: the loader frees a module whose init fails, whoever holds a reference,
 * and then the code of a patch that is enabled is gone. A reference to the module is
 * held until the patch has been disabled or replaced. After that the patch is
 * gone, it may come back only by loading its module again. But one that is
 * persistent and has been disabled waits in sysfs, with no reference to its
 * module, to be enabled again.
 *
 * Context: process context, may sleep, takes klp_mutex.
 * Return: 0 when the patch is enabled, though the transition may not be over.
 * -EINVAL: the description is malformed, the module is not marked as a livepatch,
 * a symbol is missing or ambiguous, a function cannot be traced, or the states do
 * not fit those of the patches there are. -ENOENT: the size of a function is not
 * known. -EEXIST: something is there twice, such as this patch. -EBUSY: another
 * patch is in transition, somebody else has redirected a function, or
 * kernel.ftrace_enabled is 0. -EDEADLK: called from a callback or a hook. -ENODEV:
 * the module is being removed, or sysfs could not be set up, which is not logged.
 * -ENOEXEC: the architecture refuses a relocation. -ENOMEM, not logged. Or what
 * pre_patch returned. The rest is logged.
 * The semantics are those of Linux 6.12, but for persistent patches.
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
	if (ret)
		trace_klp_request_done(desc->mod->name, request, ret, ktime_get_ns() - start);
	return ret;
}
EXPORT_SYMBOL_GPL(klp_enable_patch);

/* Enable a persistent patch that is disabled. It stays so, and whole, when that fails. */
static int klp_enable_again(struct klp_rt_patch *patch)
{
	int ret;

	if (list_empty(&patch->node)) {
		pr_err("patch '%s' is leaving and has to be loaded again\n", patch->name);
		return -EINVAL;
	}
	/* From here on the module's exit has not run and cannot. */
	if (!try_module_get(patch->mod)) {
		pr_err("module %s is being removed\n", patch->name);
		return -ENODEV;
	}
	ret = klp_check_installed(patch->desc);
	if (!ret && patch->replace)
		ret = klp_rt_add_nops(patch);
	if (!ret)
		ret = klp_install_patch(patch);
	if (ret)
		klp_park_patch(patch);
	return ret;
}

static int klp_switch_patch(struct klp_rt_patch *patch, bool enable, const char *request,
			    u64 start)
{
	if (klp_callback_in_the_way(patch->name, enable ? "enabled" : "disabled"))
		return -EDEADLK;

	guard(mutex)(&klp_mutex);

	if (enable == patch->enabled) {
		pr_err("patch '%s' is %s already\n", patch->name,
		       enable ? "enabled" : "disabled");
		return -EINVAL;
	}
	if (patch == klp_transition_patch) {
		klp_request_end(patch, -ECANCELED);
		klp_request_begin(patch, request, start);
		WRITE_ONCE(patch->enabled, enable);
		klp_transition_reverse();
		return 0;
	}

	klp_request_begin(patch, request, start);
	return enable ? klp_enable_again(patch) : klp_revert_patch(patch);
}

/* Somebody has written to /sys/kernel/livepatch/<patch>/enabled. */
static int klp_request_enable(struct klp_rt_patch *patch, bool enable)
{
	const char *request = klp_request_name(enable, patch->replace);
	u64 start = ktime_get_ns();
	int ret;

	trace_klp_request(patch->name, request);
	ret = klp_switch_patch(patch, enable, request, start);
	if (ret)
		trace_klp_request_done(patch->name, request, ret, ktime_get_ns() - start);
	return ret;
}

/* Somebody has written 1 to /sys/kernel/livepatch/<patch>/force. */
static int klp_request_force(struct klp_rt_patch *patch)
{
	if (klp_callback_in_the_way(patch->name, "forced"))
		return -EDEADLK;

	guard(mutex)(&klp_mutex);

	if (patch != klp_transition_patch) {
		pr_err("patch '%s' is not in transition\n", patch->name);
		return -EINVAL;
	}
	klp_transition_force();
	return 0;
}

static const struct klp_sysfs_requests klp_requests = {
	.enable = klp_request_enable,
	.force = klp_request_force,
};

static int __init klp_init(void)
{
	klp_transition_setup(klp_transition_finished);
	return klp_sysfs_setup(&klp_requests);
}
module_init(klp_init);
