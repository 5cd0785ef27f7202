/* SPDX-License-Identifier: GPL-2.0 */
#ifndef TEST_KLP_TARGET_H
#define TEST_KLP_TARGET_H

#include <linux/seq_file.h>

/*
 * A function that a livepatch replaces must exist and be called as written. So the functions of
 * the targets are noinline and __noclone: a clone would have another name and possibly other
 * arguments.
 */

void target_first(struct seq_file *m);
void target_second(struct seq_file *m);

/* Function of test_klp_chain, for symbol_get(). */
int test_klp_chain_show(struct seq_file *m);

#endif /* TEST_KLP_TARGET_H */
