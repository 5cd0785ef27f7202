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
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include "klp_stress.h"

#define FAIR_SERVER	"/sys/kernel/debug/sched/fair_server"
#define SHOWN		200	/* operations, after a failure */
#define TAINTS		0x42a0	/* bad page, died, warned, locked up */

const char * const kind_names[KINDS] = {
	[LOAD] = "load",
	[REPLACE] = "load replace",
	[PERSISTENT] = "load persistent",
	[ENABLE] = "enable again",
	[DISABLE] = "disable",
	[REVERSE] = "reverse",
	[FORCE] = "force",
	[JUNK] = "junk",
	[REMOVE] = "rmmod",
	[TARGET] = "target",
	[TARGET_FAILS] = "target fails",
	[TARGET_GOES] = "target goes",
	[TRACE] = "tracer",
	[KPROBE] = "kprobe",
	[RIVAL] = "rival",
	[VETO] = "veto",
	[CPU] = "cpu",
	[FORK] = "fork",
	[READ] = "read",
};

struct shared *shared;
int limit = 120;
int device;
__thread struct worker *self;

static int marker = -1;
static __thread uint64_t rng;

uint32_t random32(void)
{
	return next_random(&rng) >> 32;
}

unsigned int below(unsigned int n)
{
	return random32() % n;
}

/* Seed the random numbers of a worker from the seed of the run and its number. */
void seed_worker(unsigned int number)
{
	int i;

	rng = (shared->seed + number) * 0x9E3779B97F4A7C15ULL | 1;
	for (i = 0; i < 8; i++)
		random32();
}

/* Report the first failure and end. The supervisor prints it. */
noreturn void fail(const char *fmt, ...)
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

/* Record the start of an operation. */
struct op *begin(enum kind kind, const char *fmt, ...)
{
	unsigned long number = atomic_fetch_add(&shared->next_op, 1);
	struct op *op = &shared->ring[number % RING];
	char text[256];
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
int end(struct op *op, int result, ...)
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
	{ .name = "caller", .threads = 3, .once = call_something },
	{ .name = "caller", .threads = 2, .once = call_something },
	{ .name = "caller", .threads = 1, .once = call_something },
	{ .name = "forker", .threads = 1, .once = fork_some },
	{ .name = "operator", .threads = 1, .once = operate },
	{ .name = "operator", .threads = 1, .once = operate },
	{ .name = "targets", .threads = 1, .once = move_targets },
	{ .name = "meddler", .threads = 1, .once = meddle, .before_rest = meddle_no_more },
	{ .name = "reader", .threads = 1, .once = read_all },
	{ }
};

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
	load_images();
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
	modules_dir = argv[1];
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
