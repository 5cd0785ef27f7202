// SPDX-License-Identifier: GPL-2.0
/*
 * Patches functions of bench_target.
 */

#define BENCH_LIST	"bench_new.h"
#define BENCH_OBJECT	"bench_target"
#define BENCH_REPLACE	false
#include "bench_patch.h"
