// SPDX-License-Identifier: GPL-2.0
/*
 * fuzz_other: a module with the functions of fuzz_target, but one fuzz_twin().
 */

#include "fuzz_target.h"

static int call_get(char *buf, const struct kernel_param *kp)
{
	return sysfs_emit(buf, "%d\n", fuzz_call_all());
}

static const struct kernel_param_ops call_ops = {
	.get = call_get,
};

module_param_cb(call, &call_ops, NULL, 0444);
MODULE_PARM_DESC(call, "reading calls every function; their sum");

MODULE_DESCRIPTION("Livepatch fuzzer: more functions to patch");
MODULE_LICENSE("GPL");
