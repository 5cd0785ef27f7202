// SPDX-License-Identifier: GPL-2.0
/* Another target module. */

#include <linux/module.h>
#include <linux/sysfs.h>

static noinline __noclone int faults_target2_value(void)
{
	barrier();
	return 3;
}

static int versions_get(char *buf, const struct kernel_param *kp)
{
	return sysfs_emit(buf, "%d\n", faults_target2_value());
}

static const struct kernel_param_ops versions_ops = {
	.get = versions_get,
};

module_param_cb(versions, &versions_ops, NULL, 0444);
MODULE_PARM_DESC(versions, "what the function returns");

MODULE_DESCRIPTION("Livepatch fault tests: another module to be patched");
MODULE_LICENSE("GPL");
