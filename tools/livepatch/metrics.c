// SPDX-License-Identifier: GPL-2.0
/*
 * Metrics in the text format of Prometheus.
 */
#define _GNU_SOURCE
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "klpctl.h"

#define TAINT_LIVEPATCH	0x8000	/* in /proc/sys/kernel/tainted */

static long get_enabled(const struct patch *patch)
{
	return patch->enabled;
}

static long get_transition(const struct patch *patch)
{
	return patch->transition;
}

static long get_remaining(const struct patch *patch)
{
	if (patch->transition == 0)
		return 0;
	return patch->remaining;
}

static long get_since(const struct patch *patch)
{
	return patch->since;
}

static long get_stack_order(const struct patch *patch)
{
	return patch->stack_order;
}

static long get_replace_set(const struct patch *patch)
{
	return patch->replace_set;
}

static long get_objects(const struct patch *patch)
{
	return patch->in_sysfs ? (long)patch->nr_objects : UNKNOWN;
}

static long get_objects_patched(const struct patch *patch)
{
	return patch->in_sysfs ? (long)patched_objects(patch) : UNKNOWN;
}

static long get_functions(const struct patch *patch)
{
	return patch->in_sysfs ? (long)function_count(patch) : UNKNOWN;
}

/* A gauge with a value for each patch. There is no sample where the value is unknown. */
static const struct {
	const char *name;
	const char *help;
	long (*get)(const struct patch *patch);
} gauges[] = {
	{
		.name = "enabled",
		.help = "The last request was to enable the patch.",
		.get = get_enabled,
	}, {
		.name = "transition",
		.help = "Tasks are being switched to or from the patch.",
		.get = get_transition,
	}, {
		.name = "tasks_remaining",
		.help = "Tasks that have to be switched.",
		.get = get_remaining,
	}, {
		.name = "since_seconds",
		.help = "Time since the last request was made or answered.",
		.get = get_since,
	}, {
		.name = "stack_order",
		.help = "Position among the enabled patches of the set, 1 is the oldest.",
		.get = get_stack_order,
	}, {
		.name = "replace_set",
		.help = "Number of the replace set.",
		.get = get_replace_set,
	}, {
		.name = "objects",
		.help = "Objects that the patch declares.",
		.get = get_objects,
	}, {
		.name = "objects_patched",
		.help = "Objects of which the functions are redirected.",
		.get = get_objects_patched,
	}, {
		.name = "functions",
		.help = "Functions that the patch declares.",
		.get = get_functions,
	},
};

/* Print a label value with its escapes. */
static void print_label(FILE *file, const char *name, const char *value)
{
	fprintf(file, "%s=\"", name);
	for (; *value; value++) {
		if (*value == '\n')
			fputs("\\n", file);
		else if (*value == '"' || *value == '\\')
			fprintf(file, "\\%c", *value);
		else
			fputc(*value, file);
	}
	fputc('"', file);
}

static void print_head(FILE *file, const char *name, const char *help)
{
	fprintf(file, "# HELP livepatch_%s %s\n# TYPE livepatch_%s gauge\n", name, help, name);
}

static void print_gauge(FILE *file, const struct patches *patches, size_t gauge)
{
	bool head = false;
	char name[64];
	long value;
	size_t i;

	snprintf(name, sizeof(name), "patch_%s", gauges[gauge].name);
	for (i = 0; i < patches->nr; i++) {
		value = gauges[gauge].get(&patches->list[i]);
		if (value == UNKNOWN)
			continue;
		if (!head)
			print_head(file, name, gauges[gauge].help);
		head = true;
		fprintf(file, "livepatch_%s{", name);
		print_label(file, "patch", patches->list[i].name);
		fprintf(file, "} %ld\n", value);
	}
}

/* Print whether a livepatch has been loaded since the boot. */
static void print_tainted(FILE *file)
{
	long tainted = read_number(in_root("/proc/sys/kernel/tainted"));

	if (tainted == UNKNOWN)
		return;
	print_head(file, "kernel_tainted", "A livepatch has been loaded since the boot.");
	fprintf(file, "livepatch_kernel_tainted %d\n", !!(tainted & TAINT_LIVEPATCH));
}

