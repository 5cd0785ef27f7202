// SPDX-License-Identifier: GPL-2.0
/*
 * A livepatch whose functions use symbols of vmlinux and of a module that may not be loaded, by
 * KLP_RELOC_SYMBOL(). Scripts compare the results with the target and with kallsyms.
 */
#include <linux/jump_label.h>
#include <linux/livepatch.h>
#include <linux/livepatch_reloc.h>
#include <linux/module.h>
#include <linux/seq_file.h>
#include "convert.h"

KLP_RELOC_SYMBOL(vmlinux, saved_command_line);
KLP_RELOC_SYMBOL(vmlinux, linux_proc_banner);
KLP_RELOC_SYMBOL(test_klp_target, test_klp_target_secret);
KLP_RELOC_SYMBOL(test_klp_target, test_klp_target_twice);

/*
 * Relocations in data. The second one is written when the target is loaded. powerpc can then no
 * longer write to read-only data, in which the compiler would place it otherwise.
 */
static const void *in_vmlinux = linux_proc_banner;
static const void *in_target __read_mostly = &test_klp_target_secret;

static int vmlinux_get(char *buf, const struct kernel_param *kp)
{
	return sysfs_emit(buf, "%lx\n", (unsigned long)READ_ONCE(in_vmlinux));
}

static const struct kernel_param_ops vmlinux_ops = {
	.get = vmlinux_get,
};

module_param_cb(in_vmlinux, &vmlinux_ops, NULL, 0400);
MODULE_PARM_DESC(in_vmlinux, "address of the symbol of vmlinux");

static int target_get(char *buf, const struct kernel_param *kp)
{
	return sysfs_emit(buf, "%lx\n", (unsigned long)READ_ONCE(in_target));
}

static const struct kernel_param_ops target_ops = {
	.get = target_get,
};

module_param_cb(in_target, &target_ops, NULL, 0400);
MODULE_PARM_DESC(in_target, "address of the symbol of the target");

static int new_version(struct seq_file *m, void *v)
{
	seq_printf(m, "%s\n", saved_command_line);
	return 0;
}

static void new_value(struct seq_file *m)
{
	int secret = test_klp_target_secret;

	seq_printf(m, "value: %d, twice %d\n", secret, test_klp_target_twice(secret));
	convert_show_twins(m);
}

static struct klp_func kernel_funcs[] = {
	{ .old_name = "version_proc_show", .new_func = new_version },
	{ }
};

static struct klp_func target_funcs[] = {
	{ .old_name = "test_klp_target_value", .new_func = new_value },
	{ }
};

static struct klp_object objs[] = {
	{ .funcs = kernel_funcs },
	{ .name = "test_klp_target", .funcs = target_funcs },
	{ }
};

static struct klp_patch patch = {
	.mod = THIS_MODULE,
	.objs = objs,
};

static int __init convert_init(void)
{
	return klp_enable_patch(&patch);
}

static void __exit convert_exit(void)
{
}

module_init(convert_init);
module_exit(convert_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Livepatch selftests: symbols that are not exported");
MODULE_INFO(livepatch, "Y");
