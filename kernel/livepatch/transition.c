// SPDX-License-Identifier: GPL-2.0
/*
 * Transitions move every task from one state to the other, each at a point where the task runs
 * none of the changed functions.
 *
 * One patch is in transition at a time. While the transition flag of its functions is set, the
 * ftrace handler reads the state of the calling task to choose a version. A task is switched
 *
 *	- when it sleeps with none of the functions on its stack,
 *	- when a stopper thread interrupts it, under the same condition,
 *	- when it returns to user space or passes through the idle loop,
 *	- when it calls cond_resched() with none of the functions on its stack, or
 *	- when it is created, to the state of its parent.
 *
 * Memory ordering
 * ---------------
 *
 * A writer that holds klp_mutex does in this order
 *
 *	(1) klp_target_state = target; patch_state of all tasks = the other state
 *	(2) transition flags of all functions = true
 *	(3) redirect the functions, when patching
 *	(4) set TIF_PATCH_PENDING of all tasks
 *
 * with smp_wmb() between (1) and (2) and before (4).
 *
 * A handler that reads a set flag must read the state of (1), not KLP_TRANSITION_IDLE and not a
 * state of the previous transition. The handler reads the flag, and the state after smp_rmb().
 *
 * A task that switches itself clears its TIF_PATCH_PENDING, reads klp_target_state and writes
 * its patch_state. The task must read the target of (1), and the handler of its next call must
 * read the flag of (2). Clearing TIF_PATCH_PENDING is a read-modify-write that returns a value,
 * hence a full barrier, which pairs with the smp_wmb() before (4). The state of another task is
 * written only while that task cannot run. The barriers of the scheduler make the state visible
 * before the task runs again.
 *
 * A transition is complete when no task is left in the other state. The flags are then cleared
 * or the functions are unregistered. The states get a new meaning only after
 * klp_redirect_synchronize(): no handler that has read a flag is left.
 */

#define pr_fmt(fmt) "livepatch: " fmt

#include <linux/cpu.h>
#include <linux/percpu.h>
#include <linux/pid.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>
#include <linux/stop_machine.h>
#include <linux/wait.h>
#include <trace/events/livepatch.h>
#include "callbacks.h"
#include "exiting.h"
#include "held.h"
#include "redirect.h"
#include "runtime.h"
#include "stackcheck.h"
#include "state.h"
#include "transition.h"

/* Number of tasks that are checked before the pass can be preempted. */
#define KLP_TASK_BATCH		64

/* Delay in jiffies before the next pass. It doubles with each pass that leaves tasks pending. */
#define KLP_FIRST_RETRY		1
#define KLP_LAST_RETRY		HZ

/*
 * A stopper thread interrupts a task that runs in the kernel without sleeping, to check its
 * stack: a kthread in each pass, a user task after this delay in jiffies.
 */
#define KLP_STOPPER_DELAY	(HZ / 8)

/*
 * Delay in jiffies before cond_resched() is patched to call __klp_sched_try_switch(). Patching
 * all its callers costs more than most transitions, and holds up the load of modules.
 */
#define KLP_COND_RESCHED_DELAY	(2 * HZ)

/* Period in jiffies of interrupting pending tasks. */
#define KLP_SIGNAL_PERIOD	(15 * HZ)

/* Written under klp_mutex. Tasks that switch themselves read it without the lock. */
static int klp_target_state = KLP_TRANSITION_IDLE;

/*
 * Written under klp_mutex, NULL when it has to be rebuilt. Tasks in cond_resched() read it with
 * preemption disabled.
 */
static struct klp_stack_table __rcu *klp_stack_table;

static void (*klp_finished)(struct klp_rt_patch *patch);
static DECLARE_WAIT_QUEUE_HEAD(klp_transition_over);
static unsigned long klp_retry_delay;
static unsigned long klp_stopper_time;
static unsigned long klp_cond_resched_time;
static bool klp_cond_resched_hooked;
static unsigned long klp_next_signal;
static bool klp_signalled;

/*
 * Number of tasks that the last pass has left pending and that have not switched themselves
 * since. Before the first pass it is the number of all pending tasks, without a transition 0 or
 * less. The last of them queues the next pass. During a pass KLP_PASS_BIAS is added, so no
 * task queues another one. The number is only a hint: children that inherit TIF_PATCH_PENDING
 * are not counted, and a task that exits stays counted.
 */
