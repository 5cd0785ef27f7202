// SPDX-License-Identifier: GPL-2.0
/*
 * A kprobe with a post_handler. At the entry of a function it uses an IPMODIFY ops, so it and a
 * livepatch exclude each other.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/kprobes.h>
#include <linux/module.h>

static char *func = "cmdline_proc_show";
module_param(func, charp, 0444);
MODULE_PARM_DESC(func, "the function");

static void probe_post_handler(struct kprobe *kp, struct pt_regs *regs, unsigned long flags)
{
}

static struct kprobe probe = {
	.post_handler = probe_post_handler,
};

static int __init probe_init(void)
{
	probe.symbol_name = func;
	return register_kprobe(&probe);
}

static void __exit probe_exit(void)
{
	unregister_kprobe(&probe);
}

module_init(probe_init);
module_exit(probe_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Livepatch selftests: a kprobe that cannot be where a livepatch is");
