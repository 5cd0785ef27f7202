// SPDX-License-Identifier: GPL-2.0
/*
 * Paths, files and texts.
 */
#define _GNU_SOURCE
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>
#include "klpctl.h"

#define PATHS	8

double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

/* Return the prefix of all paths. A program with raised privileges ignores the variable. */
static const char *root_prefix(void)
{
	const char *prefix = secure_getenv("KLPCTL_ROOT");

	return prefix ? prefix : "";
}

bool has_root_prefix(void)
{
	return *root_prefix();
}

/* Format a path below the prefix. The result is overwritten by the eighth call after this one. */
const char *in_root(const char *fmt, ...)
{
	static char paths[PATHS][PATH_MAX];
	static unsigned int turn;
	char *path = paths[turn++ % PATHS];
	va_list ap;
	int n;

	n = snprintf(path, PATH_MAX, "%s", root_prefix());
	if (n >= PATH_MAX)
		errx(FAILED, "KLPCTL_ROOT is too long");
	va_start(ap, fmt);
	vsnprintf(path + n, PATH_MAX - n, fmt, ap);
	va_end(ap);
	return path;
}

bool file_exists(const char *path)
{
	return !access(path, F_OK);
}

/*
 * Read the beginning of a file as a string, without the newline at its end. Return false with
 * errno set if the file cannot be read.
 */
bool read_file(const char *path, char *text, size_t size)
{
	ssize_t n;
	int fd, error;

	text[0] = '\0';
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	n = read(fd, text, size - 1);
	error = errno;
	close(fd);
	errno = error;
	if (n < 0)
		return false;
	text[n] = '\0';
	if (n && text[n - 1] == '\n')
		text[n - 1] = '\0';
	return true;
}

/* Return the number in a file, or UNKNOWN. */
long read_number(const char *path)
{
	char text[32], *end;
	long value;

	if (!read_file(path, text, sizeof(text)))
		return UNKNOWN;
	value = strtol(text, &end, 10);
	return end == text ? UNKNOWN : value;
}

/*
 * Write to a file. Return 0, a positive errno of open(2), or a negative errno of write(2), which
 * is the answer of the kernel to a request.
 */
int write_file(const char *path, const char *text)
{
	int fd, ret = 0;

	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return errno;
	if (write(fd, text, strlen(text)) < 0)
		ret = -errno;
	close(fd);
	return ret;
}

/* Return @array with space for an entry after the first @nr ones. The new entry is cleared. */
void *grow(void *array, size_t nr, size_t size)
{
	char *larger = reallocarray(array, nr + 1, size);

	if (!larger)
		err(FAILED, "out of memory");
	memset(larger + nr * size, 0, size);
	return larger;
}

char *copy_string(const char *text)
{
	char *copy = strdup(text);

	if (!copy)
		err(FAILED, "out of memory");
	return copy;
}

/*
 * Replace the bytes that are not printable ASCII. The names of tasks and control groups are chosen
 * by users, and modinfo by the author of a file: they can contain terminal escapes and invalid
 * UTF-8.
 */
void make_printable(char *text)
{
	for (; *text; text++) {
		if (*text < 0x20 || *text > 0x7e)
			*text = '?';
	}
}

/* Return the release of the kernel, from /proc so that KLPCTL_ROOT applies. */
const char *kernel_release(void)
{
	static char release[128];
	static struct utsname name;

	if (read_file(in_root("/proc/sys/kernel/osrelease"), release, sizeof(release)))
		return release;
	if (uname(&name))
		return "unknown";
	return name.release;
}

/* Return "NAME (description)" of an errno. The next call overwrites the text. */
const char *errno_text(int error)
{
	static char text[128];
	const char *name = strerrorname_np(error);

	if (!name)
		snprintf(text, sizeof(text), "errno %d", error);
	else
		snprintf(text, sizeof(text), "%s (%s)", name, strerror(error));
	return text;
}

/* Return a duration in its largest unit. The fourth call after this one overwrites the text. */
const char *age_text(long seconds)
{
	static const struct {
		long seconds;
		const char *unit;
	} units[] = {
		{ .seconds = 2 * 86400, .unit = "days" },
		{ .seconds = 2 * 3600, .unit = "hours" },
		{ .seconds = 2 * 60, .unit = "min" },
	};
	static char texts[4][32];
	static unsigned int turn;
	char *text = texts[turn++ % 4];
	size_t i;

	if (seconds < 0)
		return "-";
	for (i = 0; i < ARRAY_SIZE(units); i++) {
		if (seconds < units[i].seconds)
			continue;
		snprintf(text, sizeof(texts[0]), "%ld %s", seconds / (units[i].seconds / 2),
			 units[i].unit);
		return text;
	}
	snprintf(text, sizeof(texts[0]), "%ld s", seconds);
	return text;
}

/* Return true if @name is a loaded module with the taint flag of livepatches. */
bool is_livepatch_module(const char *name)
{
	char taint[32];

	return read_file(in_root("/sys/module/%s/taint", name), taint, sizeof(taint)) &&
	       strchr(taint, 'K');
}

/* Replace '-' by '_', as the module loader does. */
void normalize_name(char *name)
{
	for (; *name; name++) {
		if (*name == '-')
			*name = '_';
	}
}

/*
 * Normalize the name of a patch that a file will be written for. Refuse a name that leads out of
 * the directory of the livepatches: the caller would write to a file of something else.
 */
bool accept_patch_name(char *name)
{
	normalize_name(name);
	if (*name && *name != '.' && !strchr(name, '/'))
		return true;
	warnx("there is no livepatch '%s'", name);
	return false;
}
