// SPDX-License-Identifier: GPL-2.0
/*
 * A livepatch of one function of each of bench_late_0, bench_late_1 ..., which are copies of
 * bench_late_target under other names.
 */

#include <linux/livepatch.h>
#include <linux/module.h>

#define BENCH_LATE	64

static int count = 1;
module_param(count, int, 0444);
MODULE_PARM_DESC(count, "of how many modules");

static int new_bench_late(int value)
{
	return value - 1;
}

/* The last entry of each array is the empty one. */
static struct klp_func bench_late_funcs[BENCH_LATE][2];
static char bench_late_names[BENCH_LATE][MODULE_NAME_LEN];
static struct klp_object bench_late_objs[BENCH_LATE + 1];

static struct klp_patch bench_late_patch = {
	.mod = THIS_MODULE,
	.objs = bench_late_objs,
};

static int __init bench_late_init(void)
{
	int i;

	if (count < 1 || count > BENCH_LATE)
		return -EINVAL;
	for (i = 0; i < count; i++) {
		snprintf(bench_late_names[i], MODULE_NAME_LEN, "bench_late_%d", i);
		bench_late_funcs[i][0].old_name = "bench_late_old";
		bench_late_funcs[i][0].new_func = new_bench_late;
		bench_late_objs[i].name = bench_late_names[i];
		bench_late_objs[i].funcs = bench_late_funcs[i];
	}
	return klp_enable_patch(&bench_late_patch);
}

static void __exit bench_late_exit(void)
{
}

module_init(bench_late_init);
module_exit(bench_late_exit);

MODULE_DESCRIPTION("Livepatch benchmark: a livepatch of modules that come later");
MODULE_LICENSE("GPL");
MODULE_INFO(livepatch, "Y");
