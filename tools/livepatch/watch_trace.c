// SPDX-License-Identifier: GPL-2.0
/*
 * Trace events of livepatches, read from an instance of tracefs of their own. Other users of trace
 * events are not affected.
 */
#define _GNU_SOURCE
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <traceevent/event-parse.h>
#include <traceevent/kbuffer.h>
#include <tracefs.h>
#include "klpctl.h"

#define SYSTEM		"livepatch"
#define INSTANCE	"klpctl-"	/* followed by the pid */
#define PAGE_BUFFER	65536

/* Fields of the trace events. The names are those of the kernel and of the JSON output. */
enum field_kind { TEXT, INTEGER };

static const struct {
	const char *name;
	enum field_kind kind;
	size_t size;		/* bytes of an integer, the kernel's ints are signed */
} fields[] = {
	{ .name = "request", .kind = TEXT },
	{ .name = "object", .kind = TEXT },
	{ .name = "id", .kind = INTEGER },
	{ .name = "kind", .kind = TEXT },
	{ .name = "functions", .kind = INTEGER },
	{ .name = "pid", .kind = INTEGER },
	{ .name = "comm", .kind = TEXT },
	{ .name = "how", .kind = TEXT },
	{ .name = "reason", .kind = TEXT },
	{ .name = "function", .kind = TEXT },
	{ .name = "ret", .kind = INTEGER },
	{ .name = "result", .kind = INTEGER },
	{ .name = "duration_ns", .kind = INTEGER },
};

static const struct {
	const char *event;	/* of the kernel */
	const char *word;	/* in the output */
	bool verbose;		/* only with -v */
} events[] = {
	{ .event = "klp_request", .word = "request" },
	{ .event = "klp_request_done", .word = "request_done" },
	{ .event = "klp_object_patched", .word = "object_patched" },
	{ .event = "klp_object_unpatched", .word = "object_unpatched" },
	{ .event = "klp_callback", .word = "callback" },
	{ .event = "klp_state_callback", .word = "state_callback" },
	{ .event = "klp_task_held", .word = "task_held", .verbose = true },
	{ .event = "klp_task_switched", .word = "task_switched", .verbose = true },
};

/* An event that has been read from the buffer of a CPU. */
struct line {
	unsigned long long time;
	const char *word;
	char patch[64];
	char text[512];
	struct json_object *fields;
};

struct trace_reader {
	struct tracefs_instance *instance;
	struct tep_handle *tep;
	int *fds;
	size_t nr_fds;
	struct kbuffer *buffer;
	struct line *lines;
	size_t nr_lines;
	char page[PAGE_BUFFER];
};

/* Return the text of a field, which need not end with a null byte. False if there is no field. */
static bool get_text(struct tep_event *event, struct tep_record *record, const char *name,
		     char *text, size_t size)
{
	const char *data;
	int len;

	data = tep_get_field_raw(NULL, event, name, record, &len, 0);
	if (!data || len < 0)
		return false;
	snprintf(text, size, "%.*s", len, data);
	make_printable(text);
	return true;
}

/* Return the value of a field. A field of four bytes is a signed int. */
static bool get_integer(struct tep_event *event, struct tep_record *record, const char *name,
			int64_t *value)
{
	struct tep_format_field *field = tep_find_field(event, name);
	unsigned long long raw;

	if (!field || tep_get_field_val(NULL, event, name, record, &raw, 0))
		return false;
	*value = field->size == 4 ? (int32_t)raw : (int64_t)raw;
	return true;
}

static void append(struct line *line, const char *name, const char *value)
{
	size_t n = strlen(line->text);

	snprintf(line->text + n, sizeof(line->text) - n, " %s=%s", name, value);
}

/* Append a duration in a readable unit. */
static void append_duration(struct line *line, int64_t ns)
{
	size_t n = strlen(line->text);

	if (ns < 1000000)
		snprintf(line->text + n, sizeof(line->text) - n, " in %.1f us", ns / 1e3);
	else
		snprintf(line->text + n, sizeof(line->text) - n, " in %.1f ms", ns / 1e6);
}

