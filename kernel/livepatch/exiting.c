// SPDX-License-Identifier: GPL-2.0
/*
 * Exiting tasks are recorded here, for transitions. A task that reaps itself leaves the task
 * list in the middle of do_exit(), in exit_notify(). The code that the task runs afterwards may
 * be patched and may sleep, and a walk over the list does not find the task. So each exiting
 * task is recorded before it leaves the list, and dropped when its task_struct is freed:
 *
 *	sched_process_exit	in do_exit(), before exit_notify()
 *	sched_process_free	an RCU grace period after the last switch away from a reaped task
 *
 * A walk over all tasks visits the list first and the record afterwards. A task that has left
 * the list before the walk is in the record, unless it is dead. Most recorded tasks are on the
 * list as well. Visiting them twice is harmless.
 *
 * The probes are registered with the first patch and stay registered: disabling a patch
 * involves tasks that have started to exit while the patch was enabled. A task that has passed
 * sched_process_exit before the registration is recorded if it is still on the list. A task
 * that has left the list by then is not known.
 *
 * The probes run with preemption disabled, and must not allocate memory on a PREEMPT_RT kernel:
 * they take records from a stock that a worker refills.
 */

#include <linux/hash.h>
#include <linux/list.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/workqueue.h>
#include <trace/events/sched.h>
#include "exiting.h"
#include "runtime.h"

#define KLP_EXITING_BITS	8

/* Number of unused records. The worker is queued when half of them are used. */
#define KLP_EXITING_STOCK	2048
#define KLP_EXITING_LOW		1024

/* Number of tasks that are checked before klp_exiting_lock is dropped. */
#define KLP_EXITING_BATCH	16

/**
 * struct klp_exiting - the record of an exiting task
 * @node: in the hash table, or in the stock of unused records
 * @task: the task. Its task_struct is not freed while klp_exiting_lock is held
 * @nr:   sequence number. The newest record is the first one of its list
 */
struct klp_exiting {
	struct hlist_node node;
	struct task_struct *task;
	u64 nr;
};

/*
 * Protects the variables below. One lock suffices: do_exit() takes tasklist_lock for writing,
 * for a longer time. Taken with interrupts disabled, as RCU callbacks drop records.
 */
static DEFINE_RAW_SPINLOCK(klp_exiting_lock);

static struct hlist_head klp_exiting_tasks[1 << KLP_EXITING_BITS];
static HLIST_HEAD(klp_exiting_stock);
static unsigned int klp_nr_exiting_stock;
static u64 klp_last_exiting_nr;

/* Number of exiting tasks without a record. A transition is not complete until it is 0. */
static unsigned long klp_nr_unrecorded;

static bool klp_exiting_recorded;

static void klp_fill_exiting_stock(struct work_struct *work)
{
	struct klp_exiting *record;
	bool full;

	do {
		record = kmalloc(sizeof(*record), GFP_KERNEL);
		if (!record)
			return;
		raw_spin_lock_irq(&klp_exiting_lock);
		hlist_add_head(&record->node, &klp_exiting_stock);
		full = ++klp_nr_exiting_stock >= KLP_EXITING_STOCK;
		raw_spin_unlock_irq(&klp_exiting_lock);
	} while (!full);
}

static DECLARE_WORK(klp_exiting_work, klp_fill_exiting_stock);

static struct hlist_head *klp_exiting_list(const struct task_struct *task)
{
	return &klp_exiting_tasks[hash_ptr(task, KLP_EXITING_BITS)];
}

static struct klp_exiting *klp_find_exiting(const struct task_struct *task)
{
	struct klp_exiting *record;

	lockdep_assert_held(&klp_exiting_lock);
	hlist_for_each_entry(record, klp_exiting_list(task), node) {
		if (record->task == task)
			return record;
	}
	return NULL;
}

/* Record @task. Returns true if the stock has to be refilled. */
static bool klp_add_exiting(struct task_struct *task)
{
	struct klp_exiting *record;

	lockdep_assert_held(&klp_exiting_lock);
	if (klp_find_exiting(task))
		return false;

	record = hlist_entry_safe(klp_exiting_stock.first, struct klp_exiting, node);
	if (!record) {
		klp_nr_unrecorded++;
		return true;
	}
	hlist_del(&record->node);
	record->task = task;
	record->nr = ++klp_last_exiting_nr;
	hlist_add_head(&record->node, klp_exiting_list(task));
	return --klp_nr_exiting_stock < KLP_EXITING_LOW;
}

static void klp_probe_exit(void *data, struct task_struct *task)
{
	unsigned long flags;
	bool low;

	raw_spin_lock_irqsave(&klp_exiting_lock, flags);
	low = klp_add_exiting(task);
	raw_spin_unlock_irqrestore(&klp_exiting_lock, flags);
	/* Queue the work without the lock: queueing wakes a task. */
	if (low)
		queue_work(system_unbound_wq, &klp_exiting_work);
}

