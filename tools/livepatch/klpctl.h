/* SPDX-License-Identifier: GPL-2.0 */
/*
 * klpctl: the tool for operators of livepatches.
 */
#ifndef _KLPCTL_H
#define _KLPCTL_H

#include <json-c/json.h>
#include <limits.h>
#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/types.h>

#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))
#define SYSFS		"/sys/kernel/livepatch"
#define SCHEMA_VERSION	1
#define DEFAULT_TIMEOUT	60
#define LOOK_INTERVAL	0.1	/* seconds, on a kernel without poll(2) */
#define UNKNOWN		(-1)	/* the file does not exist or cannot be read */

/* Exit codes. The manual page documents them. */
enum exit_code {
	DONE = 0,
	FAILED = 1,
	USAGE = 2,
	TIMED_OUT = 3,
	REFUSED = 4,
	REVERSED = 5,
};

struct options {
	bool json;
	bool yes;
	bool verbose;
	bool all;
	bool no_wait;
	bool reverse_on_timeout;
	bool timeout_set;
	double timeout;		/* seconds, 0 for no limit */
	const char *textfile;
};

extern struct options options;

/* A function that a patch replaces or searches on the stacks. */
struct function {
	char *name;
	unsigned long position;
	bool stack_only;
};

struct object {
	char *name;
	long patched;
	struct function *functions;
	size_t nr_functions;
};

/* A system state of a patch. */
struct state {
	unsigned long id;
	long version;
	long inherited;
};

enum patch_state {
	STATE_ENABLED,
	STATE_ENABLING,
	STATE_DISABLING,
	STATE_DISABLED,
	STATE_FORCED,
	STATE_LEAVING,
	PATCH_STATES,
};

/*
 * struct patch - a livepatch in sysfs, or a livepatch module without a directory there
 * @name:	name of the module
 * @in_sysfs:	the patch has a directory in /sys/kernel/livepatch
 * @extended:	the core has the files "remaining" and "since", and supports poll(2)
 * @state:	the state in one word
 * @keeps_module: "unload --all" leaves the module loaded
 * @load_rank:	position in /proc/modules, where the newest module is the first
 * @references:	references to the module, without those of other modules
 * @remaining:	tasks to be switched
 * @tasks:	tasks of the system
 *
 * The other numbers are those of the files with their names, or UNKNOWN.
 */
struct patch {
	char *name;
	bool in_sysfs;
	bool extended;
	bool keeps_module;
	enum patch_state state;
	long load_rank;
	long references;
	long enabled;
	long transition;
	long replace;
	long replace_set;
	long stack_order;
	long since;
	long remaining;
	long tasks;
	struct object *objects;
	size_t nr_objects;
	struct state *states;
	size_t nr_states;
};

struct patches {
	struct patch *list;
	size_t nr;
};

/**
 * struct held - a task that holds up a transition
 * @pid:	process, 0 for an idle or exiting task
 * @tid:	thread
 * @comm:	name of the thread, printable
 * @reason:	sleeping, running, unreliable, memory, or unknown on a stock kernel
 * @function:	function of the patch, or a livepatch module in brackets, or empty
 * @passes:	passes in a row that have not switched the task, or UNKNOWN
 * @user:	name or number of the user, empty if unknown
 * @unit:	unit of systemd, or empty
 * @cgroup:	path of the control group, or empty
 * @task_state:	letter of /proc/<pid>/stat, 0 if unknown
 * @kthread:	the task is a kernel thread
 */
struct held {
	pid_t pid;
	pid_t tid;
	char comm[64];
	char reason[16];
	char function[520];
	long passes;
	char user[64];
	char unit[256];
	char cgroup[512];
	char task_state;
	bool kthread;
};

struct held_list {
	struct held *list;
	size_t nr;
	long total;		/* tasks to be switched, or UNKNOWN */
	bool readable;		/* the user may read the list */
	bool complete;		/* the list has all of them */
};

/* util.c */
double now(void);
[[gnu::format(printf, 1, 2)]]
const char *in_root(const char *fmt, ...);
bool has_root_prefix(void);
bool file_exists(const char *path);
bool read_file(const char *path, char *text, size_t size);
long read_number(const char *path);
int write_file(const char *path, const char *text);
void *grow(void *array, size_t nr, size_t size);
char *copy_string(const char *text);
void make_printable(char *text);
const char *kernel_release(void);
const char *errno_text(int error);
const char *age_text(long seconds);
bool is_livepatch_module(const char *name);
void normalize_name(char *name);
bool accept_patch_name(char *name);

/* output.c */
enum color { PLAIN, GREEN, YELLOW, RED };
bool stdout_is_terminal(void);
const char *color_on(enum color color);
const char *color_off(enum color color);
void note_unseen(const char *what, const char *path, int error);
void print_unseen(void);
struct json_object *json_unseen(void);
struct json_object *json_number(long value);
struct json_object *json_flag(long value);
struct json_object *json_text(const char *text);
struct json_object *json_query(const char *query);
void json_print(struct json_object *root);

