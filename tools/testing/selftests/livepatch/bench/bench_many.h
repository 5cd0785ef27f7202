/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A livepatch of many modules, none of which is loaded.  Each bench_many_N.c, generated, defines
 * BENCH_NUMBER and includes this.
 */

#include <linux/ktime.h>
#include <linux/livepatch.h>
#include <linux/module.h>

#define BENCH_OBJECTS	64

static int bench_many_new(int value)
{
	return value;
}

/*
 * Stock stores internal data in these, so each object needs its own. The second entry is the
 * empty one.
 */
static struct klp_func bench_many_funcs[BENCH_OBJECTS][2];
static char bench_many_names[BENCH_OBJECTS][MODULE_NAME_LEN];
static struct klp_object bench_many_objs[BENCH_OBJECTS + 1];

static struct klp_patch bench_many_patch = {
	.mod = THIS_MODULE,
	.objs = bench_many_objs,
};

static unsigned long long started;
module_param(started, ullong, 0444);
MODULE_PARM_DESC(started, "when klp_enable_patch() was called, CLOCK_MONOTONIC in nanoseconds");

static int __init bench_many_init(void)
{
	int i;

	/* The names have the same prefix as bench_other. */
	for (i = 0; i < BENCH_OBJECTS; i++) {
		snprintf(bench_many_names[i], MODULE_NAME_LEN, "bench_object_%d_%d",
			 BENCH_NUMBER, i);
		bench_many_funcs[i][0].old_name = "bench_many_old";
		bench_many_funcs[i][0].new_func = bench_many_new;
		bench_many_objs[i].name = bench_many_names[i];
		bench_many_objs[i].funcs = bench_many_funcs[i];
	}
	started = ktime_get_ns();
	return klp_enable_patch(&bench_many_patch);
}

static void __exit bench_many_exit(void)
{
}

module_init(bench_many_init);
module_exit(bench_many_exit);

MODULE_DESCRIPTION("Livepatch benchmark: a livepatch of many modules");
MODULE_LICENSE("GPL");
MODULE_INFO(livepatch, "Y");