static atomic_t klp_nr_left;

#define KLP_PASS_BIAS		(INT_MAX / 2)

/* The number that the last pass has left, while the next one is running. Only for sysfs. */
static int klp_nr_before_pass;

static void klp_retry_fn(struct work_struct *work);
static DECLARE_DELAYED_WORK(klp_retry_work, klp_retry_fn);

#if defined(CONFIG_PREEMPT_DYNAMIC) && defined(CONFIG_HAVE_PREEMPT_DYNAMIC_CALL)

static void klp_hook_cond_resched(void)
{
	sched_dynamic_klp_enable();
}

static void klp_unhook_cond_resched(void)
{
	sched_dynamic_klp_disable();
}

#else

struct static_key_false klp_sched_try_switch_key = STATIC_KEY_FALSE_INIT;
EXPORT_SYMBOL(klp_sched_try_switch_key);

static void klp_hook_cond_resched(void)
{
	static_branch_enable(&klp_sched_try_switch_key);
}

static void klp_unhook_cond_resched(void)
{
	static_branch_disable(&klp_sched_try_switch_key);
}

#endif

static const char *klp_direction(int target)
{
	return target == KLP_TRANSITION_PATCHED ? "patching" : "unpatching";
}

static int klp_other_state(int state)
{
	return state == KLP_TRANSITION_PATCHED ? KLP_TRANSITION_UNPATCHED : KLP_TRANSITION_PATCHED;
}

/* === States of all tasks =================================================================== */

/*
 * Call @fn for all tasks, idle and exiting ones included: first for the task list, then for the
 * tasks that are about to leave it or have left it (see exiting.c). tasklist_lock or another
 * spinlock is held, so that no task is created or missed. @fn must not sleep and should be
 * short.
 */
static void klp_walk_tasks(void (*fn)(struct task_struct *task))
{
	struct task_struct *group, *task;
	unsigned int cpu;

	read_lock(&tasklist_lock);
	for_each_process_thread(group, task)
		fn(task);
	read_unlock(&tasklist_lock);
	klp_walk_exiting(fn);

	for_each_possible_cpu(cpu)
		fn(idle_task(cpu));
}

static void klp_set_initial_state(struct task_struct *task)
{
	WRITE_ONCE(task->patch_state, klp_other_state(klp_target_state));
}

static void klp_set_idle_state(struct task_struct *task)
{
	WRITE_ONCE(task->patch_state, KLP_TRANSITION_IDLE);
}

static void klp_set_pending(struct task_struct *task)
{
	if (READ_ONCE(task->patch_state) == klp_target_state)
		return;
	atomic_inc(&klp_nr_left);
	set_tsk_thread_flag(task, TIF_PATCH_PENDING);
}

static void klp_clear_pending(struct task_struct *task)
{
	clear_tsk_thread_flag(task, TIF_PATCH_PENDING);
}

/*
 * Set or clear the flags of all functions. A nop keeps its flag until it is freed: the handler
 * recognizes a nop by it.
 */
static void klp_set_transition_flags(struct klp_rt_patch *patch, bool transition)
{
	struct klp_rt_object *obj;
	struct klp_rt_func *func;

	klp_rt_for_each_object(obj, patch) {
		klp_rt_for_each_func(func, obj)
			WRITE_ONCE(func->transition, transition || func->nop);
	}
}

/**
 * klp_copy_process() - give a new task the state of its parent
 * @child: the new task
 *
 * The flags and the state that @child has copied from current may be out of date. Fork calls
 * this function as in Linux 6.12.
 *
 * Context: tasklist_lock is held for writing, and @child is not on the task list yet. A walk of
 * the list either precedes the copy, which then reads what the walk has written to the parent,
 * or finds both tasks.
 */
void klp_copy_process(struct task_struct *child)
{
	/* The parent is current, so neither another task nor a pass switches it meanwhile. */
	update_tsk_thread_flag(child, TIF_PATCH_PENDING, klp_patch_pending(current));
	WRITE_ONCE(child->patch_state, READ_ONCE(current->patch_state));

	if (child->patch_state != KLP_TRANSITION_IDLE &&
	    child->patch_state == READ_ONCE(klp_target_state))
		trace_klp_task_switched(child, "fork");
}

