// SPDX-License-Identifier: GPL-2.0
/*
 * A kernel thread that only calls cond_resched(). A grace period of RCU tasks waits until it
 * sleeps, and a transition until it does not run.
 */

#include <linux/err.h>
#include <linux/kthread.h>
#include <linux/module.h>
#include <linux/sched.h>

static struct task_struct *spinner;

static int bench_spin(void *unused)
{
	while (!kthread_should_stop())
		cond_resched();
	return 0;
}

static int __init bench_spin_init(void)
{
	spinner = kthread_run(bench_spin, NULL, "bench_spin");
	return PTR_ERR_OR_ZERO(spinner);
}

static void __exit bench_spin_exit(void)
{
	kthread_stop(spinner);
}

module_init(bench_spin_init);
module_exit(bench_spin_exit);

MODULE_DESCRIPTION("Livepatch benchmark: a kernel thread that spins in cond_resched()");
MODULE_LICENSE("GPL");
