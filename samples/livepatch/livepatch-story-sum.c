// SPDX-License-Identifier: GPL-2.0
/*
 * livepatch-story-sum - a module with a bug, which livepatch-story-fix fixes
 *
 * /proc/story_sum shows a wrong sum. While the parameter "doze" is set, a reader of the file
 * sleeps in the middle of the faulty function, and blocks the transition of a livepatch.
 */
#include <linux/delay.h>
#include <linux/errno.h>
#include <linux/module.h>
#include <linux/proc_fs.h>
#include <linux/seq_file.h>

static bool doze;
module_param(doze, bool, 0644);
MODULE_PARM_DESC(doze, "readers sleep until this is cleared");

static int sleepers;
module_param(sleepers, int, 0444);
MODULE_PARM_DESC(sleepers, "how many readers have fallen asleep so far");

/* Looked up by its name: it must not be inlined. */
static noinline int story_sum_show(struct seq_file *m, void *v)
{
	if (READ_ONCE(doze)) {
		sleepers++;
		while (READ_ONCE(doze)) {
			if (msleep_interruptible(20))
				return -EINTR;
		}
	}

	seq_puts(m, "2 + 2 = 5\n");
	return 0;
}

static int __init story_sum_init(void)
{
	if (!proc_create_single("story_sum", 0444, NULL, story_sum_show))
		return -ENOMEM;
	return 0;
}

static void __exit story_sum_exit(void)
{
	remove_proc_entry("story_sum", NULL);
}

module_init(story_sum_init);
module_exit(story_sum_exit);
MODULE_DESCRIPTION("Livepatch story: a sum that is wrong");
MODULE_LICENSE("GPL");
