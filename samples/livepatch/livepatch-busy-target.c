// SPDX-License-Identifier: GPL-2.0
/*
 * livepatch-busy-target - a kernel thread that is busy for any time
 *
 * The thread calls busy_step() in a loop. While the parameter "hold" is set, the call does not
 * return, and a livepatch that replaces busy_step() has to wait, such as livepatch-busy.
 */
#include <linux/err.h>
#include <linux/kthread.h>
#include <linux/module.h>
#include <linux/sched.h>

static bool hold;
module_param(hold, bool, 0644);
MODULE_PARM_DESC(hold, "the thread is busy until this is cleared");

static bool held;
module_param(held, bool, 0444);
MODULE_PARM_DESC(held, "the thread is busy in busy_step()");

static unsigned long count;
module_param(count, ulong, 0444);
MODULE_PARM_DESC(count, "what busy_step() has made of its last argument");

static struct task_struct *thread;

/* The function to be livepatched: it must not be cloned or inlined. */
static noinline __noclone unsigned long busy_step(unsigned long n)
{
	while (READ_ONCE(hold) && !kthread_should_stop()) {
		WRITE_ONCE(held, true);
		/*
		 * A real sleep. A loop with cond_resched() alone would also block RCU tasks,
		 * and with it ftrace when a patch is removed, and would keep a processor busy.
		 */
		schedule_timeout_idle(1);
	}
	WRITE_ONCE(held, false);
	return n + 1;
}

static int busy_thread(void *unused)
{
	while (!kthread_should_stop()) {
		WRITE_ONCE(count, busy_step(READ_ONCE(count)));
		schedule_timeout_idle(1);
	}
	return 0;
}

static int __init busy_target_init(void)
{
	thread = kthread_run(busy_thread, NULL, "livepatch-busy");
	return PTR_ERR_OR_ZERO(thread);
}

static void __exit busy_target_exit(void)
{
	kthread_stop(thread);
}

module_init(busy_target_init);
module_exit(busy_target_exit);
MODULE_DESCRIPTION("Livepatch sample: a busy thread");
MODULE_LICENSE("GPL");
