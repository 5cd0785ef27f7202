// SPDX-License-Identifier: GPL-2.0
/*
 * The second function called test_klp_target_twin. A livepatch selects one of the two by its
 * position.
 */
#include "target.h"

static noinline __noclone void test_klp_target_twin(struct seq_file *m)
{
	seq_puts(m, "second: original\n");
}

void target_second(struct seq_file *m)
{
	test_klp_target_twin(m);
}
