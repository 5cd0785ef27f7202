// SPDX-License-Identifier: GPL-2.0
/*
 * The other fuzz_twin().
 */

#include <linux/compiler.h>

int fuzz_call_twin(void);

static noinline int fuzz_twin(void)
{
	barrier();
	return 1;
}

int fuzz_call_twin(void)
{
	return fuzz_twin();
}
