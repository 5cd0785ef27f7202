// SPDX-License-Identifier: GPL-2.0
/*
 * Another user of ftrace with an IPMODIFY ops. ftrace allows one such ops per function, so the ops
 * blocks a livepatch and is blocked by one. Its handler does not change calls by default.
 *
 * With declared=0 the ops has no IPMODIFY flag, and may be on a function that is patched. With
 * divert=1 its handler changes the address at which the call continues.
 *
 * The parameter can be written at any time, also while a callback holds the lock of the
 * livepatch core, for which loading a module would wait.
 */
#include "hits.h"
#include <linux/errno.h>
#include <linux/ftrace.h>
#include <linux/kallsyms.h>
#include <linux/module.h>
#include <linux/string.h>

static bool declared = true;
module_param(declared, bool, 0444);
MODULE_PARM_DESC(declared, "declare with the IPMODIFY flag that calls could be changed");

static bool divert;
module_param(divert, bool, 0444);
MODULE_PARM_DESC(divert, "make the function fail with -EXDEV");

/* The other side of a diverted call. It needs no arguments. */
static long diverted(void)
{
	return -EXDEV;
}

static void notrace ipmodify_handler(unsigned long ip, unsigned long parent_ip,
				     struct ftrace_ops *ops, struct ftrace_regs *fregs)
{
	atomic_inc(&hits);
	if (divert)
		ftrace_regs_set_instruction_pointer(fregs, (unsigned long)diverted);
}

static struct ftrace_ops ipmodify_ops = {
	.func = ipmodify_handler,
	.flags = FTRACE_OPS_FL_IPMODIFY | FTRACE_OPS_FL_SAVE_REGS,
};

static char function[KSYM_NAME_LEN];

static void let_go(void)
{
	if (!*function)
		return;

	unregister_ftrace_function(&ipmodify_ops);
	*function = '\0';
}

static int function_set(const char *val, const struct kernel_param *kp)
{
	static char wanted[KSYM_NAME_LEN];
	int ret;

	let_go();
	strscpy(wanted, val);
	strim(wanted);
	if (!*wanted)
		return 0;

	if (!declared)
		ipmodify_ops.flags &= ~FTRACE_OPS_FL_IPMODIFY;
	ret = ftrace_set_filter(&ipmodify_ops, wanted, strlen(wanted), 1);
	if (ret)
		return ret;
	ret = register_ftrace_function(&ipmodify_ops);
	if (!ret)
		strscpy(function, wanted);

	return ret;
}

static const struct kernel_param_ops function_ops = {
	.set = function_set,
	.get = param_get_string,
};

static struct kparam_string function_string = {
	.maxlen = sizeof(function),
	.string = function,
};

module_param_cb(function, &function_ops, &function_string, 0644);
MODULE_PARM_DESC(function, "whose calls could be changed; empty for none");

static int __init ipmodify_init(void)
{
	return 0;
}

static void __exit ipmodify_exit(void)
{
	let_go();
	ftrace_free_filter(&ipmodify_ops);
}

module_init(ipmodify_init);
module_exit(ipmodify_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Livepatch selftests: another user of ftrace with an IPMODIFY ops");
