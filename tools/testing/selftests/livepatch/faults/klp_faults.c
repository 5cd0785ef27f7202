// SPDX-License-Identifier: GPL-2.0
/*
 * klp_faults - fail what can fail, one thing at a time
 *
 * Each path below is an operation of the livepatch core and the states before and after it.  The
 * operation is run again and again, and the k-th run has the k-th allocation fail, or the k-th call
 * of some function, until there is no k-th.  After each run
 *
 *	- user space has been told the right errno, or nothing,
 *	- the ledger shows what was owed, once, and nothing else,
 *	- everything looks as it did before the operation, when it was refused, or as it does after
 *	  it, when the fault was ridden out, and
 *	- the operation succeeds when nothing fails.
 *
 * vm/faults.sh says where what is, see show_usage().
 */
#define _GNU_SOURCE
#include <ctype.h>
#include <dirent.h>
#include "../klp_guest.h"

#define ARRAY_SIZE(array)	(sizeof(array) / sizeof((array)[0]))

#define DEBUGFS		"/sys/kernel/debug"
#define LEDGER		"/proc/faults_ledger"
#define ARM		"/sys/module/faults_calls/parameters/arm"
#define PATCH		"faults_patch"
#define PART		"faults_part"
#define TARGET		"faults_target"
#define TARGET2		"faults_target2"

#define PATIENCE	120	/* seconds, for what should come at once */
#define MAX_FAILURES	5	/* enough to see what is wrong */
#define NEVER_MORE	5000	/* points of one kind on one path */
#define QUICK_TASKS	3	/* of the calls for each task, when there is little time */

static const char *modules_dir;
static const char *trace_dir = "/sys/kernel/tracing";
static bool verbose, quick;
static unsigned int failures;

/* Counts of one path, or of all. */
struct tally {
	unsigned int slab;
	unsigned int pages;
	unsigned int calls;
	unsigned int refused;
	unsigned int survived;
	unsigned int leftovers;
};

static struct tally total;

/* --- small things ----------------------------------------------------------------------------- */

/* Text that grows. */
struct text {
	char *data;
	size_t len;
	size_t room;
};

static void text_add(struct text *text, const char *data, size_t len)
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

static void text_printf(struct text *text, const char *fmt, ...)
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
static bool text_read(struct text *text, const char *path)
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

static void must_read(struct text *text, const char *path)
{
	text->len = 0;
	if (!text_read(text, path))
		err(1, "%s", path);
	text_add(text, "", 0);
}

static long must_read_number(const char *path)
{
	char text[32];

	if (!read_file(path, text, sizeof(text)))
		err(1, "%s", path);
	return strtol(text, NULL, 0);
}

static void must_write(const char *path, const char *value)
{
	int ret = write_file(path, value);

	if (ret)
		errx(1, "%s: cannot write '%s': %s", path, value, strerror(ret));
}

static const char *in_dir(const char *dir, const char *name)
{
	return format("%s/%s", dir, name);
}

/* Marks a callee that the core calls for each task. The value is not an errno. */
#define EACH_TASK	(-1)

static const char *errno_name(int error)
{
	if (error == EACH_TASK)
		return "task";
	return error ? strerrorname_np(error) : "ok";
}

/* "-ENOMEM", or a number. */
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

/* --- modules and patches ---------------------------------------------------------------------- */

static struct {
	const char *name;
	struct image image;
} images[8];

/* Read each module once: the file system is not part of the test. */
static struct image module_image(const char *name)
{
	unsigned int i = 0;

	while (images[i].name && strcmp(images[i].name, name))
		i++;
	if (!images[i].name) {
		images[i].image = read_image(format("%s/%s.ko", modules_dir, name));
		images[i].name = name;
	}
	return images[i].image;
}

static int load(const char *name, const char *params)
{
	return load_image(module_image(name), params);
}

static void must_load(const char *name, const char *params)
{
	int ret = load(name, params);

	if (ret)
		errx(1, "cannot load %s: %s", name, strerror(ret));
}

/* Unload a module. Waits for a worker that still has a reference. */
static int unload(const char *name)
{
	double deadline = now() + PATIENCE;
	int ret;

	while ((ret = remove_module(name)) == EAGAIN && now() <= deadline)
		pause_for(0.003);
	return ret;
}

static void must_unload(const char *name)
{
	int ret = unload(name);

	if (ret)
		errx(1, "cannot unload %s: %s", name, strerror(ret));
}

