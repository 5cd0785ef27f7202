// SPDX-License-Identifier: GPL-2.0
/*
 * A target module that keeps tasks in the function that changes. A reader of
 * /proc/test_klp_hold sleeps in test_klp_hold_wait() while the parameter hold is set.
 *
 * The module can also run a kernel thread that only sleeps in test_klp_hold_nap(), so each check
 * of its stack finds that function. When the function is patched, the thread is only switched in
 * cond_resched(), or after it has been woken.
 *
 * Readers can also spin there, or sleep where their stack is unreliable. With the parameter
 * chain they continue in the functions of test_klp_chain, if it is loaded, without a safe point
 * in between.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include "gate.h"
#include "target.h"
#include <linux/err.h>
#include <linux/kthread.h>
#include <linux/module.h>
#include <linux/objtool.h>
#include <linux/proc_fs.h>
#include <linux/sched.h>

static struct gate gate;
module_param_cb(hold, &gate_closed_ops, &gate, 0644);
MODULE_PARM_DESC(hold, "keep readers of the /proc file asleep");
module_param_cb(held, &gate_waiting_ops, &gate, 0444);
MODULE_PARM_DESC(held, "number of readers asleep now");

module_param_named(interruptible, gate.interruptible, bool, 0444);
MODULE_PARM_DESC(interruptible, "let any signal wake them");

static bool busy;
module_param(busy, bool, 0444);
MODULE_PARM_DESC(busy, "let them spin in test_klp_hold_wait() instead");

static bool cold;
module_param(cold, bool, 0444);
MODULE_PARM_DESC(cold, "keep readers asleep in the cold part of test_klp_hold_wait() instead");

static bool chain;
module_param(chain, bool, 0444);
MODULE_PARM_DESC(chain, "let readers go on to what /proc/test_klp_chain shows");

static bool nap;
module_param(nap, bool, 0444);
MODULE_PARM_DESC(nap, "run a thread that sleeps in test_klp_hold_nap()");

static bool sleepless;
module_param(sleepless, bool, 0444);
MODULE_PARM_DESC(sleepless, "let it call cond_resched() instead, again and again");

static bool doze;
module_param(doze, bool, 0444);
MODULE_PARM_DESC(doze, "let it sleep there until it is woken");

static int napper_pid;
module_param(napper_pid, int, 0444);
MODULE_PARM_DESC(napper_pid, "process id of that thread (read only)");

static struct task_struct *napper;

/*
 * The compiler moves code that calls this function to test_klp_hold_wait.cold. __cold is empty
 * where the compiler does not align such functions.
 */
static noinline __attribute((__cold__)) void hold_is_cold(void)
{
	barrier();
}

static noinline __noclone int test_klp_hold_wait(struct seq_file *m)
{
	int ret;

	if (unlikely(cold)) {
		hold_is_cold();
		ret = gate_pass(&gate);
		if (ret)
			return ret;
	}
	if (busy)
		gate_spin(&gate);
	ret = gate_pass(&gate);
	if (ret)
		return ret;

	seq_puts(m, "original\n");
	return 0;
}

#ifdef CONFIG_UNWINDER_ORC

static bool unreliable;
module_param(unreliable, bool, 0444);
MODULE_PARM_DESC(unreliable, "keep readers asleep where their stack cannot be told instead");

static noinline __noclone int hold_unseen(void)
{
	return gate_pass(&gate);
}

/* No unwind data: the unwinder stops at this function. */
STACK_FRAME_NON_STANDARD(hold_unseen);

#else

static const bool unreliable;

static int hold_unseen(void)
{
	return 0;
}

#endif

/* No cond_resched() and no lock before the call: the task cannot be switched there. */
static int show_chain(struct seq_file *m)
{
	int (*show)(struct seq_file *m);
	int ret;

	show = symbol_get(test_klp_chain_show);
	if (!show)
		return -ENOENT;

	ret = show(m);
	symbol_put(test_klp_chain_show);
	return ret;
}

static int hold_show(struct seq_file *m, void *v)
{
	int ret;

	if (unreliable) {
		ret = hold_unseen();
		if (ret)
			return ret;
	}
	ret = test_klp_hold_wait(m);
	if (ret || !chain)
		return ret;

	return show_chain(m);
}

static noinline __noclone void test_klp_hold_nap(void)
{
	if (doze) {
		set_current_state(TASK_INTERRUPTIBLE);
		if (!kthread_should_stop())
			schedule();
		__set_current_state(TASK_RUNNING);
		return;
	}

	schedule_timeout_idle(1);
	/* Prevents a tail call: the function must stay on the stack. */
	barrier();
}

static int napper_fn(void *unused)
{
	while (!kthread_should_stop()) {
		if (!sleepless)
			test_klp_hold_nap();
		cond_resched();
	}

	return 0;
}

static int __init hold_init(void)
{
	if (!proc_create_single(KBUILD_MODNAME, 0444, NULL, hold_show))
		return -ENOMEM;

	napper_pid = 0;
	if (!nap)
		return 0;

	napper = kthread_run(napper_fn, NULL, "klp_napper");
	if (IS_ERR(napper)) {
		remove_proc_entry(KBUILD_MODNAME, NULL);
		return PTR_ERR(napper);
	}
	napper_pid = task_pid_nr(napper);

	return 0;
}

static void __exit hold_exit(void)
{
	if (napper)
		kthread_stop(napper);
	remove_proc_entry(KBUILD_MODNAME, NULL);
}

module_init(hold_init);
module_exit(hold_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Livepatch selftests: tasks that a transition has to wait for");
