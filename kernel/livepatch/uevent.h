/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _LIVEPATCH_UEVENT_H
#define _LIVEPATCH_UEVENT_H

#include <linux/types.h>

struct list_head;

#define KLP_UEVENT_NO_REMAINING	(-1)

void klp_uevent_add(const char *patch, const char *event, const char *direction, int remaining,
		    int error);
void klp_uevents_take(struct list_head *uevents);
void klp_uevents_send(struct list_head *uevents);

#endif /* _LIVEPATCH_UEVENT_H */
