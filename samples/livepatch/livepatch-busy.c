// SPDX-License-Identifier: GPL-2.0
/*
 * livepatch-busy - a blocked transition, and its reversal
 *
 * Technique: resources for a patch whose transition takes long, or is reversed. Any time may
 * pass between pre_patch and post_patch, because a task stays in the old function. Other tasks
 * run the new one meanwhile. Writing 0 to "enabled" then reverses the transition: post_patch
 * and pre_unpatch do not run, post_unpatch does. So
 *
 * - pre_patch allocates what the new function needs, and may fail. post_unpatch frees it, and runs
 *   once for each pre_patch that has succeeded: here the memory for statistics;
 * - post_patch sets up what requires that all tasks run the new function, and pre_unpatch undoes
 *   it: here /proc/livepatch_busy, which shows the statistics.
 *
 * An atomic replace runs no callback of the replaced patch. A patch that replaces this one has
 * to adopt the memory and the file, with a system state (see livepatch-tcp-challenge), or must
 * not be loaded: the function of the file is in this module. The state declared below has no
 * version that does so, and keeps other patches from replacing this one.
 *
 *	modprobe livepatch-busy-target hold=1
 *	modprobe livepatch-busy
 *	cat /sys/kernel/livepatch/livepatch_busy/transition		# 1, and stays 1
 *	echo 0 > /sys/kernel/livepatch/livepatch_busy/enabled		# reverse
 *	rmmod livepatch-busy
 *	echo 0 > /sys/module/livepatch_busy_target/parameters/hold
 *	modprobe livepatch-busy
 *	cat /proc/livepatch_busy
 */
#define pr_fmt(fmt) "livepatch_busy: " fmt

#include <linux/livepatch.h>
#include <linux/proc_fs.h>
#include <linux/seq_file.h>
#include <linux/slab.h>

struct busy_stats {
	unsigned long steps;
};

static struct busy_stats *stats;
static struct proc_dir_entry *file;

static struct klp_state states[] = {
	{ .id = 0xb5e9, .version = 1 },
	{ }
};

/* Only one thread calls this function. */
static unsigned long new_busy_step(unsigned long n)
{
	WRITE_ONCE(stats->steps, stats->steps + 1);
	return n + 1000;
}

static int stats_show(struct seq_file *m, void *v)
{
	seq_printf(m, "%lu steps of a thousand\n", READ_ONCE(stats->steps));
	return 0;
}

static int take_memory(struct klp_object *obj)
{
	stats = kzalloc(sizeof(*stats), GFP_KERNEL);
	if (!stats)
		return -ENOMEM;
	pr_info("pre_patch: memory taken\n");
	return 0;
}

static void show_file(struct klp_object *obj)
{
	/* Too late to refuse. The patch works without the file. */
	file = proc_create_single("livepatch_busy", 0444, NULL, stats_show);
	if (file)
		pr_info("post_patch: /proc/livepatch_busy is there\n");
	else
		pr_warn("post_patch: no /proc/livepatch_busy\n");
}

/* Waits for current readers. */
static void hide_file(struct klp_object *obj)
{
	proc_remove(file);
	pr_info("pre_unpatch: /proc/livepatch_busy has gone\n");
}

static void release_memory(struct klp_object *obj)
{
	kfree(stats);
	pr_info("post_unpatch: memory released\n");
}

static struct klp_func busy_funcs[] = {
	{ .old_name = "busy_step", .new_func = new_busy_step },
	{ }
};

static struct klp_object objects[] = {
	{
		.name = "livepatch_busy_target",
		.funcs = busy_funcs,
		.callbacks = {
			.pre_patch = take_memory,
			.post_patch = show_file,
			.pre_unpatch = hide_file,
			.post_unpatch = release_memory,
		},
	},
	{ }
};

static struct klp_patch busy_patch = {
	.objs = objects,
	.states = states,
	.mod = THIS_MODULE,
};

static int __init busy_init(void)
{
	return klp_enable_patch(&busy_patch);
}

static void __exit busy_exit(void)
{
}

module_init(busy_init);
module_exit(busy_exit);
MODULE_INFO(livepatch, "Y");
MODULE_DESCRIPTION("Livepatch sample: a transition that is held up");
MODULE_LICENSE("GPL");
