// SPDX-License-Identifier: GPL-2.0
/*
 * klp_stress DIR SECONDS [SEED]: perform all operations of users on a livepatch core,
 * concurrently and in random order, and check its promises. DIR has the modules.
 *
 * Processes load, unload, enable, disable, reverse, force and replace patches, load and unload
 * their targets, fork, trace, probe and read, while others call patched functions. A program of
 * calls (see stress.h) runs several functions, asleep and spinning in between. Each function
 * records the version that ran, and the versions are checked for each program. The module
 * stress keeps the ledger of callbacks. Every few seconds all processes stop, and sysfs,
 * ftrace, the ledger, references and calls are compared.
 *
 * After a violation the seed, the violation and the last operations are printed, with status 1.
 */

#define _GNU_SOURCE
#include <ctype.h>
#include <dirent.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdnoreturn.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include "../klp_guest.h"
#include "stress.h"

#define TRACING		"/sys/kernel/tracing"
#define INSTANCE	TRACING "/instances/stress"
#define FAIR_SERVER	"/sys/kernel/debug/sched/fair_server"
#define CPU1		"/sys/devices/system/cpu/cpu1/online"
#define PREFIX		"stress_p"

#define SHOWN		200	/* operations, at a failure */
#define RING		512
#define WORKERS		32
#define MOST_PATCHES	6	/* enabled or disabled, at one time */
#define MOST_PAGES	4096
#define ALL_PATCHED	((1 << STRESS_PATCHED) - 1)
#define TAINTS		0x42a0	/* bad page, died, warned, locked up */

/* Kinds of operations, for counts and names. */
enum kind {
	LOAD, REPLACE, PERSISTENT, ENABLE, DISABLE, REVERSE, FORCE, JUNK, REMOVE,
	TARGET, TARGET_FAILS, TARGET_GOES, TRACE, KPROBE, RIVAL, VETO, CPU, FORK, READ,
	KINDS
};

static const char * const kind_names[KINDS] = {
	"load", "load replace", "load persistent", "enable again", "disable", "reverse", "force",
	"junk", "rmmod", "target", "target fails", "target goes", "tracer", "kprobe", "rival",
	"veto", "cpu", "fork", "read"
};

struct op {
	double start, end;
	unsigned long number;
	unsigned int worker;
	enum kind kind;
	int result;
	char object[64];
};

struct worker {
	char name[16];
	pid_t pid;
	atomic_bool resting;
	atomic_bool busy;
	char op[96];
};

static struct shared {
	uint64_t seed;
	double start;
	atomic_bool pause, stop, done;
	atomic_int failed;
	char failure[2048];
	atomic_uint next_patch;
	atomic_bool loading;
	atomic_uint there;	/* functions of targets that can be called */
	atomic_ulong next_op;
	struct op ring[RING];
	struct worker workers[WORKERS];
	unsigned int nr_workers;
	atomic_ulong kinds[KINDS], refused[KINDS];
	atomic_ulong took[KINDS], longest[KINDS];	/* microseconds */
	atomic_ulong programs, calls, nested, excused, away, quiet;
} *shared;

static const char *modules;
static int limit = 120;		/* seconds; nothing takes that long */
static int device;
static int marker = -1;
static __thread struct worker *self;
static __thread uint64_t rng;

/* Random numbers, seeded for each worker from the seed and its number. */

static uint32_t random32(void)
{
	return next_random(&rng) >> 32;
}

static uint32_t random_step(void *unused)
{
	return random32();
}

static unsigned int below(unsigned int n)
{
	return random32() % n;
}

static void seed_worker(unsigned int number)
{
	int i;

	rng = (shared->seed + number) * 0x9E3779B97F4A7C15ULL | 1;
	for (i = 0; i < 8; i++)
		random32();
}

/* Report the first failure and end. The supervisor prints it. */
static noreturn void fail(const char *fmt, ...)
{
	char text[sizeof(shared->failure)];
	int expected = 0;
	va_list ap;
	int n;

	n = snprintf(text, sizeof(text), "%s: ", self ? self->name : "a thread");
	va_start(ap, fmt);
	vsnprintf(text + n, sizeof(text) - n, fmt, ap);
	va_end(ap);
	if (atomic_compare_exchange_strong(&shared->failed, &expected, 1)) {
		memcpy(shared->failure, text, sizeof(text));
		shared->failed = 2;
	}
	shared->stop = true;
	/* Wait: the supervisor must not see a dead worker. */
	for (;;)
		pause();
}

/* Operations. */

static struct op *begin(enum kind kind, const char *fmt, ...)
{
	unsigned long number = atomic_fetch_add(&shared->next_op, 1);
	struct op *op = &shared->ring[number % RING];
	char text[128];
	va_list ap;
	int n;

	op->number = number;
	op->start = now() - shared->start;
	op->end = 0;
	op->worker = self - shared->workers;
	op->kind = kind;
	va_start(ap, fmt);
	vsnprintf(op->object, sizeof(op->object), fmt, ap);
	va_end(ap);
	shared->kinds[kind]++;
	snprintf(self->op, sizeof(self->op), "%s %s", kind_names[kind], op->object);

	/* The kernel dumps the trace buffer when it dies. */
	n = snprintf(text, sizeof(text), "%lu %s: %s\n", number, self->name, self->op);
	if (marker >= 0 && write(marker, text, n) < 0)
		marker = -1;
	return op;
}

