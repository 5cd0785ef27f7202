// SPDX-License-Identifier: GPL-2.0
/*
 * livepatch-story-product - a module with a bug that is loaded after the livepatch
 *
 * The livepatch names this module. It is patched before its init runs, so /proc/story_product
 * never shows the wrong product.
 */
#include <linux/errno.h>
#include <linux/module.h>
#include <linux/proc_fs.h>
#include <linux/seq_file.h>

static noinline int story_product_show(struct seq_file *m, void *v)
{
	seq_puts(m, "2 * 3 = 5\n");
	return 0;
}

static int __init story_product_init(void)
{
	if (!proc_create_single("story_product", 0444, NULL, story_product_show))
		return -ENOMEM;
	return 0;
}

static void __exit story_product_exit(void)
{
	remove_proc_entry("story_product", NULL);
}

module_init(story_product_init);
module_exit(story_product_exit);
MODULE_DESCRIPTION("Livepatch story: a product that is wrong");
MODULE_LICENSE("GPL");
