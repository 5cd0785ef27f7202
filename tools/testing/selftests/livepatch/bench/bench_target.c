// SPDX-License-Identifier: GPL-2.0
/*
 * Functions to be patched: a generated list of them.
 */

#include <linux/module.h>
#include "bench_target.h"
#include "bench_functions.h"

MODULE_DESCRIPTION("Livepatch benchmark: functions to patch");
MODULE_LICENSE("GPL");