static const char *patch_file(const char *patch, const char *file)
{
	return format(SYSFS "/%s/%s", patch, file);
}

static bool enabled(const char *patch)
{
	return is_there(patch) && must_read_number(patch_file(patch, "enabled"));
}

/* Return the number in a file of a patch, -1 when it is gone. */
static long patch_number(const char *patch, const char *file)
{
	return read_number(patch_file(patch, file));
}

/* The persistent patch. */
static const char *persistent_patch = "";

/* Wait until no transition is running, and all patches that are being removed have left sysfs. */
static void settle(void)
{
	static const char * const patches[] = { PATCH, PART };
	double deadline = now() + PATIENCE;
	unsigned int i;

	for (i = 0; i < 2; i++) {
		while (is_there(patches[i])) {
			bool stays = !strcmp(patches[i], persistent_patch) ||
				     patch_number(patches[i], "enabled") == 1;

			if (stays && !patch_number(patches[i], "transition"))
				break;
			if (now() > deadline)
				errx(1, "%s stays in transition", patches[i]);
			pause_for(0.003);
		}
	}
}

static int set_enabled(const char *patch, const char *value)
{
	int ret = write_file(patch_file(patch, "enabled"), value);

	settle();
	return ret;
}

static void must_set_enabled(const char *patch, const char *value)
{
	int ret = set_enabled(patch, value);

	if (ret)
		errx(1, "cannot write %s to %s/enabled: %s", value, patch, strerror(ret));
}

static int load_patch(const char *patch, const char *params)
{
	int ret = load(patch, params);

	settle();
	return ret;
}

static void must_load_patch(const char *patch, const char *params)
{
	int ret = load_patch(patch, params);

	if (ret)
		errx(1, "cannot load %s: %s", patch, strerror(ret));
}

/* Return to the state in which only the ledger is loaded, from any state. */
static void clean_up(void)
{
	static const char * const patches[] = { PART, PATCH };
	unsigned int i;

	settle();
	for (i = 0; i < 2; i++) {
		if (enabled(patches[i]))
			must_set_enabled(patches[i], "0");
		if (is_loaded(patches[i]))
			must_unload(patches[i]);
	}
	if (is_loaded(TARGET))
		must_unload(TARGET);
	if (is_loaded(TARGET2))
		must_unload(TARGET2);
	persistent_patch = "";
}

static void load_targets(void)
{
	must_load(TARGET, "");
	must_load(TARGET2, "");
}

/* --- how everything looks --------------------------------------------------------------------- */

/*
 * The compared properties: the files of patches and modules and the results of functions; the
 * functions that ftrace redirects; the symbols of modules and trampolines. Addresses are left
 * out, since modules and trampolines may move.
 */
enum { LOOK_STATE, LOOK_FTRACE, LOOK_SYMBOLS, LOOKS };
static const char * const look_names[LOOKS] = { "state", "enabled_functions", "kallsyms" };

struct look {
	struct text part[LOOKS];
};

static int by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

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
		else if (text_read(&text, path))
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
	look_at_lines(&look->part[LOOK_FTRACE], in_dir(trace_dir, "enabled_functions"), NULL);
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

enum verdict { SAME, LEFTOVER, DIFFERENT };

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
 * The core keeps trampolines for the registrations to come, as many as it has had at one time: that
 * is more when objects had to be registered one by one, and fewer when ftrace had no memory for a
 * trampoline.  So they are not compared.
 *
 * After a fault that the core has survived, functions without a version may be left in the
 * filter of a batch.
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
static enum verdict look_until(const struct look *wanted)
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
static void look_at_rest(struct look *rest)
{
	static struct look again;

	do {
		look(rest);
		pause_for(0.3);
		look(&again);
	} while (compare(rest, &again) != SAME);
}

static void show_difference(const struct look *wanted)
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

/* --- faults ----------------------------------------------------------------------------------- */

/*
 * failslab and fail_page_alloc fail allocations with the core on the stack. They count all
 * allocations while armed, since boot, and fail when the count is a multiple of their interval.
 * With an interval of the count plus k, the k-th one from now fails.
 */
struct injector {
	const char *dir;
	unsigned long count;
	unsigned long interval;
};

static struct injector slab = { .dir = DEBUGFS "/failslab" };
static struct injector pages = { .dir = DEBUGFS "/fail_page_alloc" };

/* A function that is made to fail. */
struct callee {
	char name[64];
	long value;
	char answers[64];
	unsigned int tried;
};

static struct callee callees[64];
static unsigned int nr_callees;