/* === Switching a task ====================================================================== */

/*
 * Switch @task if it is pending. @task is current, or cannot run, or is switched without a
 * check by klp_transition_force().
 */
static bool klp_switch_pending_task(struct task_struct *task, const char *how)
{
	guard(preempt_notrace)();
	/* A full barrier, see "Memory ordering". */
	if (!test_and_clear_tsk_thread_flag(task, TIF_PATCH_PENDING))
		return false;
	WRITE_ONCE(task->patch_state, READ_ONCE(klp_target_state));
	trace_klp_task_switched(task, how);
	return true;
}

/* Queue a pass on an unbound workqueue: a task that occupies one CPU must not delay it. */
static void klp_queue_pass(unsigned long delay)
{
	mod_delayed_work(system_unbound_wq, &klp_retry_work, delay);
}

/* Account for a task that has switched itself. */
static void klp_count_switched(void)
{
	if (atomic_dec_and_test(&klp_nr_left))
		klp_queue_pass(0);
}

/**
 * klp_update_patch_state() - switch a task that is at a safe point
 * @task: current, on its way to user space or in the idle loop
 *
 * The entry code and the idle loop call this function as in Linux 6.12.
 *
 * Context: any context in which RCU is watching. Preemption is disabled between the test of the
 * flag and the write of the state, so that klp_transition_reverse() can wait for tasks that
 * have cleared their flag.
 */
void klp_update_patch_state(struct task_struct *task)
{
	if (klp_switch_pending_task(task, is_idle_task(task) ? "idle" : "exit"))
		klp_count_switched();
}

/* Mark @task as switched, without checking its stack. */
static void klp_force_task(struct task_struct *task)
{
	klp_switch_pending_task(task, "force");
}

/*
 * An attempt to switch a task: its name in the trace, and the entry of the table that was on
 * the stack.
 */
struct klp_switch_try {
	const char *how;
	struct klp_stack_hit hit;
};

/* Switch @task if its stack allows it. @task is current, or cannot start to run. */
static int klp_switch_if_safe(struct task_struct *task, void *arg)
{
	struct klp_switch_try *attempt = arg;
	const struct klp_stack_table *table = rcu_dereference_sched(klp_stack_table);
	int ret;

	if (task != current && task_curr(task))
		return -EBUSY;
	if (!table)
		return -ENOMEM;

	ret = klp_stack_check(table, task, &attempt->hit);
	if (!ret)
		klp_switch_pending_task(task, attempt->how);
	return ret;
}

/* Describe an error of klp_switch_if_safe() for the log, and as one word for the trace. */
static const char *klp_held_reason(int ret, const char **word)
{
	switch (ret) {
	case -EADDRINUSE:
		*word = "sleeping";
		return "is sleeping on function ";
	case -EINVAL:
		*word = "unreliable";
		return "has an unreliable stack";
	case -EBUSY:
		*word = "running";
		return "is running";
	default:
		*word = "memory";
		return "cannot be checked without memory";
	}
}

/*
 * Write the patched function that is on the stack to @buf, or the livepatch module in brackets.
 */
static void klp_name_place(const struct klp_stack_hit *hit, char *buf, size_t size)
{
	if (hit->function)
		strscpy(buf, hit->function, size);
	else if (hit->module)
		scnprintf(buf, size, "[%s]", hit->module);
	else
		*buf = '\0';
}

/* Switch @task if its stack allows it. Returns true if the task is in the target state. */
static bool klp_try_switch_task(struct task_struct *task, const char *how)
{
	struct klp_switch_try attempt = { .how = how };
	char where[MODULE_NAME_LEN + KSYM_NAME_LEN];
	const char *reason, *word;
	int ret;

	if (READ_ONCE(task->patch_state) == READ_ONCE(klp_target_state))
		return true;

	if (task == current) {
		guard(preempt)();
		ret = klp_switch_if_safe(task, &attempt);
	} else {
		ret = task_call_func(task, klp_switch_if_safe, &attempt);
	}
	if (!ret)
		return true;

	/* Print after task_call_func(), which holds scheduler locks that a console may take. */
	reason = klp_held_reason(ret, &word);
	klp_name_place(&attempt.hit, where, sizeof(where));
	klp_held_note(task, word, &attempt.hit);
	pr_debug("%s: %s:%d %s%s\n", __func__, task->comm, task->pid, reason, where);
	trace_klp_task_held(task, word, *where ? where : "-");
	return false;
}