static void add_integer(struct line *line, const char *name, int64_t value)
{
	char text[32];

	json_object_object_add(line->fields, name, json_object_new_int64(value));
	if (!strcmp(name, "duration_ns")) {
		append_duration(line, value);
		return;
	}
	snprintf(text, sizeof(text), "%lld", (long long)value);
	append(line, name, text);
}

static void add_fields(struct line *line, struct tep_event *event, struct tep_record *record)
{
	char text[256];
	int64_t value;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(fields); i++) {
		if (fields[i].kind == INTEGER) {
			if (get_integer(event, record, fields[i].name, &value))
				add_integer(line, fields[i].name, value);
		} else if (get_text(event, record, fields[i].name, text, sizeof(text))) {
			json_object_object_add(line->fields, fields[i].name,
					       json_object_new_string(text));
			append(line, fields[i].name, text);
		}
	}
}

static const char *find_word(const char *event)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(events); i++) {
		if (!strcmp(events[i].event, event))
			return events[i].word;
	}
	return NULL;
}

static void add_line(struct trace_reader *reader, struct tep_record *record)
{
	struct tep_event *event = tep_find_event_by_record(reader->tep, record);
	const char *word = event ? find_word(event->name) : NULL;
	struct line *line;

	if (!word)
		return;
	reader->lines = grow(reader->lines, reader->nr_lines, sizeof(*line));
	line = &reader->lines[reader->nr_lines++];
	line->time = record->ts;
	line->word = word;
	line->fields = json_object_new_object();
	get_text(event, record, "patch", line->patch, sizeof(line->patch));
	add_fields(line, event, record);
}

/* Read the events of a page of the ring buffer. */
static void read_page(struct trace_reader *reader)
{
	struct tep_record record = {};
	unsigned long long time;

	kbuffer_load_subbuffer(reader->buffer, reader->page);
	record.data = kbuffer_read_event(reader->buffer, &time);
	while (record.data) {
		record.ts = time;
		record.size = kbuffer_event_size(reader->buffer);
		add_line(reader, &record);
		record.data = kbuffer_next_event(reader->buffer, &time);
	}
}

static int compare_lines(const void *a, const void *b)
{
	const struct line *l = a, *m = b;

	return (l->time > m->time) - (l->time < m->time);
}

/* Print the events of all CPUs in the order of time. */
void trace_drain(struct trace_reader *reader)
{
	const struct line *line;
	size_t i;

	for (i = 0; i < reader->nr_fds; i++) {
		while (read(reader->fds[i], reader->page, sizeof(reader->page)) > 0)
			read_page(reader);
	}
	if (reader->nr_lines)
		qsort(reader->lines, reader->nr_lines, sizeof(*reader->lines), compare_lines);
	for (i = 0; i < reader->nr_lines; i++) {
		line = &reader->lines[i];
		watch_print("trace", line->word, *line->patch ? line->patch : NULL, line->fields,
			    "%s%s", line->word, line->text);
	}
	free(reader->lines);
	reader->lines = NULL;
	reader->nr_lines = 0;
}

size_t trace_nr_fds(const struct trace_reader *reader)
{
	return reader->nr_fds;
}

void trace_fill_fds(const struct trace_reader *reader, struct pollfd *fds)
{
	size_t i;

	for (i = 0; i < reader->nr_fds; i++)
		fds[i] = (struct pollfd) { .fd = reader->fds[i], .events = POLLIN };
}

void trace_close(struct trace_reader *reader)
{
	size_t i;

	if (!reader)
		return;
	for (i = 0; i < reader->nr_fds; i++)
		close(reader->fds[i]);
	free(reader->fds);
	if (reader->buffer)
		kbuffer_free(reader->buffer);
	tep_free(reader->tep);
	if (reader->instance) {
		tracefs_event_disable(reader->instance, NULL, NULL);
		tracefs_instance_destroy(reader->instance);
		tracefs_instance_free(reader->instance);
	}
	free(reader);
}