static void injector_write(struct injector *injector, const char *file, unsigned long value)
{
	char text[32];

	snprintf(text, sizeof(text), "%lu", value);
	must_write(in_dir(injector->dir, file), text);
}

static void injector_setup(struct injector *injector, char **range)
{
	must_write(in_dir(injector->dir, "task-filter"), "N");
	must_write(in_dir(injector->dir, "ignore-gfp-wait"), "N");
	injector_write(injector, "probability", 0);
	injector_write(injector, "verbose", verbose ? 2 : 0);
	injector_write(injector, "verbose_ratelimit_interval_ms", 0);
	injector_write(injector, "space", 0);
	injector_write(injector, "stacktrace-depth", 32);
	must_write(in_dir(injector->dir, "require-start"), range[0]);
	must_write(in_dir(injector->dir, "require-end"), range[1]);
	must_write(in_dir(injector->dir, "reject-start"), range[2]);
	must_write(in_dir(injector->dir, "reject-end"), range[3]);
}

static void injector_arm(struct injector *injector, unsigned int k)
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
static void injector_fill(struct injector *injector, char **range)
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
	must_write(in_dir(injector->dir, "require-start"), range[0]);
	must_write(in_dir(injector->dir, "require-end"), range[1]);
	close(victim);
}

static char **text_range;

/* Disarm. Returns true if an allocation has failed. */
static bool injector_disarm(struct injector *injector)
{
	bool fired = !must_read_number(in_dir(injector->dir, "times"));

	if (!fired && injector->interval > 1)
		injector_fill(injector, text_range);
	injector_write(injector, "probability", 0);
	/* With an interval of 1 nothing is counted. */
	if (injector->interval > 1)
		injector->count = injector->interval;
	return fired;
}

static void callee_arm(const struct callee *callee, unsigned int k)
{
	char text[128];

	snprintf(text, sizeof(text), "%s %u %ld", callee->name, k, callee->value);
	must_write(ARM, text);
}

static bool callee_disarm(void)
{
	bool fired = must_read_number(ARM) <= 0;

	must_write(ARM, "\n");
	return fired;
}

/* Read the lines NAME VALUE ANSWER... of functions that can fail. */
static void read_callees(const char *path)
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

static bool is_answer(const char *answers, int error)
{
	char *copy = strdup(answers), *rest = copy, *word;
	bool found = false;

	while ((word = strsep(&rest, " \t")))
		found |= !strcmp(word, errno_name(error));
	free(copy);
	return found;
}

/* --- paths ------------------------------------------------------------------------------------ */

#define LIVE		"phiL"
#define UNDONE		"phiuvq"
#define GONE		"wuvq"
#define THERE_AND_BACK	"phiLwuvq"

struct path {
	const char *name;
	void (*setup)(void);	/* from where clean_up() ends to before the operation */
	int (*operate)(void);	/* returns an errno or 0 */
	void (*undo)(void);	/* back to before */
	const char *steps;	/* what the ledger shows when it has succeeded */
	bool refusable;		/* want of memory may be an answer */
};

static void setup_enable(void)
{
	load_targets();
}

static int operate_enable(void)
{
	return load_patch(PATCH, "");
}

static void undo_enable(void)
{
	must_set_enabled(PATCH, "0");
	must_unload(PATCH);
}

static void setup_replace(void)
{
	load_targets();
	must_load_patch(PATCH, "");
}

static int operate_replace(void)
{
	return load_patch(PART, "replace=1");
}

static void undo_replace(void)
{
	must_set_enabled(PART, "0");
	must_unload(PART);
	must_unload(PATCH);
	must_load_patch(PATCH, "");
}

static void setup_coming(void)
{
	must_load(TARGET2, "");
	must_load_patch(PATCH, "");
	must_load_patch(PART, "");
}

static int operate_coming(void)
{
	return load(TARGET, "");
}

static void undo_coming(void)
{
	must_unload(TARGET);
}

static void setup_going(void)
{
	load_targets();
	must_load_patch(PATCH, "");
	must_load_patch(PART, "");
}

static int operate_going(void)
{
	return unload(TARGET);
}

static void undo_going(void)
{
	must_load(TARGET, "");
}

/*
 * The functions of a module that was loaded first are registered with those of vmlinux. When
 * the module is loaded again, mostly at the same address, ftrace must have forgotten the old
 * one.
 */
