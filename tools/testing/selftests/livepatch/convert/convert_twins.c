// SPDX-License-Identifier: GPL-2.0
/*
 * Two functions of one name, under names of their own. One symbol is annotated in both files.
 */
#include <linux/livepatch_reloc.h>
#include <linux/seq_file.h>
#include "convert.h"

KLP_RELOC_SYMBOL(test_klp_target, test_klp_target_secret);

void convert_twin_1(struct seq_file *m);
KLP_RELOC_ALIAS(convert_twin_1, test_klp_target, test_klp_target_twin, 1);
void convert_twin_2(struct seq_file *m);
KLP_RELOC_ALIAS(convert_twin_2, test_klp_target, test_klp_target_twin, 2);

void convert_show_twins(struct seq_file *m)
{
	seq_printf(m, "secret is %s\n", test_klp_target_secret & 1 ? "odd" : "even");
	convert_twin_1(m);
	convert_twin_2(m);
}