/* End an operation. @result is 0 or an errno in the list, which ends with 0. */
static int end(struct op *op, int result, ...)
{
	enum kind kind = op->kind;
	unsigned long took;
	char object[sizeof(op->object)];
	va_list ap;
	int may;

	memcpy(object, op->object, sizeof(object));
	op->result = result;
	op->end = now() - shared->start;
	self->op[0] = '\0';
	took = (op->end - op->start) * 1e6;
	shared->took[kind] += took;
	if (took > shared->longest[kind])
		shared->longest[kind] = took;
	if (!result)
		return 0;
	shared->refused[kind]++;
	va_start(ap, result);
	do {
		may = va_arg(ap, int);
	} while (may && may != result);
	va_end(ap);
	if (!may)
		fail("%s %s: unexpected error %d, %s", kind_names[kind], object, result,
		     strerror(result));
	return result;
}

/* Modules. */

static struct image patch_image, target_images[STRESS_TARGETS];
static char *patch_name;	/* in its image: each patch is loaded under another one */

static struct image read_module(const char *name)
{
	return read_image(format("%s/%s.ko", modules, name));
}

/* The patches in sysfs. */

struct patch {
	char name[64];
	char dir[128];
	int enabled, transition;
};

static unsigned int list_patches(struct patch *patches, unsigned int most)
{
	unsigned int n = 0;
	struct dirent *entry;
	DIR *dir;

	dir = opendir(SYSFS);
	if (!dir)
		fail("no " SYSFS);
	while (n < most && (entry = readdir(dir))) {
		struct patch *patch = &patches[n];

		if (entry->d_name[0] == '.')
			continue;
		snprintf(patch->name, sizeof(patch->name), "%.63s", entry->d_name);
		snprintf(patch->dir, sizeof(patch->dir), SYSFS "/%s", patch->name);
		patch->enabled = read_number(format("%s/enabled", patch->dir));
		patch->transition = read_number(format("%s/transition", patch->dir));
		n += patch->enabled >= 0 && patch->transition >= 0;
	}
	closedir(dir);
	return n;
}

/* Choose a patch that is (not) enabled and (not) in transition. */
static struct patch *choose_patch(struct patch *patches, unsigned int n, int enabled,
				  int transition)
{
	unsigned int i, start;

	if (!n)
		return NULL;
	start = below(n);
	for (i = 0; i < n; i++) {
		struct patch *patch = &patches[(start + i) % n];

		if ((enabled < 0 || patch->enabled == enabled) && patch->transition == transition)
			return patch;
	}
	return NULL;
}

/* Operations on patches. */

static void load_patch(void)
{
	unsigned int funcs = below(4) ? random32() & ALL_PATCHED : ALL_PATCHED;
	bool replace = !below(4), persistent = !below(3);
	char params[128];
	struct op *op;
	int n;

	snprintf(patch_name, 32, PREFIX "%u", shared->next_patch++);
	n = snprintf(params, sizeof(params), "funcs=%u objects=%u replace=%d persistent=%d", funcs,
		     below(8), replace, persistent);
	snprintf(params + n, sizeof(params) - n, " hooks=%d alias=%d", below(2), below(2));
	op = begin(replace ? REPLACE : persistent ? PERSISTENT : LOAD, "%s funcs=%#x%s",
		   patch_name, funcs, replace && persistent ? " persistent" : "");
	end(op, load_image(patch_image, params), EBUSY, EUCLEAN, 0);
}

/* Another worker may have written before. */
static void write_enabled(enum kind kind, struct patch *patch, const char *text)
{
	struct op *op = begin(kind, "%s %s", patch->name, text);

	end(op, write_file(format("%s/enabled", patch->dir), text), EBUSY, EINVAL, ENODEV, ENOENT,
	    EUCLEAN, 0);
}

static void force_patch(struct patch *patch)
{
	struct op *op = begin(FORCE, "%s", patch->name);
	int ret;

	ret = write_file(format("%s/force", patch->dir), "1");
	if (!ret)
		ioctl(device, STRESS_FORCED);
	end(op, ret, EINVAL, ENODEV, ENOENT, 0);
}

static void write_junk(struct patch *patch)
{
	static const char * const junk[] = { "2x", "-1", "", "please" };
	const char *text = junk[below(4)];
	struct op *op = begin(JUNK, "%s '%s'", patch->name, text);
	int ret = write_file(format("%s/%s", patch->dir, below(2) ? "enabled" : "force"), text);

	end(op, ret, EINVAL, ENODEV, ENOENT, 0);
}

/* Unload a patch that seems unused. */
static void remove_patch(void)
{
	char line[512], name[64], chosen[64] = "";
	unsigned int used, n = 0;
	struct op *op;
	FILE *f;

	f = fopen("/proc/modules", "re");
	if (!f)
		fail("no /proc/modules");
	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%63s %*u %u", name, &used) != 2 ||
		    strncmp(name, PREFIX, strlen(PREFIX)))
			continue;
		if (!(used && below(8)) && !below(++n))
			memcpy(chosen, name, sizeof(chosen));
	}
	fclose(f);
	if (!*chosen)
		return;
	op = begin(REMOVE, "%s", chosen);
	end(op, remove_module(chosen), EAGAIN, EBUSY, ENOENT, 0);
}

/* Mostly one operation at a time: others would be refused. */
static void operate(void)
{
	struct patch patches[MOST_PATCHES + 8], *patch;
	unsigned int n = list_patches(patches, MOST_PATCHES + 8);

	patch = choose_patch(patches, n, -1, 1);
	if (patch && below(4)) {
		if (!below(3))
			write_enabled(REVERSE, patch, patch->enabled ? "0" : "1");
		else if (!below(25))
			force_patch(patch);
		pause_for(below(50) / 1000.0);
		return;
	}
	switch (below(16)) {
	case 0 ... 4:
		if (n < MOST_PATCHES) {
			load_patch();
			break;
		}
		__attribute__((fallthrough));
	case 5 ... 8:
		patch = choose_patch(patches, n, 1, 0);
		if (patch)
			write_enabled(DISABLE, patch, "0");
		break;
	case 9 ... 10:
		patch = choose_patch(patches, n, 0, 0);
		if (patch)
			write_enabled(ENABLE, patch, "1");
		break;
	case 11:
		patch = choose_patch(patches, n, -1, below(2));
		if (patch && !below(4))
			write_junk(patch);
		break;
	default:
		remove_patch();
		break;
	}
	pause_for(below(8) ? below(20) / 1000.0 : below(300) / 1000.0);
}

