// SPDX-License-Identifier: GPL-2.0
/*
 * A module that keeps tasks where a transition has to wait for them: whoever reads
 * /proc/test_klp_hold while the parameter hold is set sleeps inside test_klp_hold_wait().  It can
 * also run a kernel thread that sleeps nowhere but inside test_klp_hold_nap(), so that whoever
 * looks at its stack finds it there.  When that function is patched, cond_resched() is all that is
 * left to switch the thread; and when it dozes there, somebody has to wake it first.
 *
 * Readers can also spin in there rather than sleep, or sleep where their stack cannot be told.
 * With the parameter chain, they go on into the functions of test_klp_chain, if that has come
 * meanwhile, without a point in between at which they could switch themselves.
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

static bool chain;
module_param(chain, bool, 0444);
MODULE_PARM_DESC(chain, "let readers go on to what /proc/test_klp_chain shows");

static bool nap;
module_param(nap, bool, 0444);
MODULE_PARM_DESC(nap, "run a thread that sleeps in test_klp_hold_nap()");

static bool doze;
module_param(doze, bool, 0444);
MODULE_PARM_DESC(doze, "let it sleep there until somebody wakes it");

static int napper_pid;
module_param(napper_pid, int, 0444);
MODULE_PARM_DESC(napper_pid, "process id of that thread (read only)");

static struct task_struct *napper;

static noinline __noclone int test_klp_hold_wait(struct seq_file *m)
{
	int ret;

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

/* No data for the unwinder: it does not get past this function. */
STACK_FRAME_NON_STANDARD(hold_unseen);

#else

static const bool unreliable;

static int hold_unseen(void)
{
	return 0;
}

#endif

/* No cond_resched() on the way, and no lock to be waited for: the task cannot be switched there. */
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
	/* Not a tail call: the function must be on the stack meanwhile. */
	barrier();
}

static int napper_fn(void *unused)
{
	while (!kthread_should_stop()) {
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
