/* SPDX-License-Identifier: GPL-2.0 */
/* A target module. All functions have one type, so that each new function fits. */

#include <linux/init.h>
#include <linux/module.h>

static noinline int fuzz_fn_0(void)
{
	barrier();
	return 1;
}

static noinline int fuzz_fn_1(void)
{
	barrier();
	return 1;
}

static noinline int fuzz_fn_2(void)
{
	barrier();
	return 1;
}

static noinline int fuzz_fn_3(void)
{
	barrier();
	return 1;
}

/* A second name of the address of fuzz_fn_0(). */
static int __alias(fuzz_fn_0) __used fuzz_alias_0(void);

/* Code that is freed when the module is live. */
static noinline int __init fuzz_init_fn(void)
{
	barrier();
	return 0;
}

static noinline int fuzz_twin(void)
{
	barrier();
	return 1;
}

static noinline notrace int fuzz_untraced(void)
{
	barrier();
	return 1;
}

static int fuzz_call_all(void)
{
	return fuzz_fn_0() + fuzz_alias_0() + fuzz_fn_1() + fuzz_fn_2() + fuzz_fn_3() +
	       fuzz_twin() + fuzz_untraced();
}

static int __init fuzz_target_init(void)
{
	return fuzz_init_fn();
}

static void __exit fuzz_target_exit(void)
{
}

module_init(fuzz_target_init);
module_exit(fuzz_target_exit);
