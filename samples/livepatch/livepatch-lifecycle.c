// SPDX-License-Identifier: GPL-2.0
/*
 * livepatch-lifecycle - the four callbacks, of vmlinux and of a module
 *
 * Technique: when each callback runs, and the state of the module at that time. vmlinux is
 * always loaded. A module is "live" when the patch is loaded after it, "coming" (before its
 * init) when it is loaded under the patch, and "going" (after its exit) when it is unloaded
 * under the patch. The state determines how a callback may use data of the module.
 *
 *	modprobe livepatch-story-sum
 *	modprobe livepatch-lifecycle		# /proc/version, /proc/story_sum: the new functions
 *	rmmod livepatch-story-sum		# only its object is reverted
 *	modprobe livepatch-story-sum		# and patched again, before its init
 *	echo 0 > /sys/kernel/livepatch/livepatch_lifecycle/enabled
 *	rmmod livepatch-lifecycle
 *	dmesg | grep livepatch_lifecycle
 *
 * When a patch with .replace = true replaces this one, no callback runs here, neither
 * pre_unpatch nor post_unpatch. The other samples show the consequences.
 */
#define pr_fmt(fmt) "livepatch_lifecycle: " fmt

#include <linux/livepatch.h>
#include <linux/seq_file.h>
#include <linux/utsname.h>

static int lifecycle_version_show(struct seq_file *m, void *v)
{
	seq_printf(m, "%s version %s, changed by a livepatch\n", utsname()->sysname,
		   utsname()->release);
	return 0;
}

static int lifecycle_sum_show(struct seq_file *m, void *v)
{
	seq_puts(m, "2 + 2 = 4\n");
	return 0;
}

static void tell(const char *callback, const struct klp_object *obj)
{
	static const char * const states[] = {
		[MODULE_STATE_LIVE]	= "live",
		[MODULE_STATE_COMING]	= "coming",
		[MODULE_STATE_GOING]	= "going",
	};

	if (obj->mod)
		pr_info("%s %s (%s)\n", callback, obj->name, states[obj->mod->state]);
	else
		pr_info("%s vmlinux\n", callback);
}

/*
 * The only callback that may fail. Then nothing is patched, and no other callback runs for the
 * object.
 */
static int tell_pre_patch(struct klp_object *obj)
{
	tell("pre_patch", obj);
	return 0;
}

static void tell_post_patch(struct klp_object *obj)
{
	tell("post_patch", obj);
}

static void tell_pre_unpatch(struct klp_object *obj)
{
	tell("pre_unpatch", obj);
}

static void tell_post_unpatch(struct klp_object *obj)
{
	tell("post_unpatch", obj);
}

#define TELL_ALL {				\
	.pre_patch	= tell_pre_patch,	\
	.post_patch	= tell_post_patch,	\
	.pre_unpatch	= tell_pre_unpatch,	\
	.post_unpatch	= tell_post_unpatch,	\
}

static struct klp_func version_funcs[] = {
	{ .old_name = "version_proc_show", .new_func = lifecycle_version_show },
	{ }
};

static struct klp_func sum_funcs[] = {
	{ .old_name = "story_sum_show", .new_func = lifecycle_sum_show },
	{ }
};

static struct klp_object objects[] = {
	{
		/* No name: vmlinux. */
		.funcs = version_funcs,
		.callbacks = TELL_ALL,
	}, {
		.name = "livepatch_story_sum",
		.funcs = sum_funcs,
		.callbacks = TELL_ALL,
	},
	{ }
};

static struct klp_patch lifecycle_patch = {
	.objs = objects,
	.mod = THIS_MODULE,
};

static int __init lifecycle_init(void)
{
	return klp_enable_patch(&lifecycle_patch);
}

static void __exit lifecycle_exit(void)
{
}

module_init(lifecycle_init);
module_exit(lifecycle_exit);
MODULE_INFO(livepatch, "Y");
MODULE_DESCRIPTION("Livepatch sample: the four callbacks");
MODULE_LICENSE("GPL");