/* Open the buffers of all CPUs. A CPU that is added later is not read. */
static void open_buffers(struct trace_reader *reader)
{
	long cpu, nr = sysconf(_SC_NPROCESSORS_CONF);
	char file[64];
	int fd;

	for (cpu = 0; cpu < nr; cpu++) {
		snprintf(file, sizeof(file), "per_cpu/cpu%ld/trace_pipe_raw", cpu);
		fd = tracefs_instance_file_open(reader->instance, file, O_RDONLY | O_NONBLOCK);
		if (fd < 0)
			continue;
		reader->fds = grow(reader->fds, reader->nr_fds, sizeof(*reader->fds));
		reader->fds[reader->nr_fds++] = fd;
	}
}

static bool enable_events(struct trace_reader *reader)
{
	bool enabled = false;
	size_t i;

	/* Wake a reader as soon as there is one event. */
	tracefs_instance_file_write(reader->instance, "buffer_percent", "0");
	for (i = 0; i < ARRAY_SIZE(events); i++) {
		if (events[i].verbose && !options.verbose)
			continue;
		if (!tracefs_event_enable(reader->instance, SYSTEM, events[i].event))
			enabled = true;
	}
	return enabled;
}

static bool is_alive(pid_t pid)
{
	return !kill(pid, 0) || errno != ESRCH;
}

/*
 * Remove the instances of programs that were killed, each of which keeps its buffers. The kernel
 * refuses to remove an instance that is being read, such as that of a program in another pid
 * namespace.
 */
static void remove_stale_instances(void)
{
	char **names = tracefs_instances("^" INSTANCE "[0-9]*$");
	struct tracefs_instance *instance;
	pid_t pid;
	size_t i;

	for (i = 0; names && names[i]; i++) {
		pid = strtol(names[i] + strlen(INSTANCE), NULL, 10);
		/* This program has no instance yet: one with its pid is from a former one. */
		if (pid != getpid() && is_alive(pid))
			continue;
		instance = tracefs_instance_alloc(NULL, names[i]);
		if (!instance)
			continue;
		tracefs_instance_destroy(instance);
		tracefs_instance_free(instance);
	}
	tracefs_list_free(names);
}

static bool trace_setup(struct trace_reader *reader, const char *directory)
{
	static const char * const systems[] = { SYSTEM, NULL };
	enum kbuffer_endian endian;
	char name[32];

	remove_stale_instances();
	snprintf(name, sizeof(name), INSTANCE "%d", getpid());
	reader->instance = tracefs_instance_create(name);
	if (!reader->instance)
		return false;
	reader->tep = tracefs_local_events_system(directory, systems);
	if (!reader->tep)
		return false;
	endian = tep_is_local_bigendian(reader->tep) ? KBUFFER_ENDIAN_BIG : KBUFFER_ENDIAN_LITTLE;
	/* libtraceevent assumes that the data comes from a little-endian machine. */
	tep_set_file_bigendian(reader->tep, tep_is_local_bigendian(reader->tep) ?
			       TEP_BIG_ENDIAN : TEP_LITTLE_ENDIAN);
	reader->buffer = kbuffer_alloc(sizeof(long) == 8 ? KBUFFER_LSIZE_8 : KBUFFER_LSIZE_4,
				       endian);
	if (!reader->buffer || !enable_events(reader))
		return false;
	open_buffers(reader);
	return reader->nr_fds;
}

/*
 * Start reading the trace events. Return NULL if there are none or the user may not read them:
 * durations of callbacks are not shown then.
 */
struct trace_reader *trace_open(void)
{
	const char *directory = "/sys/kernel/tracing";
	struct trace_reader *reader;

	if (has_root_prefix())
		return NULL;
	if (geteuid()) {
		note_unseen("trace events, with the durations of callbacks", directory, EACCES);
		return NULL;
	}
	directory = tracefs_tracing_dir();
	if (directory) {
		reader = grow(NULL, 0, sizeof(*reader));
		if (trace_setup(reader, directory))
			return reader;
		trace_close(reader);
	}
	warnx("the kernel has no trace events of livepatches: callbacks are not shown");
	return NULL;
}
