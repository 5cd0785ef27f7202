// SPDX-License-Identifier: GPL-2.0
/*
 * Events of livepatches as they happen: uevents, with trace events where the user may read them.
 * A kernel without uevents is looked at in intervals.
 */
#define _GNU_SOURCE
#include <err.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "klpctl.h"
#include "watch.h"

#define MAX_FDS	1024

struct watcher {
	int uevents;
	struct trace_reader *trace;
	struct looker looker;
	bool looks;
	double deadline;
};

static void print_uevent(const struct uevent *uevent)
{
	struct json_object *fields = json_object_new_object();
	char text[128] = "";
	size_t n = 0;

	if (*uevent->direction) {
		json_object_object_add(fields, "direction", json_text(uevent->direction));
		n += snprintf(text + n, sizeof(text) - n, " %s", uevent->direction);
	}
	if (uevent->remaining != UNKNOWN) {
		json_object_object_add(fields, "remaining", json_number(uevent->remaining));
		n += snprintf(text + n, sizeof(text) - n, ", %ld tasks left", uevent->remaining);
	}
	if (uevent->error != UNKNOWN) {
		json_object_object_add(fields, "errno",
				       json_text(strerrorname_np(uevent->error)));
		snprintf(text + n, sizeof(text) - n, " %s", errno_text(uevent->error));
	}
	watch_print("uevent", uevent->event, uevent->patch, fields, "%s%s", uevent->event, text);
}

/*
 * The kernel records the trace events of a transition before it sends the uevent, so the trace is
 * read after the uevents have been received and printed before them.
 */
static void read_events(struct watcher *watcher)
{
	struct uevent uevents[16];
	size_t nr = 0, i;

	while (nr < ARRAY_SIZE(uevents) && watcher->uevents >= 0 &&
	       uevent_receive(watcher->uevents, &uevents[nr]))
		nr++;
	if (watcher->trace)
		trace_drain(watcher->trace);
	for (i = 0; i < nr; i++)
		print_uevent(&uevents[i]);
	if (watcher->looks)
		look(&watcher->looker);
}

static double time_to_sleep(const struct watcher *watcher)
{
	double left;

	if (!watcher->deadline)
		return watcher->looks ? LOOK_INTERVAL : -1;
	left = watcher->deadline - now();
	if (left < 0)
		left = 0;
	return watcher->looks && left > LOOK_INTERVAL ? LOOK_INTERVAL : left;
}

static void watch(struct watcher *watcher)
{
	static struct pollfd fds[MAX_FDS];
	nfds_t nr = 0;

	if (watcher->uevents >= 0)
		fds[nr++] = (struct pollfd) { .fd = watcher->uevents, .events = POLLIN };
	if (watcher->trace && trace_nr_fds(watcher->trace) < MAX_FDS - nr) {
		trace_fill_fds(watcher->trace, fds + nr);
		nr += trace_nr_fds(watcher->trace);
	}
	while (!signals_seen() && (!watcher->deadline || now() < watcher->deadline)) {
		sleep_or_poll(fds, nr, time_to_sleep(watcher));
		read_events(watcher);
		fflush(stdout);
		/* A reader that has closed the pipe ends the watch. */
		if (ferror(stdout))
			return;
	}
}

/* Return true if the kernel sends no uevents, or that is not known yet. */
static bool must_look(void)
{
	struct patches patches;
	const char *core;

	read_patches(&patches);
	core = core_word(&patches);
	free_patches(&patches);
	return !core || strcmp(core, "extended");
}

int cmd_watch(char **args)
{
	struct watcher watcher = { .uevents = uevent_open() };

	(void)args;
	/* A signal must not end the program before the instance of tracefs is removed. */
	signals_hold();
	signal(SIGPIPE, SIG_IGN);
	if (watcher.uevents < 0)
		warnx("uevents cannot be received: %s", errno_text(-watcher.uevents));
	watcher.looks = watcher.uevents < 0 || must_look();
	watcher.trace = trace_open();
	if (watcher.looks)
		look_begin(&watcher.looker);
	if (options.timeout_set && options.timeout)
		watcher.deadline = now() + options.timeout;
	print_unseen();
	watch(&watcher);
	trace_close(watcher.trace);
	if (watcher.looks)
		look_end(&watcher.looker);
	if (watcher.uevents >= 0)
		close(watcher.uevents);
	signals_release();
	return DONE;
}