static void print_kernel(FILE *file, const struct patches *patches)
{
	const char *core = core_word(patches);

	print_head(file, "kernel_info", "The running kernel and the kind of its livepatch core.");
	fputs("livepatch_kernel_info{", file);
	print_label(file, "release", kernel_release());
	fputc(',', file);
	print_label(file, "core", core ? core : "unknown");
	fputs("} 1\n", file);

	print_tainted(file);
	print_head(file, "patches", "Livepatches, with modules of which the patch is disabled.");
	fprintf(file, "livepatch_patches %zu\n", patches->nr);
}

/* Print a sample for each pair of a patch and a state. */
static void print_states(FILE *file, const struct patches *patches)
{
	size_t i, state;

	if (!patches->nr)
		return;
	print_head(file, "patch_state", "The state of the patch: 1 for the present one.");
	for (i = 0; i < patches->nr; i++) {
		for (state = 0; state < PATCH_STATES; state++) {
			fputs("livepatch_patch_state{", file);
			print_label(file, "patch", patches->list[i].name);
			fputc(',', file);
			print_label(file, "state", state_words[state]);
			fprintf(file, "} %d\n", patches->list[i].state == state);
		}
	}
}

static void print_reasons(FILE *file, const struct patch *patch, const struct held_list *held)
{
	static const char * const reasons[] = {
		"sleeping", "running", "unreliable", "memory", "unknown",
	};
	size_t i, j, nr;

	print_head(file, "held_tasks", "Tasks that hold up the transition, at most 32, by reason.");
	for (i = 0; i < ARRAY_SIZE(reasons); i++) {
		for (j = 0, nr = 0; j < held->nr; j++)
			nr += !strcmp(held->list[j].reason, reasons[i]);
		fputs("livepatch_held_tasks{", file);
		print_label(file, "patch", patch->name);
		fputc(',', file);
		print_label(file, "reason", reasons[i]);
		fprintf(file, "} %zu\n", nr);
	}
}

/* Print how many tasks are held for each reason. Print no zeros if the user may not see them. */
static void print_held(FILE *file, const struct patches *patches)
{
	const struct patch *patch = find_transition(patches);
	struct held_list held;

	if (!patch)
		return;
	read_held(patch, &held, 32);
	if (held.readable)
		print_reasons(file, patch, &held);
	free_held(&held);
}

static void print_metrics(FILE *file)
{
	struct patches patches;
	size_t i;

	read_patches(&patches);
	print_kernel(file, &patches);
	print_states(file, &patches);
	for (i = 0; i < ARRAY_SIZE(gauges); i++)
		print_gauge(file, &patches, i);
	print_held(file, &patches);
	free_patches(&patches);
}

static bool write_all(int fd, const char *text, size_t size)
{
	ssize_t n;

	while (size) {
		n = write(fd, text, size);
		if (n < 0)
			return false;
		text += n;
		size -= n;
	}
	return true;
}

/* Write to a temporary file in the same directory and rename it: a reader never sees a part. */
static bool replace_file(const char *path, const char *text, size_t size)
{
	char temporary[PATH_MAX];
	bool done;
	int fd, error;

	snprintf(temporary, sizeof(temporary), "%s.XXXXXX", path);
	fd = mkostemp(temporary, O_CLOEXEC);
	if (fd < 0)
		return false;
	done = write_all(fd, text, size) && !fchmod(fd, 0644) && !rename(temporary, path);
	error = errno;
	close(fd);
	if (!done)
		unlink(temporary);
	errno = error;
	return done;
}

/* Return false for a device, a pipe or a symbolic link, which a rename would remove. */
static bool may_be_replaced(const char *path)
{
	struct stat st;

	return lstat(path, &st) || S_ISREG(st.st_mode);
}

static int write_textfile(const char *path)
{
	int code = DONE;
	char *text;
	size_t size;
	FILE *file;

	if (!may_be_replaced(path)) {
		warnx("'%s' is not a regular file", path);
		return FAILED;
	}
	file = open_memstream(&text, &size);
	if (!file)
		err(FAILED, "out of memory");
	print_metrics(file);
	if (fclose(file))
		err(FAILED, "out of memory");
	if (!replace_file(path, text, size)) {
		warn("'%s' cannot be written", path);
		code = FAILED;
	}
	free(text);
	return code;
}

int cmd_metrics(char **args)
{
	int code = DONE;

	(void)args;
	if (options.textfile)
		code = write_textfile(options.textfile);
	else
		print_metrics(stdout);
	print_unseen();
	return code;
}
