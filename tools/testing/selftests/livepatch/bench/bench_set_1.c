// SPDX-License-Identifier: GPL-2.0
/*
 * Patches functions at position 1, in replace set 1.
 */

#define BENCH_SET	1
#include "bench_set.h"
