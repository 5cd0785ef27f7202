// SPDX-License-Identifier: GPL-2.0
/* Loading and unloading of modules that patches name. */

#define pr_fmt(fmt) "livepatch: " fmt

#include "callbacks.h"
#include "core.h"
#include "redirect.h"
#include "runtime.h"
#include "state.h"
#include "symbols.h"
#include "transition.h"

/* Apply the patch of @obj to its module, which is being loaded. */
static int klp_apply_to_module(struct klp_rt_object *obj, struct module *mod)
{
	struct klp_rt_patch *patch = obj->patch;
	int ret;

	klp_rt_set_module(obj, mod);
	ret = klp_symbols_resolve(obj);
	if (ret) {
		pr_warn("failed to initialize patch '%s' for module '%s' (%d)\n",
			patch->name, mod->name, ret);
		goto forget;
	}

	pr_notice("applying patch '%s' to loading module '%s'\n", patch->name, mod->name);
	ret = klp_states_enable(patch, obj);
	if (ret)
		goto release;
	ret = klp_callbacks_prepare(obj);
	if (ret) {
		pr_warn("pre-patch callback failed for object '%s'\n", obj->name);
		goto release;
	}
	ret = klp_redirect_object(obj);
	if (ret) {
		pr_warn("failed to apply patch '%s' to module '%s' (%d)\n", patch->name,
			mod->name, ret);
		klp_callbacks_release(obj);
		goto release;
	}

	klp_transition_object_changed();
	/* In its transition, the end of the transition makes the object live. */
	if (patch != klp_transition_patch)
		klp_callbacks_publish(obj);
	klp_states_publish(obj);
	return 0;

release:
	klp_states_release(obj);
	klp_symbols_release(obj);
forget:
	klp_rt_set_module(obj, NULL);
	return ret;
}

/* Revert @obj, whose module is being unloaded: no task runs its functions. */
static void klp_revert_from_module(struct klp_rt_object *obj)
{
	struct klp_rt_patch *patch = obj->patch;

	klp_states_withdraw(obj);
	klp_callbacks_withdraw(obj);
	pr_notice("reverting patch '%s' on unloading module '%s'\n", patch->name,
		  obj->mod->name);
	klp_unredirect_object(obj);
	klp_redirect_synchronize();
	klp_callbacks_release(obj);
	klp_states_release(obj);

	klp_transition_object_changed();
	klp_symbols_release(obj);
	klp_rt_set_module(obj, NULL);
}

/* Revert all patches from @mod, or those below @limit. */
static void klp_revert_patches(struct module *mod, struct klp_rt_patch *limit)
{
	struct klp_rt_object *obj;
	struct klp_rt_patch *patch;

	klp_for_each_patch(patch) {
		if (patch == limit)
			break;
		obj = klp_rt_find_object(patch, mod->name);
		if (obj && obj->mod)
			klp_revert_from_module(obj);
	}
}

static void klp_revert_module(struct module *mod, struct klp_rt_patch *limit)
{
	mod->klp_alive = false;
	if (klp_rt_is_target(mod->name))
		klp_revert_patches(mod, limit);
	klp_redirect_forget_module(mod);
}

/*
 * Clear the relocations of disabled patches against @mod. They are kept as long as @mod is
 * loaded, since the livepatch module may use them. A livepatch module that is being unloaded
 * itself does not need them, and its description may have been freed.
 */
static void klp_forget_target(struct module *mod)
{
	struct klp_rt_object *obj;
	struct klp_rt_patch *patch;

	list_for_each_entry(patch, &klp_disabled_patches, node) {
		klp_rt_for_each_object(obj, patch) {
			if (obj->mod != mod)
				continue;
			if (try_module_get(patch->mod)) {
				klp_symbols_release(obj);
				module_put(patch->mod);
			}
			obj->mod = NULL;
		}
	}
}

/* Return the disabled patch whose module is @mod, or NULL. Removes it from all lists. */
static struct klp_rt_patch *klp_take_disabled_patch(const struct module *mod)
{
	struct klp_rt_patch *patch;

	list_for_each_entry(patch, &klp_disabled_patches, node) {
		if (patch->mod == mod) {
			klp_rt_unlink_patch(patch);
			return patch;
		}
	}
	return NULL;
}

/**
 * klp_module_coming() - patch a module that is being loaded
 * @mod: the module, MODULE_STATE_COMING, none of its code has run
 *
 * The loader does not load the module after an error: the module would run unpatched. Each
 * error is logged. The semantics are those of Linux 6.12.
 *
 * Context: process context, may sleep, takes klp_mutex.
 * Return:
 * * %0 - all patches that name @mod have been applied
 * * %-EINVAL - the name of the module is "vmlinux"
 * * the errno of the patch that could not be applied
 */
int klp_module_coming(struct module *mod)
{
	struct klp_rt_object *obj;
	struct klp_rt_patch *patch;
	int ret;

	/* In sysfs and in names of symbols, "vmlinux" is the kernel. */
	if (!strcmp(mod->name, "vmlinux")) {
		pr_err("vmlinux.ko: invalid module name\n");
		return -EINVAL;
	}

	guard(mutex)(&klp_mutex);

	/* A patch that is enabled later finds the module by itself. */
	mod->klp_alive = true;
	if (!klp_rt_is_target(mod->name))
		return 0;

	klp_for_each_patch(patch) {
		obj = klp_rt_find_object(patch, mod->name);
		if (!obj)
			continue;
		ret = klp_apply_to_module(obj, mod);
		if (!ret)
			continue;
		pr_warn("patch '%s' failed for module '%s', refusing to load module '%s'\n",
			patch->name, mod->name, mod->name);
		klp_revert_module(mod, patch);
		return ret;
	}
	return 0;
}

/**
 * klp_module_going() - revert all patches from a module that is being unloaded
 * @mod: the module, MODULE_STATE_GOING after its exit, or MODULE_STATE_COMING when loading it has
 *	 failed
 *
 * A disabled persistent patch is freed with its module. An enabled patch whose module has
 * failed in its init, after klp_enable_patch(), is disabled first. Otherwise the semantics are
 * those of Linux 6.12.
 *
 * Context: process context, may sleep, takes klp_mutex.
 */
void klp_module_going(struct module *mod)
{
	struct klp_rt_patch *patch;

	klp_withdraw_patch_of(mod);

	mutex_lock(&klp_mutex);
	klp_revert_module(mod, NULL);
	klp_forget_target(mod);
	patch = klp_take_disabled_patch(mod);
	mutex_unlock(&klp_mutex);

	/* Drop klp_mutex before: a writer to a file of the patch may wait for the lock. */
	if (patch)
		klp_rt_destroy_patch(patch);
}
