// SPDX-License-Identifier: GPL-2.0
/*
 * livepatch-price - a module that adds the tax twice
 *
 * /proc/livepatch_price shows a price with tax. livepatch-price-fix corrects it.
 */
#include <linux/module.h>
#include <linux/proc_fs.h>
#include <linux/seq_file.h>

static int net = 100;
module_param(net, int, 0644);
MODULE_PARM_DESC(net, "price without tax");

static noinline int with_tax(int price)
{
	return price + price / 5;
}

static int price_show(struct seq_file *m, void *v)
{
	seq_printf(m, "%d\n", with_tax(with_tax(net)));
	return 0;
}

static int __init price_init(void)
{
	return proc_create_single("livepatch_price", 0444, NULL, price_show) ? 0 : -ENOMEM;
}

static void __exit price_exit(void)
{
	remove_proc_entry("livepatch_price", NULL);
}

module_init(price_init);
module_exit(price_exit);
MODULE_DESCRIPTION("Livepatch sample: a price with too much tax");
MODULE_LICENSE("GPL");