static void undo_going_shared(void)
{
	must_load(TARGET, "");
	must_unload(TARGET);
	must_set_enabled(PART, "0");
	must_unload(PART);
	must_set_enabled(PATCH, "0");
	must_unload(PATCH);
	must_load(TARGET, "");
	must_load_patch(PATCH, "");
	must_load_patch(PART, "");
}

static int operate_disable(void)
{
	return set_enabled(PATCH, "0");
}

static void undo_disable(void)
{
	must_unload(PATCH);
	must_load_patch(PATCH, "");
}

/* The order of patches is part of the state. */
static void undo_disable_below(void)
{
	must_unload(PATCH);
	must_set_enabled(PART, "0");
	must_unload(PART);
	must_load_patch(PATCH, "");
	must_load_patch(PART, "");
}

static void setup_again(void)
{
	load_targets();
	persistent_patch = PATCH;
	must_load_patch(PATCH, "persistent=1");
	must_set_enabled(PATCH, "0");
}

static int operate_again(void)
{
	return set_enabled(PATCH, "1");
}

static void undo_again(void)
{
	must_set_enabled(PATCH, "0");
}

static void setup_replace_again(void)
{
	load_targets();
	persistent_patch = PART;
	must_load_patch(PART, "persistent=1 replace=1");
	must_set_enabled(PART, "0");
	must_load_patch(PATCH, "");
}

static int operate_replace_again(void)
{
	return set_enabled(PART, "1");
}

static void undo_replace_again(void)
{
	must_set_enabled(PART, "0");
	must_unload(PATCH);
	must_load_patch(PATCH, "");
}

static void setup_nothing(void)
{
}

static int operate_shadow(void)
{
	return write_file(LEDGER, "alloc");
}

static int operate_shadow_get(void)
{
	return write_file(LEDGER, "get");
}

static void undo_shadow(void)
{
	must_write(LEDGER, "free");
}

/* The fastest paths come first. */
static const struct path paths[] = {
	{
		"shadow alloc", setup_nothing, operate_shadow, undo_shadow,
		"ctor:1 dtor:0 shadow:1 ", true
	}, {
		"shadow get or alloc", setup_nothing, operate_shadow_get, undo_shadow,
		"ctor:1 dtor:0 shadow:2 ", true
	}, {
		"going", setup_going, operate_going, undo_going,
		PATCH "/" TARGET ":" GONE " " PART "/" TARGET ":" GONE " ", false
	}, {
		"going shared", setup_going, operate_going, undo_going_shared,
		PATCH "/" TARGET ":" GONE " " PART "/" TARGET ":" GONE " ", false
	}, {
		"disable", setup_replace, operate_disable, undo_disable,
		PATCH "/vmlinux:" GONE " " PATCH "/" TARGET ":" GONE " "
		PATCH "/" TARGET2 ":" GONE " ", false
	}, {
		"disable below", setup_going, operate_disable, undo_disable_below,
		PATCH "/vmlinux:" GONE " " PATCH "/" TARGET ":" GONE " "
		PATCH "/" TARGET2 ":" GONE " ", false
	}, {
		"coming", setup_coming, operate_coming, undo_coming,
		PATCH "/" TARGET ":" LIVE " " PART "/" TARGET ":" LIVE " ", true
	}, {
		"enable again", setup_again, operate_again, undo_again,
		PATCH "/vmlinux:" LIVE " " PATCH "/" TARGET ":" LIVE " "
		PATCH "/" TARGET2 ":" LIVE " ", true
	}, {
		"replace again", setup_replace_again, operate_replace_again, undo_replace_again,
		PART "/vmlinux:" LIVE " " PART "/" TARGET ":" LIVE " ", true
	}, {
		"enable", setup_enable, operate_enable, undo_enable,
		PATCH "/vmlinux:" LIVE " " PATCH "/" TARGET ":" LIVE " "
		PATCH "/" TARGET2 ":" LIVE " ", true
	}, {
		"replace", setup_replace, operate_replace, undo_replace,
		PART "/vmlinux:" LIVE " " PART "/" TARGET ":" LIVE " ", true
	},
};

/* --- points ----------------------------------------------------------------------------------- */

/* A kind of fault on a path. */
struct point {
	const struct path *path;
	struct injector *injector;
	const struct callee *callee;
	unsigned int k;
};

static void fail(const struct point *point, const char *fmt, ...)
{
	va_list args;

	printf("  FAILED: %s, %s %u: ", point->path->name,
	       point->callee ? point->callee->name : point->injector->dir + strlen(DEBUGFS "/"),
	       point->k);
	va_start(args, fmt);
	vprintf(fmt, args);
	va_end(args);
	printf("\n");
	failures++;
}