/*
 * Linux 6.12 forgets a kprobe in a module that is being loaded and then refused: it stays at an
 * address where other code may be loaded. So no kprobe is set while a target is being loaded.
 */
static void begin_loading(void)
{
	bool expected = false;

	while (!atomic_compare_exchange_strong(&shared->loading, &expected, true)) {
		expected = false;
		pause_for(0.002);
	}
}

static void end_loading(void)
{
	shared->loading = false;
}

/* Wait for a transition, so that targets are loaded and unloaded during one. */
static void wait_for_transition(double seconds)
{
	struct patch patches[MOST_PATCHES + 8];
	double since = now();

	while (now() - since < seconds) {
		if (choose_patch(patches, list_patches(patches, MOST_PATCHES + 8), -1, 1))
			return;
		pause_for(0.005);
	}
}

/* Load and unload targets, in one worker that knows which ones are loaded. */

static void move_targets(void)
{
	static bool loaded[STRESS_TARGETS];
	const unsigned int all = (1 << STRESS_PER_TARGET) - 1;
	static const char * const names[] = { "stress_a", "stress_b" };
	unsigned int i = below(STRESS_TARGETS);
	struct op *op;
	double start;
	bool fails;
	int ret;

	if (below(2))
		wait_for_transition(0.5);
	if (!loaded[i]) {
		fails = !below(6);
		op = begin(fails ? TARGET_FAILS : TARGET, "%s", names[i]);
		begin_loading();
		ret = load_image(target_images[i], fails ? "fails=1" : "");
		end_loading();
		ret = end(op, ret, EUCLEAN, fails ? EDOM : 0, 0);
		if (fails && !ret)
			fail("%s is there, though its init failed", names[i]);
		loaded[i] = !ret;
		if (!ret)
			shared->there |= all << i * STRESS_PER_TARGET;
	} else {
		op = begin(TARGET_GOES, "%s", names[i]);
		shared->there &= ~(all << i * STRESS_PER_TARGET);
		start = now();
		ioctl(device, STRESS_CLOSE, 1 << i);
		do {
			ret = remove_module(names[i]);
			pause_for(0.005);
		} while (ret == EAGAIN && now() - start < limit);
		ioctl(device, STRESS_CLOSE, 0);
		end(op, ret, 0);
		loaded[i] = false;
	}
	/* Targets are loaded most of the time. */
	pause_for(loaded[i] ? below(1500) / 1000.0 : below(100) / 1000.0);
}

/* Calls. */

static void tell_call(const struct stress_call *call, int caller, int bad)
{
	char text[1024] = "";
	unsigned int i;
	int n = 0;

	for (i = 0; i < call->nr_seen && n < (int)sizeof(text) - 64; i++)
		n += snprintf(text + n, sizeof(text) - n, " %u:%d@%llu(%#x%s)<%d", i,
			      call->seen[i].func, (unsigned long long)call->seen[i].gen,
			      call->seen[i].funcs, call->seen[i].replace ? " replace" : "",
			      call->seen[i].caller);
	fail("call %d does not go with call %d. As number:function@generation(funcs)<caller:%s",
	     bad, caller, text);
}

static bool call_once(unsigned int funcs)
{
	struct stress_call call;
	int bad, caller;
	unsigned int i;

	memset(&call, 0, sizeof(call));
	stress_make(&call, funcs, random_step, NULL);
	if (ioctl(device, STRESS_RUN, &call)) {
		if (errno != ENODEV)
			fail("a program of calls: %s", strerror(errno));
		shared->away++;
		return false;
	}
	shared->programs++;
	shared->calls += call.nr_seen;
	if (call.excused) {
		shared->excused++;
		return true;
	}
	for (i = 0; i < call.nr_seen; i++)
		shared->nested += call.seen[i].caller >= 0;
	bad = stress_check(&call, &caller);
	if (bad >= 0)
		tell_call(&call, caller, bad);
	return true;
}

static void call_something(void)
{
	if (!call_once(shared->there | 1 << STRESS_VMLINUX))
		pause_for(0.01);
	pause_for(below(20) / 1000.0);
}

/* Forks. Children only report failures. */

#define LONG_LIVED	6

static pid_t long_lived[LONG_LIVED];

static void *call_in_thread(void *unused)
{
	seed_worker(gettid());
	call_once(shared->there | 1 << STRESS_VMLINUX);
	return NULL;
}

static void live(unsigned int how)
{
	pthread_t threads[3];
	unsigned int i;

	switch (how) {
	case 0:
		call_once(shared->there | 1 << STRESS_VMLINUX);
		break;
	case 1:
		pause_for(below(30) / 1000.0);
		break;
	case 2:
		execl("/bin/true", "true", NULL);
		break;
	case 3:
		for (i = 0; i < 3; i++)
			if (pthread_create(&threads[i], NULL, call_in_thread, NULL))
				fail("no thread");
		for (i = 0; i < 3; i++)
			pthread_join(threads[i], NULL);
		break;
	case 4:
		for (;;)
			pause();
	}
	_exit(0);
}

