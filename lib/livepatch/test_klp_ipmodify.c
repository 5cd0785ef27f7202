// SPDX-License-Identifier: GPL-2.0
/*
 * Somebody other than livepatch who may change where the calls of a function go.  ftrace allows a
 * function but one of that kind, so whoever is first keeps the other out.  Calls go on as before.
 *
 * The function is a parameter that can be written at any time: also when a callback holds the lock
 * of the livepatch core, which the loading of a module would wait for.
 */
#include <linux/ftrace.h>
#include <linux/kallsyms.h>
#include <linux/module.h>
#include <linux/string.h>

static void ipmodify_handler(unsigned long ip, unsigned long parent_ip, struct ftrace_ops *ops,
			     struct ftrace_regs *fregs)
{
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
MODULE_DESCRIPTION("Livepatch selftests: somebody who is on a function already");