/*
 * Switch current if its stack allows it. Called from cond_resched(), which is the only safe
 * point of a kthread that never sleeps.
 *
 * klp_mutex cannot be taken here. Preemption is disabled: the task stays on its CPU, no other
 * task switches it, and a reversal waits for this section. The target and the table are
 * therefore those of the flag that was read.
 */
void __klp_sched_try_switch(void)
{
	struct klp_switch_try attempt = { .how = "cond_resched" };

	if (!klp_patch_pending(current))
		return;

	guard(preempt)();
	if (!klp_patch_pending(current))
		return;
	/* The flag before the target: pairs with smp_wmb() before (4). */
	smp_rmb();
	/*
	 * Do not report a failure here: cond_resched() may be called again immediately. The
	 * periodic pass traces the task.
	 */
	if (!klp_switch_if_safe(current, &attempt))
		klp_count_switched();
}
EXPORT_SYMBOL(__klp_sched_try_switch);

/* A task that a stopper thread has to switch. @task is NULL when @work may be queued. */
struct klp_stopper_try {
	struct cpu_stop_work work;
	struct task_struct *task;
};

static DEFINE_PER_CPU(struct klp_stopper_try, klp_stopper_tries);

/*
 * Switch a task if its stack allows it. The stopper thread has taken the CPU from the task. A
 * task that meanwhile runs on another CPU is not switched.
 *
 * klp_mutex is not held, but preemption is disabled: the target and the table are those of the
 * flag, as in __klp_sched_try_switch(). A stopper thread executes its works in order, so a work
 * queued before klp_redirect_synchronize() has finished when that function returns.
 */
static int klp_stopper_switch(void *arg)
{
	struct klp_stopper_try *stopper_try = arg;
	struct task_struct *task = stopper_try->task;
	struct klp_switch_try attempt = { .how = "stopper" };

	if (klp_patch_pending(task)) {
		/* The flag before the target: pairs with smp_wmb() before (4). */
		smp_rmb();
		if (!task_call_func(task, klp_switch_if_safe, &attempt))
			klp_count_switched();
	}
	put_task_struct(task);
	/* Pairs with smp_load_acquire() in klp_queue_stopper(). */
	smp_store_release(&stopper_try->task, NULL);
	return 0;
}

/* Queue the stopper thread of the CPU on which @task runs, to switch @task. */
static void klp_queue_stopper(struct task_struct *task)
{
	unsigned int cpu = task_cpu(task);
	struct klp_stopper_try *stopper_try = per_cpu_ptr(&klp_stopper_tries, cpu);

	/* Pairs with smp_store_release() in klp_stopper_switch(). */
	if (smp_load_acquire(&stopper_try->task))
		return;
	stopper_try->task = get_task_struct(task);
	if (stop_one_cpu_nowait(cpu, klp_stopper_switch, stopper_try, &stopper_try->work))
		return;
	stopper_try->task = NULL;
	put_task_struct(task);
}

/* === Passes over all tasks ================================================================= */

/* Interrupt @task if it runs, so that it passes a safe point or is checked. */
static void klp_urge_task(struct task_struct *task)
{
	/* A task in user space reads TIF_PATCH_PENDING only at its next entry to the kernel. */
	if (!(task->flags & PF_KTHREAD))
		kick_process(task);
	if (task_curr(task) &&
	    (task->flags & PF_KTHREAD || time_after_eq(jiffies, klp_stopper_time)))
		klp_queue_stopper(task);
}

/*
 * Try to switch at most KLP_TASK_BATCH tasks, beginning with number @nr, and add the pending
 * ones to @left. Returns the number of the next task, or 0 at the end.
 */
