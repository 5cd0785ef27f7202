// SPDX-License-Identifier: GPL-2.0
/*
 * Annotations of symbols that the kernel would not find, or find more than once. klp-convert.sh
 * has the numbers of the lines.
 */
#include <linux/livepatch_reloc.h>
#include <linux/module.h>

KLP_RELOC_SYMBOL(vmlinux, test_klp_no_such_symbol);
KLP_RELOC_SYMBOL(vmlinux, linux_proc_banner, 3);
KLP_RELOC_SYMBOL(vmlinux, start_kernel);
KLP_RELOC_SYMBOL(test_klp_target, test_klp_target_twin);
KLP_RELOC_ALIAS(twin_3, test_klp_target, test_klp_target_twin, 3);
KLP_RELOC_SYMBOL(test_klp_target, target_init);
KLP_RELOC_SYMBOL(test_klp_no_such_module, anything);
KLP_RELOC_SYMBOL(test_klp_chain, test_klp_chain_show);
KLP_RELOC_SYMBOL(vmlinux, test_klp_convert_split);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Livepatch selftests: annotations of missing symbols");
MODULE_INFO(livepatch, "Y");
