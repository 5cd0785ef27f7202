// SPDX-License-Identifier: GPL-2.0
/*
 * A direct caller of ftrace: a function calls the trampoline here without a handler in between,
 * as with a BPF fentry or fexit program.
 *
 * ftrace asks the ops_func of the ops to share the function with an IPMODIFY ops. The ops_func
 * agrees, or refuses as the parameter refuse says.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include "direct.h"
#include "hits.h"
#include <linux/ftrace.h>
#include <linux/linkage.h>
#include <linux/module.h>
#include <linux/moduleparam.h>
#include <linux/string.h>

#if defined(CONFIG_X86_64)
#include <asm/ibt.h>
#include <asm/nospec-branch.h>
#elif defined(CONFIG_S390)
#include <linux/stringify.h>
#include <asm/asm-offsets.h>
#endif

static char *func = "cmdline_proc_show";
module_param(func, charp, 0444);
MODULE_PARM_DESC(func, "the function, one of vmlinux");

static int refuse;
module_param(refuse, int, 0644);
MODULE_PARM_DESC(refuse, "errno with which to refuse to give way");

static int refusals = -1;
module_param(refusals, int, 0644);
MODULE_PARM_DESC(refusals, "how often to refuse before agreeing, negative for always");

static bool shared;
module_param(shared, bool, 0444);
MODULE_PARM_DESC(shared, "whether we give way now (read only)");

/* Called by the trampoline. */
notrace void test_klp_direct_hit(void)
{
	atomic_inc(&hits);
}

/*
 * Saves the registers that may contain arguments, and returns to its return address: the
 * function that has called it, or the function with which a livepatch has replaced that one.
 */
asm("	.pushsection .text, \"ax\", @progbits\n"
"	.type test_klp_direct_trampoline, @function\n"
"	.globl test_klp_direct_trampoline\n"
"test_klp_direct_trampoline:\n"
#if defined(CONFIG_X86_64)
	ASM_ENDBR
"	pushq %rbp\n"
"	movq %rsp, %rbp\n"
	CALL_DEPTH_ACCOUNT
"	pushq %rax\n"
"	pushq %rdi\n"
"	pushq %rsi\n"
"	pushq %rdx\n"
"	pushq %rcx\n"
"	pushq %r8\n"
"	pushq %r9\n"
"	call test_klp_direct_hit\n"
"	popq %r9\n"
"	popq %r8\n"
"	popq %rcx\n"
"	popq %rdx\n"
"	popq %rsi\n"
"	popq %rdi\n"
"	popq %rax\n"
"	popq %rbp\n"
	ASM_RET
#elif defined(CONFIG_S390)
	/* r0 is the return address of the trampoline, r14 that of the function. */
"	lgr	%r1, %r15\n"
"	aghi	%r15, -(" __stringify(STACK_FRAME_OVERHEAD) " + 56)\n"
"	stg	%r1, " __stringify(__SF_BACKCHAIN) "(%r15)\n"
"	stmg	%r0, %r5, " __stringify(STACK_FRAME_OVERHEAD) "(%r15)\n"
"	stg	%r14, " __stringify(STACK_FRAME_OVERHEAD) " + 48(%r15)\n"
"	brasl	%r14, test_klp_direct_hit\n"
"	lg	%r14, " __stringify(STACK_FRAME_OVERHEAD) " + 48(%r15)\n"
"	lmg	%r0, %r5, " __stringify(STACK_FRAME_OVERHEAD) "(%r15)\n"
"	aghi	%r15, " __stringify(STACK_FRAME_OVERHEAD) " + 56\n"
"	lgr	%r1, %r0\n"
"	br	%r1\n"
#elif defined(CONFIG_ARM64)
	/*
	 * x30 is the return address of the trampoline, x9 that of the function. One frame record
	 * for each, so that a stack trace has both.
	 */
"	hint	34\n"		/* BTI C */
"	stp	x29, x9, [sp, #-16]!\n"
"	mov	x29, sp\n"
"	stp	x29, x30, [sp, #-16]!\n"
"	mov	x29, sp\n"
"	sub	sp, sp, #80\n"
"	stp	x0, x1, [sp]\n"
"	stp	x2, x3, [sp, #16]\n"
"	stp	x4, x5, [sp, #32]\n"
"	stp	x6, x7, [sp, #48]\n"
"	str	x8, [sp, #64]\n"
"	bl	test_klp_direct_hit\n"
"	ldp	x0, x1, [sp]\n"
"	ldp	x2, x3, [sp, #16]\n"
"	ldp	x4, x5, [sp, #32]\n"
"	ldp	x6, x7, [sp, #48]\n"
"	ldr	x8, [sp, #64]\n"
"	add	sp, sp, #80\n"
"	ldp	x29, x9, [sp], #16\n"
"	ldp	x29, x30, [sp], #16\n"
"	ret	x9\n"
#endif
"	.size test_klp_direct_trampoline, . - test_klp_direct_trampoline\n"
"	.popsection\n");

static int direct_ops_func(struct ftrace_ops *ops, enum ftrace_ops_cmd cmd)
{
	switch (cmd) {
	case FTRACE_OPS_CMD_ENABLE_SHARE_IPMODIFY_SELF:
	case FTRACE_OPS_CMD_ENABLE_SHARE_IPMODIFY_PEER:
		if (refuse && refusals) {
			refusals -= refusals > 0;
			return -refuse;
		}
		shared = true;
		return 0;
	case FTRACE_OPS_CMD_DISABLE_SHARE_IPMODIFY_PEER:
		shared = false;
		return 0;
	}

	return -EINVAL;
}

static struct ftrace_ops direct_ops = {
	.ops_func = direct_ops_func,
};

static int __init direct_init(void)
{
	int ret;

	shared = false;
	ret = ftrace_set_filter(&direct_ops, func, strlen(func), 1);
	if (ret)
		return ret;

	ret = register_ftrace_direct(&direct_ops, (unsigned long)test_klp_direct_trampoline);
	if (ret)
		ftrace_free_filter(&direct_ops);
	return ret;
}

static void __exit direct_exit(void)
{
	unregister_ftrace_direct(&direct_ops, (unsigned long)test_klp_direct_trampoline, true);
}

module_init(direct_init);
module_exit(direct_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Livepatch selftests: an ftrace direct caller that gives way, or does not");