static pid_t klp_try_switch_batch(pid_t nr, unsigned int *left)
{
	struct task_struct *task;
	unsigned int i;
	struct pid *pid;

	/* Keep CPUs online: kick_process() warns if @task is current on an offline CPU. */
	guard(cpus_read_lock)();
	guard(rcu)();
	for (i = 0; i < KLP_TASK_BATCH; i++) {
		pid = find_ge_pid(nr, &init_pid_ns);
		if (!pid)
			return 0;
		nr = pid_nr(pid) + 1;
		task = pid_task(pid, PIDTYPE_PID);
		if (!task || klp_try_switch_task(task, "stack"))
			continue;
		klp_urge_task(task);
		(*left)++;
	}
	return nr;
}

/* Try to switch an exiting task. Such a task has no pid, and never returns to user space. */
static bool klp_try_switch_exiting(struct task_struct *task)
{
	return klp_try_switch_task(task, "stack");
}

/*
 * Try to switch the idle tasks. They have no pid, and switch themselves when their CPU wakes
 * up.
 */
static unsigned int klp_try_switch_idle_tasks(void)
{
	struct task_struct *task;
	unsigned int cpu, left = 0;

	cpus_read_lock();
	for_each_possible_cpu(cpu) {
		task = idle_task(cpu);
		if (!cpu_online(cpu)) {
			/*
			 * The idle task of an offline CPU is not in a patched function, and
			 * cannot run: CPUs stay offline until cpus_read_unlock().
			 */
			klp_switch_pending_task(task, "idle");
		} else if (!klp_try_switch_task(task, "stack")) {
			wake_up_if_idle(cpu);
			left++;
		}
	}
	cpus_read_unlock();
	return left;
}

static bool klp_is_switched(struct task_struct *task)
{
	return READ_ONCE(task->patch_state) == klp_target_state;
}

static bool klp_idle_tasks_switched(void)
{
	unsigned int cpu;

	for_each_possible_cpu(cpu) {
		if (!klp_is_switched(idle_task(cpu)))
			return false;
	}
	return true;
}

/*
 * Return true if every task has been switched. The pass that tries to switch the tasks drops
 * all locks periodically, so it may miss a new task. This walk does not: with tasklist_lock
 * held, every task on the list is checked. A task that is created later is a descendant of a
 * checked one, and klp_copy_process() gives it the same state. No task leaves the target state
 * while klp_mutex is held. A task that has left the list is in the record of exiting tasks,
 * which is checked afterwards.
 */
static bool klp_all_tasks_switched(void)
{
	struct task_struct *group, *task;
	bool switched = true;

	if (!klp_idle_tasks_switched())
		return false;

	read_lock(&tasklist_lock);
	for_each_process_thread(group, task) {
		if (!klp_is_switched(task)) {
			switched = false;
			goto unlock;
		}
	}
unlock:
	read_unlock(&tasklist_lock);
	return switched && klp_all_exiting(klp_is_switched);
}

/* Interrupt the system call of a pending task, or wake a pending kthread. */
static void klp_signal_task(struct task_struct *task)
{
	if (!klp_patch_pending(task) || is_idle_task(task))
		return;
	if (task->flags & PF_KTHREAD)
		wake_up_state(task, TASK_INTERRUPTIBLE);
	else
		set_notify_signal(task);
}

static void klp_signal_tasks(void)
{
	if (time_before(jiffies, klp_next_signal))
		return;
	if (!klp_signalled)
		pr_notice("signaling remaining tasks\n");
	klp_signalled = true;
	klp_next_signal = jiffies + KLP_SIGNAL_PERIOD;
	/* set_notify_signal() kicks tasks: keep CPUs online, as in klp_try_switch_batch(). */
	guard(cpus_read_lock)();
	klp_walk_tasks(klp_signal_task);
}

/*
 * Make cond_resched() a safe point. Needed for kthreads that only sleep inside patched
 * functions.
 */
static void klp_cond_resched_enable(void)
{
	if (klp_cond_resched_hooked || time_before(jiffies, klp_cond_resched_time))
		return;
	klp_hook_cond_resched();
	klp_cond_resched_hooked = true;
}

static void klp_cond_resched_disable(void)
{
	if (klp_cond_resched_hooked)
		klp_unhook_cond_resched();
	klp_cond_resched_hooked = false;
}

static void klp_drop_stack_table(void)
{
	struct klp_stack_table *table;

	table = rcu_replace_pointer(klp_stack_table, NULL, lockdep_is_held(&klp_mutex));
	klp_stack_table_free(table);
}