/*
 * The objects of a patch that was refused: those that had been prepared were released, in the order
 * of the description, and at most one patch had got as far as being live for a module that is
 * refused for the sake of the other one.
 */
static bool refused_steps_right(char *steps)
{
	char *word, *live = NULL;
	unsigned int nr = 0;

	while ((word = strsep(&steps, " "))) {
		char *done = strchr(word, ':');

		if (!done)
			continue;
		nr++;
		if (!strcmp(done, ":" THERE_AND_BACK)) {
			if (nr > 1 || strncmp(word, PATCH "/" TARGET ":", done + 1 - word))
				return false;
			live = word;
		} else if (strcmp(done, ":" UNDONE)) {
			return false;
		}
	}
	return !live || nr <= 2;
}

static void check_steps(const struct point *point, int error)
{
	struct text ledger = {};
	char *copy;

	must_read(&ledger, LEDGER);
	copy = strdup(ledger.data);
	if (error ? !refused_steps_right(copy) : strcmp(ledger.data, point->path->steps))
		fail(point, "%s, and the ledger shows %s", errno_name(error), ledger.data);
	free(copy);
	free(ledger.data);
}

static bool check_look(const struct point *point, const struct look *wanted, const char *when)
{
	if (look_until(wanted) == SAME)
		return true;
	fail(point, "%s it does not look right", when);
	show_difference(wanted);
	return false;
}

static int operate(const struct point *point)
{
	int error;

	must_write(LEDGER, "clear");
	error = point->path->operate();
	check_steps(point, error);
	return error;
}

/* Run the operation without a fault, which must succeed. */
static bool operate_well(const struct point *point, const struct look *after, const char *when)
{
	int error = operate(point);

	if (error) {
		fail(point, "%s the operation fails with %s", when, errno_name(error));
		return false;
	}
	return check_look(point, after, when);
}

static bool answer_right(const struct point *point, int error)
{
	if (point->callee)
		return is_answer(point->callee->answers, error);
	return !error || (error == ENOMEM && point->path->refusable);
}

static void arm(const struct point *point)
{
	if (point->callee)
		callee_arm(point->callee, point->k);
	else
		injector_arm(point->injector, point->k);
}

static bool disarm(const struct point *point)
{
	return point->callee ? callee_disarm() : injector_disarm(point->injector);
}

/* Run a point. Returns false if nothing has failed. */
static bool try_point(const struct point *point, const struct look *before,
		      const struct look *after, struct tally *tally)
{
	enum verdict verdict;
	bool fired;
	int error;

	arm(point);
	error = operate(point);
	fired = disarm(point);

	if (!fired && error) {
		fail(point, "nothing was failed, yet it says %s", errno_name(error));
		return false;
	}
	if (fired && !answer_right(point, error))
		fail(point, "the answer is %s", errno_name(error));

	if (error) {
		tally->refused++;
		check_look(point, before, "after the refusal");
		if (!operate_well(point, after, "after the refusal, without a fault,"))
			return true;
		point->path->undo();
		check_look(point, before, "after undoing it");
		return true;
	}

	verdict = look_until(after);
	if (verdict == DIFFERENT) {
		fail(point, "it says all is well and does not look so");
		show_difference(after);
	}
	tally->survived += fired;
	point->path->undo();
	check_look(point, before, "after undoing it");
	if (verdict == LEFTOVER) {
		tally->leftovers++;
		if (operate_well(point, after, "once more"))
			point->path->undo();
	}
	return fired;
}

/* Try each k until there is no k-th fault. One more is tried, because runs differ. */
static unsigned int try_points(struct point *point, const struct look *before,
			       const struct look *after, struct tally *tally)
{
	unsigned int tried = 0, missed = 0, most = NEVER_MORE;

	if (quick && point->callee && is_answer(point->callee->answers, EACH_TASK))
		most = QUICK_TASKS;
	for (point->k = 1; point->k <= most && missed < 2; point->k++) {
		if (failures >= MAX_FAILURES)
			return tried;
		if (try_point(point, before, after, tally)) {
			tried++;
			missed = 0;
		} else {
			missed++;
		}
		if (point->callee && missed)
			break;
	}
	return tried;
}

