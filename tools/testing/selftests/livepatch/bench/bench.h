/* SPDX-License-Identifier: GPL-2.0 */
/* Shared by the modules of the benchmark and its program. */

#ifndef _BENCH_H
#define _BENCH_H

#include <linux/ioctl.h>

/* Calls in one timed loop. */
#define BENCH_CALLS	10000

/* Functions of bench_target that a loop may call: see bench_target.h. */
#define BENCH_CALLED	3

/*
 * The argument is the number of functions to call, one loop for each. The result is the time of
 * the slowest loop in nanoseconds. BENCH_LOOP starts at BENCH_GO, in a function that
 * bench_module can patch. BENCH_HOLD stays in such a function until it is killed.
 */
#define BENCH_TIME	_IO('L', 1)
#define BENCH_LOOP	_IO('L', 2)
#define BENCH_GO	_IO('L', 3)
#define BENCH_HOLD	_IO('L', 4)

#endif /* _BENCH_H */
