// SPDX-License-Identifier: GPL-2.0
/*
 * Patches functions at position 2, in replace set 2.
 */

#define BENCH_SET	2
#include "bench_set.h"