/*
 * Build the table if there is none. When the allocation fails, tasks that return to user space
 * and idle tasks are still switched, and the next pass tries again.
 */
static void klp_make_stack_table(void)
{
	if (rcu_access_pointer(klp_stack_table))
		return;
	/* Pairs with rcu_dereference_sched() in klp_switch_if_safe(). */
	rcu_assign_pointer(klp_stack_table,
			   klp_stack_table_alloc(klp_transition_patch, klp_target_state));
}

/* === End of a transition =================================================================== */

/* Unregister the functions of the patches that @patch has replaced, and its nops. */
static void klp_unredirect_replaced(struct klp_rt_patch *patch)
{
	struct klp_rt_object *obj;
	struct klp_rt_patch *old;

	klp_for_each_patch(old) {
		if (old == patch)
			break;
		if (!klp_replaces(patch->desc, old))
			continue;
		klp_rt_set_enabled(old, false);
		klp_rt_for_each_object(obj, old) {
			klp_unredirect_object(obj);
			klp_callbacks_forget(obj);
		}
	}
	klp_rt_for_each_object(obj, patch)
		klp_unredirect_nops(obj);
	klp_redirect_retire();
}

static void klp_unredirect_patch(struct klp_rt_patch *patch)
{
	struct klp_rt_object *obj;

	klp_rt_for_each_object(obj, patch)
		klp_unredirect_object(obj);
	klp_redirect_retire();
}

/* Finish the transition. All tasks have reached @target. */
static void klp_transition_complete(int target)
{
	struct klp_rt_patch *patch = klp_transition_patch;
	struct klp_rt_object *obj;

	pr_debug("'%s': completing %s transition\n", patch->name, klp_direction(target));

	cancel_delayed_work(&klp_retry_work);
	klp_cond_resched_disable();
	klp_drop_stack_table();
	klp_held_forget();
	atomic_set(&klp_nr_left, 0);

	/*
	 * A handler that has read a flag may not have read the state of its task yet, and one
	 * that has chosen a version may not have called it yet. No such handler is left after
	 * klp_redirect_synchronize(): then the states may get a new meaning, and unregistered
	 * functions may be freed.
	 */
	if (target == KLP_TRANSITION_PATCHED) {
		if (patch->replace)
			klp_unredirect_replaced(patch);
		klp_set_transition_flags(patch, false);
		klp_redirect_synchronize();
		if (patch->replace)
			klp_rt_drop_nops(patch);
	} else {
		klp_unredirect_patch(patch);
		klp_redirect_synchronize();
		klp_set_transition_flags(patch, false);
	}
	klp_walk_tasks(klp_set_idle_state);

	klp_rt_for_each_object(obj, patch) {
		if (!klp_object_loaded(obj))
			continue;
		if (target == KLP_TRANSITION_PATCHED)
			klp_callbacks_publish(obj);
		else
			klp_callbacks_release(obj);
	}
	klp_states_settle();
	pr_notice("'%s': %s complete\n", patch->name, klp_direction(target));

	WRITE_ONCE(klp_target_state, KLP_TRANSITION_IDLE);
	WRITE_ONCE(klp_transition_patch, NULL);
	wake_up_all(&klp_transition_over);
}

/*
 * Schedule the next pass. The last one has left @left tasks pending, some of which may have
 * switched themselves since.
 */
static void klp_schedule_retry(unsigned int left)
{
	/*
	 * Arm the timer before dropping the bias. Afterwards the last task may queue an
	 * immediate pass, which this call would delay.
	 */
	klp_queue_pass(klp_retry_delay);
	/*
	 * All pending tasks switched themselves during the pass, so none of them queues the
	 * next one.
	 */
	if (atomic_add_return((int)left - KLP_PASS_BIAS, &klp_nr_left) <= 0)
		klp_queue_pass(KLP_FIRST_RETRY);
	klp_retry_delay = min_t(unsigned long, 2 * klp_retry_delay, KLP_LAST_RETRY);
}