static void klp_probe_free(void *data, struct task_struct *task)
{
	struct klp_exiting *record;
	unsigned long flags;

	raw_spin_lock_irqsave(&klp_exiting_lock, flags);
	record = klp_find_exiting(task);
	if (record) {
		hlist_del(&record->node);
		hlist_add_head(&record->node, &klp_exiting_stock);
		klp_nr_exiting_stock++;
	} else if (klp_nr_unrecorded) {
		klp_nr_unrecorded--;
	}
	raw_spin_unlock_irqrestore(&klp_exiting_lock, flags);
}

/* Record the tasks on the list that may have passed sched_process_exit. */
static void klp_record_exiting_now(void)
{
	struct task_struct *group, *task;

	read_lock(&tasklist_lock);
	raw_spin_lock_irq(&klp_exiting_lock);
	for_each_process_thread(group, task) {
		if (READ_ONCE(task->flags) & PF_EXITING)
			klp_add_exiting(task);
	}
	raw_spin_unlock_irq(&klp_exiting_lock);
	read_unlock(&tasklist_lock);
}

/**
 * klp_record_exiting() - start to record exiting tasks
 *
 * Only the first call has an effect.
 *
 * Context: process context, klp_mutex held.
 * Return:
 * * %0 - exiting tasks are recorded
 * * %-ENOMEM - no memory
 * * the errno of the registration of a probe
 */
int klp_record_exiting(void)
{
	int ret;

	lockdep_assert_held(&klp_mutex);

	if (klp_exiting_recorded)
		return 0;

	klp_fill_exiting_stock(NULL);
	if (!READ_ONCE(klp_nr_exiting_stock))
		return -ENOMEM;
	ret = register_trace_sched_process_free(klp_probe_free, NULL);
	if (ret)
		return ret;
	ret = register_trace_sched_process_exit(klp_probe_exit, NULL);
	if (ret) {
		unregister_trace_sched_process_free(klp_probe_free, NULL);
		return ret;
	}
	klp_record_exiting_now();
	klp_exiting_recorded = true;
	return 0;
}

/**
 * klp_walk_exiting() - call a function for all recorded tasks
 * @fn: the function. A raw spinlock is held and interrupts are disabled: it should be short
 *
 * Context: any.
 */
void klp_walk_exiting(void (*fn)(struct task_struct *task))
{
	struct klp_exiting *record;
	unsigned long flags;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(klp_exiting_tasks); i++) {
		raw_spin_lock_irqsave(&klp_exiting_lock, flags);
		hlist_for_each_entry(record, &klp_exiting_tasks[i], node)
			fn(record->task);
		raw_spin_unlock_irqrestore(&klp_exiting_lock, flags);
	}
}

/**
 * klp_all_exiting() - check that a condition holds for all exiting tasks
 * @fn: returns true if the condition holds for the task. Called as in klp_walk_exiting()
 *
 * Context: any.
 * Return: true if it holds for all. false also if a task could not be recorded.
 */
bool klp_all_exiting(bool (*fn)(struct task_struct *task))
{
	struct klp_exiting *record;
	unsigned long flags;
	bool all = true;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(klp_exiting_tasks) && all; i++) {
		raw_spin_lock_irqsave(&klp_exiting_lock, flags);
		hlist_for_each_entry(record, &klp_exiting_tasks[i], node)
			all = all && fn(record->task);
		raw_spin_unlock_irqrestore(&klp_exiting_lock, flags);
	}
	return all && !READ_ONCE(klp_nr_unrecorded);
}

/* Take references to the tasks of a list with numbers below *@nr. Returns their number. */
static unsigned int klp_get_exiting(struct hlist_head *list, u64 *nr, struct task_struct **tasks)
{
	struct klp_exiting *record;
	unsigned int count = 0;

	raw_spin_lock_irq(&klp_exiting_lock);
	hlist_for_each_entry(record, list, node) {
		if (record->nr >= *nr)
			continue;
		if (count == KLP_EXITING_BATCH)
			break;
		tasks[count++] = get_task_struct(record->task);
		*nr = record->nr;
	}
	raw_spin_unlock_irq(&klp_exiting_lock);
	return count;
}

/**
 * klp_count_exiting() - count the exiting tasks for which a condition does not hold
 * @fn: returns true if the condition holds for the task. Called without a lock
 *
 * Context: process context, may sleep.
 * Return: the number of such tasks, including those that could not be recorded.
 */
unsigned int klp_count_exiting(bool (*fn)(struct task_struct *task))
{
	struct task_struct *tasks[KLP_EXITING_BATCH];
	unsigned int bucket, i, count, left = 0;
	u64 nr;

	for (bucket = 0; bucket < ARRAY_SIZE(klp_exiting_tasks); bucket++) {
		nr = U64_MAX;
		do {
			count = klp_get_exiting(&klp_exiting_tasks[bucket], &nr, tasks);
			for (i = 0; i < count; i++) {
				left += !fn(tasks[i]);
				put_task_struct(tasks[i]);
			}
			cond_resched();
		} while (count == KLP_EXITING_BATCH);
	}
	return left + READ_ONCE(klp_nr_unrecorded);
}
