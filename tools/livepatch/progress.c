// SPDX-License-Identifier: GPL-2.0
/*
 * The progress of a transition: one line that is rewritten on a terminal, otherwise a plain line
 * from time to time.
 */
#define _GNU_SOURCE
#include <stdarg.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include "klpctl.h"

#define SHOWN_HOLDERS	2

/* Seconds. A stock kernel is asked less often: all tasks in /proc are read. */
#define FIRST_LINE	0.15
#define LINE_INTERVAL	0.2
#define STOCK_INTERVAL	1.0
#define FIRST_PLAIN	1.0
#define PLAIN_INTERVAL	5.0

struct text {
	char buf[1024];
	size_t len;
};

[[gnu::format(printf, 2, 3)]]
static void append(struct text *text, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(text->buf + text->len, sizeof(text->buf) - text->len, fmt, ap);
	va_end(ap);
	text->len += n;
	if (text->len >= sizeof(text->buf))
		text->len = sizeof(text->buf) - 1;
}

static void append_holder(struct text *text, const char *separator, const struct held *held)
{
	append(text, "%s %s[%d] %s", separator, held->comm, held->tid, held->reason);
	if (*held->function)
		append(text, " in %s", held->function);
}

/* Describe the progress: percentage, tasks left, elapsed time, and the tasks held the longest. */
static void describe(struct text *text, const struct patch *patch, double elapsed)
{
	struct held_list held;
	size_t i;

	read_held(patch, &held, 32);
	append(text, "%s: %s", patch->name, state_text(patch));
	if (held.total != UNKNOWN)
		append(text, ", %ld task%s left", held.total, held.total == 1 ? "" : "s");
	append(text, ", %.*f s", elapsed < 10, elapsed);
	for (i = 0; i < held.nr && i < SHOWN_HOLDERS; i++)
		append_holder(text, i ? "," : ":", &held.list[i]);
	free_held(&held);
}

static size_t terminal_width(void)
{
	struct winsize size;

	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) || size.ws_col < 20)
		return 80;
	return size.ws_col;
}

/* Print a line. Cut it on a terminal: a line that wraps cannot be rewritten. */
static void print_line(struct progress *progress, struct text *text)
{
	if (!stdout_is_terminal()) {
		puts(text->buf);
		fflush(stdout);
		return;
	}
	printf("\r%.*s\033[K", (int)terminal_width() - 1, text->buf);
	fflush(stdout);
	progress->on_line = true;
}

void progress_begin(struct progress *progress)
{
	progress->start = now();
	progress->next = progress->start + (stdout_is_terminal() ? FIRST_LINE : FIRST_PLAIN);
	progress->on_line = false;
}

static double interval(bool extended)
{
	if (!stdout_is_terminal())
		return PLAIN_INTERVAL;
	return extended ? LINE_INTERVAL : STOCK_INTERVAL;
}

/**
 * progress_update() - show the progress if it is time to
 * @progress: set by progress_begin()
 * @name:     the patch in transition
 * @enabled:  the state that the tasks are switched to
 * @extended: the core has the files "remaining" and "held"
 *
 * Return: the time of the next update, in seconds of now().
 */
double progress_update(struct progress *progress, const char *name, long enabled, bool extended)
{
	struct patch patch = {
		.name = (char *)name,
		.in_sysfs = true,
		.extended = extended,
		.enabled = enabled,
		.transition = 1,
		.state = enabled ? STATE_ENABLING : STATE_DISABLING,
	};
	struct text text = {};

	if (now() < progress->next)
		return progress->next;
	patch.tasks = count_tasks();
	if (extended)
		patch.remaining = read_number(in_root(SYSFS "/%s/remaining", name));
	else
		patch.remaining = count_pending(enabled);
	describe(&text, &patch, now() - progress->start);
	print_line(progress, &text);
	progress->next = now() + interval(extended);
	return progress->next;
}

/* Remove the line from the terminal. */
void progress_end(struct progress *progress)
{
	if (progress->on_line)
		printf("\r\033[K");
	progress->on_line = false;
	fflush(stdout);
}
