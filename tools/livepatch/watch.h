/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _KLPCTL_WATCH_H
#define _KLPCTL_WATCH_H

#include "klpctl.h"

/* The patches at the last look. */
struct looker {
	struct patches last;
};

void look_begin(struct looker *looker);
void look(struct looker *looker);
void look_end(struct looker *looker);

#endif /* _KLPCTL_WATCH_H */