static pid_t start_child(unsigned int how)
{
	unsigned int seed = random32();
	pid_t pid = fork();

	if (pid < 0)
		fail("fork: %s", strerror(errno));
	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	seed_worker(seed);
	live(how);
	return 0;
}

/* Allocate memory, so that a fork takes longer. */
static void make_big(void)
{
	unsigned int i, page = sysconf(_SC_PAGESIZE);
	char *data;

	data = mmap(NULL, 200 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (data == MAP_FAILED)
		fail("no memory");
	memset(data, 1, 200 * page);
	for (i = 0; i < 200; i += 2)
		mprotect(data + i * page, page, PROT_READ);
}

static void fork_some(void)
{
	static bool big;
	unsigned int i, n = 1 + below(4), how = below(4);
	pid_t pids[4];
	struct op *op;

	if (!big)
		make_big();
	big = true;
	op = begin(FORK, "%u, kind %u", n, how);
	for (i = 0; i < n; i++)
		pids[i] = start_child(how);
	if (!below(4))
		kill(pids[0], SIGKILL);
	for (i = 0; i < n; i++)
		waitpid(pids[i], NULL, 0);
	end(op, 0, 0);

	i = below(LONG_LIVED);
	if (!below(4) && long_lived[i]) {
		kill(long_lived[i], SIGKILL);
		waitpid(long_lived[i], NULL, 0);
	}
	if (!long_lived[i] || kill(long_lived[i], 0))
		long_lived[i] = start_child(4);
	pause_for(below(150) / 1000.0);
}

/* Other users of ftrace, and other disturbances. */

static bool kprobed, rival, traced;

static void set_tracer(bool on)
{
	static const char * const filters[] = { "stress_*", "int_pow", "schedule*", "klp_*" };
	/* Tracing all functions is slow. */
	const char *filter = !on ? "off" : below(20) ? filters[below(4)] : "*";
	struct op *op = begin(TRACE, "%s", filter);

	if (on)
		write_file(INSTANCE "/set_ftrace_filter", filter);
	end(op, write_file(INSTANCE "/current_tracer", on ? "function" : "nop"), 0);
	if (!on)
		write_file(INSTANCE "/set_ftrace_filter", "");
	traced = on;
}

/* The function of a target may be missing. */
static void set_kprobe(bool on)
{
	static const char * const functions[] = { "stress_a_0", "stress_b_1", "int_pow" };
	const char *function = functions[below(3)];
	struct op *op = begin(KPROBE, "%s", on ? function : "off");
	char text[64];
	int ret;

	if (on) {
		snprintf(text, sizeof(text), "%c:stress/probe %s", below(2) ? 'p' : 'r', function);
		begin_loading();
		ret = write_file(TRACING "/kprobe_events", text);
		end_loading();
		kprobed = !end(op, ret, ENOENT, EINVAL, 0);
		if (kprobed)
			write_file(INSTANCE "/events/stress/probe/enable", "1");
	} else {
		write_file(INSTANCE "/events/stress/probe/enable", "0");
		end(op, write_file(TRACING "/kprobe_events", "-:stress/probe"), 0);
		kprobed = false;
	}
}

static void set_rival(bool on)
{
	struct op *op = begin(RIVAL, "%s", on ? "on" : "off");

	rival = !end(op, ioctl(device, STRESS_RIVAL, on) ? errno : 0, EBUSY, 0) && on;
}

static void meddle(void)
{
	unsigned int percent;
	struct op *op;

	switch (below(8)) {
	case 0 ... 1:
		set_tracer(!traced);
		break;
	case 2 ... 3:
		set_kprobe(!kprobed);
		break;
	case 4:
		set_rival(!rival);
		break;
	case 5:
		percent = below(2) ? 0 : below(30);
		op = begin(VETO, "%u %%", percent);
		end(op, ioctl(device, STRESS_VETO, percent), 0);
		break;
	case 6:
		write_file(INSTANCE "/events/livepatch/enable", below(2) ? "1" : "0");
		break;
	case 7:
		if (below(3) || access(CPU1, W_OK))
			break;
		op = begin(CPU, "off");
		end(op, write_file(CPU1, "0"), EBUSY, 0);
		pause_for(below(200) / 1000.0);
		op = begin(CPU, "on");
		end(op, write_file(CPU1, "1"), 0);
		break;
	}
	pause_for(below(400) / 1000.0);
}

static void meddle_no_more(void)
{
	if (traced)
		set_tracer(false);
	if (kprobed)
		set_kprobe(false);
	if (rival)
		set_rival(false);
}

/* Readers of files in sysfs, and a limit for the duration of each transition. */

static void read_tree(const char *dir, unsigned int depth)
{
	char path[PATH_MAX], text[64];
	struct dirent *entry;
	DIR *d = opendir(dir);

	while (d && (entry = readdir(d))) {
		if (entry->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "%s/%s", dir, entry->d_name);
		if (entry->d_type == DT_DIR) {
			read_tree(path, depth + 1);
			continue;
		}
		if (read_file(path, text, sizeof(text)) &&
		    (!isdigit(text[0]) || text[strlen(text) - 1] != '\n'))
			fail("%s reads '%s'", path, text);
	}
	if (d)
		closedir(d);
}

static void check_state(const char *text, const char *who)
{
	if (strcmp(text, "-1\n") && strcmp(text, "0\n") && strcmp(text, "1\n"))
		fail("patch state of %s: '%s'", who, text);
}

static void check_violations(void)
{
	char text[4096], *what;

	if (!read_file("/proc/livepatch_stress", text, sizeof(text)))
		fail("no ledger");
	what = strstr(text, "\nviolation ");
	if (what)
		fail("%.*s", (int)strcspn(what + 11, "\n"), what + 11);
}

static void watch_transition(void)
{
	static char name[64];
	static int enabled;
	static double since;
	struct patch patches[MOST_PATCHES + 8], *patch;
	unsigned int n = list_patches(patches, MOST_PATCHES + 8);

	patch = choose_patch(patches, n, -1, 1);
	if (!patch || strcmp(patch->name, name) || patch->enabled != enabled) {
		snprintf(name, sizeof(name), "%s", patch ? patch->name : "");
		enabled = patch ? patch->enabled : 0;
		since = now();
	}
	if (*name && now() - since > limit)
		fail("the transition of %s to %d does not end", name, enabled);
}

static void read_all(void)
{
	char text[64];
	pid_t pid;

	shared->kinds[READ]++;
	read_tree(SYSFS, 0);
	watch_transition();
	check_violations();
	pid = 1 + below(1000);
	if (read_file(format("/proc/%d/patch_state", pid), text, sizeof(text)))
		check_state(text, "a process");
	pause_for(below(200) / 1000.0);
}

/* Workers. */

static void rest(void (*before)(void))
{
	if (!shared->pause)
		return;
	if (before)
		before();
	self->resting = true;
	while (shared->pause)
		pause_for(0.005);
	self->resting = false;
}

struct task {
	const char *name;
	unsigned int threads;
	void (*once)(void);
	void (*before_rest)(void);
};

struct start {
	const struct task *task;
	unsigned int number;
};

static void *work(void *arg)
{
	struct start start = *(struct start *)arg;

	self = &shared->workers[start.number];
	snprintf(self->name, sizeof(self->name), "%.10s%u", start.task->name, start.number);
	prctl(PR_SET_NAME, self->name);
	self->pid = gettid();
	seed_worker(start.number);
	self->busy = true;
	while (!shared->stop) {
		rest(start.task->before_rest);
		start.task->once();
	}
	return NULL;
}

static const struct task tasks[] = {
	{ "caller", 3, call_something, NULL },
	{ "caller", 2, call_something, NULL },
	{ "caller", 1, call_something, NULL },
	{ "forker", 1, fork_some, NULL },
	{ "operator", 1, operate, NULL },
	{ "operator", 1, operate, NULL },
	{ "targets", 1, move_targets, NULL },
	{ "meddler", 1, meddle, meddle_no_more },
	{ "reader", 1, read_all, NULL },
	{ }
};

/* Conditions at quiet points. */

struct page {
	char name[64];
	unsigned long long gen;
	unsigned int funcs, objects;
	char flags[8];		/* replace, persistent, forgotten, forced */
	int stages[STRESS_OBJECTS];
	bool in_sysfs, in_modules;
};

static struct page pages[MOST_PAGES];
static unsigned int nr_pages;
static int running;

static const char * const object_names[STRESS_OBJECTS] = { "vmlinux", "stress_a", "stress_b" };

#define STAGE_LIVE	4	/* STRESS_LIVE of modules.h */

static void read_ledger(void)
{
	FILE *f = fopen("/proc/livepatch_stress", "re");
	struct page *page;
	char line[512];

	if (!f)
		fail("no ledger");
	nr_pages = 0;
	while (fgets(line, sizeof(line), f)) {
		page = &pages[nr_pages];
		memset(page, 0, sizeof(*page));
		if (sscanf(line, "running %d", &running) == 1)
			continue;
		if (sscanf(line, "patch %63s gen %llu funcs %u objects %u flags %7s %d %d %d",
			   page->name, &page->gen, &page->funcs, &page->objects, page->flags,
			   &page->stages[0], &page->stages[1], &page->stages[2]) == 8 &&
		    nr_pages < MOST_PAGES - 1)
			nr_pages++;
	}
	fclose(f);
}

static struct page *find_page(const char *name)
{
	unsigned int i;

	for (i = 0; i < nr_pages; i++)
		if (!strcmp(pages[i].name, name))
			return &pages[i];
	return NULL;
}

static int func_number(const char *name)
{
	if (!strncmp(name, "int_pow", 7))
		return STRESS_VMLINUX;
	if (!strncmp(name, "exit_task_stack_account", 23))
		return STRESS_EXIT;
	if (strncmp(name, "stress_", 7) || name[8] != '_')
		return -1;
	if (!strncmp(name + 9, "alias", 5))
		return (name[7] - 'a') * STRESS_PER_TARGET;
	return isdigit(name[9]) ? (name[7] - 'a') * STRESS_PER_TARGET + name[9] - '0' : -1;
}

/* The condition that does not hold, or NULL. An operation may be about to complete. */
static char problem[512];

static bool holds(bool it_does, const char *fmt, ...)
{
	va_list ap;

	if (it_does)
		return true;
	va_start(ap, fmt);
	vsnprintf(problem, sizeof(problem), fmt, ap);
	va_end(ap);
	return false;
}

static bool object_is_loaded(unsigned int object)
{
	return !object || is_loaded(object_names[object]);
}

static bool check_object(const struct patch *patch, const struct page *page, unsigned int object,
			 unsigned int *funcs)
{
	bool there = object_is_loaded(object) && patch->enabled;
	char dir[256];
	struct dirent *entry;
	int patched;
	DIR *d;

	snprintf(dir, sizeof(dir), "%s/%s", patch->dir, object_names[object]);
	d = opendir(dir);
	if (!holds(!!d == !!(page->objects & 1 << object), "%s is %sthere", dir, d ? "" : "not "))
		goto out;
	if (!d)
		return holds(!page->stages[object], "%s has no object %u, but callbacks of it",
			     patch->name, object);
	while ((entry = readdir(d)))
		if (entry->d_type == DT_DIR && func_number(entry->d_name) >= 0)
			*funcs |= 1 << func_number(entry->d_name);
	closedir(d);
	d = NULL;
	patched = read_number(format("%s/patched", dir));
	return holds(patched == there, "%s/patched is %d, and should be %d", dir, patched, there) &&
	       holds(page->stages[object] == (there ? STAGE_LIVE : 0),
		     "%s: object %u is in stage %d, %s", patch->name, object,
		     page->stages[object], there ? "patched" : "not patched");
out:
	if (d)
		closedir(d);
	return false;
}

static bool check_patch(const struct patch *patch, struct page *page)
{
	unsigned int i, older = 0, funcs = 0;
	int order = read_number(format("%s/stack_order", patch->dir));

	if (!holds(page, "there is no page of %s", patch->name))
		return false;
	page->in_sysfs = true;
	for (i = 0; i < nr_pages; i++)
		older += pages[i].gen <= page->gen && pages[i].stages[0] == STAGE_LIVE;
	for (i = 0; i < STRESS_OBJECTS; i++)
		if (!check_object(patch, page, i, &funcs))
			return false;
	return holds(!patch->transition, "%s is in transition", patch->name) &&
	       holds(patch->enabled || page->flags[1] == '1', "%s is disabled and stays",
		     patch->name) &&
	       holds(page->flags[2] == '0', "%s has been replaced and stays", patch->name) &&
	       holds(order == (patch->enabled ? (int)older : 0), "%s: order %d, should be %u",
		     patch->name, order, older) &&
	       holds(read_number(format("%s/replace", patch->dir)) == page->flags[0] - '0',
		     "%s: wrong replace", patch->name) &&
	       holds(funcs == page->funcs, "%s shows functions %#x, has %#x", patch->name, funcs,
		     page->funcs);
}

/* No callback is owed to patches that are not in sysfs. */
static bool check_patches(void)
{
	struct patch patches[64];
	unsigned int i, n = list_patches(patches, 64);

	for (i = 0; i < n; i++)
		if (!check_patch(&patches[i], find_page(patches[i].name)))
			return false;
	for (i = 0; i < nr_pages; i++)
		if (!pages[i].in_sysfs &&
		    !holds(!pages[i].stages[0] && !pages[i].stages[1] && !pages[i].stages[2],
			   "%s is gone, stages %d %d %d", pages[i].name,
			   pages[i].stages[0], pages[i].stages[1], pages[i].stages[2]))
			return false;
	return true;
}

/* An enabled patch and a forced one hold one reference to their modules. */
static bool check_references(void)
{
	FILE *f = fopen("/proc/modules", "re");
	char line[512], name[64];
	unsigned int used, should, i;
	struct page *page;
	bool ok = true;

	while (ok && f && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%63s %*u %u", name, &used) != 2)
			continue;
		should = 0;
		if (!strncmp(name, PREFIX, strlen(PREFIX))) {
			page = find_page(name);
			ok = holds(page, "module %s has no page", name);
			if (!ok)
				break;
			page->in_modules = true;
			should = (page->stages[0] == STAGE_LIVE) + (page->flags[3] == '1');
		} else if (strcmp(name, "stress_a") && strcmp(name, "stress_b")) {
			continue;
		}
		ok = holds(used == should, "module %s has %u references, should have %u", name,
			   used, should);
	}
	if (f)
		fclose(f);
	for (i = 0; ok && i < nr_pages; i++)
		ok = holds(pages[i].in_modules, "module %s is not there", pages[i].name);
	return ok;
}

/* Return the version that should run, 0 for the original. */
static unsigned long long newest(unsigned int func)
{
	unsigned long long gen = 0;
	unsigned int i;

	for (i = 0; i < nr_pages; i++)
		if (pages[i].stages[0] == STAGE_LIVE && pages[i].funcs & 1 << func &&
		    pages[i].gen > gen)
			gen = pages[i].gen;
	return gen;
}

static unsigned int object_of(unsigned int func)
{
	return func >= STRESS_VMLINUX ? 0 : 1 + func / STRESS_PER_TARGET;
}

/* Only functions of patches may be redirected, and only by livepatch. */
static bool check_ftrace(void)
{
	FILE *f = fopen(TRACING "/enabled_functions", "re");
	unsigned int redirected = 0, should = 0, i;
	char line[1024];
	bool ok = true;
	int func;

	while (ok && f && fgets(line, sizeof(line), f)) {
		func = func_number(line);
		if (!strstr(line, " I ")) {
			ok = holds(!strstr(line, "klp_redirect"), "not redirected, but ours: %s",
				   line);
			continue;
		}
		ok = holds(func >= 0 && func < STRESS_PATCHED && strstr(line, "klp_redirect"),
			   "redirected: %s", line);
		if (ok)
			redirected |= 1 << func;
	}
	if (f)
		fclose(f);
	for (i = 0; i < STRESS_PATCHED; i++)
		if (newest(i) && object_is_loaded(object_of(i)))
			should |= 1 << i;
	return ok && holds(f && redirected == should, "functions %#x are redirected, should be %#x",
			   redirected, should);
}

static bool check_calls(void)
{
	struct stress_call call;
	unsigned int i;

	for (i = 0; i < STRESS_FUNCS; i++) {
		if (!object_is_loaded(object_of(i)))
			continue;
		memset(&call, 0, sizeof(call));
		call.nr_steps = 2;
		call.steps[0].what = STRESS_CALL;
		call.steps[0].arg = i;
		call.steps[1].what = STRESS_YIELD;
		if (!holds(!ioctl(device, STRESS_RUN, &call), "call of %u: %s", i,
			   strerror(errno)) ||
		    !holds(call.nr_seen == 1 && call.seen[0].gen == newest(i),
			   "call of %u: generation %llu, should be %llu", i,
			   (unsigned long long)call.seen[0].gen, newest(i)))
			return false;
		shared->calls++;
	}
	return true;
}

static bool check_tasks(void)
{
	struct dirent *process, *task;
	DIR *proc = opendir("/proc"), *dir;
	char path[300], text[16];
	bool ok = true;

	while (ok && (process = readdir(proc))) {
		if (!isdigit(process->d_name[0]))
			continue;
		snprintf(path, sizeof(path), "/proc/%s/task", process->d_name);
		dir = opendir(path);
		while (ok && dir && (task = readdir(dir))) {
			if (isdigit(task->d_name[0]) &&
			    read_file(format("%s/%s/patch_state", path, task->d_name), text,
				      sizeof(text)))
				ok = holds(!strcmp(text, "-1\n"), "task %s has patch state %s",
					   task->d_name, text);
		}
		if (dir)
			closedir(dir);
	}
	closedir(proc);
	return ok;
}

/*
 * Check all conditions. All workers are stopped and no transition is running, so they hold now
 * or soon.
 */
static void check_all(void)
{
	double since = now();
	bool ok;

	do {
		read_ledger();
		ok = holds(!running, "%d programs of calls are running", running) &&
		     check_patches() && check_references() && check_ftrace() && check_calls() &&
		     check_tasks();
		if (ok)
			break;
		pause_for(0.05);
	} while (now() - since < limit / 2);
	if (!ok)
		fail("at rest: %s", problem);
	check_violations();
	shared->quiet++;
}

static bool all_rest(bool wanted)
{
	unsigned int i;

	for (i = 0; i < shared->nr_workers; i++)
		if (shared->workers[i].resting != wanted)
			return false;
	return true;
}

static void wait_for_all(bool resting)
{
	double since = now();
	unsigned int i;

	while (!all_rest(resting)) {
		pause_for(0.01);
		for (i = 0; now() - since > limit && i < shared->nr_workers; i++)
			if (shared->workers[i].resting != resting)
				fail("%s does not come to rest: %s", shared->workers[i].name,
				     shared->workers[i].op);
	}
}

/* Disable all patches, and unload all modules except forced ones. Nothing else may be left. */
static void clear_away(void)
{
	struct patch patches[64];
	double since = now();
	unsigned int i, n;
	bool left = true;

	ioctl(device, STRESS_VETO, 0);
	while (left) {
		left = false;
		n = list_patches(patches, 64);
		for (i = 0; i < n; i++) {
			left |= patches[i].enabled || patches[i].transition;
			if (patches[i].enabled && !patches[i].transition)
				write_file(format("%s/enabled", patches[i].dir), "0");
		}
		if (now() - since > limit)
			fail("patches cannot be disabled");
		pause_for(0.05);
	}
	check_all();
	for (i = 0; i < nr_pages; i++)
		if (pages[i].flags[3] == '0' && remove_module(pages[i].name))
			fail("%s cannot be removed: %s", pages[i].name, strerror(errno));
	remove_module("stress_a");
	remove_module("stress_b");
	check_all();
	for (i = 0; i < nr_pages; i++)
		if (pages[i].flags[3] == '0')
			fail("%s is still there", pages[i].name);
}

static void come_to_rest(void)
{
	shared->pause = true;
	wait_for_all(true);
	ioctl(device, STRESS_PAUSE, 1);
	check_all();
}

static void supervise(double seconds)
{
	while (now() - shared->start < seconds) {
		pause_for(2 + below(6));
		come_to_rest();
		ioctl(device, STRESS_PAUSE, 0);
		shared->pause = false;
		wait_for_all(false);
	}
	come_to_rest();
	clear_away();
	shared->done = true;
}

/* The supervisor: watch the workers and report. */

static void tell_ops(void)
{
	unsigned long last = shared->next_op, i = last > SHOWN ? last - SHOWN : 0;

	printf("\nThe last %d operations: number, when, how long, who, what, result:\n", SHOWN);
	for (; i < last; i++) {
		const struct op *op = &shared->ring[i % RING];

		if (op->number != i)
			continue;
		printf("%8lu %10.4f ", i, op->start);
		if (op->end)
			printf("%8.4f", op->end - op->start);
		else
			printf("     ...");
		printf("  %-11s %s %s: %s\n", shared->workers[op->worker].name,
		       kind_names[op->kind], op->object,
		       !op->end ? "under way" : op->result ? strerror(op->result) : "ok");
	}
}

static void tell_stacks(void)
{
	char text[4096], comm[32];
	struct dirent *entry;
	DIR *proc = opendir("/proc");

	printf("\nTasks:\n");
	while ((entry = readdir(proc))) {
		if (!isdigit(entry->d_name[0]) ||
		    !read_file(format("/proc/%s/comm", entry->d_name), comm, sizeof(comm)))
			continue;
		comm[strcspn(comm, "\n")] = '\0';
		if (!read_file(format("/proc/%s/patch_state", entry->d_name), text, sizeof(text)))
			continue;
		printf("%s %s, patch state %s", entry->d_name, comm, text);
		if (strstr(text, "-1") && !strstr(comm, "er"))
			continue;
		if (read_file(format("/proc/%s/stack", entry->d_name), text, sizeof(text)))
			fputs(text, stdout);
	}
	closedir(proc);
}

static void tell_totals(void)
{
	char text[4096], *end;
	unsigned int i;
	unsigned long total = 0;

	printf("\nseed %llu\nseconds %.0f\n", (unsigned long long)shared->seed,
	       now() - shared->start);
	for (i = 0; i < KINDS; i++) {
		printf("op %s: %lu, refused %lu, mean %.4f s, longest %.4f s\n", kind_names[i],
		       shared->kinds[i], shared->refused[i],
		       shared->took[i] / 1e6 / (shared->kinds[i] ?: 1), shared->longest[i] / 1e6);
		total += shared->kinds[i];
	}
	printf("operations %lu\nprograms %lu\nnot_there %lu\n", total, shared->programs,
	       shared->away);
	printf("checked_calls %lu\nnested_calls %lu\nexcused_programs %lu\nquiet_points %lu\n",
	       shared->calls, shared->nested, shared->excused, shared->quiet);
	if (read_file("/proc/livepatch_stress", text, sizeof(text))) {
		end = strstr(text, "patch stress");
		if (end)
			*end = '\0';
		fputs(text, stdout);
	}
	fflush(stdout);
}

static void start_workers(double seconds)
{
	static struct start starts[WORKERS];
	unsigned int i, j, number = 0;
	pthread_t thread;

	for (i = 0; tasks[i].name; i++)
		shared->nr_workers += tasks[i].threads;
	for (i = 0; tasks[i].name; i++) {
		for (j = 0; j < tasks[i].threads; j++) {
			starts[number + j].task = &tasks[i];
			starts[number + j].number = number + j;
		}
		if (!fork()) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			for (j = 1; j < tasks[i].threads; j++)
				if (pthread_create(&thread, NULL, work, &starts[number + j]))
					errx(1, "no thread");
			work(&starts[number]);
			_exit(0);
		}
		number += tasks[i].threads;
	}
	if (!fork()) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		self = &shared->workers[number];
		snprintf(self->name, sizeof(self->name), "supervisor");
		seed_worker(number);
		supervise(seconds);
		_exit(0);
	}
}