static void check_leaks(const struct path *path)
{
	struct text text = {};
	unsigned int i;

	/* kmemleak ignores objects that are younger than five seconds. */
	sleep(6);
	for (i = 0; i < 2; i++)
		must_write(DEBUGFS "/kmemleak", "scan");
	must_read(&text, DEBUGFS "/kmemleak");
	if (text.len) {
		printf("  FAILED: %s: kmemleak says\n%s", path->name, text.data);
		failures++;
	}
	free(text.data);
}

static void try_path(const struct path *path, const char *kinds)
{
	struct look before = {}, after = {};
	struct point point = { .path = path };
	struct tally tally = {};
	unsigned int i, tried;

	must_write(DEBUGFS "/kmemleak", "clear");
	path->setup();
	/* The first run allocates what is allocated only once. */
	if (path->operate())
		errx(1, "%s does not work", path->name);
	path->undo();
	look_at_rest(&before);
	if (operate(&point))
		errx(1, "%s does not work", path->name);
	look_at_rest(&after);
	path->undo();

	point.injector = &slab;
	if (strchr(kinds, 's'))
		tally.slab = try_points(&point, &before, &after, &tally);
	point.injector = &pages;
	if (strchr(kinds, 'p'))
		tally.pages = try_points(&point, &before, &after, &tally);
	point.injector = NULL;
	for (i = 0; i < nr_callees && strchr(kinds, 'c'); i++) {
		point.callee = &callees[i];
		tried = try_points(&point, &before, &after, &tally);
		callees[i].tried += tried;
		tally.calls += tried;
	}
	clean_up();
	check_leaks(path);

	printf("%-20s %4u slab %4u pages %4u calls: %4u refused, %4u survived", path->name,
	       tally.slab, tally.pages, tally.calls, tally.refused, tally.survived);
	printf(" (%u in another way)\n", tally.leftovers);
	total.slab += tally.slab;
	total.pages += tally.pages;
	total.calls += tally.calls;
	total.refused += tally.refused;
	total.survived += tally.survived;
	for (i = 0; i < LOOKS; i++) {
		free(before.part[i].data);
		free(after.part[i].data);
	}
}

static void show_usage(void)
{
	fputs("usage: klp_faults DIR CALLEES START END START END [KINDS [PATH...]]\n"
	      "  DIR      where the modules are\n"
	      "  CALLEES  which calls are made to fail, and how\n"
	      "  START END  the text of the core, then that of kmemleak\n"
	      "  KINDS    s slab, p pages, c calls, v show each fault in the log,\n"
	      "           q of the calls for each task only the first ones\n", stderr);
	exit(2);
}

int main(int argc, char **argv)
{
	const char *kinds = argc > 7 && *argv[7] ? argv[7] : "spc";
	unsigned int i;
	bool all_tried;
	int arg;

	setlinebuf(stdout);
	if (argc < 7)
		show_usage();
	modules_dir = argv[1];
	read_callees(argv[2]);
	text_range = argv + 3;
	verbose = strchr(kinds, 'v');
	quick = strchr(kinds, 'q');

	injector_setup(&slab, text_range);
	must_write(in_dir(slab.dir, "cache-filter"), "N");
	injector_setup(&pages, text_range);
	must_write(in_dir(pages.dir, "ignore-gfp-highmem"), "N");
	injector_write(&pages, "min-order", 0);
	must_load("faults_ledger", "");

	{
		struct text params = {};

		text_printf(&params, "start=%s end=%s callees=", text_range[0], text_range[1]);
		for (i = 0; i < nr_callees; i++)
			text_printf(&params, "%s%s", i ? "," : "", callees[i].name);
		must_load("faults_calls", params.data);
		free(params.data);
	}

	for (i = 0; i < ARRAY_SIZE(paths); i++) {
		bool wanted = argc <= 8;

		for (arg = 8; arg < argc; arg++)
			wanted |= !strcmp(argv[arg], paths[i].name);
		if (wanted && failures < MAX_FAILURES)
			try_path(&paths[i], kinds);
	}

	/* A function that the core never calls is not tested. */
	all_tried = argc <= 8 && strchr(kinds, 'c') && !failures;
	for (i = 0; i < nr_callees && all_tried; i++) {
		if (callees[i].tried)
			continue;
		printf("FAILED: no path calls %s\n", callees[i].name);
		failures++;
	}

	printf("%u slab, %u pages, %u calls: %u refused, %u survived\n", total.slab, total.pages,
	       total.calls, total.refused, total.survived);
	if (failures) {
		printf("%u things were not as promised\n", failures);
		return 1;
	}
	printf("%u points, all as promised\n", total.slab + total.pages + total.calls);
	return 0;
}
