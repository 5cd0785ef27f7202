/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Shared by livepatch-seats-target and its livepatch. The patch must not change these
 * structures: seats with this layout exist when it is loaded.
 */
#ifndef _LIVEPATCH_SEATS_H_
#define _LIVEPATCH_SEATS_H_

#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/types.h>

#define SEATS	4

struct seat {
	struct list_head list;
	pid_t holder;
};

struct seat_table {
	struct mutex lock;	/* of all that follows, and of the seats */
	struct list_head seats;
	unsigned int taken;
};

extern struct seat_table livepatch_seat_table;

#endif /* _LIVEPATCH_SEATS_H_ */
