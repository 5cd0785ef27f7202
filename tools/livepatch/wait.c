// SPDX-License-Identifier: GPL-2.0
/*
 * Waiting for the end of a transition, by poll(2) where the kernel supports it.
 */
#define _GNU_SOURCE
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "klpctl.h"

/* The signals that end a wait. SIGHUP comes when the terminal is closed. */
static const int held_signals[] = { SIGINT, SIGTERM, SIGHUP };

static int signal_seen;
static sigset_t signals_before;
static struct sigaction actions_before[ARRAY_SIZE(held_signals)];

static void handle_signal(int signal)
{
	(void)signal;
	__atomic_store_n(&signal_seen, 1, __ATOMIC_RELAXED);
}

/*
 * Block the signals outside sleep_or_poll(), so that a signal is never lost between a test of
 * signals_seen() and the sleep. nohup(1) ignores SIGHUP, which stays so.
 */
void signals_hold(void)
{
	struct sigaction action = { .sa_handler = handle_signal };
	sigset_t set;
	size_t i;

	sigemptyset(&set);
	for (i = 0; i < ARRAY_SIZE(held_signals); i++)
		sigaddset(&set, held_signals[i]);
	sigprocmask(SIG_BLOCK, &set, &signals_before);
	for (i = 0; i < ARRAY_SIZE(held_signals); i++) {
		sigaction(held_signals[i], NULL, &actions_before[i]);
		if (held_signals[i] != SIGHUP || actions_before[i].sa_handler != SIG_IGN)
			sigaction(held_signals[i], &action, NULL);
	}
}

void signals_release(void)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(held_signals); i++)
		sigaction(held_signals[i], &actions_before[i], NULL);
	sigprocmask(SIG_SETMASK, &signals_before, NULL);
}

bool signals_seen(void)
{
	return __atomic_load_n(&signal_seen, __ATOMIC_RELAXED);
}

/* Sleep until a file is ready, a signal has come, or the time is over. Negative: no limit. */
int sleep_or_poll(struct pollfd *fds, nfds_t nr, double seconds)
{
	struct timespec t = { .tv_sec = seconds };
	sigset_t set;
	size_t i;

	sigprocmask(SIG_BLOCK, NULL, &set);
	for (i = 0; i < ARRAY_SIZE(held_signals); i++)
		sigdelset(&set, held_signals[i]);
	if (seconds >= 0)
		t.tv_nsec = (seconds - t.tv_sec) * 1e9;
	return ppoll(fds, nr, seconds < 0 ? NULL : &t, &set);
}

enum { TRANSITION, IS_ENABLED, FILES };

/**
 * struct waiter - a wait for the end of a transition
 * @name:	the patch
 * @target:	value of "enabled" that the transition leads to, or UNKNOWN for any
 * @reversed:	"enabled" has had another value
 * @extended:	the files can be waited for
 * @deadline:	time of now(), or 0 for none
 * @enabled:	last value of "enabled"
 * @fds:	the files "transition" and "enabled"
 */
struct waiter {
	const char *name;
	long target;
	bool reversed;
	bool extended;
	double deadline;
	long enabled;
	struct pollfd fds[FILES];
};

static void waiter_open(struct waiter *waiter)
{
	static const char * const names[FILES] = {
		[TRANSITION] = "transition",
		[IS_ENABLED] = "enabled",
	};
	int i;

	for (i = 0; i < FILES; i++) {
		waiter->fds[i].fd = open(in_root(SYSFS "/%s/%s", waiter->name, names[i]),
					 O_RDONLY | O_CLOEXEC);
		waiter->fds[i].events = POLLPRI;
	}
	waiter->extended = file_exists(in_root(SYSFS "/%s/remaining", waiter->name));
}

static void waiter_close(struct waiter *waiter)
{
	int i;

	for (i = 0; i < FILES; i++) {
		if (waiter->fds[i].fd >= 0)
			close(waiter->fds[i].fd);
	}
}

