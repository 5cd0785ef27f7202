// SPDX-License-Identifier: GPL-2.0
/*
 * Transitions: every task is moved from one state to the other, each at a point
 * where it runs none of the functions that change.
 *
 * One patch is in transition at a time. Its functions are flagged, and while
 * they are, the ftrace handler asks the calling task which version it is to see.
 * A task is switched
 *
 *	- when it is found asleep with none of the functions on its stack,
 *	- when it goes back to user space, or through the idle loop,
 *	- when it calls cond_resched() with none of them on its stack, or
 *	- at its birth, to the state of its parent.
 *
 * What orders what
 * ----------------
 *
 * A writer, with klp_mutex held, does in this order
 *
 *	(1) klp_target_state = target; patch_state of all tasks = the other state
 *	(2) transition flags of all functions = true
 *	(3) redirects the functions, when it is patching
 *	(4) TIF_PATCH_PENDING of all tasks
 *
 * with smp_wmb() between (1) and (2) and before (4).
 *
 * A handler that sees a flagged function must see the state of (1), not
 * KLP_TRANSITION_IDLE or one of the transition before: it reads the flag, and
 * the state after smp_rmb().
 *
 * A task that switches itself clears its TIF_PATCH_PENDING, reads
 * klp_target_state and writes its patch_state. It must see the target of (1),
 * and when it then calls a function of the patch, the handler must see the flag
 * of (2): the clearing is a read-modify-write that returns a value and so a full
 * barrier, against the smp_wmb() before (4). Another task's state is only
 * written while that task is kept from running; the scheduler's barriers see to
 * it that it knows when it runs on.
 *
 * A transition is over when no task is left in the other state. Then the flags
 * are cleared, or the functions taken out, and only when every handler that may
 * have seen a flag has finished, klp_redirect_synchronize(), may the states be
 * given a new meaning.
 */

#define pr_fmt(fmt) "livepatch: " fmt

#include <linux/cpu.h>
#include <linux/pid.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>
#include <linux/wait.h>
#include <trace/events/livepatch.h>
#include "callbacks.h"
#include "redirect.h"
#include "runtime.h"
#include "stackcheck.h"
#include "transition.h"

/* How many tasks are looked at before others get a chance to run. */
#define KLP_TASK_BATCH		64

/* A pass that leaves tasks behind is repeated; the pause doubles each time. */
#define KLP_FIRST_RETRY		1
#define KLP_LAST_RETRY		HZ

/*
 * cond_resched() is changed to call us only for those who are left after a while:
 * it is called from all over the kernel, and changing that costs far more than
 * most transitions.
 */
#define KLP_COND_RESCHED_DELAY	(HZ / 4)

/* How often tasks that are left are sent on their way. */
#define KLP_SIGNAL_PERIOD	(15 * HZ)

/* Read without the lock by tasks that switch themselves. */
static int klp_target_state = KLP_TRANSITION_IDLE;

/*
 * Written with klp_mutex held, NULL when it is to be made anew. Tasks in
 * cond_resched() read it with preemption disabled.
 */
static struct klp_stack_table __rcu *klp_stack_table;

static void (*klp_finished)(struct klp_rt_patch *patch);
static unsigned long klp_retry_delay;
static unsigned long klp_cond_resched_time;
static bool klp_cond_resched_hooked;
static unsigned long klp_next_signal;
static bool klp_signalled;

/*
 * How many tasks the last pass has left behind that have not switched themselves
 * since: the last of them asks for the next pass. While a pass is under way it is
 * off by KLP_PASS_BIAS, so nobody does. A hint and no more: children that have
 * inherited TIF_PATCH_PENDING are not counted, and who exits stays counted.
 */
static atomic_t klp_nr_left;

#define KLP_PASS_BIAS		(INT_MAX / 2)

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

/*
 * Call @fn for all tasks, those that idle included. tasklist_lock is held
 * meanwhile: no task is born or missed, so @fn had better be quick.
 */
