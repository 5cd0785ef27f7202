/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _LIVEPATCH_EXITING_H
#define _LIVEPATCH_EXITING_H

#include <linux/types.h>

struct task_struct;

int klp_record_exiting(void);
void klp_walk_exiting(void (*fn)(struct task_struct *task));
bool klp_all_exiting(bool (*fn)(struct task_struct *task));
unsigned int klp_count_exiting(bool (*fn)(struct task_struct *task));

#endif /* _LIVEPATCH_EXITING_H */
