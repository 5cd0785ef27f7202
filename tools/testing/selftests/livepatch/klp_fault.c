// SPDX-License-Identifier: GPL-2.0
/*
 * klp_fault user|kernel FILE: map the file, and read the mapping here or in a system call. The
 * page fault ends with an error: exit with status 0 after this error, and with 1 if there is none.
 */
#include "klp_util.h"
#include <signal.h>

static void end(int signal)
{
	_exit(0);
}

int main(int argc, char **argv)
{
	const char *page;
	int fd;

	if (argc != 3 || (strcmp(argv[1], "user") && strcmp(argv[1], "kernel")))
		errx(2, "usage: klp_fault user|kernel FILE");

	fd = open(argv[2], O_RDONLY);
	if (fd < 0)
		err(2, "%s", argv[2]);
	page = mmap(NULL, getpagesize(), PROT_READ, MAP_SHARED, fd, 0);
	if (page == MAP_FAILED)
		err(2, "cannot map %s", argv[2]);

	if (!strcmp(argv[1], "kernel"))
		return !access(page, F_OK) || errno != EFAULT;
	if (signal(SIGBUS, end) == SIG_ERR)
		err(2, "signal");

	printf("%d\n", page[0]);
	return 1;
}
