/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The livepatch of the benchmark; a .c file that includes this defines what differs:
 *
 *	BENCH_LIST	the generated header with bench_funcs[], an entry for each function, and
 *			the new functions
 *	BENCH_OBJECT	the module they are in, NULL for vmlinux
 *	BENCH_REPLACE	whether the patch replaces those before it
 */

#include <linux/ktime.h>
#include <linux/livepatch.h>
#include <linux/module.h>
#include BENCH_LIST

static int first;
module_param(first, int, 0444);
MODULE_PARM_DESC(first, "number of the first function to patch");

static int count = 1;
module_param(count, int, 0444);
MODULE_PARM_DESC(count, "how many functions to patch");

static bool held;
module_param(held, bool, 0444);
MODULE_PARM_DESC(held, "also patch the functions of bench_call in which tasks are held");

static unsigned long long started;
module_param(started, ullong, 0444);
MODULE_PARM_DESC(started, "when klp_enable_patch() was called, CLOCK_MONOTONIC in nanoseconds");

static long new_bench_hold(void)
{
	return 0;
}

static long new_bench_loop(unsigned long functions)
{
	return -EIO;
}

static struct klp_func held_funcs[] = {
	{ .old_name = "bench_hold", .new_func = new_bench_hold },
	{ .old_name = "bench_loop", .new_func = new_bench_loop },
	{ }
};

/* The second object is only used if a parameter asks for it. */
static struct klp_object bench_objs[] = {
	{ .name = BENCH_OBJECT },
	{ },
	{ }
};

static struct klp_patch bench_patch = {
	.mod = THIS_MODULE,
	.objs = bench_objs,
	.replace = BENCH_REPLACE,
};

static int __init bench_patch_init(void)
{
	if (first < 0 || count < 1 || first + count >= ARRAY_SIZE(bench_funcs))
		return -EINVAL;

	bench_objs[0].funcs = &bench_funcs[first];
	memset(&bench_funcs[first + count], 0, sizeof(bench_funcs[0]));
	if (held) {
		bench_objs[1].name = "bench_call";
		bench_objs[1].funcs = held_funcs;
	}

	started = ktime_get_ns();
	return klp_enable_patch(&bench_patch);
}

static void __exit bench_patch_exit(void)
{
}

module_init(bench_patch_init);
module_exit(bench_patch_exit);

MODULE_DESCRIPTION("Livepatch benchmark: a livepatch");
MODULE_LICENSE("GPL");
MODULE_INFO(livepatch, "Y");
