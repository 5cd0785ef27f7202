/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A module with functions to patch. All of them have one form, so that any new function fits.
 */

#include <linux/module.h>

static noinline int fuzz_fn_0(void)
{
	barrier();
	return 1;
}

static noinline int fuzz_fn_1(void)
{
	barrier();
	return 1;
}

static noinline int fuzz_fn_2(void)
{
	barrier();
	return 1;
}

static noinline int fuzz_fn_3(void)
{
	barrier();
	return 1;
}

static noinline int fuzz_twin(void)
{
	barrier();
	return 1;
}

static noinline notrace int fuzz_untraced(void)
{
	barrier();
	return 1;
}

static int fuzz_call_all(void)
{
	return fuzz_fn_0() + fuzz_fn_1() + fuzz_fn_2() + fuzz_fn_3() + fuzz_twin() +
	       fuzz_untraced();
}
