// SPDX-License-Identifier: GPL-2.0
/*
 * A module that no livepatch names.
 */

#include <linux/module.h>

static int __init bench_other_init(void)
{
	return 0;
}

static void __exit bench_other_exit(void)
{
}

module_init(bench_other_init);
module_exit(bench_other_exit);

MODULE_DESCRIPTION("Livepatch benchmark: an unpatched module");
MODULE_LICENSE("GPL");
