// SPDX-License-Identifier: GPL-2.0
/*
 * livepatch-hooks - work at a module's borders: before its init, after its exit
 *
 * What it teaches: the two hook arrays of an object.  patch_hooks run after pre_patch and before
 * any function is redirected, so before the init of a module that is loaded under the patch.
 * unpatch_hooks run when the redirection is removed, before post_unpatch, so after the exit of a
 * module that is removed, while its memory is still there.  Each entry is one job; they run in the
 * order of the array.  What a job returns refuses nothing: the core logs any value but 0 and goes
 * on with the next.  What must be able to refuse belongs in pre_patch.
 *
 * Here the first array raises the default of a parameter of livepatch-hooks-target before that
 * module reads it; a value that the user gives is parsed later and wins.  The second removes what
 * the module's exit leaves behind.
 *
 * Both look at the module's state, because they run for a module that is live as well: when the
 * patch is loaded after it, and when the patch is disabled.  For the first it is too late then,
 * and it says so by what it returns; for the second there is nothing to do.
 *
 * Atomic replace runs neither array of the patch that leaves.  Nothing is lost by it here: the
 * parameter is the module's, and a patch that takes over removes the folder if it has this hook.
 *
 *	modprobe livepatch-hooks
 *	modprobe livepatch-hooks-target
 *	cat /sys/kernel/debug/livepatch-hooks-target/capacity	# 64, not 4
 *	rmmod livepatch-hooks-target
 *	ls -d /sys/kernel/debug/livepatch-hooks-target		# has gone
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

	/* init has used the value already. */
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
	/* The patch is being disabled, and the module goes on using its folder. */
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

/* There need not be any function to replace. */
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
