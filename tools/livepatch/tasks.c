// SPDX-License-Identifier: GPL-2.0
/*
 * The tasks that hold up a transition. The file "held" lists the tasks of the last pass. A kernel
 * without it shows the state of each task in /proc, but not the reason.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include "klpctl.h"

static struct held *add_held(struct held_list *held)
{
	held->list = grow(held->list, held->nr, sizeof(*held->list));
	return &held->list[held->nr++];
}

/* Parse a line of "held": PID REASON FUNCTION PASSES COMM. */
static bool parse_held(const char *line, struct held *held)
{
	int at = 0;

	if (sscanf(line, "%d %15s %519s %ld %n", &held->tid, held->reason, held->function,
		   &held->passes, &at) != 4 || !at)
		return false;
	if (!strcmp(held->function, "-"))
		held->function[0] = '\0';
	snprintf(held->comm, sizeof(held->comm), "%.63s", line + at);
	make_printable(held->comm);
	return true;
}

/* Read the file "held". Return false with errno set if it cannot be read. */
static bool read_held_file(const struct patch *patch, struct held_list *held, long limit)
{
	char text[8192], *line, *save = NULL;
	struct held one;

	if (!read_file(in_root(SYSFS "/%s/held", patch->name), text, sizeof(text)))
		return false;
	for (line = strtok_r(text, "\n", &save); line && held->nr < (size_t)limit;
	     line = strtok_r(NULL, "\n", &save)) {
		one = (struct held) {};
		if (parse_held(line, &one))
			*add_held(held) = one;
	}
	return true;
}

struct scan {
	const struct patch *patch;
	struct held_list *held;
	long limit;
	long enabled;
	long pending;
	long denied;
};

/* Return the state of a task in the transition, or UNKNOWN. */
static long read_patch_state(pid_t pid, pid_t tid, struct scan *scan)
{
	const char *path = in_root("/proc/%d/task/%d/patch_state", pid, tid);
	char text[16];

	if (read_file(path, text, sizeof(text)))
		return strtol(text, NULL, 10);
	if (errno == EACCES || errno == EPERM) {
		note_unseen("tasks to be switched", path, errno);
		scan->denied++;
	}
	return UNKNOWN;
}

/* Return true if a line of a stack is in @name, "[<0>] NAME+0x..". */
static bool stack_has(const char *stack, const char *name)
{
	size_t n = strlen(name);
	const char *at = stack;

	while ((at = strstr(at, name))) {
		if (at > stack && at[-1] == ' ' && at[n] == '+')
			return true;
		at += n;
	}
	return false;
}

/* Find a function of the patch on the stack of a task. */
static void find_function(const struct patch *patch, const char *stack, struct held *held)
{
	size_t i, j;

	for (i = 0; i < patch->nr_objects; i++) {
		for (j = 0; j < patch->objects[i].nr_functions; j++) {
			if (!stack_has(stack, patch->objects[i].functions[j].name))
				continue;
			snprintf(held->function, sizeof(held->function), "%.519s",
				 patch->objects[i].functions[j].name);
			return;
		}
	}
}

/* Derive the reason from the state of the task and its stack. */
static const char *guess_reason(const struct patch *patch, struct held *held)
{
	char *stack;

	if (!read_task_stat(held->tid, &held->task_state, &held->kthread))
		return "unknown";
	if (held->task_state == 'R')
		return "running";
	stack = read_task_stack(held->pid, held->tid);
	if (!stack)
		return "unknown";
	find_function(patch, stack, held);
	free(stack);
	return *held->function ? "sleeping" : "unknown";
}

static bool scan_task(pid_t pid, pid_t tid, void *data)
{
	struct scan *scan = data;
	struct held *held;
	long state = read_patch_state(pid, tid, scan);

	if (state == UNKNOWN || state == scan->enabled)
		return true;
	scan->pending++;
	if (!scan->held || scan->held->nr >= (size_t)scan->limit)
		return true;
	held = add_held(scan->held);
	held->pid = pid;
	held->tid = tid;
	held->passes = UNKNOWN;
	read_file(in_root("/proc/%d/task/%d/comm", pid, tid), held->comm, sizeof(held->comm));
	make_printable(held->comm);
	snprintf(held->reason, sizeof(held->reason), "%s", guess_reason(scan->patch, held));
	return true;
}

/*
 * Return how many tasks are not in the state @enabled, from /proc. UNKNOWN if the user may not
 * read the state of some tasks.
 */
long count_pending(long enabled)
{
	struct scan scan = { .enabled = enabled };

	visit_tasks(scan_task, &scan);
	return scan.denied ? UNKNOWN : scan.pending;
}

/* Sort the tasks that have been held for the most passes first. */
static int compare_held(const void *a, const void *b)
{
	const struct held *h = a, *g = b;

	if (h->passes != g->passes)
		return h->passes > g->passes ? -1 : 1;
	return (h->tid > g->tid) - (h->tid < g->tid);
}

/**
 * read_held() - list the tasks that hold up the transition of a patch
 * @patch: the patch
 * @held:  the list, which free_held() frees
 * @limit: maximum number of tasks
 */
void read_held(const struct patch *patch, struct held_list *held, long limit)
{
	struct scan scan = {
		.patch = patch,
		.held = held,
		.limit = limit,
		.enabled = patch->enabled,
	};

	*held = (struct held_list) { .total = UNKNOWN };
	if (!in_transition(patch))
		return;
	if (patch->extended) {
		held->readable = read_held_file(patch, held, limit);
		if (!held->readable)
			note_unseen("tasks that hold up the transition",
				    in_root(SYSFS "/%s/held", patch->name), errno);
		held->total = patch->remaining;
	} else {
		visit_tasks(scan_task, &scan);
		held->readable = !scan.denied;
		held->total = scan.denied ? UNKNOWN : scan.pending;
	}
	held->complete = held->total != UNKNOWN && (size_t)held->total <= held->nr;
	if (held->nr)
		qsort(held->list, held->nr, sizeof(*held->list), compare_held);
}

void free_held(struct held_list *held)
{
	free(held->list);
	held->list = NULL;
	held->nr = 0;
}

/* Find the process, the user and the unit of a task. */
void describe_held(struct held *held)
{
	const struct passwd *user;
	unsigned int uid;

	if (!held->tid)
		return;
	held->pid = read_task_ids(held->tid, &uid);
	if (!held->pid)
		return;
	user = getpwuid(uid);
	if (user)
		snprintf(held->user, sizeof(held->user), "%.63s", user->pw_name);
	else
		snprintf(held->user, sizeof(held->user), "%u", uid);
	read_task_stat(held->tid, &held->task_state, &held->kthread);
	read_task_unit(held->tid, held);
}
