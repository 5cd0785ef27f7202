// SPDX-License-Identifier: GPL-2.0
/* Read and compare the state of livepatches, modules, functions, ftrace and symbols. */
#define _GNU_SOURCE
#include <ctype.h>
#include <dirent.h>
#include "klp_faults.h"

#define ENABLED_FUNCTIONS	"/sys/kernel/tracing/enabled_functions"

void text_add(struct text *text, const char *data, size_t len)
{
	if (text->len + len + 1 > text->room) {
		text->room = 2 * (text->len + len + 1);
		text->data = realloc(text->data, text->room);
		if (!text->data)
			err(1, "no memory");
	}
	memcpy(text->data + text->len, data, len);
	text->len += len;
	text->data[text->len] = '\0';
}

void text_printf(struct text *text, const char *fmt, ...)
{
	va_list args;
	char *line;
	int len;

	va_start(args, fmt);
	len = vasprintf(&line, fmt, args);
	va_end(args);
	if (len < 0)
		err(1, "no memory");
	text_add(text, line, len);
	free(line);
}

/* Read a whole file. Returns false after an error. */
bool text_read(struct text *text, const char *path)
{
	char buffer[65536];
	ssize_t got;
	int fd;

	fd = open(path, O_RDONLY);
	if (fd < 0)
		return false;
	while ((got = read(fd, buffer, sizeof(buffer))) > 0)
		text_add(text, buffer, got);
	close(fd);
	return !got;
}

void must_read(struct text *text, const char *path)
{
	text->len = 0;
	if (!text_read(text, path))
		err(1, "%s", path);
	text_add(text, "", 0);
}

static const char * const look_names[] = {
	[LOOK_STATE] = "state",
	[LOOK_FTRACE] = "enabled_functions",
	[LOOK_SYMBOLS] = "kallsyms",
};

static int by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

/* List the files below a directory with their contents, except of those that tell the time. */
static void look_at_dir(struct text *out, const char *dir)
{
	struct dirent **entries;
	int i, nr;

	nr = scandir(dir, &entries, NULL, by_name);
	for (i = 0; i < nr; i++) {
		const char *name = entries[i]->d_name;
		struct text text = {};
		char path[512];

		if (*name == '.')
			goto next;
		snprintf(path, sizeof(path), "%s/%s", dir, name);
		text_printf(out, "%s\n", path);
		if (entries[i]->d_type == DT_DIR)
			look_at_dir(out, path);
		else if (strcmp(name, "since") && text_read(&text, path))
			text_add(out, text.data, text.len);
		free(text.data);
next:
		free(entries[i]);
	}
	if (nr >= 0)
		free(entries);
}

static void look_at_file(struct text *out, const char *path)
{
	text_printf(out, "%s: ", path);
	if (!text_read(out, path))
		text_printf(out, "not there");
	text_printf(out, "\n");
}

/* Copy a line without hexadecimal numbers, which differ each time. */
static void add_line(struct text *out, const char *line)
{
	while (*line) {
		size_t digits = strspn(line, "0123456789abcdef");

		if (!strncmp(line, "0x", 2))
			digits = 2 + strspn(line + 2, "0123456789abcdef");
		if (digits > 7 || (digits > 2 && line[1] == 'x'))
			text_add(out, "#", 1);
		else
			text_add(out, line, digits ?: 1);
		line += digits ?: 1;
	}
	text_add(out, "\n", 1);
}

/* Add the lines of a file that contain @only, and of functions only their flags. */
static void look_at_lines(struct text *out, const char *path, const char *only)
{
	static struct text text;
	char *line, *rest, *end;

	must_read(&text, path);
	for (rest = text.data; (line = strsep(&rest, "\n"));) {
		if (!*line || (only && !strstr(line, only)))
			continue;
		end = strstr(line, "\ttramp: ") ?: strstr(line, " ->");
		while (end && end > line && isspace(end[-1]))
			end--;
		if (end)
			*end = '\0';
		add_line(out, line);
	}
}

static void look(struct look *look)
{
	unsigned int i;

	for (i = 0; i < LOOKS; i++) {
		look->part[i].len = 0;
		text_add(&look->part[i], "", 0);
	}
	look_at_dir(&look->part[LOOK_STATE], SYSFS);
	look_at_lines(&look->part[LOOK_STATE], "/proc/modules", NULL);
	look_at_file(&look->part[LOOK_STATE], "/proc/cmdline");
	look_at_file(&look->part[LOOK_STATE], "/proc/version");
	look_at_file(&look->part[LOOK_STATE], "/sys/module/" TARGET "/parameters/versions");
	look_at_file(&look->part[LOOK_STATE], "/sys/module/" TARGET2 "/parameters/versions");
	look_at_lines(&look->part[LOOK_FTRACE], ENABLED_FUNCTIONS, NULL);
	look_at_lines(&look->part[LOOK_SYMBOLS], "/proc/kallsyms", "\t[");
}