static void klp_transition_try_complete(void)
{
	struct klp_rt_patch *patch = klp_transition_patch;
	int target = klp_target_state;
	unsigned int left = 0;
	pid_t nr = 1;

	klp_make_stack_table();
	WRITE_ONCE(klp_nr_before_pass, atomic_read(&klp_nr_left));
	atomic_set(&klp_nr_left, KLP_PASS_BIAS);
	klp_held_begin_pass();
	do {
		nr = klp_try_switch_batch(nr, &left);
		cond_resched();
	} while (nr);
	left += klp_count_exiting(klp_try_switch_exiting);
	left += klp_try_switch_idle_tasks();
	klp_held_end_pass(patch);

	if (!klp_all_tasks_switched()) {
		klp_signal_tasks();
		klp_cond_resched_enable();
		klp_schedule_retry(left);
		return;
	}

	klp_transition_complete(target);
	trace_klp_transition_complete(patch->name, klp_direction(target));
	klp_finished(patch);
	/* The other files have their values. @patch is freed only without klp_mutex. */
	sysfs_notify(&patch->kobj, NULL, "transition");
}

static void klp_retry_fn(struct work_struct *work)
{
	guard(mutex)(&klp_mutex);
	if (klp_transition_patch)
		klp_transition_try_complete();
}

/* === Requests of the core ================================================================== */

/**
 * klp_transition_init() - prepare a transition
 * @patch:  the patch
 * @target: the state that tasks have at the end of the transition
 *
 * The handler reads the state of the calling task from now on. All tasks are in the state
 * opposite to @target: they call the same versions as before. No task is switched until
 * klp_transition_start().
 *
 * Context: process context, klp_mutex held, no transition is running.
 */
void klp_transition_init(struct klp_rt_patch *patch, int target)
{
	lockdep_assert_held(&klp_mutex);

	WRITE_ONCE(klp_transition_patch, patch);
	WRITE_ONCE(klp_target_state, target);
	pr_debug("'%s': initializing %s transition\n", patch->name, klp_direction(target));

	klp_walk_tasks(klp_set_initial_state);

	/*
	 * (1) before (2), pairs with smp_rmb() in klp_redirect_handler(). The barrier also
	 * orders klp_target_state before each write of TIF_PATCH_PENDING.
	 */
	smp_wmb();
	klp_set_transition_flags(patch, true);
}

/**
 * klp_transition_start() - start to switch tasks
 *
 * Makes one pass over all tasks. A worker repeats the pass until no task is pending, completes
 * the transition, runs the callbacks and calls the function that was given to
 * klp_transition_setup(). All of this may have happened when this function returns.
 *
 * Context: process context, klp_mutex held.
 */
void klp_transition_start(void)
{
	lockdep_assert_held(&klp_mutex);

	pr_notice("'%s': starting %s transition\n", klp_transition_patch->name,
		  klp_direction(klp_target_state));
	trace_klp_transition_start(klp_transition_patch->name, klp_direction(klp_target_state));

	klp_make_stack_table();
	/* (2) and (3) before (4): pairs with test_and_clear in klp_switch_pending_task(). */
	smp_wmb();
	atomic_set(&klp_nr_left, 0);
	klp_walk_tasks(klp_set_pending);
	sysfs_notify(&klp_transition_patch->kobj, NULL, "transition");

	klp_retry_delay = KLP_FIRST_RETRY;
	klp_stopper_time = jiffies + KLP_STOPPER_DELAY;
	klp_cond_resched_time = jiffies + KLP_COND_RESCHED_DELAY;
	klp_next_signal = jiffies + KLP_SIGNAL_PERIOD;
	klp_signalled = false;
	klp_transition_try_complete();
}

/**
 * klp_transition_reverse() - reverse the transition that is running
 *
 * Tasks that have been switched are switched back under the same conditions. The transition may
 * be complete when this function returns, see klp_transition_start().
 *
 * Context: process context, klp_mutex held, a transition is running.
 */
void klp_transition_reverse(void)
{
	int target = klp_other_state(klp_target_state);

	lockdep_assert_held(&klp_mutex);

	pr_debug("'%s': reversing transition from %s to %s\n", klp_transition_patch->name,
		 klp_direction(klp_target_state), klp_direction(target));
	trace_klp_transition_reverse(klp_transition_patch->name, klp_direction(target));

	/*
	 * A task that has cleared its flag may not have read klp_target_state yet. It must read
	 * the old target: with the new one, the task would count as switched back without
	 * having passed a safe point. The same holds for a task that checks its stack against
	 * the table of the old target.
	 */
	klp_walk_tasks(klp_clear_pending);
	klp_redirect_synchronize();

	klp_drop_stack_table();
	klp_held_forget();
	WRITE_ONCE(klp_target_state, target);
	/* Ordered before the flags by the smp_wmb() in klp_transition_start(). */
	klp_transition_start();
}

