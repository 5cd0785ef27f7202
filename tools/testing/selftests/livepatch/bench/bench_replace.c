// SPDX-License-Identifier: GPL-2.0
/* Patches functions of bench_target and replaces the patches before it. */

#define BENCH_LIST	"bench_new.h"
#define BENCH_OBJECT	"bench_target"
#define BENCH_REPLACE	true
#include "bench_patch.h"
