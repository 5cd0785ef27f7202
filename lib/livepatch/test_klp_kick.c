// SPDX-License-Identifier: GPL-2.0
/*
 * Count calls of kick_process(), for kernel threads and for other tasks. kick_process() warns if
 * the task is current on a CPU that has just gone offline, which only a kernel thread can be.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/atomic.h>
#include <linux/kprobes.h>
#include <linux/module.h>
#include <linux/ptrace.h>
#include <linux/sched.h>

static atomic_t kthread_kicks, task_kicks;

static int kicks_get(char *buf, const struct kernel_param *kp)
{
	return sysfs_emit(buf, "%d\n", atomic_read(kp->arg));
}

static const struct kernel_param_ops kicks_ops = {
	.get = kicks_get,
};

module_param_cb(kthread_kicks, &kicks_ops, &kthread_kicks, 0444);
MODULE_PARM_DESC(kthread_kicks, "number of calls for kernel threads");
module_param_cb(task_kicks, &kicks_ops, &task_kicks, 0444);
MODULE_PARM_DESC(task_kicks, "number of calls for other tasks");

/*
 * Return the first argument. On s390 regs_get_kernel_argument() needs a symbol that is not
 * exported.
 */
static void *first_argument(struct pt_regs *regs)
{
#ifdef CONFIG_S390
	return (void *)regs->gprs[2];
#else
	return (void *)regs_get_kernel_argument(regs, 0);
#endif
}

static int kick_pre_handler(struct kprobe *kp, struct pt_regs *regs)
{
	struct task_struct *task = first_argument(regs);

	atomic_inc(task->flags & PF_KTHREAD ? &kthread_kicks : &task_kicks);
	return 0;
}

static struct kprobe kick_probe = {
	.symbol_name = "kick_process",
	.pre_handler = kick_pre_handler,
};

static int __init kick_init(void)
{
	return register_kprobe(&kick_probe);
}

static void __exit kick_exit(void)
{
	unregister_kprobe(&kick_probe);
}

module_init(kick_init);
module_exit(kick_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Livepatch selftests: a count of calls of kick_process()");
