// SPDX-License-Identifier: GPL-2.0
/*
 * Print the result of sched_get_priority_max(SCHED_FIFO), or -errno. No other program of the tests
 * calls it, so that each call is one of this program.
 */
#define _GNU_SOURCE
#include <sched.h>
#include "klp_util.h"

int main(void)
{
	long ret = syscall(SYS_sched_get_priority_max, SCHED_FIFO);

	printf("%ld\n", ret < 0 ? -(long)errno : ret);
	return 0;
}