/* Read a file from its beginning, which also arms poll(2). UNKNOWN if the file has been removed. */
static long reread(int fd)
{
	char text[16];
	ssize_t n;

	if (fd < 0)
		return UNKNOWN;
	n = pread(fd, text, sizeof(text) - 1, 0);
	if (n <= 0)
		return UNKNOWN;
	text[n] = '\0';
	return strtol(text, NULL, 10);
}

/*
 * Return true if the transition is over. The directory of a patch that has been disabled is
 * removed: missing files are those of a disabled patch.
 */
static bool waiter_look(struct waiter *waiter)
{
	long enabled = reread(waiter->fds[IS_ENABLED].fd);
	long transition = reread(waiter->fds[TRANSITION].fd);

	waiter->enabled = enabled == UNKNOWN ? 0 : enabled;
	if (waiter->target != UNKNOWN && waiter->enabled != waiter->target)
		waiter->reversed = true;
	return transition != 1;
}

/* Sleep until a file changes, but at most until the deadline and the next update. */
static void waiter_sleep(struct waiter *waiter, double update)
{
	double until = update, seconds;

	if (waiter->deadline && (!until || waiter->deadline < until))
		until = waiter->deadline;
	seconds = until ? until - now() : -1;
	if (until && seconds < 0)
		seconds = 0;
	if (!waiter->extended) {
		sleep_or_poll(NULL, 0, seconds < 0 || seconds > LOOK_INTERVAL ? LOOK_INTERVAL :
										 seconds);
		return;
	}
	sleep_or_poll(waiter->fds, FILES, seconds);
}

static enum wait_result waiter_run(struct waiter *waiter, struct progress *progress, bool show)
{
	double update = 0;

	while (!waiter_look(waiter)) {
		if (signals_seen())
			return WAIT_INTERRUPTED;
		if (waiter->deadline && now() >= waiter->deadline)
			return WAIT_TIMED_OUT;
		if (show)
			update = progress_update(progress, waiter->name, waiter->enabled,
						 waiter->extended);
		waiter_sleep(waiter, update);
	}
	return waiter->reversed ? WAIT_REVERSED : WAIT_DONE;
}

/**
 * wait_transition() - wait for the end of the transition of a patch
 * @name:    the patch. The transition of a patch that does not exist is over
 * @target:  value of "enabled" at the end, or UNKNOWN for the present one
 * @timeout: seconds, 0 for no limit
 * @show:    show the progress
 *
 * Return: WAIT_REVERSED if "enabled" has had another value than @target, also when that was not
 * requested by this program.
 */
enum wait_result wait_transition(const char *name, long target, double timeout, bool show)
{
	struct waiter waiter = { .name = name, .target = target };
	enum wait_result result;
	struct progress progress;

	if (timeout)
		waiter.deadline = now() + timeout;
	progress_begin(&progress);
	waiter_open(&waiter);
	if (target == UNKNOWN)
		waiter.target = reread(waiter.fds[IS_ENABLED].fd);
	signals_hold();
	result = waiter_run(&waiter, &progress, show);
	signals_release();
	progress_end(&progress);
	waiter_close(&waiter);
	return result;
}

/* Wait for one patch, or for the one in transition. Return false if there is none. */
static bool wait_for_one(const char *name, int *code)
{
	struct patches patches;
	struct patch *patch;

	read_patches(&patches);
	patch = name ? find_patch(&patches, name) : find_transition(&patches);
	if (!patch) {
		free_patches(&patches);
		return false;
	}
	*code = wait_and_report(patch->name, patch->in_sysfs ? patch->enabled : 0);
	free_patches(&patches);
	return true;
}

/* Wait for a patch. Without a name, wait until no patch is in transition. */
int cmd_wait(char **args)
{
	int code = DONE;

	if (args[0]) {
		normalize_name(args[0]);
		if (wait_for_one(args[0], &code))
			return code;
		warnx("there is no livepatch '%s'", args[0]);
		return FAILED;
	}
	while (code == DONE && wait_for_one(NULL, &code))
		;
	return code;
}
