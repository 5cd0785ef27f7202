// SPDX-License-Identifier: GPL-2.0
/*
 * Patches one function, as a module as small as most livepatches are.
 */

#define BENCH_LIST	"bench_new_one.h"
#define BENCH_OBJECT	"bench_target"
#define BENCH_REPLACE	false
#include "bench_patch.h"
