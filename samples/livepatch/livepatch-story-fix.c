// SPDX-License-Identifier: GPL-2.0
/*
 * livepatch-story-fix - fixes two modules, and logs each callback
 *
 * pre_patch is the only callback that can refuse. It does so when the parameter "veto" is an
 * errno: a module that is being loaded is refused with it.
 */
#define pr_fmt(fmt) "story: " fmt

#include <linux/seq_file.h>
#include <linux/livepatch.h>

static int veto;
module_param(veto, int, 0644);
MODULE_PARM_DESC(veto, "a positive errno for pre_patch to fail with");

static int mended_sum_show(struct seq_file *m, void *v)
{
	seq_puts(m, "2 + 2 = 4\n");
	return 0;
}

static int mended_product_show(struct seq_file *m, void *v)
{
	seq_puts(m, "2 * 3 = 6\n");
	return 0;
}

static int tell_pre_patch(struct klp_object *obj)
{
	if (veto) {
		pr_info("pre_patch    %s returns %d\n", obj->name, -veto);
		return -veto;
	}
	pr_info("pre_patch    %s\n", obj->name);
	return 0;
}

static void tell_post_patch(struct klp_object *obj)
{
	pr_info("post_patch   %s\n", obj->name);
}

static void tell_pre_unpatch(struct klp_object *obj)
{
	pr_info("pre_unpatch  %s\n", obj->name);
}

static void tell_post_unpatch(struct klp_object *obj)
{
	pr_info("post_unpatch %s\n", obj->name);
}

#define TELL_ALL {				\
	.pre_patch	= tell_pre_patch,	\
	.post_patch	= tell_post_patch,	\
	.pre_unpatch	= tell_pre_unpatch,	\
	.post_unpatch	= tell_post_unpatch,	\
}

static struct klp_func sum_funcs[] = {
	{ .old_name = "story_sum_show", .new_func = mended_sum_show },
	{ }
};

static struct klp_func product_funcs[] = {
	{ .old_name = "story_product_show", .new_func = mended_product_show },
	{ }
};

static struct klp_object objects[] = {
	{
		.name = "livepatch_story_sum",
		.funcs = sum_funcs,
		.callbacks = TELL_ALL,
	}, {
		.name = "livepatch_story_product",
		.funcs = product_funcs,
		.callbacks = TELL_ALL,
	},
	{ }
};

static struct klp_patch patch = {
	.objs = objects,
	.mod = THIS_MODULE,
};

static int __init story_fix_init(void)
{
	return klp_enable_patch(&patch);
}

/* The module can be unloaded only after its patch has been disabled, so nothing is left to do. */
static void __exit story_fix_exit(void)
{
}

module_init(story_fix_init);
module_exit(story_fix_exit);
MODULE_DESCRIPTION("Livepatch story: the patch");
MODULE_LICENSE("GPL");
MODULE_INFO(livepatch, "Y");
