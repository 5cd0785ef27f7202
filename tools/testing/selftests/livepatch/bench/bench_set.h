/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A livepatch of a replace set, with functions of a module that does not exist. A .c file that
 * includes this defines BENCH_SET, the number of the set. It is the position of the functions
 * too: two of these patches have the same names and do not conflict.
 */

#include <linux/ktime.h>
#include <linux/livepatch.h>
#include <linux/module.h>

#define BENCH_SET_FUNCTIONS	2000

static int count = BENCH_SET_FUNCTIONS;
module_param(count, int, 0444);
MODULE_PARM_DESC(count, "how many functions to patch");

static unsigned long long started;
module_param(started, ullong, 0444);
MODULE_PARM_DESC(started, "when klp_enable_patch() was called, CLOCK_MONOTONIC in nanoseconds");

static int bench_set_new(int value)
{
	return value;
}

static char bench_set_names[BENCH_SET_FUNCTIONS][KSYM_NAME_LEN];
static struct klp_func bench_set_funcs[BENCH_SET_FUNCTIONS + 1];

static struct klp_object bench_set_objs[] = {
	{ .name = "bench_absent", .funcs = bench_set_funcs },
	{ }
};

static struct klp_patch bench_set_patch = {
	.mod = THIS_MODULE,
	.objs = bench_set_objs,
#ifdef KLP_HAVE_REPLACE_SET
	.replace_set = BENCH_SET,
#endif
};

static int __init bench_set_init(void)
{
	int i;

	if (count < 1 || count > BENCH_SET_FUNCTIONS)
		return -EINVAL;

	for (i = 0; i < count; i++) {
		snprintf(bench_set_names[i], KSYM_NAME_LEN, "bench_set_fn_%d", i);
		bench_set_funcs[i].old_name = bench_set_names[i];
		bench_set_funcs[i].new_func = bench_set_new;
		bench_set_funcs[i].old_sympos = BENCH_SET;
	}
	started = ktime_get_ns();
	return klp_enable_patch(&bench_set_patch);
}

static void __exit bench_set_exit(void)
{
}

module_init(bench_set_init);
module_exit(bench_set_exit);

MODULE_DESCRIPTION("Livepatch benchmark: a livepatch of a replace set");
MODULE_LICENSE("GPL");
MODULE_INFO(livepatch, "Y");
