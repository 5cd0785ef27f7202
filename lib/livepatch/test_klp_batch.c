// SPDX-License-Identifier: GPL-2.0
/*
 * A target module with 49 functions. A livepatch changes them together with one function of
 * vmlinux, so that the core registers a batch of 50 addresses. No task calls them.
 */
#include <linux/module.h>

#define PART(nr)							\
static noinline __noclone __used int test_klp_batch_part##nr(void)	\
{									\
	barrier();							\
	return nr;							\
}

#include "parts.h"

static int __init batch_init(void)
{
	return 0;
}

static void __exit batch_exit(void)
{
}

module_init(batch_init);
module_exit(batch_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Livepatch selftests: a module with many functions to be patched");
