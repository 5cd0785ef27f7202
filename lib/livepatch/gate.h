/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A gate keeps tasks inside a function until a test script opens it. A module parameter closes
 * and opens the gate, and another one has the number of waiting tasks. Scripts need no sleep.
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

/* The queue of all gates of the module. A task that is woken for another gate waits again. */
static DECLARE_WAIT_QUEUE_HEAD(gate_queue);

/*
 * Wait until the gate is open. Inlined, so that the task sleeps in the calling function. A
 * fatal signal ends the wait: otherwise a failing script would leave tasks that cannot be
 * killed. The signal of the core after 15 seconds only ends it if the gate is interruptible:
 * otherwise tasks would leave the function on a slow machine.
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

/* Wait until the gate is open, regardless of signals. */
static inline void gate_pass_unsignalled(struct gate *gate)
{
	atomic_inc(&gate->waiting);
	wait_event_idle(gate_queue, !READ_ONCE(gate->closed));
	atomic_dec(&gate->waiting);
}

/* Spin until the gate is open. Inlined like gate_pass(). */
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
