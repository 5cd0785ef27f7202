// SPDX-License-Identifier: GPL-2.0
/*
 * A livepatch that was built for the core of stock: its structures have another layout. The loader
 * has to refuse it.
 */

#include STOCK_HEADER
#include <linux/module.h>
#include <linux/seq_file.h>

static int new_cmdline(struct seq_file *m, void *v)
{
	seq_puts(m, KBUILD_MODNAME "\n");
	return 0;
}

static struct klp_func funcs[] = {
	{ .old_name = "cmdline_proc_show", .new_func = new_cmdline },
	{ }
};

static struct klp_object objs[] = { { .funcs = funcs }, { } };

static struct klp_patch patch = {
	.mod = THIS_MODULE,
	.objs = objs,
};

static int __init stock_header_init(void)
{
	return klp_enable_patch(&patch);
}

static void __exit stock_header_exit(void)
{
}

module_init(stock_header_init);
module_exit(stock_header_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Livepatch selftests: a livepatch built against the header of stock");
MODULE_INFO(livepatch, "Y");
