// SPDX-License-Identifier: GPL-2.0
/*
 * The tasks that the last pass of a transition could not switch, for the file "held" in sysfs.
 *
 * A pass fills one of two records and then publishes it. A reader formats the published one under
 * a spinlock, so it neither waits for a callback nor for a pass. Tasks that switch themselves do
 * not touch the records: they stay listed until the next pass.
 */

#include <linux/ctype.h>
#include <linux/sched.h>
#include <linux/spinlock.h>
#include <linux/string.h>
#include <linux/sysfs.h>
#include "held.h"
#include "runtime.h"
#include "stackcheck.h"

#define KLP_HELD_TASKS	32

/**
 * struct klp_held_task - a task that was not switched
 * @pid:    its number in the initial namespace, 0 for an idle task or an exiting one
 * @comm:   its name
 * @reason: a word of the klp_task_held trace event
 * @hit:    the code on its stack. The names are valid during the transition
 * @passes: number of passes in a row that have not switched it
 */
struct klp_held_task {
	pid_t pid;
	char comm[TASK_COMM_LEN];
	const char *reason;
	struct klp_stack_hit hit;
	unsigned int passes;
};

/* @patch is the patch in transition, only to be compared. */
struct klp_held_record {
	const struct klp_rt_patch *patch;
	struct klp_held_task tasks[KLP_HELD_TASKS];
	unsigned int nr;
};

/* The published record and the one that a pass fills. The latter is protected by klp_mutex. */
static struct klp_held_record klp_held_records[2];
static struct klp_held_record *klp_held_published = &klp_held_records[0];
static struct klp_held_record *klp_held_next = &klp_held_records[1];

/* Protects klp_held_published and its record. */
static DEFINE_SPINLOCK(klp_held_lock);

void klp_held_begin_pass(void)
{
	lockdep_assert_held(&klp_mutex);
	klp_held_next->nr = 0;
}

static unsigned int klp_held_passes(const struct klp_held_task *held)
{
	const struct klp_held_task *last;
	unsigned int i;

	/* Only a holder of klp_mutex changes the published record. */
	for (i = 0; i < klp_held_published->nr; i++) {
		last = &klp_held_published->tasks[i];
		if (last->pid == held->pid && !strcmp(last->comm, held->comm))
			return last->passes;
	}
	return 0;
}

/* Copy the name of a task. A task may choose its name, which must not look like another line. */
static void klp_copy_comm(char *to, const char *comm)
{
	strscpy(to, comm, TASK_COMM_LEN);
	for (; *to; to++) {
		if (iscntrl(*to))
			*to = '?';
	}
}

/**
 * klp_held_note() - record a task that the pass has not switched
 * @task:   the task
 * @reason: a word of the klp_task_held trace event, which is never freed
 * @hit:    the code on its stack
 *
 * The first KLP_HELD_TASKS tasks of a pass are recorded.
 *
 * Context: between klp_held_begin_pass() and klp_held_end_pass(), klp_mutex held. Does not sleep.
 */
void klp_held_note(struct task_struct *task, const char *reason,
		   const struct klp_stack_hit *hit)
{
	struct klp_held_task *held;

	lockdep_assert_held(&klp_mutex);
	if (klp_held_next->nr == KLP_HELD_TASKS)
		return;
	held = &klp_held_next->tasks[klp_held_next->nr++];
	held->pid = task_pid_nr(task);
	klp_copy_comm(held->comm, task->comm);
	held->reason = reason;
	held->hit = *hit;
	held->passes = klp_held_passes(held) + 1;
}

/* Publish the record of a pass in the transition of @patch. */
void klp_held_end_pass(const struct klp_rt_patch *patch)
{
	lockdep_assert_held(&klp_mutex);
	klp_held_next->patch = patch;
	spin_lock(&klp_held_lock);
	swap(klp_held_published, klp_held_next);
	spin_unlock(&klp_held_lock);
}

/*
 * Clear the published record at the end of a transition, before names in it are freed, and when the
 * transition is reversed.
 */
void klp_held_forget(void)
{
	lockdep_assert_held(&klp_mutex);
	spin_lock(&klp_held_lock);
	klp_held_published->nr = 0;
	spin_unlock(&klp_held_lock);
}

static int klp_held_show_task(const struct klp_held_task *held, char *buf, int at)
{
	const char *open = "", *place = "-", *close = "";

	if (held->hit.function) {
		place = held->hit.function;
	} else if (held->hit.module) {
		open = "[";
		place = held->hit.module;
		close = "]";
	}
	return sysfs_emit_at(buf, at, "%d %s %s%s%s %u %s\n", held->pid, held->reason, open,
			     place, close, held->passes, held->comm);
}

/**
 * klp_held_show() - print the published record
 * @patch: the patch that must be in transition, otherwise nothing is printed
 * @buf:   a page
 *
 * A line has the pid, the reason, the function or the livepatch module in brackets, the number
 * of passes, and the name of the task, which may contain spaces. Lines that do not fit are left
 * out.
 *
 * Context: any that may take a spinlock, no other lock is needed.
 * Return: number of bytes.
 */
ssize_t klp_held_show(const struct klp_rt_patch *patch, char *buf)
{
	unsigned int i;
	int len, at = 0;

	spin_lock(&klp_held_lock);
	for (i = 0; klp_held_published->patch == patch && i < klp_held_published->nr; i++) {
		len = klp_held_show_task(&klp_held_published->tasks[i], buf, at);
		if (at + len >= PAGE_SIZE - 1)
			break;
		at += len;
	}
	spin_unlock(&klp_held_lock);
	buf[at] = '\0';
	return at;
}
