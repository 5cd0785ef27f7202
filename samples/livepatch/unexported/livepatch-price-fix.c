// SPDX-License-Identifier: GPL-2.0
/*
 * livepatch-price-fix - use a static function and a static variable of a module
 *
 * Technique: KLP_RELOC_SYMBOL(). The module livepatch-price need not be loaded.
 */
#include <linux/livepatch.h>
#include <linux/livepatch_reloc.h>
#include <linux/module.h>
#include <linux/seq_file.h>

extern int net;
KLP_RELOC_SYMBOL(livepatch_price, net);

int with_tax(int price);
KLP_RELOC_SYMBOL(livepatch_price, with_tax);

static int new_price_show(struct seq_file *m, void *v)
{
	seq_printf(m, "%d\n", with_tax(net));
	return 0;
}

static struct klp_func funcs[] = {
	{ .old_name = "price_show", .new_func = new_price_show },
	{ }
};

static struct klp_object objs[] = { { .name = "livepatch_price", .funcs = funcs }, { } };
static struct klp_patch patch = { .mod = THIS_MODULE, .objs = objs };

static int __init price_fix_init(void)
{
	return klp_enable_patch(&patch);
}

static void __exit price_fix_exit(void)
{
}

module_init(price_fix_init);
module_exit(price_fix_exit);
MODULE_DESCRIPTION("Livepatch sample: symbols that are not exported");
MODULE_LICENSE("GPL");
MODULE_INFO(livepatch, "Y");
