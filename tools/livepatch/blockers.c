// SPDX-License-Identifier: GPL-2.0
/*
 * The tasks that hold up a transition, with what is known about them and what usually helps.
 */
#define _GNU_SOURCE
#include <err.h>
#include <stdlib.h>
#include <string.h>
#include "klpctl.h"
#include "show.h"

#define SHOWN_BLOCKERS	32

/* Return true if a livepatch module, not a function, is on the stack of the task. */
static bool is_in_module(const struct held *held)
{
	return held->function[0] == '[';
}

static void describe_sleeping(const struct held *held, char *text, size_t size)
{
	if (is_in_module(held))
		snprintf(text, size,
			 "sleeps in code of the livepatch %s, which is being disabled or replaced",
			 held->function);
	else
		snprintf(text, size, "sleeps in %s or in a callee of it", held->function);
}

/* Describe the reason in words. */
static void describe_reason(const struct held *held, char *text, size_t size)
{
	if (!strcmp(held->reason, "sleeping") && *held->function)
		describe_sleeping(held, text, size);
	else if (!strcmp(held->reason, "sleeping"))
		snprintf(text, size, "sleeps in a function of the patch");
	else if (!strcmp(held->reason, "running"))
		snprintf(text, size, "was running on a CPU when it was checked");
	else if (!strcmp(held->reason, "unreliable"))
		snprintf(text, size, "has a stack that cannot be read reliably");
	else if (!strcmp(held->reason, "memory"))
		snprintf(text, size, "could not be checked for lack of memory");
	else
		snprintf(text, size, "is not switched yet, this kernel does not tell the reason");
}

static const char *advice_for_sleeping(const struct held *held)
{
	if (held->kthread)
		return "Give the kernel thread work, or stop its use: unmount, set the link down.";
	switch (held->task_state) {
	case 'T':
	case 't':
		return "The task is stopped: continue it with SIGCONT, or detach the debugger.";
	case 'D':
		return "The task ignores signals: make the device or the server respond.";
	default:
		return "End the wait: close its connection, stop and continue it, or restart it.";
	}
}

static const char *advice_for_running(const struct held *held)
{
	if (held->kthread)
		return "Wait or reduce the load: it is switched when it sleeps or is preempted.";
	return "Wait or reduce the load: it is switched when it returns to user space.";
}

/* Return what usually helps, in one line. */
static const char *advice(const struct held *held)
{
	if (!held->tid && !strncmp(held->comm, "swapper", 7))
		return "Wait: the CPU is switched when it leaves idle and enters it again.";
	if (!held->tid)
		return "Wait: the task is exiting and is not pending afterwards.";
	if (!strcmp(held->reason, "running"))
		return advice_for_running(held);
	if (!strcmp(held->reason, "unreliable"))
		return "The kernel retries once a second. If that does not help, restart the task.";
	if (!strcmp(held->reason, "memory"))
		return "Free memory. The kernel retries once a second.";
	return advice_for_sleeping(held);
}

static void print_identity(const struct held *held)
{
	printf("  %s", held->comm);
	if (held->pid && held->pid != held->tid)
		printf(" pid %d, thread %d", held->pid, held->tid);
	else if (held->tid)
		printf(" pid %d", held->tid);
	if (held->kthread)
		printf(", kernel thread");
	else if (*held->user)
		printf(", user %s", held->user);
	if (*held->unit)
		printf(", unit %s", held->unit);
	else if (*held->cgroup)
		printf(", cgroup %s", held->cgroup);
	putchar('\n');
}

