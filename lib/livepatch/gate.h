/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A gate that a test script closes and opens through a module parameter, and that tells how many
 * tasks stand in front of it.  It lets a script keep a task inside a function for as long as it
 * likes without a sleep in the script.
 */
#ifndef TEST_KLP_GATE_H
#define TEST_KLP_GATE_H

#include <linux/atomic.h>
#include <linux/kstrtox.h>
#include <linux/moduleparam.h>
#include <linux/rcupdate.h>
#include <linux/sched/signal.h>
#include <linux/sysfs.h>
#include <linux/wait.h>

struct gate {
	bool closed;
	bool interruptible;
	atomic_t waiting;
};

/* For all gates of the module: whoever is woken for nothing looks and goes back to sleep. */
static DECLARE_WAIT_QUEUE_HEAD(gate_queue);

/*
 * Inlined, so that the function that calls it is what the task is found asleep in.  A signal that
 * kills ends the wait, or a failing script would leave tasks that nobody can get rid of; the one
 * that the core sends after some seconds does only where the gate says so, or a slow machine could
 * not keep a task there.
 */
static __always_inline int gate_pass(struct gate *gate)
{
	int ret;

	if (!READ_ONCE(gate->closed))
		return 0;

	atomic_inc(&gate->waiting);
	if (gate->interruptible)
		ret = wait_event_interruptible(gate_queue, !READ_ONCE(gate->closed));
	else
		ret = wait_event_killable(gate_queue, !READ_ONCE(gate->closed));
	atomic_dec(&gate->waiting);

	return ret;
}

/* For whoever must not come back before the gate is open, whatever signals arrive. */
static inline void gate_pass_unsignalled(struct gate *gate)
{
	atomic_inc(&gate->waiting);
	wait_event_idle(gate_queue, !READ_ONCE(gate->closed));
	atomic_dec(&gate->waiting);
}

/* For who is to be found running: inlined like gate_pass(). */
static __always_inline void gate_spin(struct gate *gate)
{
	atomic_inc(&gate->waiting);
	while (READ_ONCE(gate->closed) && !fatal_signal_pending(current)) {
		/* Lets an emulator run another CPU. */
		cpu_relax();
		cond_resched_tasks_rcu_qs();
	}
	atomic_dec(&gate->waiting);
}

static inline int gate_closed_set(const char *val, const struct kernel_param *kp)
{
	struct gate *gate = kp->arg;
	bool closed;
	int ret;

	ret = kstrtobool(val, &closed);
	if (ret)
		return ret;

	WRITE_ONCE(gate->closed, closed);
	wake_up_all(&gate_queue);

	return 0;
}

static inline int gate_closed_get(char *buf, const struct kernel_param *kp)
{
	struct gate *gate = kp->arg;

	return sysfs_emit(buf, "%d\n", gate->closed);
}

static inline int gate_waiting_get(char *buf, const struct kernel_param *kp)
{
	struct gate *gate = kp->arg;

	return sysfs_emit(buf, "%d\n", atomic_read(&gate->waiting));
}

static const struct kernel_param_ops gate_closed_ops = {
	.set = gate_closed_set,
	.get = gate_closed_get,
};

static const struct kernel_param_ops gate_waiting_ops = {
	.get = gate_waiting_get,
};

#endif /* TEST_KLP_GATE_H */
