// SPDX-License-Identifier: GPL-2.0
/*
 * klp_bench DIR STEP...: measure operations of a livepatch core, in a guest without other work.
 * DIR contains the modules. Steps:
 *
 *	both:NAME:N[:K]	enable bench_NAME with N functions and disable it, K times
 *	enable:NAME:N	enable it, and leave it so
 *	threads:T	start a process of T sleeping threads, for the following steps
 *	fork:K		delay of a fork in another process while one function is patched, K times
 *	load:N		delay of loading another module while N functions are disabled
 *	none:N		N functions patched, then replaced by a patch of another one
 *	all:N		N functions patched, then replaced by a patch of the same; it stays
 *	many:K		load of another module, K times: with no patch, with 16 of 64 objects each
 *	late:N:K	delay of loading another module while a patch with N modules that were
 *			loaded after it is disabled, K times
 *	spin:B		1: start a kernel thread that spins in cond_resched(), 0: stop it
 *	sets:N		the check of N functions against N functions of a patch of another replace
 *			set; needs a core with replace sets
 *	klpctl:K	from the end of a transition to the end of DIR/klpctl, which has loaded
 *			the patch, K times; needs the trace events of the core
 *	memory:N	memory for each of N functions; the patch stays
 *	calls:N		calls of a function, not patched, patched, and during a transition
 *
 * Each result is a line "result KEY FUNCTIONS THREADS VALUE": seconds, bytes, or nanoseconds for
 * calls and many. Any failure ends the program with a message and status 1.
 */

#define _GNU_SOURCE
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include "bench.h"
#include "klp_bench.h"

#define LATE		500	/* a function that no other patch of the step has: LATE + N */
#define MANY		16	/* modules bench_many_N */
#define PATIENCE	900	/* seconds for a transition, and for a module to be unloaded */
#define CHILD_STACK	16384
#define CHILDREN	64

static bool spinning;		/* bench_spin is loaded */
static int kmsg = -1;

/*
 * Sleep for a random time. Stock repeats its passes at whole seconds: a step that follows
 * another one immediately would always start at the same part of a second.
 */
static void pause_by_chance(void)
{
	pause_for(0.3 + drand48());
}

void tell(const char *key, int functions, double value)
{
	printf("result %s %d %d %.9g\n", key, functions, threads, value);
	fflush(stdout);
}

/* Modules. */

static void load_module(const char *name, struct image image, const char *params)
{
	if (load_image(image, params))
		err(1, "load bench_%s %s", name, params);
}

static void load_file(const char *name)
{
	struct image image = read_module(format("bench_%s", name));

	load_module(name, image, "");
	munmap(image.data, image.size);
}

static void unload_module(const char *name)
{
	int ret = unload(format("bench_%s", name), PATIENCE);

	if (ret)
		errx(1, "unload bench_%s: %s", name, strerror(ret));
}

/* Livepatches. */

static bool in_transition(const char *name)
{
	long transition = read_number(patch_file(format("bench_%s", name), "transition"));

	if (transition < 0)
		errx(1, "bench_%s is not enabled", name);
	return transition;
}

static bool is_gone(const char *name)
{
	return !is_there(format("bench_%s", name));
}

/* Return the time of the call of klp_enable_patch(). */
static double start_of(const char *name)
{
	long started = read_number(format("/sys/module/bench_%s/parameters/started", name));

	if (started < 0)
		err(1, "bench_%s: no start", name);
	return started / 1e9;
}

static void forget_log(void)
{
	if (kmsg < 0)
		kmsg = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (kmsg < 0 || lseek(kmsg, 0, SEEK_END) < 0)
		err(1, "/dev/kmsg");
}

/* Return the time between two lines that both cores log: the time of switching tasks. */
static double logged_transition(const char *name)
{
	const char *first = format("'bench_%s': starting patching transition", name);
	const char *last = format("'bench_%s': patching complete", name);
	unsigned long long usec, start = 0;
	char line[8192];
	ssize_t n;

	while ((n = read(kmsg, line, sizeof(line) - 1)) > 0 || errno == EPIPE) {
		if (n <= 0)
			continue;
		line[n] = '\0';
		if (sscanf(line, "%*u,%*u,%llu", &usec) != 1)
			continue;
		if (strstr(line, first))
			start = usec;
		if (strstr(line, last) && start)
			return (usec - start) / 1e6;
	}
	errx(1, "bench_%s: the log does not tell of its transition", name);
}

static void wait_enabled(const char *name)
{
	if (!wait_for_transition(format("bench_%s", name), PATIENCE))
		errx(1, "the transition of bench_%s does not end", name);
	if (is_gone(name))
		errx(1, "bench_%s is not enabled", name);
}