/**
 * klp_transition_cancel() - undo a transition before any task has been switched
 *
 * For a patch that cannot be enabled. The patch still belongs to the caller.
 *
 * Context: process context, klp_mutex held, between klp_transition_init() to
 * KLP_TRANSITION_PATCHED and klp_transition_start().
 */
void klp_transition_cancel(void)
{
	struct klp_rt_patch *patch = klp_transition_patch;

	lockdep_assert_held(&klp_mutex);

	pr_debug("'%s': canceling patching transition, going to unpatch\n", patch->name);
	klp_transition_complete(KLP_TRANSITION_UNPATCHED);
	sysfs_notify(&patch->kobj, NULL, "transition");
}

/*
 * Keep the module of @patch for good: a forced task may still run its code. One reference is
 * never dropped.
 */
static void klp_keep_forced(struct klp_rt_patch *patch)
{
	if (!patch->forced)
		__module_get(patch->mod);
	patch->forced = true;
}

static void klp_mark_forced(struct klp_rt_patch *patch)
{
	struct klp_rt_patch *old;

	if (klp_target_state == KLP_TRANSITION_UNPATCHED) {
		klp_keep_forced(patch);
		return;
	}
	klp_for_each_patch(old) {
		if (old == patch)
			break;
		if (klp_replaces(patch->desc, old))
			klp_keep_forced(old);
	}
}

/**
 * klp_transition_force() - mark all pending tasks as switched, without checking their stacks
 *
 * A task in old code continues there until it returns. The module that contains this code is
 * never unloaded.
 *
 * Context: process context, klp_mutex held, a transition is running.
 */
void klp_transition_force(void)
{
	lockdep_assert_held(&klp_mutex);

	pr_warn("forcing remaining tasks to the patched state\n");
	trace_klp_transition_force(klp_transition_patch->name, klp_direction(klp_target_state));
	klp_walk_tasks(klp_force_task);
	klp_mark_forced(klp_transition_patch);
	klp_queue_pass(0);
}

/**
 * klp_transition_wait() - wait until no transition is running
 *
 * The next one may start before the caller has taken klp_mutex.
 *
 * Context: process context, klp_mutex not held, sleeps.
 */
void klp_transition_wait(void)
{
	wait_event_idle(klp_transition_over, !READ_ONCE(klp_transition_patch));
}

/**
 * klp_transition_object_changed() - rebuild the stack table for a loaded or unloaded object
 *
 * The object may be one of any patch: the table also contains the versions of other patches.
 * Does nothing without a transition.
 *
 * Context: process context, klp_mutex held.
 */
void klp_transition_object_changed(void)
{
	lockdep_assert_held(&klp_mutex);
	if (!klp_transition_patch)
		return;
	klp_drop_stack_table();
	klp_make_stack_table();
}

/**
 * klp_transition_remaining() - estimate how many tasks have to be switched
 * @patch: a patch
 *
 * Context: any. Takes no lock, so the values that it reads may be those of two passes.
 * Return: number of tasks that the last pass has left pending and that have not switched
 * themselves since, 0 when @patch is not in transition.
 */
int klp_transition_remaining(const struct klp_rt_patch *patch)
{
	int left = atomic_read(&klp_nr_left);

	if (READ_ONCE(klp_transition_patch) != patch)
		return 0;
	if (left > KLP_PASS_BIAS / 2)
		left += READ_ONCE(klp_nr_before_pass) - KLP_PASS_BIAS;
	return max(left, 0);
}

/**
 * klp_transition_setup() - set the function that is called at the end of a transition
 * @finished: called with klp_mutex held. patch->enabled tells in which state all tasks are. Not
 *	      called after klp_transition_cancel()
 */
void __init klp_transition_setup(void (*finished)(struct klp_rt_patch *patch))
{
	klp_finished = finished;
}
