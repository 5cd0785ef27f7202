// SPDX-License-Identifier: GPL-2.0
/*
 * Patches functions of vmlinux that nothing calls; the list is generated.
 */

#define BENCH_LIST	"bench_new_vmlinux.h"
#define BENCH_OBJECT	NULL
#define BENCH_REPLACE	false
#include "bench_patch.h"
