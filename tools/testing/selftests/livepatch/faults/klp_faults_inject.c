// SPDX-License-Identifier: GPL-2.0
/* Make allocations and callees of the core fail, one at a time. */
#define _GNU_SOURCE
#include "klp_faults.h"

#define ARM		"/sys/module/faults_calls/parameters/arm"

struct injector slab = { .dir = DEBUGFS "/failslab" };
struct injector pages = { .dir = DEBUGFS "/fail_page_alloc" };
struct callee callees[64];
unsigned int nr_callees;
char **text_range;

static const char *in_dir(const char *dir, const char *name)
{
	return format("%s/%s", dir, name);
}

const char *errno_name(int error)
{
	if (error == EACH_TASK)
		return "task";
	return error ? strerrorname_np(error) : "ok";
}

/* Parse a text such as "-ENOMEM", or a number. */
static long parse_value(const char *text)
{
	int error;

	if (*text != '-')
		return strtol(text, NULL, 0);
	for (error = 1; error < 200; error++) {
		const char *name = strerrorname_np(error);

		if (name && !strcmp(name, text + 1))
			return -error;
	}
	errx(1, "there is no errno %s", text);
}

static void injector_write(struct injector *injector, const char *file, unsigned long value)
{
	char text[32];

	snprintf(text, sizeof(text), "%lu", value);
	must_write(in_dir(injector->dir, file), text);
}

void injector_setup(struct injector *injector, bool verbose)
{
	must_write(in_dir(injector->dir, "task-filter"), "N");
	must_write(in_dir(injector->dir, "ignore-gfp-wait"), "N");
	injector_write(injector, "probability", 0);
	injector_write(injector, "verbose", verbose ? 2 : 0);
	injector_write(injector, "verbose_ratelimit_interval_ms", 0);
	injector_write(injector, "space", 0);
	injector_write(injector, "stacktrace-depth", 32);
	must_write(in_dir(injector->dir, "require-start"), text_range[0]);
	must_write(in_dir(injector->dir, "require-end"), text_range[1]);
	must_write(in_dir(injector->dir, "reject-start"), text_range[2]);
	must_write(in_dir(injector->dir, "reject-end"), text_range[3]);
}

void injector_arm(struct injector *injector, unsigned int k)
{
	injector->interval = injector->count + k;
	injector_write(injector, "interval", injector->interval);
	injector_write(injector, "times", 1);
	injector_write(injector, "probability", 100);
}

static void set_victim(int fd, const char *value)
{
	if (pwrite(fd, value, 1, 0) != 1)
		err(1, "make-it-fail");
}

/* Advance the count by allocations of this task until it is a multiple of the interval. */
static void injector_fill(struct injector *injector)
{
	int victim = open("/proc/self/make-it-fail", O_WRONLY);
	char page[4096] = "";
	int fds[2];

	must_write(in_dir(injector->dir, "task-filter"), "Y");
	must_write(in_dir(injector->dir, "require-start"), "0");
	must_write(in_dir(injector->dir, "require-end"), "0xffffffffffffffff");
	while (must_read_number(in_dir(injector->dir, "times"))) {
		set_victim(victim, "1");
		if (!pipe(fds)) {
			if (write(fds[1], page, sizeof(page)) < 0 && errno != ENOMEM)
				err(1, "a pipe");
			close(fds[0]);
			close(fds[1]);
		}
		set_victim(victim, "0");
	}
	must_write(in_dir(injector->dir, "task-filter"), "N");
	must_write(in_dir(injector->dir, "require-start"), text_range[0]);
	must_write(in_dir(injector->dir, "require-end"), text_range[1]);
	close(victim);
}

/* Disarm. Returns true if an allocation has failed. */
bool injector_disarm(struct injector *injector)
{
	bool fired = !must_read_number(in_dir(injector->dir, "times"));

	if (!fired && injector->interval > 1)
		injector_fill(injector);
	injector_write(injector, "probability", 0);
	/* With an interval of 1 nothing is counted. */
	if (injector->interval > 1)
		injector->count = injector->interval;
	return fired;
}

void callee_arm(const struct callee *callee, unsigned int k)
{
	char text[128];

	snprintf(text, sizeof(text), "%s %u %ld", callee->name, k, callee->value);
	must_write(ARM, text);
}

bool callee_disarm(void)
{
	bool fired = must_read_number(ARM) <= 0;

	must_write(ARM, "\n");
	return fired;
}

/* Read the lines NAME VALUE ANSWER... of functions that can fail. */
void read_callees(const char *path)
{
	FILE *file = fopen(path, "r");
	char line[256], value[32];

	if (!file)
		err(1, "%s", path);
	while (fgets(line, sizeof(line), file)) {
		struct callee *callee = &callees[nr_callees];

		if (sscanf(line, "%63[^# \t\n] %31s %63[^\n]", callee->name, value,
			   callee->answers) != 3 || !strcmp(value, "-"))
			continue;
		callee->value = parse_value(value);
		nr_callees++;
	}
	fclose(file);
}

bool is_answer(const char *answers, int error)
{
	char *copy = strdup(answers), *rest = copy, *word;
	bool found = false;

	while ((word = strsep(&rest, " \t")))
		found |= !strcmp(word, errno_name(error));
	free(copy);
	return found;
}
