/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A target module. A .c file that includes this header defines
 *
 *	TARGET		the number of the target
 *	TARGET_FUNC(n)	the name of its function n
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

/*
 * The compiler moves code that calls this to another section: function.cold. __cold is empty where
 * the compiler does not align such functions.
 */
static noinline __attribute((__cold__)) void note_cold(void)
{
	barrier();
}

/* Sometimes sleeps in its cold part, before it records its call. */
static noinline __noclone void TARGET_FUNC(1)(struct stress_run *run)
{
	static const struct stress_step nap = { .what = STRESS_DOZE, .arg = 8 };

	if (unlikely(run->pc & 1)) {
		note_cold();
		stress_do(nap);
	}
	stress_body(run, TARGET * STRESS_PER_TARGET + 1, NULL);
}

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