static void klp_walk_tasks(void (*fn)(struct task_struct *task))
{
	struct task_struct *group, *task;
	unsigned int cpu;

	read_lock(&tasklist_lock);
	for_each_process_thread(group, task)
		fn(task);
	read_unlock(&tasklist_lock);

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
	if (READ_ONCE(task->patch_state) != klp_target_state)
		set_tsk_thread_flag(task, TIF_PATCH_PENDING);
}

static void klp_clear_pending(struct task_struct *task)
{
	clear_tsk_thread_flag(task, TIF_PATCH_PENDING);
}

/* A nop keeps its flag, by which the handler knows it, until it is dropped. */
static void klp_set_transition_flags(struct klp_rt_patch *patch, bool transition)
{
	struct klp_rt_object *obj;
	struct klp_rt_func *func;

	klp_for_each_object(obj, patch) {
		klp_for_each_func(func, obj)
			WRITE_ONCE(func->transition, transition || func->nop);
	}
}

/**
 * klp_copy_process() - give a task that is being born the state of its parent
 * @child: the new task
 *
 * Its copy of current's flags and state may be out of date. Called by fork as in
 * Linux 6.12.
 *
 * Context: tasklist_lock is held for writing and the child is not on the list
 * yet. So whoever walks the list either finds the parent before, and the child
 * gets what the parent has got, or finds both.
 */
void klp_copy_process(struct task_struct *child)
{
	/* The parent runs, in fork: neither it nor anybody else switches it now. */
	update_tsk_thread_flag(child, TIF_PATCH_PENDING, klp_patch_pending(current));
	WRITE_ONCE(child->patch_state, READ_ONCE(current->patch_state));

	if (child->patch_state != KLP_TRANSITION_IDLE &&
	    child->patch_state == READ_ONCE(klp_target_state))
		trace_klp_task_switched(child, "fork");
}

/* @task is current, or kept from running, or not waited for: see klp_transition_force(). */
static bool klp_switch_pending_task(struct task_struct *task, const char *how)
{
	guard(preempt_notrace)();
	/* A full barrier: see (1), (2) and (4) at the top. */
	if (!test_and_clear_tsk_thread_flag(task, TIF_PATCH_PENDING))
		return false;
	WRITE_ONCE(task->patch_state, READ_ONCE(klp_target_state));
	trace_klp_task_switched(task, how);
	return true;
}

/* The current task has switched itself. */
static void klp_count_switched(void)
{
	if (atomic_dec_and_test(&klp_nr_left))
		mod_delayed_work(system_wq, &klp_retry_work, 0);
}

/**
 * klp_update_patch_state() - switch a task that is at a safe point
 * @task: current, on its way to user space or in the idle loop
 *
 * Called there as in Linux 6.12.
 *
 * Context: any in which RCU is watching. Preemption is disabled between the
 * test of the flag and the write of the state, so klp_transition_reverse() can
 * wait for those who have seen the flag.
 */
void klp_update_patch_state(struct task_struct *task)
{
	if (klp_switch_pending_task(task, is_idle_task(task) ? "idle" : "exit"))
		klp_count_switched();
}

/* The task may be anywhere. */
static void klp_force_task(struct task_struct *task)
{
	klp_switch_pending_task(task, "force");
}

/* An attempt to switch a task: what it is called in a trace, and where the task is. */
struct klp_switch_try {
	const char *how;
	const char *function;
};

/* Called with @task current, or kept from running if it does not run already. */
static int klp_switch_if_safe(struct task_struct *task, void *arg)
{
	struct klp_switch_try *attempt = arg;
	const struct klp_stack_table *table = rcu_dereference_sched(klp_stack_table);
	int ret;

	if (task != current && task_curr(task))
		return -EBUSY;
	if (!table)
		return -ENOMEM;

	ret = klp_stack_check(table, task, &attempt->function);
	if (!ret)
		klp_switch_pending_task(task, attempt->how);
	return ret;
}

/* Why klp_switch_if_safe() has not switched a task, for the log and as a word. */
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

/* Switch a task if that is safe now. */
static bool klp_try_switch_task(struct task_struct *task, const char *how)
{
	struct klp_switch_try attempt = { .how = how };
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

	/* Out of task_call_func(), which holds locks that printing may need. */
	reason = klp_held_reason(ret, &word);
	pr_debug("%s: %s:%d %s%s\n", __func__, task->comm, task->pid, reason,
		 attempt.function ?: "");
	trace_klp_task_held(task, word, attempt.function ?: "-");
	return false;
}

