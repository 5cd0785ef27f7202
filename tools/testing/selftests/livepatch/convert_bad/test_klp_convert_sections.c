// SPDX-License-Identifier: GPL-2.0
/*
 * Symbols in sections where their relocations would be misapplied. klp-convert.sh has the numbers
 * of the lines.
 */
#include <linux/livepatch_reloc.h>
#include <linux/module.h>

extern int test_klp_target_secret;
KLP_RELOC_SYMBOL(test_klp_target, test_klp_target_secret);
extern const char linux_proc_banner[];
KLP_RELOC_SYMBOL(vmlinux, linux_proc_banner);

/* The kernel reads these sections while it loads the livepatch. vmlinux is valid there. */
static const void *late __used __section("___srcu_struct_ptrs") = &test_klp_target_secret;
static const void *early __used __section("__tracepoints_ptrs") = linux_proc_banner;

/* A table of places in the code of the module: a symbol of another object has no meaning. */
static const void *other_code __used __section("__mcount_loc") = linux_proc_banner;

/* Freed before the module can be loaded. */
static void *init __initdata __used = &test_klp_target_secret;

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Livepatch selftests: annotated symbols in special sections");
MODULE_INFO(livepatch, "Y");
