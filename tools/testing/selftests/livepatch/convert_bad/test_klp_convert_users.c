// SPDX-License-Identifier: GPL-2.0
/*
 * Annotations that contradict each other or the module. klp-convert.sh has the numbers of the
 * lines.
 */
#include <linux/livepatch_reloc.h>
#include <linux/module.h>

KLP_RELOC_SYMBOL(vmlinux, linux_proc_banner);
KLP_RELOC_SYMBOL(vmlinux, linux_proc_banner, 1);

/* The symbol of this name is a static one of this file. */
static int test_klp_convert_own __used = 1;
KLP_RELOC_SYMBOL(vmlinux, test_klp_convert_own);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Livepatch selftests: annotations that contradict each other");
MODULE_INFO(livepatch, "Y");