/*
 * Called from cond_resched(). A kthread that never sleeps and never goes to user
 * space has no other safe point.
 *
 * klp_mutex cannot be taken here. With preemption disabled the task stays on its
 * CPU, and nobody else switches a task that runs; and a reversal waits for us,
 * so target and table are those of the flag that is seen.
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
	/* Who cannot be switched may be back at once: it is left to the passes to tell. */
	if (!klp_switch_if_safe(current, &attempt))
		klp_count_switched();
}
EXPORT_SYMBOL(__klp_sched_try_switch);

/*
 * Try to switch the tasks numbered @nr and above, a batch of them at the most, and
 * count those that are left. Returns the number to go on with, 0 at the end.
 */
static pid_t klp_try_switch_batch(pid_t nr, unsigned int *left)
{
	struct task_struct *task;
	unsigned int i;
	struct pid *pid;

	guard(rcu)();
	for (i = 0; i < KLP_TASK_BATCH; i++) {
		pid = find_ge_pid(nr, &init_pid_ns);
		if (!pid)
			return 0;
		nr = pid_nr(pid) + 1;
		task = pid_task(pid, PIDTYPE_PID);
		/* One that runs in user space would not notice for a while. */
		if (task && !klp_try_switch_task(task, "stack")) {
			kick_process(task);
			(*left)++;
		}
	}
	return nr;
}

/* Idle tasks have no number, and switch themselves when their CPU wakes up. */
static unsigned int klp_try_switch_idle_tasks(void)
{
	struct task_struct *task;
	unsigned int cpu, left = 0;

	cpus_read_lock();
	for_each_possible_cpu(cpu) {
		task = idle_task(cpu);
		if (!cpu_online(cpu)) {
			/* It is in none of our functions, and will not run meanwhile. */
			klp_switch_pending_task(task, "idle");
		} else if (!klp_try_switch_task(task, "stack")) {
			wake_up_if_idle(cpu);
			left++;
		}
	}
	cpus_read_unlock();
	return left;
}

static bool klp_idle_tasks_switched(void)
{
	unsigned int cpu;

	for_each_possible_cpu(cpu) {
		if (READ_ONCE(idle_task(cpu)->patch_state) != klp_target_state)
			return false;
	}
	return true;
}

/*
 * Has every task been switched? The pass that tries to switch them drops all
 * locks now and then, so it may miss a task that is born behind its back. This
 * one may not: with tasklist_lock held, whoever is on the list is seen, and
 * whoever comes later is the child of one that has been seen, or of its child,
 * and klp_copy_process() gives it the same state. Nobody goes back from the
 * target state while klp_mutex is held.
 *
 * A task that has left the list has only the end of do_exit() before it. It is
 * not waited for: a patch that changes what runs there has to cope with that.
 */
static bool klp_all_tasks_switched(void)
{
	struct task_struct *group, *task;
	bool switched = true;

	if (!klp_idle_tasks_switched())
		return false;

	read_lock(&tasklist_lock);
	for_each_process_thread(group, task) {
		if (READ_ONCE(task->patch_state) != klp_target_state) {
			switched = false;
			goto unlock;
		}
	}
unlock:
	read_unlock(&tasklist_lock);
	return switched;
}

/* Get those moving who are left: out of system calls, and kthreads out of bed. */
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
	klp_walk_tasks(klp_signal_task);
}

/* What else would bring a kthread to a safe point that never sleeps at one? */
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

/* Without memory for it, tasks that go to user space or idle are still switched. */
static void klp_make_stack_table(void)
{
	if (rcu_access_pointer(klp_stack_table))
		return;
	/* Pairs with rcu_dereference_sched() in klp_switch_if_safe(). */
	rcu_assign_pointer(klp_stack_table,
			   klp_stack_table_alloc(klp_transition_patch, klp_target_state));
}

