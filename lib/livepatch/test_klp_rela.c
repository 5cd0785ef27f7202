// SPDX-License-Identifier: GPL-2.0
/*
 * A livepatch whose new functions use symbols that are not exported, of the kernel and of a
 * module that may not be loaded. It cannot be loaded as built: klp_mkrela changes the
 * references below into valid klp relocations, or into invalid ones for tests.
 */
#include "test_klp.h"
#include "rela.h"

/* A relocation in data. Scripts compare the value with kallsyms. */
static const void *address_in_vmlinux = linux_proc_banner_ref;

static int address_get(char *buf, const struct kernel_param *kp)
{
	return sysfs_emit(buf, "%lx\n", (unsigned long)READ_ONCE(address_in_vmlinux));
}

static const struct kernel_param_ops address_ops = {
	.get = address_get,
};

module_param_cb(address, &address_ops, NULL, 0400);
MODULE_PARM_DESC(address, "where the symbol of vmlinux was found");

/* 0 while the target is not loaded, on architectures that clear relocations. */
static const void *address_in_target = &target_secret_ref;

static int target_address_get(char *buf, const struct kernel_param *kp)
{
	return sysfs_emit(buf, "%lx\n", (unsigned long)READ_ONCE(address_in_target));
}

static const struct kernel_param_ops target_address_ops = {
	.get = target_address_get,
};

module_param_cb(target_address, &target_address_ops, NULL, 0400);
MODULE_PARM_DESC(target_address, "where the symbol of the target was found");

static bool unchecked;
module_param(unchecked, bool, 0444);
MODULE_PARM_DESC(unchecked, "do not care if the symbol of vmlinux is not relocated");

static bool persistent;
module_param(persistent, bool, 0444);
MODULE_PARM_DESC(persistent, "stay when disabled, to be enabled again");

static int new_version(struct seq_file *m, void *v)
{
	seq_printf(m, "%s\n", saved_command_line_ref);
	return 0;
}

static void new_value(struct seq_file *m)
{
	int secret = target_secret_ref;

	seq_printf(m, "value: %d, twice %d\n", secret, target_twice_ref(secret));
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
	.objs = objs,
	.mod = THIS_MODULE,
};

static int __init rela_init(void)
{
	if (!unchecked && !READ_ONCE(address_in_vmlinux)) {
		pr_err("not relocated: klp_mkrela has to make this module loadable first\n");
		return -ENOEXEC;
	}

	patch.persistent = persistent;
	return klp_enable_patch(&patch);
}

static void __exit rela_exit(void)
{
}

module_init(rela_init);
module_exit(rela_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Livepatch selftests: a livepatch with klp relocations");
MODULE_INFO(livepatch, "Y");
