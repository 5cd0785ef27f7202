// SPDX-License-Identifier: GPL-2.0
/*
 * Annotations that are wrong by themselves. klp-convert.sh has the numbers of the lines.
 */
#include <linux/livepatch_reloc.h>
#include <linux/module.h>

KLP_RELOC_SYMBOL(virtio-net, dash);
KLP_RELOC_SYMBOL(, no_object);
KLP_RELOC_ALIAS(no_symbol, vmlinux,);
KLP_RELOC_SYMBOL(vmlinux, text_position, second);
KLP_RELOC_SYMBOL(vmlinux, negative, -1);
KLP_RELOC_SYMBOL(vmlinux, two_positions, 1, 2);
KLP_RELOC_SYMBOL(a_name_of_a_module_that_is_one_byte_longer_than_possible, long_object);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Livepatch selftests: annotations with wrong names");
MODULE_INFO(livepatch, "Y");
