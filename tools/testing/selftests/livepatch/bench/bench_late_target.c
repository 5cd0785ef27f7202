// SPDX-License-Identifier: GPL-2.0
/* A target module of bench_late, loaded several times under other names. */

#include <linux/module.h>

static noinline __noclone int bench_late_old(int value)
{
	return value + 1;
}

static int value_get(char *buf, const struct kernel_param *kp)
{
	return sysfs_emit(buf, "%d\n", bench_late_old(0));
}

static const struct kernel_param_ops value_ops = {
	.get = value_get,
};

module_param_cb(value, &value_ops, NULL, 0444);
MODULE_PARM_DESC(value, "what the function makes of 0");

static int __init bench_late_target_init(void)
{
	return 0;
}

static void __exit bench_late_target_exit(void)
{
}

module_init(bench_late_target_init);
module_exit(bench_late_target_exit);

MODULE_DESCRIPTION("Livepatch benchmark: a module that comes later");
MODULE_LICENSE("GPL");