/* The patches that @patch has replaced have no function left that is called. */
static void klp_unredirect_replaced(struct klp_rt_patch *patch)
{
	struct klp_rt_object *obj;
	struct klp_rt_patch *old;

	klp_for_each_patch(old) {
		if (old == patch)
			break;
		WRITE_ONCE(old->enabled, false);
		klp_for_each_object(obj, old) {
			klp_unredirect_object(obj);
			klp_callbacks_forget(obj);
		}
	}
	klp_for_each_object(obj, patch)
		klp_unredirect_nops(obj);
	klp_redirect_trim();
}

static void klp_unredirect_patch(struct klp_rt_patch *patch)
{
	struct klp_rt_object *obj;

	klp_for_each_object(obj, patch)
		klp_unredirect_object(obj);
	klp_redirect_trim();
}

/* Every task is in this state: there is but one version from now on. */
static void klp_transition_complete(int target)
{
	struct klp_rt_patch *patch = klp_transition_patch;
	struct klp_rt_object *obj;

	pr_debug("'%s': completing %s transition\n", patch->name, klp_direction(target));

	cancel_delayed_work(&klp_retry_work);
	klp_cond_resched_disable();
	klp_drop_stack_table();

	/*
	 * A handler that has seen a flag may still be about to ask for the state
	 * of its task, and one that has seen a version may still be about to use
	 * it. After the wait there are no such handlers: the states may change
	 * their meaning and what is not redirected any more may go.
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

	klp_for_each_object(obj, patch) {
		if (!klp_object_loaded(obj))
			continue;
		if (target == KLP_TRANSITION_PATCHED)
			klp_callbacks_publish(obj);
		else
			klp_callbacks_release(obj);
	}
	pr_notice("'%s': %s complete\n", patch->name, klp_direction(target));

	WRITE_ONCE(klp_target_state, KLP_TRANSITION_IDLE);
	WRITE_ONCE(klp_transition_patch, NULL);
}

/* The pass has left so many tasks, of which some may have switched themselves already. */
static void klp_schedule_retry(unsigned int left)
{
	/* First, lest it put off the pass that the last task asks for. */
	mod_delayed_work(system_wq, &klp_retry_work, klp_retry_delay);
	/* All that could ask for it have switched themselves during the pass. */
	if (atomic_add_return((int)left - KLP_PASS_BIAS, &klp_nr_left) <= 0)
		mod_delayed_work(system_wq, &klp_retry_work, KLP_FIRST_RETRY);
	klp_retry_delay = min_t(unsigned long, 2 * klp_retry_delay, KLP_LAST_RETRY);
}

static void klp_transition_try_complete(void)
{
	struct klp_rt_patch *patch = klp_transition_patch;
	int target = klp_target_state;
	unsigned int left = 0;
	pid_t nr = 1;

	klp_make_stack_table();
	atomic_set(&klp_nr_left, KLP_PASS_BIAS);
	do {
		nr = klp_try_switch_batch(nr, &left);
		cond_resched();
	} while (nr);
	left += klp_try_switch_idle_tasks();

	if (!klp_all_tasks_switched()) {
		klp_signal_tasks();
		klp_cond_resched_enable();
		klp_schedule_retry(left);
		return;
	}

	klp_transition_complete(target);
	trace_klp_transition_complete(patch->name, klp_direction(target));
	klp_finished(patch);
}

static void klp_retry_fn(struct work_struct *work)
{
	guard(mutex)(&klp_mutex);
	if (klp_transition_patch)
		klp_transition_try_complete();
}

/**
 * klp_transition_init() - begin a transition
 * @patch:  the patch
 * @target: the state that tasks are to have at the end
 *
 * From now on the handler asks tasks which version they see: all see what they
 * have seen before. No task is switched until klp_transition_start().
 *
 * Context: process context, klp_mutex held, no transition under way.
 */
void klp_transition_init(struct klp_rt_patch *patch, int target)
{
	lockdep_assert_held(&klp_mutex);

	WRITE_ONCE(klp_transition_patch, patch);
	WRITE_ONCE(klp_target_state, target);
	pr_debug("'%s': initializing %s transition\n", patch->name, klp_direction(target));

	klp_walk_tasks(klp_set_initial_state);

	/*
	 * (1) before (2): pairs with smp_rmb() in klp_redirect_handler(). And
	 * klp_target_state before whatever sets TIF_PATCH_PENDING.
	 */
	smp_wmb();
	klp_set_transition_flags(patch, true);
}

/**
 * klp_transition_start() - let tasks switch
 *
 * Switches those that can be switched at once, and sees to the rest from a
 * worker. When none is left the transition is completed, callbacks run, and the
 * core is told: that may all have happened when this returns.
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
	klp_walk_tasks(klp_set_pending);

	klp_retry_delay = KLP_FIRST_RETRY;
	klp_cond_resched_time = jiffies + KLP_COND_RESCHED_DELAY;
	klp_next_signal = jiffies + KLP_SIGNAL_PERIOD;
	klp_signalled = false;
	klp_transition_try_complete();
}

/**
 * klp_transition_reverse() - go back to where the transition came from
 *
 * Tasks that have been switched are switched back, in the same way as they were
 * switched. It may be over when this returns, see klp_transition_start().
 *
 * Context: process context, klp_mutex held, a transition is under way.
 */
void klp_transition_reverse(void)
{
	int target = klp_other_state(klp_target_state);

	lockdep_assert_held(&klp_mutex);

	pr_debug("'%s': reversing transition from %s to %s\n", klp_transition_patch->name,
		 klp_direction(klp_target_state), klp_direction(target));
	trace_klp_transition_reverse(klp_transition_patch->name, klp_direction(target));

	/*
	 * A task that has cleared its flag may not have read the target yet. It
	 * is to read the old one: with the new one, it would count as switched
	 * back without having been at a safe point. The same goes for one that
	 * is checking its stack with the table of the old target.
	 */
	klp_walk_tasks(klp_clear_pending);
	klp_redirect_synchronize();

	klp_drop_stack_table();
	WRITE_ONCE(klp_target_state, target);
	/* The smp_wmb() in klp_transition_start() orders it before the flags. */
	klp_transition_start();
}

/**
 * klp_transition_cancel() - undo a transition in which no task has been switched
 *
 * For a patch that cannot be enabled after all. The caller still owns it.
 *
 * Context: process context, klp_mutex held, after klp_transition_init() to
 * KLP_TRANSITION_PATCHED, before klp_transition_start().
 */
void klp_transition_cancel(void)
{
	lockdep_assert_held(&klp_mutex);

	pr_debug("'%s': canceling patching transition, going to unpatch\n",
		 klp_transition_patch->name);
	klp_transition_complete(KLP_TRANSITION_UNPATCHED);
}

/* Tasks may go on running code of this patch: one reference to its module is never put. */
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
	if (!patch->replace)
		return;
	klp_for_each_patch(old) {
		if (old == patch)
			break;
		klp_keep_forced(old);
	}
}

/**
 * klp_transition_force() - take every task for switched
 *
 * Those that run the old code go on doing so until they return from it. That
 * code can never be removed.
 *
 * Context: process context, klp_mutex held, a transition is under way.
 */
void klp_transition_force(void)
{
	lockdep_assert_held(&klp_mutex);

	pr_warn("forcing remaining tasks to the patched state\n");
	trace_klp_transition_force(klp_transition_patch->name, klp_direction(klp_target_state));
	klp_walk_tasks(klp_force_task);
	klp_mark_forced(klp_transition_patch);
	mod_delayed_work(system_wq, &klp_retry_work, 0);
}

/**
 * klp_transition_object_changed() - an object of the patch in transition came or went
 *
 * Context: process context, klp_mutex held.
 */
void klp_transition_object_changed(void)
{
	lockdep_assert_held(&klp_mutex);
	klp_drop_stack_table();
	klp_make_stack_table();
}

/**
 * klp_transition_setup() - say who is told of the end of a transition
 * @finished: called with klp_mutex held. The patch is where its &enabled says;
 *	      not called after klp_transition_cancel()
 */
void __init klp_transition_setup(void (*finished)(struct klp_rt_patch *patch))
{
	klp_finished = finished;
}