void enable(const char *name, int functions)
{
	struct image image = read_module(format("bench_%s", name));
	double start, end;

	pause_by_chance();
	forget_log();
	start = now();
	load_module(name, image, format("count=%d", functions));
	wait_enabled(name);
	end = now();
	munmap(image.data, image.size);
	tell(format("insmod_%s", name), functions, end - start);
	tell(format("enable_%s", name), functions, end - start_of(name));
	tell(format("pass_%s", name), functions, logged_transition(name));
}

static double time_until_gone(const char *name)
{
	double start;

	pause_by_chance();
	start = now();
	must_write(patch_file(format("bench_%s", name), "enabled"), "0");
	while (!is_gone(name)) {
		if (now() - start > PATIENCE)
			errx(1, "bench_%s does not go", name);
		pause_between_polls(start);
	}
	return now() - start;
}

double disable_time(const char *name)
{
	double took = time_until_gone(name);

	unload_module(name);
	return took;
}

static void disable(const char *name, int functions)
{
	tell(format("disable_%s", name), functions, disable_time(name));
}

static void both(const char *name, int functions, int times)
{
	while (times--) {
		enable(name, functions);
		disable(name, functions);
	}
}

static void delays(const char *key, int functions, double with, double without)
{
	tell(format("%s_with", key), functions, with);
	tell(format("%s_without", key), functions, without);
	tell(format("%s_delay", key), functions, with > without ? with - without : 0);
}

static void run_on(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set))
		err(1, "processor %d", cpu);
}

static int exit_at_once(void *unused)
{
	syscall(SYS_exit, 0);
	return 0;
}

/* Do not wait for the child: it may be delayed, and no fork would be tried meanwhile. */
static double one_fork(void)
{
	static char stacks[CHILDREN][CHILD_STACK];
	static bool first = true;
	static int turn;
	double start, end;

	if (first) {
		struct sched_param param = { .sched_priority = 1 };

		run_on(1);
		signal(SIGCHLD, SIG_IGN);
		if (sched_setscheduler(0, SCHED_FIFO | SCHED_RESET_ON_FORK, &param))
			err(1, "scheduler");
		first = false;
	}
	turn = (turn + 1) % CHILDREN;
	start = now();
	if (clone(exit_at_once, stacks[turn] + CHILD_STACK, CLONE_VM | SIGCHLD, NULL) < 0)
		err(1, "clone");
	end = now();
	pause_for(0.0005);
	return end - start;
}

/*
 * Keep the first processor busy without a transition as well: both values contain the time for
 * which the emulator takes one processor from the other.
 */
static void fork_delays(int times)
{
	struct probe *probe = new_probe();
	struct image image = read_module("bench_one");
	double with, without, start;

	run_on(0);
	while (times--) {
		start_probe(probe, one_fork);
		start = now();
		while (now() - start < 1.5)
			;
		without = stop_probe(probe);

		start_probe(probe, one_fork);
		load_module("one", image, "");
		wait_enabled("one");
		with = stop_probe(probe);
		delays("fork", 1, with, without);
		disable_time("one");
	}
	munmap(image.data, image.size);
	munmap(probe, sizeof(*probe));
}

static struct image other;

/* Loading and unloading take the same locks: a load that waits for an unload is delayed, too. */
static double one_load(void)
{
	double start = now(), loaded, end;

	load_module("other", other, "");
	loaded = now() - start;
	start = now();
	unload_module("other");
	end = now() - start;
	return loaded > end ? loaded : end;
}

static void load_delays(int functions)
{
	struct probe *probe = new_probe();
	double with, without;

	start_probe(probe, one_load);
	pause_for(1);
	without = stop_probe(probe);

	enable("module", functions);
	start_probe(probe, one_load);
	disable_time("module");
	with = stop_probe(probe);
	delays("load", functions, with, without);
	munmap(probe, sizeof(*probe));
}

/* Replace a patch, and wait until the old one is removed. */
static void replace(const char *key, int functions, int first, int count)
{
	struct image image = read_module("bench_replace");
	double end, start;

	enable("module", functions);
	load_module("replace", image, format("first=%d count=%d", first, count));
	start = now();
	while (in_transition("replace") || !is_gone("module")) {
		if (now() - start > PATIENCE)
			errx(1, "the replacement does not end");
		pause_between_polls(start);
	}
	end = now();
	tell(key, functions, end - start_of("replace"));
	unload_module("module");
	munmap(image.data, image.size);
}

