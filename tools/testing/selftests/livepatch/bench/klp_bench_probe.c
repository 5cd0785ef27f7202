// SPDX-License-Identifier: GPL-2.0
/* Processes that run during the measured operations: sleeping threads, and probes. */
#define _GNU_SOURCE
#include <sched.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include "klp_bench.h"

#define STACK		1024	/* bytes, of a thread that only sleeps */

int threads;
static pid_t sleepers;		/* the process of the sleeping threads */

static int sleep_for_ever(void *unused)
{
	for (;;)
		syscall(SYS_pause);
	return 0;
}

void start_threads(int wanted)
{
	const int flags = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD |
			  CLONE_SYSVSEM;
	const struct rlimit many = { RLIM_INFINITY, RLIM_INFINITY };
	int ready[2], i;
	char *stacks, c;

	if (sleepers) {
		kill(sleepers, SIGKILL);
		waitpid(sleepers, NULL, 0);
	}
	sleepers = 0;
	threads = wanted;
	if (!wanted)
		return;

	/* The default limits are lower than memory would allow. */
	must_write("/proc/sys/kernel/threads-max", format("%d", wanted + 10000));
	must_write("/proc/sys/kernel/pid_max", format("%d", wanted + 40000));
	if (setrlimit(RLIMIT_NPROC, &many))
		err(1, "number of processes");
	if (pipe(ready))
		err(1, "pipe");
	sleepers = fork();
	if (sleepers < 0)
		err(1, "fork");
	if (!sleepers) {
		stacks = mmap(NULL, (size_t)wanted * STACK, PROT_READ | PROT_WRITE,
			      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (stacks == MAP_FAILED)
			err(1, "stacks");
		for (i = 1; i <= wanted; i++)
			if (clone(sleep_for_ever, stacks + (size_t)i * STACK, flags, NULL) < 0)
				err(1, "thread %d", i);
		if (write(ready[1], "", 1) != 1)
			err(1, "pipe");
		sleep_for_ever(NULL);
	}
	close(ready[1]);
	if (read(ready[0], &c, 1) != 1)
		errx(1, "there are no %d threads", wanted);
	close(ready[0]);
	/* Wait until the last of them sleeps. */
	pause_for(1 + wanted / 10000.0);
}

void start_probe(struct probe *probe, double (*once)(void))
{
	pid_t pid;
	double t;

	probe->ready = false;
	probe->stop = false;
	probe->worst = 0;
	pid = fork();
	if (pid < 0)
		err(1, "fork");
	if (!pid) {
		once();
		probe->ready = true;
		while (!probe->stop) {
			t = once();
			if (t > probe->worst)
				probe->worst = t;
		}
		_exit(0);
	}
	/* The process shares the structure. Only the parent writes the pid. */
	probe->pid = pid;
	while (!probe->ready) {
		if (waitpid(probe->pid, NULL, WNOHANG))
			errx(1, "a probe ended");
		pause_for(0.001);
	}
}

/* The operation that is running at the end counts. */
double stop_probe(struct probe *probe)
{
	int status;

	probe->stop = true;
	if (waitpid(probe->pid, &status, 0) != probe->pid || status)
		errx(1, "a probe failed: status %#x", status);
	return probe->worst;
}

struct probe *new_probe(void)
{
	struct probe *probe;

	probe = mmap(NULL, sizeof(*probe), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		     -1, 0);
	if (probe == MAP_FAILED)
		err(1, "probe");
	return probe;
}
