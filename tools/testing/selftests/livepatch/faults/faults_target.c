// SPDX-License-Identifier: GPL-2.0
/* A target module, with a variable that only a klp relocation can refer to. */

#include <linux/module.h>
#include <linux/sysfs.h>

static int faults_target_secret = 21;
module_param_named(secret, faults_target_secret, int, 0444);
MODULE_PARM_DESC(secret, "a number for the livepatch to find");

static noinline __noclone int faults_target_value(void)
{
	barrier();
	return 1;
}

static noinline __noclone int faults_target_extra(void)
{
	barrier();
	return 2;
}

static int versions_get(char *buf, const struct kernel_param *kp)
{
	return sysfs_emit(buf, "%d %d\n", faults_target_value(), faults_target_extra());
}

static const struct kernel_param_ops versions_ops = {
	.get = versions_get,
};

module_param_cb(versions, &versions_ops, NULL, 0444);
MODULE_PARM_DESC(versions, "what the functions return");

MODULE_DESCRIPTION("Livepatch fault tests: a module to be patched");
MODULE_LICENSE("GPL");
