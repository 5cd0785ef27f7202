/* SPDX-License-Identifier: GPL-2.0 */
#ifndef TEST_KLP_TARGET_H
#define TEST_KLP_TARGET_H

#include <linux/seq_file.h>

/*
 * A function that a livepatch replaces must exist as such and be called as written.  That is why
 * those of the targets are noinline, and __noclone: a clone would have another name and maybe
 * other arguments.
 */

void target_first(struct seq_file *m);
void target_second(struct seq_file *m);

/* Of test_klp_chain, for who gets it with symbol_get(). */
int test_klp_chain_show(struct seq_file *m);

#endif /* TEST_KLP_TARGET_H */
