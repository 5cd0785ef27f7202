// SPDX-License-Identifier: GPL-2.0
/*
 * klp_hog CPU PID PATTERN...: take CPU away from task PID at a moment when the stack of the task
 * matches all the patterns (extended regular expressions), print that stack, and keep the CPU until
 * SIGTERM comes.
 *
 * The task is bound to the CPU, and so are we, with a real-time priority: whenever we wake up it is
 * preempted, and stays where it was until we sleep again.  Where depends on luck, so we look, and
 * try again.
 */
#define _GNU_SOURCE
#include <err.h>
#include <fcntl.h>
#include <regex.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

/* Time limit in seconds: free the CPU if the script has failed. */
#define LOOK_FOR	60
#define KEEP_FOR	120

/*
 * Let an emulator with one thread run the other CPU. Where no instruction does this, the emulator
 * switches CPUs by time.
 */
static void relax(void)
{
#if defined(__x86_64__)
	__builtin_ia32_pause();
#elif defined(__aarch64__)
	asm volatile("yield");
#elif defined(__powerpc__)
	/* Low and then medium priority of the hardware thread. */
	asm volatile("or 1,1,1; or 2,2,2");
#endif
}

/* SIGTERM is blocked, and waits. */
static int released(void)
{
	sigset_t set;

	return !sigpending(&set) && sigismember(&set, SIGTERM);
}

static void bind(pid_t pid, int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(pid, sizeof(set), &set))
		err(2, "task %d cannot be put on CPU %d", pid, cpu);
}

static void read_stack(const char *path, char *stack, size_t size)
{
	int fd = open(path, O_RDONLY);
	ssize_t n = 0;

	if (fd < 0)
		err(2, "%s", path);
	n = read(fd, stack, size - 1);
	if (n < 0)
		err(2, "%s", path);
	stack[n] = '\0';
	close(fd);
}

static int matches(const char *stack, const regex_t *patterns, int nr)
{
	int i;

	for (i = 0; i < nr; i++) {
		if (regexec(&patterns[i], stack, 0, NULL, 0))
			return 0;
	}
	return 1;
}

int main(int argc, char **argv)
{
	struct sched_param param = { .sched_priority = 10 };
	struct timespec pause = { .tv_nsec = 200000 };
	static char stack[16384];
	time_t start = time(NULL);
	regex_t *patterns;
	char path[64];
	sigset_t set;
	int i;

	if (argc < 4)
		errx(2, "usage: klp_hog CPU PID PATTERN...");

	patterns = calloc(argc - 3, sizeof(*patterns));
	if (!patterns)
		err(2, NULL);
	for (i = 3; i < argc; i++) {
		if (regcomp(&patterns[i - 3], argv[i], REG_EXTENDED | REG_NOSUB))
			errx(2, "not a regular expression: %s", argv[i]);
	}
	snprintf(path, sizeof(path), "/proc/%s/stack", argv[2]);
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_BLOCK, &set, NULL);

	bind(atoi(argv[2]), atoi(argv[1]));
	bind(0, atoi(argv[1]));
	if (mlockall(MCL_CURRENT | MCL_FUTURE))
		err(2, "mlockall");
	if (sched_setscheduler(0, SCHED_FIFO, &param))
		err(2, "SCHED_FIFO");

	do {
		if (time(NULL) > start + LOOK_FOR)
			errx(1, "the task was never there. Last seen:\n%s", stack);
		nanosleep(&pause, NULL);
		/* Vary the time, so that the task is not always at the same place of its loop. */
		pause.tv_nsec = 200000 + (pause.tv_nsec + 7919) % 100000;
		read_stack(path, stack, sizeof(stack));
	} while (!released() && !matches(stack, patterns, argc - 3));

	if (released())
		return 1;
	fputs(stack, stdout);
	fflush(stdout);

	start = time(NULL);
	while (!released() && time(NULL) < start + KEEP_FOR)
		relax();
	return !released();
}
