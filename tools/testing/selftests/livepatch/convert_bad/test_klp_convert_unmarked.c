// SPDX-License-Identifier: GPL-2.0
/*
 * A module that is no livepatch. klp-convert.sh has the numbers of the lines.
 */
#include <linux/livepatch_reloc.h>
#include <linux/module.h>

KLP_RELOC_SYMBOL(vmlinux, linux_proc_banner);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Livepatch selftests: a module that is not a livepatch");
