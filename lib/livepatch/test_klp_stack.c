// SPDX-License-Identifier: GPL-2.0
/*
 * Tasks that sleep where the walk of their stack must end with an error, or must not.
 *
 * With the parameter thread=1 a kernel thread sleeps below a frame record that the other
 * parameters describe. Only architectures whose unwinder follows frame records have it.
 *
 * A page fault in a mapping of /proc/test_klp_stack sleeps while the parameter hold is set, and
 * then fails.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include "gate.h"
#include <linux/err.h>
#include <linux/kthread.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/proc_fs.h>

static struct gate gate;
module_param_cb(hold, &gate_closed_ops, &gate, 0644);
MODULE_PARM_DESC(hold, "keep the thread and page faults asleep");
module_param_cb(held, &gate_waiting_ops, &gate, 0444);
MODULE_PARM_DESC(held, "number of tasks asleep now");

static bool thread;
module_param(thread, bool, 0444);
MODULE_PARM_DESC(thread, "run a thread below a frame record");

static unsigned long fp_mask = ULONG_MAX;
module_param(fp_mask, ulong, 0444);
MODULE_PARM_DESC(fp_mask, "bits that the frame pointer has of the address of the next record");

static unsigned long fp_offset;
module_param(fp_offset, ulong, 0444);
MODULE_PARM_DESC(fp_offset, "what is added to them");

static unsigned long pc;
module_param(pc, ulong, 0444);
MODULE_PARM_DESC(pc, "return address, 0 for one in the thread");

static int thread_pid;
module_param(thread_pid, int, 0444);
MODULE_PARM_DESC(thread_pid, "process id of the thread (read only)");

static struct task_struct *sleeper;

/* Called below the record. */
static noinline void sleep_in_gate(void)
{
	gate_pass_unsignalled(&gate);
	/* Prevents a tail call: the function must stay on the stack. */
	barrier();
}

#ifdef CONFIG_ARM64

/*
 * Create a frame record, and below it another one that contains (frame pointer of the first one &
 * @mask) + @offset and @pc. Then call @fn.
 */
asmlinkage void test_klp_stack_call(unsigned long mask, unsigned long offset, unsigned long pc,
				    void (*fn)(void));

asm("	.pushsection .text, \"ax\", %progbits\n"
"	.type test_klp_stack_call, %function\n"
"	.globl test_klp_stack_call\n"
"test_klp_stack_call:\n"
/* BTI C */
"	hint	34\n"
"	stp	x29, x30, [sp, #-16]!\n"
"	mov	x29, sp\n"
"	and	x0, x29, x0\n"
"	add	x0, x0, x1\n"
"	stp	x0, x2, [sp, #-16]!\n"
"	mov	x29, sp\n"
"	blr	x3\n"
"	add	sp, sp, #16\n"
"	ldp	x29, x30, [sp], #16\n"
"	ret\n"
"	.size test_klp_stack_call, . - test_klp_stack_call\n"
"	.popsection\n");

static bool have_records(void)
{
	return true;
}

#else

static bool have_records(void)
{
	return false;
}

static void test_klp_stack_call(unsigned long mask, unsigned long offset, unsigned long pc,
				void (*fn)(void))
{
}

#endif

static int sleeper_fn(void *unused)
{
	unsigned long in_this_function = (unsigned long)sleeper_fn + 8;

	test_klp_stack_call(fp_mask, fp_offset, pc ?: in_this_function, sleep_in_gate);
	while (!kthread_should_stop())
		schedule_timeout_idle(1);

	return 0;
}

static vm_fault_t stack_fault(struct vm_fault *vmf)
{
	gate_pass(&gate);
	return VM_FAULT_SIGBUS;
}

static const struct vm_operations_struct stack_vm_ops = {
	.fault = stack_fault,
};

static int stack_mmap(struct file *file, struct vm_area_struct *vma)
{
	vma->vm_ops = &stack_vm_ops;
	return 0;
}

static const struct proc_ops stack_proc_ops = {
	.proc_mmap = stack_mmap,
};

static int __init stack_init(void)
{
	thread_pid = 0;
	if (thread && !have_records())
		return -EOPNOTSUPP;
	if (!proc_create(KBUILD_MODNAME, 0444, NULL, &stack_proc_ops))
		return -ENOMEM;
	if (!thread)
		return 0;

	sleeper = kthread_run(sleeper_fn, NULL, "klp_stack");
	if (IS_ERR(sleeper)) {
		remove_proc_entry(KBUILD_MODNAME, NULL);
		return PTR_ERR(sleeper);
	}
	thread_pid = task_pid_nr(sleeper);

	return 0;
}

static void __exit stack_exit(void)
{
	WRITE_ONCE(gate.closed, false);
	wake_up_all(&gate_queue);
	if (sleeper)
		kthread_stop(sleeper);
	remove_proc_entry(KBUILD_MODNAME, NULL);
}

module_init(stack_init);
module_exit(stack_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Livepatch selftests: tasks whose stack cannot be read reliably");
