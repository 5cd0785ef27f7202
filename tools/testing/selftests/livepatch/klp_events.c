// SPDX-License-Identifier: GPL-2.0
/*
 * klp_events FILE...: print the uevents of livepatches, and the first line of each file whenever
 * poll(2) tells that it has changed. The output is written to the trace as well, so that it can be
 * compared with the events there.
 *
 *	uevent EVENT PATCH VARIABLE=VALUE...
 *	FILE VALUE
 *
 * klp_events -c MODULE TIMES: load a livepatch, and disable and unload it when the uevents tell
 * that this is possible. Nothing is tried twice.
 */
#define _GNU_SOURCE
#include <linux/netlink.h>
#include <poll.h>
#include <sys/socket.h>
#include "klp_util.h"

#define MOST_FILES	16
#define PATIENCE	60	/* seconds for an event */
#define TRACE_MARKER	"/sys/kernel/tracing/instances/klp/trace_marker"

static int marker = -1;

static void tell(const char *fmt, ...)
{
	char line[512];
	va_list args;
	int len;

	va_start(args, fmt);
	len = vsnprintf(line, sizeof(line), fmt, args);
	va_end(args);
	if (marker >= 0 && write(marker, line, len) < 0)
		warn("trace marker");
	puts(line);
}

static int open_netlink(void)
{
	struct sockaddr_nl address = { .nl_family = AF_NETLINK, .nl_groups = 1 };
	int fd, size = 1 << 20;

	fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_KOBJECT_UEVENT);
	if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)))
		err(1, "netlink");
	setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size));
	return fd;
}

/* The variables of an event, separated by null bytes. */
struct uevent {
	char text[8192];
	size_t len;
};

static const char *variable(const struct uevent *uevent, const char *name)
{
	const char *line = uevent->text;

	for (; line < uevent->text + uevent->len; line += strlen(line) + 1)
		if (!strncmp(line, name, strlen(name)) && line[strlen(name)] == '=')
			return line + strlen(name) + 1;
	return "";
}

/* Read an event. Returns false if it is not one of a livepatch. */
static bool read_uevent(int netlink, struct uevent *uevent)
{
	ssize_t len = recv(netlink, uevent->text, sizeof(uevent->text) - 1, 0);

	if (len < 0)
		err(1, "netlink");
	uevent->text[len] = '\0';
	uevent->len = len;
	return !strcmp(variable(uevent, "SUBSYSTEM"), "livepatch") &&
	       !strcmp(variable(uevent, "ACTION"), "change");
}

static void tell_uevent(const struct uevent *uevent)
{
	static const char * const names[] = { "DEVPATH", "KLP_DIRECTION", "KLP_REMAINING",
					      "KLP_ERROR" };
	char text[400] = "";
	unsigned int i, n = 0;

	for (i = 0; i < ARRAY_SIZE(names); i++)
		if (*variable(uevent, names[i]))
			n += snprintf(text + n, sizeof(text) - n, " %s=%s", names[i],
				      variable(uevent, names[i]));
	tell("uevent %s %s%s", variable(uevent, "KLP_EVENT"), variable(uevent, "KLP_PATCH"), text);
}

/* Read the file, which also makes poll(2) wait for its next change. */
static void tell_file(struct pollfd *file, const char *path)
{
	char text[64];
	ssize_t len = pread(file->fd, text, sizeof(text) - 1, 0);

	if (len < 0) {
		tell("%s is gone", path);
		file->fd = -1;
		return;
	}
	text[len] = '\0';
	text[strcspn(text, "\n")] = '\0';
	tell("%s %s", path, text);
}

static void watch(int netlink, char **paths, unsigned int nr)
{
	struct pollfd fds[MOST_FILES + 1] = { { .fd = netlink, .events = POLLIN } };
	struct uevent uevent;
	unsigned int i;

	if (nr > MOST_FILES)
		errx(1, "too many files");
	for (i = 0; i < nr; i++) {
		fds[i + 1].events = POLLPRI;
		fds[i + 1].fd = open(paths[i], O_RDONLY | O_CLOEXEC);
		if (fds[i + 1].fd < 0)
			err(1, "%s", paths[i]);
		tell_file(&fds[i + 1], paths[i]);
	}
	puts("ready");
	while (poll(fds, nr + 1, -1) > 0) {
		/* Files before the event: what the event reports is visible in them. */
		for (i = 0; i < nr; i++)
			if (fds[i + 1].revents)
				tell_file(&fds[i + 1], paths[i]);
		if (fds[0].revents && read_uevent(netlink, &uevent))
			tell_uevent(&uevent);
	}
}

static void await_complete(int netlink, const char *patch, const char *direction)
{
	struct pollfd fd = { .fd = netlink, .events = POLLIN };
	struct uevent uevent;

	for (;;) {
		if (poll(&fd, 1, PATIENCE * 1000) <= 0)
			errx(1, "no event of %s, %s", patch, direction);
		if (read_uevent(netlink, &uevent) &&
		    !strcmp(variable(&uevent, "KLP_PATCH"), patch) &&
		    !strcmp(variable(&uevent, "KLP_EVENT"), "complete") &&
		    !strcmp(variable(&uevent, "KLP_DIRECTION"), direction))
			return;
	}
}

static void cycle(int netlink, const char *path, unsigned int times)
{
	struct image image = read_image(path);
	char *patch = strdup(basename(path));
	int ret;

	patch[strcspn(patch, ".")] = '\0';
	while (times--) {
		ret = load_image(image, "");
		if (ret)
			errx(1, "cannot load %s: %s", patch, strerror(ret));
		await_complete(netlink, patch, "patching");
		must_write(patch_file(patch, "enabled"), "0");
		await_complete(netlink, patch, "unpatching");
		ret = remove_module(patch);
		if (ret)
			errx(1, "cannot unload %s: %s", patch, strerror(ret));
	}
}

int main(int argc, char **argv)
{
	int netlink = open_netlink();

	setlinebuf(stdout);
	if (argc == 4 && !strcmp(argv[1], "-c")) {
		cycle(netlink, argv[2], atoi(argv[3]));
		return 0;
	}
	marker = open(TRACE_MARKER, O_WRONLY | O_CLOEXEC);
	watch(netlink, argv + 1, argc - 1);
	return 0;
}
