// SPDX-License-Identifier: GPL-2.0
/*
 * The messages that the kernel logs while a request is made. They have the reason of a refusal.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "klpctl.h"

static int log_fd = -1;

/* Skip all present messages. */
void kernel_log_mark(void)
{
	if (log_fd >= 0)
		close(log_fd);
	log_fd = -1;
	if (has_root_prefix())
		return;
	log_fd = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (log_fd >= 0)
		lseek(log_fd, 0, SEEK_END);
}

/* Print a record, "PRIORITY,SEQUENCE,TIME,FLAGS;TEXT", if it may be about a livepatch. */
static void print_record(char *record)
{
	char *text = strchr(record, ';'), *end;

	if (!text)
		return;
	text++;
	end = strchr(text, '\n');
	if (end)
		*end = '\0';
	if (strcasestr(text, "livepatch") || strcasestr(text, "module"))
		fprintf(stderr, "  kernel: %s\n", text);
}

/* Print the messages since kernel_log_mark(). */
void kernel_log_print(void)
{
	char record[8192];
	ssize_t n;

	if (log_fd < 0)
		return;
	while ((n = read(log_fd, record, sizeof(record) - 1)) > 0) {
		record[n] = '\0';
		print_record(record);
	}
	close(log_fd);
	log_fd = -1;
}
