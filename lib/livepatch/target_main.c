// SPDX-License-Identifier: GPL-2.0
/*
 * A target module. A separate function prints each line of /proc/test_klp_target, so the file
 * shows which version of each function is in use.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include "target.h"
#include <linux/module.h>
#include <linux/proc_fs.h>

static int init_ret;
module_param(init_ret, int, 0444);
MODULE_PARM_DESC(init_ret, "what init returns once it has undone its own work");

/* Neither exported nor global: only a klp relocation can refer to it. */
static int test_klp_target_secret = 21;
module_param_named(secret, test_klp_target_secret, int, 0644);
MODULE_PARM_DESC(secret, "a number for a livepatch to find");

static noinline __noclone int test_klp_target_twice(int number)
{
	/* Keeps the compiler from computing the result in the caller. */
	barrier();
	return 2 * number;
}

static noinline __noclone void test_klp_target_value(struct seq_file *m)
{
	seq_puts(m, "value: original\n");
}

/* A second name of the same function. */
static void __alias(test_klp_target_value) __used test_klp_target_alias(struct seq_file *m);

static noinline __noclone void test_klp_target_extra(struct seq_file *m)
{
	seq_puts(m, "extra: original\n");
}

/* Has no call of ftrace, so it cannot be redirected. */
static noinline __noclone notrace void test_klp_target_untraced(struct seq_file *m)
{
	seq_printf(m, "secret: %d\n", test_klp_target_twice(test_klp_target_secret));
}

/*
 * A symbol as of a function whose arguments the compiler has changed. There is no symbol without
 * the suffix.
 */
asm("	.set	test_klp_target_split.isra.0, test_klp_target_twice\n");

#ifndef TARGET_ALONE

static noinline __noclone void test_klp_target_twin(struct seq_file *m)
{
	seq_puts(m, "first: original\n");
}

void target_first(struct seq_file *m)
{
	test_klp_target_twin(m);
}

static void show_twins(struct seq_file *m)
{
	target_first(m);
	target_second(m);
}

#else

static void show_twins(struct seq_file *m)
{
}

#endif

static int target_show(struct seq_file *m, void *v)
{
	test_klp_target_value(m);
	test_klp_target_extra(m);
	show_twins(m);
	test_klp_target_untraced(m);

	return 0;
}

static int __init target_init(void)
{
	if (!proc_create_single(KBUILD_MODNAME, 0444, NULL, target_show))
		return -ENOMEM;

	pr_info("init\n");
	if (init_ret)
		remove_proc_entry(KBUILD_MODNAME, NULL);

	return init_ret;
}

static void __exit target_exit(void)
{
	remove_proc_entry(KBUILD_MODNAME, NULL);
	pr_info("exit\n");
}

module_init(target_init);
module_exit(target_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Livepatch selftests: a module to be patched");
