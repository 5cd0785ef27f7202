/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A module to be patched; a .c file that includes this says which.
 *
 *	TARGET		its number
 *	TARGET_FUNC(n)	what its functions are called
 */

#include <linux/module.h>
#include "modules.h"

static bool fails;
module_param(fails, bool, 0444);
MODULE_PARM_DESC(fails, "init fails, after the functions have been run for a while");

#define DEFINE_FUNC(n, func)							\
static noinline __noclone void func(struct stress_run *run)			\
{										\
	stress_body(run, TARGET * STRESS_PER_TARGET + (n), NULL);		\
}

DEFINE_FUNC(0, TARGET_FUNC(0))
DEFINE_FUNC(1, TARGET_FUNC(1))
DEFINE_FUNC(2, TARGET_FUNC(2))
DEFINE_FUNC(3, TARGET_FUNC(3))

static struct stress_target target = {
	.mod = THIS_MODULE,
	.index = TARGET,
	.funcs = { TARGET_FUNC(0), TARGET_FUNC(1), TARGET_FUNC(2), TARGET_FUNC(3) },
};

static int __init target_init(void)
{
	int ret;

	ret = stress_add_target(&target);
	if (ret || !fails)
		return ret;
	msleep(20);
	stress_remove_target(&target);
	return -EDOM;
}

static void __exit target_exit(void)
{
	stress_remove_target(&target);
}

module_init(target_init);
module_exit(target_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Livepatch stress test: functions to patch");
