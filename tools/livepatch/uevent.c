// SPDX-License-Identifier: GPL-2.0
/*
 * Uevents of livepatches, from the netlink socket of the kernel.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/netlink.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "klpctl.h"

#define KERNEL_GROUP	1
#define BUFFER_SIZE	(1024 * 1024)

/* Open a socket that receives uevents. Return a negative errno on failure. */
int uevent_open(void)
{
	struct sockaddr_nl address = { .nl_family = AF_NETLINK, .nl_groups = KERNEL_GROUP };
	int size = BUFFER_SIZE;
	int fd, error;

	fd = socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_KOBJECT_UEVENT);
	if (fd < 0)
		return -errno;
	if (!bind(fd, (struct sockaddr *)&address, sizeof(address))) {
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
		return fd;
	}
	error = errno;
	close(fd);
	return -error;
}

/* Receive a message of the kernel. Return its length, or a negative value if there is none. */
static ssize_t receive(int fd, char *message, size_t size)
{
	struct sockaddr_nl sender;
	struct iovec iov = { .iov_base = message, .iov_len = size };
	struct msghdr header = {
		.msg_name = &sender,
		.msg_namelen = sizeof(sender),
		.msg_iov = &iov,
		.msg_iovlen = 1,
	};
	ssize_t n;

	do {
		header.msg_namelen = sizeof(sender);
		n = recvmsg(fd, &header, 0);
		/* A process can send to the group too. Ignore what the kernel has not sent. */
	} while ((n >= 0 && sender.nl_pid) || (n < 0 && errno == ENOBUFS));
	return n;
}

static void parse_variable(const char *variable, struct uevent *uevent, bool *ours)
{
	if (!strcmp(variable, "SUBSYSTEM=livepatch"))
		*ours = true;
	else if (!strncmp(variable, "KLP_EVENT=", 10))
		snprintf(uevent->event, sizeof(uevent->event), "%.15s", variable + 10);
	else if (!strncmp(variable, "KLP_PATCH=", 10))
		snprintf(uevent->patch, sizeof(uevent->patch), "%.63s", variable + 10);
	else if (!strncmp(variable, "KLP_DIRECTION=", 14))
		snprintf(uevent->direction, sizeof(uevent->direction), "%.15s", variable + 14);
	else if (!strncmp(variable, "KLP_REMAINING=", 14))
		uevent->remaining = strtol(variable + 14, NULL, 10);
	else if (!strncmp(variable, "KLP_ERROR=", 10))
		uevent->error = labs(strtol(variable + 10, NULL, 10));
}

/* Receive the next uevent of a livepatch. Return false if there is none. */
bool uevent_receive(int fd, struct uevent *uevent)
{
	char message[16384];
	bool ours;
	ssize_t n;
	char *at;

	while ((n = receive(fd, message, sizeof(message) - 1)) > 0) {
		message[n] = '\0';
		ours = false;
		*uevent = (struct uevent) { .remaining = UNKNOWN, .error = UNKNOWN };
		for (at = message; at < message + n; at += strlen(at) + 1)
			parse_variable(at, uevent, &ours);
		if (ours && *uevent->event)
			return true;
	}
	return false;
}

/*
 * Wait until a patch has been disabled. The event of its enabling may come before, as the kernel
 * sends events after the end of a transition. Return false if it has not come in time.
 */
bool uevent_wait_disabled(int fd, const char *patch, double seconds)
{
	struct pollfd pollfd = { .fd = fd, .events = POLLIN };
	double deadline = now() + seconds, left;
	struct uevent uevent;

	for (;;) {
		while (uevent_receive(fd, &uevent)) {
			if (!strcmp(uevent.patch, patch) && !strcmp(uevent.event, "complete") &&
			    !strcmp(uevent.direction, "unpatching"))
				return true;
		}
		left = deadline - now();
		if (left <= 0)
			return false;
		sleep_or_poll(&pollfd, 1, left);
	}
}
