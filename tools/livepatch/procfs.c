// SPDX-License-Identifier: GPL-2.0
/*
 * Read files of tasks in /proc.
 */
#define _GNU_SOURCE
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "klpctl.h"

#define PF_KTHREAD	0x00200000

/*
 * Read the state letter and the kind of a task. The name, which may contain any byte, ends at the
 * last closing parenthesis.
 */
bool read_task_stat(pid_t tid, char *state, bool *kthread)
{
	unsigned int flags;
	char text[1024];
	char *end;

	if (!read_file(in_root("/proc/%d/stat", tid), text, sizeof(text)))
		return false;
	end = strrchr(text, ')');
	if (!end || sscanf(end + 1, " %c %*d %*d %*d %*d %*d %u", state, &flags) != 2)
		return false;
	*kthread = flags & PF_KTHREAD;
	return true;
}

/* Return the process of a thread and its real user, or 0 if the thread does not exist. */
pid_t read_task_ids(pid_t tid, unsigned int *uid)
{
	char text[4096];
	char *line;
	int pid;

	if (!read_file(in_root("/proc/%d/status", tid), text, sizeof(text)))
		return 0;
	line = strstr(text, "\nTgid:");
	if (!line || sscanf(line, "\nTgid: %d", &pid) != 1)
		return 0;
	line = strstr(text, "\nUid:");
	if (!line || sscanf(line, "\nUid: %u", uid) != 1)
		return 0;
	return pid;
}

static bool ends_with(const char *text, const char *suffix)
{
	size_t n = strlen(text), m = strlen(suffix);

	return n > m && !strcmp(text + n - m, suffix);
}

/* Return true if a component of a control group is the unit that runs programs. */
static bool is_unit(const char *component)
{
	static const char * const suffixes[] = {
		".service", ".scope", ".socket", ".mount", ".swap",
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(suffixes); i++) {
		if (ends_with(component, suffixes[i]))
			return true;
	}
	return false;
}

/* Find the innermost unit in the path of a control group. */
static void find_unit(struct held *held)
{
	char path[sizeof(held->cgroup)];
	char *component, *save = NULL;

	snprintf(path, sizeof(path), "%s", held->cgroup);
	for (component = strtok_r(path, "/", &save); component;
	     component = strtok_r(NULL, "/", &save)) {
		if (is_unit(component))
			snprintf(held->unit, sizeof(held->unit), "%.255s", component);
	}
}

/*
 * Read the control group of a task: the one of the unified hierarchy, or the one that systemd
 * manages in a system with several hierarchies.
 */
void read_task_unit(pid_t tid, struct held *held)
{
	char text[8192], *line, *path, *save = NULL;

	if (!read_file(in_root("/proc/%d/cgroup", tid), text, sizeof(text)))
		return;
	for (line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		path = strchr(line, ':');
		if (!path || (strncmp(path, "::", 2) && strncmp(path, ":name=systemd:", 14)))
			continue;
		path = strchr(path + 1, ':') + 1;
		if (strlen(path) > 1)
			snprintf(held->cgroup, sizeof(held->cgroup), "%.511s", path);
	}
	make_printable(held->cgroup);
	find_unit(held);
}

/* Return the kernel stack of a thread, NULL if it cannot be read. The caller frees it. */
char *read_task_stack(pid_t pid, pid_t tid)
{
	const char *path = in_root("/proc/%d/task/%d/stack", pid, tid);
	size_t size = 64 * 1024;
	char *text = malloc(size);

	if (text && read_file(path, text, size))
		return text;
	note_unseen("kernel stacks", path, errno);
	free(text);
	return NULL;
}

/* Return the number of tasks in the system, without the idle tasks. */
long count_tasks(void)
{
	char text[128];
	long tasks;

	if (!read_file(in_root("/proc/loadavg"), text, sizeof(text)) ||
	    sscanf(text, "%*s %*s %*s %*d/%ld", &tasks) != 1)
		return UNKNOWN;
	return tasks;
}

static bool visit_threads(pid_t pid, task_visitor *visit, void *data)
{
	DIR *dir = opendir(in_root("/proc/%d/task", pid));
	struct dirent *entry;
	bool more = true;

	if (!dir)
		return true;
	while (more && (entry = readdir(dir))) {
		if (isdigit((unsigned char)entry->d_name[0]))
			more = visit(pid, atoi(entry->d_name), data);
	}
	closedir(dir);
	return more;
}

/* Call @visit for each thread until it returns false. */
void visit_tasks(task_visitor *visit, void *data)
{
	DIR *dir = opendir(in_root("/proc"));
	struct dirent *entry;
	bool more = true;

	if (!dir)
		return;
	while (more && (entry = readdir(dir))) {
		if (isdigit((unsigned char)entry->d_name[0]))
			more = visit_threads(atoi(entry->d_name), visit, data);
	}
	closedir(dir);
}
