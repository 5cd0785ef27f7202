/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The functions of bench_target that bench_call calls: the first one, one in the middle, a late
 * one.
 */

#ifndef _BENCH_TARGET_H
#define _BENCH_TARGET_H

int bench_fn_0(int value);
int bench_fn_333(int value);
int bench_fn_999(int value);

#endif /* _BENCH_TARGET_H */