static void print_stack(const struct held *held)
{
	char *stack, *line, *save = NULL;

	if (!held->pid)
		return;
	stack = read_task_stack(held->pid, held->tid);
	if (!stack)
		return;
	if (*stack)
		puts("    kernel stack:");
	for (line = strtok_r(stack, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
		printf("      %s\n", line);
	free(stack);
}

/*
 * Print a task. A pending task is pending since the transition has started, so the age of the
 * request is the time for which it has been held.
 */
static void print_blocker(const struct patch *patch, const struct held *held)
{
	char reason[700];

	describe_reason(held, reason, sizeof(reason));
	print_identity(held);
	printf("    %s", reason);
	if (patch->since != UNKNOWN)
		printf(", held for %s", age_text(patch->since));
	if (held->passes != UNKNOWN)
		printf(" (%ld check%s)", held->passes, held->passes == 1 ? "" : "s");
	printf("\n    %s\n", advice(held));
	if (options.verbose)
		print_stack(held);
}

static void print_summary(const struct patch *patch, const struct held_list *held)
{
	printf("  %s: %s", patch->name, state_text(patch));
	if (held->total != UNKNOWN)
		printf(", %ld of %ld tasks left", held->total, patch->tasks);
	if (patch->since != UNKNOWN)
		printf(", requested %s ago", age_text(patch->since));
	putchar('\n');
	if (held->total > 0 && held->nr && !held->complete)
		printf("  %zu of them are listed\n", held->nr);
	if (!held->total)
		puts("  All tasks are switched, callbacks are running.");
}

void print_blockers(const struct patch *patch)
{
	struct held_list held;
	size_t i;

	read_held(patch, &held, SHOWN_BLOCKERS);
	print_summary(patch, &held);
	for (i = 0; i < held.nr; i++) {
		describe_held(&held.list[i]);
		print_blocker(patch, &held.list[i]);
	}
	free_held(&held);
}

/* Return the lines of a kernel stack. */
static struct json_object *stack_json(const struct held *held)
{
	struct json_object *array;
	char *stack, *line, *save = NULL;

	stack = held->pid ? read_task_stack(held->pid, held->tid) : NULL;
	if (!stack)
		return NULL;
	array = json_object_new_array();
	for (line = strtok_r(stack, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
		json_object_array_add(array, json_text(line));
	free(stack);
	return array;
}

static struct json_object *blocker_json(const struct patch *patch, const struct held *held)
{
	struct json_object *entry = json_object_new_object();
	char reason[700];

	describe_reason(held, reason, sizeof(reason));
	json_object_object_add(entry, "pid", held->pid ? json_object_new_int(held->pid) : NULL);
	json_object_object_add(entry, "tid", json_object_new_int(held->tid));
	json_object_object_add(entry, "comm", json_object_new_string(held->comm));
	json_object_object_add(entry, "kthread", json_object_new_boolean(held->kthread));
	json_object_object_add(entry, "user", json_text(held->user));
	json_object_object_add(entry, "unit", json_text(held->unit));
	json_object_object_add(entry, "cgroup", json_text(held->cgroup));
	json_object_object_add(entry, "reason", json_text(held->reason));
	json_object_object_add(entry, "description", json_text(reason));
	json_object_object_add(entry, "function", json_text(held->function));
	json_object_object_add(entry, "passes", json_number(held->passes));
	json_object_object_add(entry, "held_seconds", json_number(patch->since));
	json_object_object_add(entry, "advice", json_text(advice(held)));
	json_object_object_add(entry, "stack", options.verbose ? stack_json(held) : NULL);
	return entry;
}

/* Return the tasks that hold up the transition of a patch, at most SHOWN_BLOCKERS. */
struct json_object *blockers_json(const struct patch *patch, bool *complete)
{
	struct json_object *array = json_object_new_array();
	struct held_list held;
	size_t i;

	read_held(patch, &held, SHOWN_BLOCKERS);
	for (i = 0; i < held.nr; i++) {
		describe_held(&held.list[i]);
		json_object_array_add(array, blocker_json(patch, &held.list[i]));
	}
	*complete = held.complete || !in_transition(patch);
	free_held(&held);
	return array;
}

static void blockers_query(const struct patch *patch)
{
	struct json_object *root = json_query("blockers"), *array;
	bool complete = true;

	array = patch ? blockers_json(patch, &complete) : json_object_new_array();
	json_object_object_add(root, "patch", patch ? json_text(patch->name) : NULL);
	json_object_object_add(root, "state",
			       patch ? json_text(state_words[patch->state]) : NULL);
	json_object_object_add(root, "remaining", patch ? json_number(patch->remaining) : NULL);
	json_object_object_add(root, "tasks", patch ? json_number(patch->tasks) : NULL);
	json_object_object_add(root, "since_seconds", patch ? json_number(patch->since) : NULL);
	json_object_object_add(root, "complete", json_object_new_boolean(complete));
	json_object_object_add(root, "blockers", array);
	json_print(root);
}

static void show_blockers(const struct patch *patch)
{
	if (options.json) {
		blockers_query(patch);
		return;
	}
	if (patch && in_transition(patch))
		print_blockers(patch);
	else if (patch)
		printf("%s: %s, not in transition\n", patch->name, state_text(patch));
	else
		puts("No livepatch is in transition.");
	print_unseen();
}

int cmd_blockers(char **args)
{
	struct patches patches;
	struct patch *patch;
	int code = DONE;

	if (args[0])
		normalize_name(args[0]);
	read_patches(&patches);
	patch = args[0] ? find_patch(&patches, args[0]) : find_transition(&patches);
	if (args[0] && !patch) {
		warnx("there is no livepatch '%s'", args[0]);
		code = FAILED;
	} else {
		show_blockers(patch);
	}
	free_patches(&patches);
	return code;
}
