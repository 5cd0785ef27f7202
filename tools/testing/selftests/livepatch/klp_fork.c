// SPDX-License-Identifier: GPL-2.0
/*
 * klp_fork MAPPED READ: map the file MAPPED and fork.  Both processes then read the file READ, say
 * "parent PID: TEXT" and "child PID: TEXT", and sleep until they are killed.
 */
#define _GNU_SOURCE
#include <signal.h>
#include <sys/prctl.h>
#include "klp_util.h"

#ifndef MAP_FIXED_NOREPLACE
#define MAP_FIXED_NOREPLACE	0x100000
#endif

static void say(const char *who, const char *path)
{
	char text[4096], line[4200];
	ssize_t n;

	if (!read_file(path, text, sizeof(text)))
		err(2, "%s", path);
	text[strcspn(text, "\n")] = '\0';

	/* A single write per line: the lines of two processes must not be mixed. */
	n = snprintf(line, sizeof(line), "%s %d: %s\n", who, getpid(), text);
	if (write(1, line, n) != n)
		err(2, "write");
}

/*
 * Map the last page of the address space of x86-64. Fork copies mappings in the order of their
 * addresses: after this one, fork does little more before the child is on the task list.
 */
static void map(const char *path)
{
	void *last = (void *)(0x7ffffffff000UL - getpagesize());
	int fd = open(path, O_RDONLY);

	if (fd < 0)
		err(2, "%s", path);
	if (mmap(last, getpagesize(), PROT_READ, MAP_SHARED | MAP_FIXED_NOREPLACE, fd, 0) ==
	    MAP_FAILED &&
	    mmap(NULL, getpagesize(), PROT_READ, MAP_SHARED, fd, 0) == MAP_FAILED)
		err(2, "mmap");
}

int main(int argc, char **argv)
{
	pid_t pid;

	if (argc != 3)
		errx(2, "usage: klp_fork MAPPED READ");

	map(argv[1]);
	pid = fork();
	if (pid < 0)
		err(2, "fork");
	if (!pid)
		prctl(PR_SET_PDEATHSIG, SIGKILL);

	say(pid ? "parent" : "child", argv[2]);
	for (;;)
		pause();
}