/* CPU time of this process: if instructions are counted, the time of a wait is meaningless. */
static double own_time(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

static void time_loads(const char *key, int times)
{
	double start, end;

	while (times--) {
		start = own_time();
		load_module("other", other, "");
		end = own_time();
		unload_module("other");
		pause_for(0.05);
		tell(key, 0, (end - start) * 1e9);
	}
}

static void many_patches(int times)
{
	char names[MANY][16];
	int i;

	time_loads("other_none", times);
	for (i = 0; i < MANY; i++) {
		snprintf(names[i], sizeof(names[i]), "many_%d", i);
		load_file(names[i]);
		wait_enabled(names[i]);
	}
	time_loads("other_many", times);
	for (i = MANY - 1; i >= 0; i--)
		disable_time(names[i]);
}

static void enable_late(struct image patch, int modules_late, const char *suffix)
{
	double start;

	pause_by_chance();
	start = now();
	load_module("late", patch, format("count=%d", modules_late));
	wait_enabled("late");
	tell(format("insmod_late%s", suffix), modules_late, now() - start);
}

/*
 * Modules that come after the patch: a core that registers with ftrace for each of them has as many
 * registrations to take back. The worst load is sought for the same time before and while the patch
 * is disabled, or a little longer.
 */
static void late_modules(int modules_late, int times)
{
	struct image patch = read_module("bench_late"), target = read_module("bench_late_target");
	char *name = writable_name(target, "bench_late_target");
	const char *suffix = spinning ? "_spin" : "";
	struct probe *probe = new_probe();
	double with, without, took;
	int i;

	if (!name)
		errx(1, "bench_late_target.ko: no name in it");
	while (times--) {
		enable_late(patch, modules_late, suffix);
		for (i = 0; i < modules_late; i++) {
			snprintf(name, 32, "bench_late_%d", i);
			load_module(name + strlen("bench_"), target, "");
		}
		start_probe(probe, one_load);
		pause_for(0.5);
		without = stop_probe(probe);

		start_probe(probe, one_load);
		took = time_until_gone("late");
		pause_for(0.2);
		with = stop_probe(probe);
		unload_module("late");

		tell(format("disable_late%s", suffix), modules_late, took);
		delays(format("late_load%s", suffix), modules_late, with, without);
		for (i = 0; i < modules_late; i++)
			unload_module(format("late_%d", i));
	}
	munmap(patch.data, patch.size);
	munmap(target.data, target.size);
	munmap(probe, sizeof(*probe));
}

static void spin(bool wanted)
{
	if (wanted == spinning)
		return;
	if (wanted)
		load_file("spin");
	else
		unload_module("spin");
	spinning = wanted;
}

/*
 * Free pages: on the lists of the buddy allocator and of each processor. All memory of a patch
 * is missing there: slab, vmalloc, page tables and per-CPU memory.
 */
static double free_bytes(void)
{
	char line[256];
	long n, sum = 0;
	FILE *f;

	pause_for(1);
	must_write("/proc/sys/vm/drop_caches", "3");
	pause_for(0.5);
	must_write("/proc/sys/vm/stat_refresh", "1");
	f = fopen("/proc/zoneinfo", "r");
	if (!f)
		err(1, "/proc/zoneinfo");
	while (fgets(line, sizeof(line), f))
		if (sscanf(line, " nr_free_pages %ld", &n) == 1 ||
		    sscanf(line, " count: %ld", &n) == 1)
			sum += n;
	fclose(f);
	return (double)sum * sysconf(_SC_PAGESIZE);
}

/*
 * The same module with one function and with all: the difference is the memory of the core,
 * without that of the module and its descriptions.
 */
static void memory(int functions)
{
	double before, one, all;

	both("module", 1, 1);
	before = free_bytes();
	enable("module", 1);
	one = before - free_bytes();
	disable("module", 1);
	before = free_bytes();
	enable("module", functions);
	all = before - free_bytes();
	tell("memory", functions, (all - one) / (functions - 1));
}

/* Run one ioctl of the device in a process. */
static pid_t call_aside(int device, unsigned long cmd, unsigned long arg, int *answer)
{
	int pipes[2], ret;
	pid_t pid;

	if (pipe(pipes))
		err(1, "pipe");
	pid = fork();
	if (pid < 0)
		err(1, "fork");
	if (!pid) {
		ret = ioctl(device, cmd, arg);
		if (write(pipes[1], &ret, sizeof(ret)) != sizeof(ret))
			err(1, "pipe");
		_exit(0);
	}
	close(pipes[1]);
	*answer = pipes[0];
	return pid;
}

static int patch_state_of(pid_t pid)
{
	char text[8];

	if (!read_file(format("/proc/%d/patch_state", pid), text, sizeof(text)))
		errx(1, "no patch state of %d", pid);
	return atoi(text);
}

static int time_calls(int device, int called)
{
	int ret;

	ret = ioctl(device, BENCH_TIME, called);
	if (ret <= 0)
		err(1, "timed calls");
	return ret;
}

/*
 * Measure the additional time of a call, compared with an unpatched one. If the clock counts
 * instructions, the unit is instructions.
 */
static void calls(int functions)
{
	int called = functions >= 1000 ? BENCH_CALLED : 1;
	int device, base, held_answer, loop_answer, ret;
	struct image image = read_module("bench_module");
	pid_t held, loop;
	double start;

	device = open("/dev/livepatch-bench", O_RDWR | O_CLOEXEC);
	if (device < 0)
		err(1, "/dev/livepatch-bench");
	time_calls(device, called);
	base = time_calls(device, called);
	tell("call_unpatched", functions, (double)base / BENCH_CALLS);

	load_module("module", image, format("count=%d", functions));
	wait_enabled("module");
	time_calls(device, called);
	tell("call_patched", functions, (double)(time_calls(device, called) - base) / BENCH_CALLS);
	disable_time("module");

	held = call_aside(device, BENCH_HOLD, 0, &held_answer);
	loop = call_aside(device, BENCH_LOOP, called, &loop_answer);
	pause_for(0.2);
	load_module("module", image, format("count=%d held=1", functions));
	start = now();
	while (patch_state_of(getpid()) != 1) {
		if (now() - start > 60)
			errx(1, "this task is not switched");
		pause_between_polls(start);
	}
	time_calls(device, called);
	ret = time_calls(device, called);
	tell("call_switched", functions, (double)(ret - base) / BENCH_CALLS);

	if (patch_state_of(loop) != 0)
		errx(1, "the caller has been switched");
	ioctl(device, BENCH_GO);
	if (read(loop_answer, &ret, sizeof(ret)) != sizeof(ret) || ret <= 0)
		errx(1, "the caller failed");
	tell("call_unswitched", functions, (double)(ret - base) / BENCH_CALLS);
	if (!in_transition("module"))
		errx(1, "the transition has ended");

	kill(held, SIGKILL);
	waitpid(held, NULL, 0);
	waitpid(loop, NULL, 0);
	close(held_answer);
	close(loop_answer);
	wait_enabled("module");
	disable_time("module");
	close(device);
	munmap(image.data, image.size);
}

static void step(char *text)
{
	char *name = strtok(text, ":"), *module = NULL;
	int n, k;
	char *word;

	if (!strcmp(name, "both") || !strcmp(name, "enable"))
		module = strtok(NULL, ":");
	word = strtok(NULL, ":");
	n = word ? atoi(word) : 0;
	word = strtok(NULL, ":");
	k = word ? atoi(word) : 1;

	if (!strcmp(name, "both") && module) {
		both(module, n, k);
	} else if (!strcmp(name, "enable") && module) {
		enable(module, n);
	} else if (!strcmp(name, "threads")) {
		start_threads(n);
	} else if (!strcmp(name, "fork")) {
		fork_delays(n);
	} else if (!strcmp(name, "load")) {
		load_delays(n);
	} else if (!strcmp(name, "none")) {
		replace("replace_none", n, n + LATE, 1);
		disable_time("replace");
	} else if (!strcmp(name, "all")) {
		replace("replace_all", n, 0, n);
	} else if (!strcmp(name, "many")) {
		many_patches(n);
	} else if (!strcmp(name, "late")) {
		late_modules(n, k);
	} else if (!strcmp(name, "spin")) {
		spin(n);
	} else if (!strcmp(name, "sets")) {
		conflict_check(n);
	} else if (!strcmp(name, "klpctl")) {
		klpctl_returns(n);
	} else if (!strcmp(name, "memory")) {
		memory(n);
	} else if (!strcmp(name, "calls")) {
		calls(n);
	} else {
		errx(1, "what is %s?", name);
	}
}

int main(int argc, char **argv)
{
	int i;

	if (argc < 3)
		errx(1, "klp_bench DIR STEP...");
	modules_dir = argv[1];
	srand48(time(NULL));
	/* A core that occupies a processor or a lock for minutes is a result, not an error. */
	must_write("/proc/sys/kernel/soft_watchdog", "0");
	must_write("/proc/sys/kernel/hung_task_timeout_secs", "0");
	must_write("/sys/module/rcupdate/parameters/rcu_cpu_stall_suppress", "1");
	load_file("target");
	load_file("call");
	other = read_module("bench_other");
	/* Wait for the activity after the boot to end. */
	pause_for(2);
	for (i = 2; i < argc; i++)
		step(argv[i]);
	start_threads(0);
	return 0;
}
