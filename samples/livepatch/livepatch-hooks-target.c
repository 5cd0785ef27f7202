// SPDX-License-Identifier: GPL-2.0
/*
 * livepatch-hooks-target - a module with bugs in its init and exit
 *
 * For livepatch-hooks. No new function can fix it: the default of its parameter is too small
 * when init runs, and exit leaves a directory in debugfs, with which the module cannot be
 * loaded again.
 */
#define pr_fmt(fmt) "livepatch_hooks_target: " fmt

#include <linux/debugfs.h>
#include <linux/module.h>

#define DIR "livepatch-hooks-target"

static unsigned int capacity = 4;
module_param(capacity, uint, 0444);
MODULE_PARM_DESC(capacity, "how much there is to be room for");

static struct dentry *dir;

static int __init hooks_target_init(void)
{
	dir = debugfs_create_dir(DIR, NULL);
	if (IS_ERR(dir))
		return PTR_ERR(dir);

	debugfs_create_u32("capacity", 0444, dir, &capacity);
	pr_info("init, capacity %u\n", capacity);
	return 0;
}

static void __exit hooks_target_exit(void)
{
	/* The bug: the directory itself is not removed. */
	debugfs_lookup_and_remove("capacity", dir);
	pr_info("exit\n");
}

module_init(hooks_target_init);
module_exit(hooks_target_exit);
MODULE_DESCRIPTION("Livepatch sample: a module with bugs in its init and exit");
MODULE_LICENSE("GPL");