static int read_taint(void)
{
	return read_number("/proc/sys/kernel/tainted");
}

/*
 * Watch until the time is over, a worker has reported a failure or died, or nothing makes
 * progress.
 */
static bool watch(double seconds)
{
	int status, taint = read_taint() & TAINTS;
	unsigned long quiet = 0;
	double moved = now();
	pid_t pid;

	while (!shared->done) {
		pause_for(0.2);
		if (shared->failed)
			return false;
		pid = waitpid(-1, &status, WNOHANG);
		if (pid > 0 && !shared->done) {
			snprintf(shared->failure, sizeof(shared->failure),
				 "process %d ended with status %#x", pid, status);
			return false;
		}
		if ((read_taint() & TAINTS) != taint) {
			snprintf(shared->failure, sizeof(shared->failure),
				 "the kernel has reported something");
			return false;
		}
		if (shared->quiet != quiet)
			moved = now();
		quiet = shared->quiet;
		if (now() - moved > 4 * limit) {
			snprintf(shared->failure, sizeof(shared->failure), "nothing moves");
			return false;
		}
	}
	return true;
}

static void prepare(void)
{
	unsigned int i;
	int ret;

	/* A kernel with lockdep is slow. */
	if (!access("/proc/lockdep", F_OK))
		limit *= 4;
	/*
	 * Linux 6.12 may miscount the bandwidth of the fair server of a CPU that goes offline,
	 * and then warns in inactive_task_timer(). No task here is real-time, so the servers
	 * are not needed.
	 */
	for (i = 0; i < 2; i++)
		write_file(format(FAIR_SERVER "/cpu%u/runtime", i), "0");
	ret = load_image(read_module("stress"), "");
	if (ret)
		errx(1, "stress.ko: %s", strerror(ret));
	patch_image = read_module("stress_patch");
	patch_name = writable_name(patch_image, "stress_patch");
	if (!patch_name)
		errx(1, "%s/stress_patch.ko: no name in it", modules);
	for (i = 0; i < STRESS_TARGETS; i++)
		target_images[i] = read_module(object_names[1 + i]);
	for (i = 0; i < 100; i++) {
		device = open("/dev/livepatch-stress", O_RDWR | O_CLOEXEC);
		if (device >= 0)
			break;
		pause_for(0.01);
	}
	if (device < 0)
		err(1, "/dev/livepatch-stress");

	/* The last operations are in the dump of the trace buffer. */
	write_file(TRACING "/buffer_size_kb", "16");
	write_file("/proc/sys/kernel/ftrace_dump_on_oops", "1");
	marker = open(TRACING "/trace_marker", O_WRONLY | O_CLOEXEC);
	if (mkdir(INSTANCE, 0755) && errno != EEXIST)
		err(1, INSTANCE);
	write_file(INSTANCE "/buffer_size_kb", "64");
}

int main(int argc, char **argv)
{
	double seconds;
	bool ok;

	if (argc < 3 || argc > 4)
		errx(1, "klp_stress DIR SECONDS [SEED]");
	modules = argv[1];
	seconds = atof(argv[2]);
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		      -1, 0);
	if (shared == MAP_FAILED)
		err(1, "memory");
	shared->seed = argc > 3 ? strtoull(argv[3], NULL, 0) : (uint64_t)time(NULL) % 1000000;
	printf("seed %llu, %.0f seconds\n", (unsigned long long)shared->seed, seconds);
	fflush(stdout);
	prepare();
	shared->start = now();
	start_workers(seconds);
	ok = watch(seconds);
	if (!ok) {
		/* The worker may still be writing its report. */
		pause_for(0.5);
		printf("\nFAILED after %.1f seconds: %s\n", now() - shared->start, shared->failure);
		tell_ops();
		tell_stacks();
	}
	tell_totals();
	return !ok;
}