/* patch.c */
extern const char * const state_words[PATCH_STATES];
bool livepatch_available(void);
void read_patches(struct patches *patches);
void free_patches(struct patches *patches);
struct patch *find_patch(const struct patches *patches, const char *name);
struct patch *find_transition(const struct patches *patches);
size_t patched_objects(const struct patch *patch);
size_t function_count(const struct patch *patch);
bool in_transition(const struct patch *patch);
int percent_done(const struct patch *patch);
const char *state_text(const struct patch *patch);
const char *core_word(const struct patches *patches);

/* tasks.c */
void read_held(const struct patch *patch, struct held_list *held, long limit);
void free_held(struct held_list *held);
void describe_held(struct held *held);
long count_pending(long enabled);

/* procfs.c */
typedef bool task_visitor(pid_t pid, pid_t tid, void *data);

bool read_task_stat(pid_t tid, char *state, bool *kthread);
pid_t read_task_ids(pid_t tid, unsigned int *uid);
void read_task_unit(pid_t tid, struct held *held);
char *read_task_stack(pid_t pid, pid_t tid);
long count_tasks(void);
void visit_tasks(task_visitor *visit, void *data);

/* progress.c */
struct progress {
	double start;
	double next;
	bool on_line;
};

void progress_begin(struct progress *progress);
double progress_update(struct progress *progress, const char *name, long enabled, bool extended);
void progress_end(struct progress *progress);

/* wait.c */
enum wait_result { WAIT_DONE, WAIT_REVERSED, WAIT_TIMED_OUT, WAIT_INTERRUPTED };
void signals_hold(void);
void signals_release(void);
bool signals_seen(void);
int sleep_or_poll(struct pollfd *fds, nfds_t nr, double seconds);
enum wait_result wait_transition(const char *name, long target, double timeout, bool show);

/* request.c */
int write_request(const char *name, const char *file, const char *value);
int wait_and_report(const char *name, long target);
int report_refusal(const char *name, const char *action, int error);

/* kernel_log.c */
void kernel_log_mark(void);
void kernel_log_print(void);

/* module.c */
struct module_file;
struct module_file *module_open(const char *path);
struct module_file *module_find(const char *name);
void module_close(struct module_file *module);
const char *module_name(const struct module_file *module);
const char *module_path(const struct module_file *module);
const char *module_info(const struct module_file *module, const char *key);
int module_insert(struct module_file *module);
int module_remove(const char *name);
const char *reference_vermagic(const char *release);

/* load.c */
int load_module_file(struct module_file *module);

/* uevent.c */
struct uevent {
	char event[16];
	char patch[64];
	char direction[16];
	long remaining;
	long error;
};

int uevent_open(void);
bool uevent_receive(int fd, struct uevent *uevent);
bool uevent_wait_disabled(int fd, const char *patch, double seconds);

/* elf_module.c */
struct klp_symbol {
	char object[64];
	char name[512];
	unsigned long position;
	unsigned long found;
};

struct changed_function {
	char object[64];
	char name[512];
};

struct elf_module {
	struct klp_symbol *symbols;
	size_t nr_symbols;
	struct changed_function *functions;
	size_t nr_functions;
	bool is_signed;
};

bool elf_module_read(const char *path, struct elf_module *module, char *error, size_t size);
void elf_module_free(struct elf_module *module);
bool elf_module_is_damaged(const char *path);
bool kallsyms_count(struct klp_symbol *symbols, size_t nr);

/* watch_event.c */

[[gnu::format(printf, 5, 6)]]
void watch_print(const char *source, const char *event, const char *patch,
		 struct json_object *fields, const char *fmt, ...);

/* watch_trace.c */
struct trace_reader;
struct trace_reader *trace_open(void);
size_t trace_nr_fds(const struct trace_reader *reader);
void trace_fill_fds(const struct trace_reader *reader, struct pollfd *fds);
void trace_drain(struct trace_reader *reader);
void trace_close(struct trace_reader *reader);

/* store.c */
const char *store_directory(void);
bool store_find(const char *name, char *path, size_t size);
int load_all(void);

/* Commands. */
int cmd_status(char **args);
int cmd_load(char **args);
int cmd_unload(char **args);
int cmd_enable(char **args);
int cmd_disable(char **args);
int cmd_reverse(char **args);
int cmd_force(char **args);
int cmd_wait(char **args);
int cmd_blockers(char **args);
int cmd_watch(char **args);
int cmd_check(char **args);
int cmd_metrics(char **args);
int cmd_install(char **args);
int cmd_uninstall(char **args);
int cmd_list_installed(char **args);

#endif /* _KLPCTL_H */
