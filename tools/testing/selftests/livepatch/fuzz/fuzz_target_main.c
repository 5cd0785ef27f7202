// SPDX-License-Identifier: GPL-2.0
/*
 * fuzz_target: a second fuzz_twin() makes that name ambiguous in here.
 */

#include "fuzz_target.h"

int fuzz_call_twin(void);

static int call_get(char *buf, const struct kernel_param *kp)
{
	return sysfs_emit(buf, "%d\n", fuzz_call_all() + fuzz_call_twin());
}

static const struct kernel_param_ops call_ops = {
	.get = call_get,
};

module_param_cb(call, &call_ops, NULL, 0444);
MODULE_PARM_DESC(call, "reading calls every function; their sum");

MODULE_DESCRIPTION("Livepatch fuzzer: functions to patch");
MODULE_LICENSE("GPL");