static bool part_equal(const struct text *a, const struct text *b)
{
	return a->len == b->len && !memcmp(a->data, b->data, a->len);
}

/* The lines of a text, sorted. */
struct lines {
	char *copy;
	char **line;
	size_t nr;
};

static int by_line(const void *a, const void *b)
{
	return strcmp(*(char * const *)a, *(char * const *)b);
}

static void sort_lines(struct lines *lines, const struct text *text)
{
	char *rest, *line;

	lines->nr = 0;
	lines->copy = strdup(text->data);
	lines->line = calloc(text->len + 1, sizeof(*lines->line));
	if (!lines->copy || !lines->line)
		err(1, "no memory");
	for (rest = lines->copy; (line = strsep(&rest, "\n"));)
		lines->line[lines->nr++] = line;
	qsort(lines->line, lines->nr, sizeof(*lines->line), by_line);
}

/* Return true if @b has each line of @a as often. Print the missing ones with @sign. */
static bool lines_within(const struct text *a, const struct text *b, const char *sign)
{
	struct lines some, others;
	bool within = true;
	size_t i, j = 0;

	sort_lines(&some, a);
	sort_lines(&others, b);
	for (i = 0; i < some.nr; i++) {
		while (j < others.nr && strcmp(others.line[j], some.line[i]) < 0)
			j++;
		if (j < others.nr && !strcmp(others.line[j], some.line[i])) {
			j++;
			continue;
		}
		within = false;
		if (sign)
			printf("      %s %s\n", sign, some.line[i]);
	}
	free(some.line);
	free(some.copy);
	free(others.line);
	free(others.copy);
	return within;
}

/* Copy @from without the symbols of ftrace's trampolines. */
static void drop_trampolines(struct text *to, const struct text *from)
{
	char *copy = strdup(from->data), *rest = copy, *line;

	to->len = 0;
	while ((line = strsep(&rest, "\n"))) {
		if (!strstr(line, "ftrace_trampoline"))
			text_printf(to, "%s\n", line);
	}
	free(copy);
}

/*
 * Compare two states, without trampolines. The core keeps as many trampolines as it has used at
 * one time. That number is higher when objects had to be registered one by one, and lower when
 * ftrace had no memory for a trampoline.
 */
static enum verdict compare(const struct look *wanted, const struct look *got)
{
	static struct text some, others;

	drop_trampolines(&some, &wanted->part[LOOK_SYMBOLS]);
	drop_trampolines(&others, &got->part[LOOK_SYMBOLS]);
	if (!part_equal(&some, &others) ||
	    !part_equal(&wanted->part[LOOK_STATE], &got->part[LOOK_STATE]))
		return DIFFERENT;
	if (part_equal(&wanted->part[LOOK_FTRACE], &got->part[LOOK_FTRACE]))
		return SAME;
	return lines_within(&wanted->part[LOOK_FTRACE], &got->part[LOOK_FTRACE], NULL) ?
	       LEFTOVER : DIFFERENT;
}

/* Compare repeatedly: a worker may be about to finish. */
enum verdict look_until(const struct look *wanted)
{
	static struct look got;
	double start = now();
	enum verdict verdict;

	for (;;) {
		look(&got);
		verdict = compare(wanted, &got);
		if (verdict == SAME || now() > start + (verdict == LEFTOVER ? 1 : 10))
			return verdict;
		pause_for(0.1);
	}
}

/* Read the state when the workers of the core are done: two results are equal. */
void look_at_rest(struct look *rest)
{
	static struct look again;

	do {
		look(rest);
		pause_for(0.3);
		look(&again);
	} while (compare(rest, &again) != SAME);
}

void show_difference(const struct look *wanted)
{
	struct look got = {};
	unsigned int i;

	look(&got);
	for (i = 0; i < LOOKS; i++) {
		if (part_equal(&wanted->part[i], &got.part[i]))
			continue;
		printf("    %s (- has gone, + has come):\n", look_names[i]);
		lines_within(&wanted->part[i], &got.part[i], "-");
		lines_within(&got.part[i], &wanted->part[i], "+");
		free(got.part[i].data);
	}
}
