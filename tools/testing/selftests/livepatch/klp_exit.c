// SPDX-License-Identifier: GPL-2.0
/*
 * Create threads called klp_exit that exit, one or as many as the argument says.  They are not the
 * leader of their thread group, so they reap themselves and leave the task list in the middle of
 * their exit.  The process waits to be killed.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <unistd.h>

#define STACK_SIZE	(64 * 1024)

static void *exit_at_once(void *unused)
{
	(void)unused;
	prctl(PR_SET_NAME, "klp_exit");
	return NULL;
}

int main(int argc, char **argv)
{
	int i, nr = argc > 1 ? atoi(argv[1]) : 1;
	pthread_attr_t attr;
	pthread_t thread;

	if (prctl(PR_SET_NAME, "klp_exit_main") || pthread_attr_init(&attr) ||
	    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED) ||
	    pthread_attr_setstacksize(&attr, STACK_SIZE)) {
		perror("klp_exit");
		return EXIT_FAILURE;
	}
	for (i = 0; i < nr; i++) {
		if (!pthread_create(&thread, &attr, exit_at_once, NULL))
			continue;
		perror("klp_exit");
		return EXIT_FAILURE;
	}
	for (;;)
		pause();
}
