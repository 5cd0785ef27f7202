// SPDX-License-Identifier: GPL-2.0
/* A livepatch without MODULE_INFO(livepatch, "Y"). */
#include "test_klp.h"

static int new_cmdline(struct seq_file *m, void *v)
{
	seq_puts(m, KBUILD_MODNAME "\n");
	return 0;
}

static struct klp_patch patch = {
	.objs = (struct klp_object []) {
		{
			.funcs = (struct klp_func []) {
				{ .new_func = new_cmdline, .old_name = "cmdline_proc_show" },
				{ }
			},
		},
		{ }
	},
	.mod = THIS_MODULE,
};

static int __init unmarked_init(void)
{
	return klp_enable_patch(&patch);
}

static void __exit unmarked_exit(void)
{
}

module_init(unmarked_init);
module_exit(unmarked_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Livepatch selftests: a livepatch without its mark");
