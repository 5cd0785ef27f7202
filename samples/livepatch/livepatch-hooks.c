// SPDX-License-Identifier: GPL-2.0
/*
 * livepatch-hooks - work before the init and after the exit of a module
 *
 * Technique: the two arrays of hooks of an object. patch_hooks run after pre_patch and before
 * functions are redirected, that is, before the init of a module that is loaded under the
 * patch. unpatch_hooks run after the redirection has been removed, before post_unpatch, that
 * is, after the exit of a module that is unloaded, while its memory exists. The hooks run in
 * the order of the array. A nonzero result is logged and has no other effect. A step that must
 * be able to refuse belongs in pre_patch.
 *
 * Here the first array raises the default of a parameter of livepatch-hooks-target before that
 * module reads it. A value of the user is parsed later and takes precedence. The second array
 * removes what the exit of the module leaves.
 *
 * Both check the state of the module, because they also run for a live module: when the patch
 * is loaded after it, and when the patch is disabled. In the first case it is too late, and the
 * hook returns an error. In the second case there is nothing to do.
 *
 * An atomic replace runs no hook of the replaced patch. Nothing is lost here: the parameter
 * belongs to the module, and a new patch removes the directory if it has this hook.
 *
 *	modprobe livepatch-hooks
 *	modprobe livepatch-hooks-target
 *	cat /sys/kernel/debug/livepatch-hooks-target/capacity	# 64, not 4
 *	rmmod livepatch-hooks-target
 *	ls -d /sys/kernel/debug/livepatch-hooks-target		# removed
 */
#define pr_fmt(fmt) "livepatch_hooks: " fmt

#include <linux/debugfs.h>
#include <linux/livepatch.h>
#include <linux/moduleparam.h>
#include <linux/string.h>

static int announce(struct klp_object *obj)
{
	pr_info("patch hooks of %s%s\n", obj->name,
		obj->mod->state == MODULE_STATE_COMING ? ", before its init" : "");
	return 0;
}

static int raise_capacity(struct klp_object *obj)
{
	struct module *mod = obj->mod;
	unsigned int i;

	/* init has already used the value. */
	if (mod->state != MODULE_STATE_COMING)
		return -EBUSY;

	for (i = 0; i < mod->num_kp; i++) {
		const struct kernel_param *param = &mod->kp[i];

		if (!strcmp(param->name, "capacity"))
			return param->ops->set("64", param);
	}
	return -ENOENT;
}

static int remove_leftover(struct klp_object *obj)
{
	/* The patch is being disabled, and the module continues to use its directory. */
	if (obj->mod->state != MODULE_STATE_GOING)
		return 0;

	debugfs_lookup_and_remove("livepatch-hooks-target", NULL);
	pr_info("unpatch hooks of %s, after its exit\n", obj->name);
	return 0;
}

static struct klp_hook patch_hooks[] = {
	{ .hook = announce },
	{ .hook = raise_capacity },
	{ }
};

static struct klp_hook unpatch_hooks[] = {
	{ .hook = remove_leftover },
	{ }
};

/* An object need not replace a function. */
static struct klp_func nothing_to_replace[] = {
	{ }
};

static struct klp_object objects[] = {
	{
		.name = "livepatch_hooks_target",
		.funcs = nothing_to_replace,
		.patch_hooks = patch_hooks,
		.unpatch_hooks = unpatch_hooks,
	},
	{ }
};

static struct klp_patch hooks_patch = {
	.objs = objects,
	.mod = THIS_MODULE,
};

static int __init hooks_init(void)
{
	return klp_enable_patch(&hooks_patch);
}

static void __exit hooks_exit(void)
{
}

module_init(hooks_init);
module_exit(hooks_exit);
MODULE_INFO(livepatch, "Y");
MODULE_DESCRIPTION("Livepatch sample: hooks before init and after exit");
MODULE_LICENSE("GPL");
