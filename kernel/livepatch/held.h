/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _LIVEPATCH_HELD_H
#define _LIVEPATCH_HELD_H

#include <linux/types.h>

struct task_struct;
struct klp_rt_patch;
struct klp_stack_hit;

void klp_held_begin_pass(void);
void klp_held_note(struct task_struct *task, const char *reason,
		   const struct klp_stack_hit *hit);
void klp_held_end_pass(const struct klp_rt_patch *patch);
void klp_held_forget(void);
ssize_t klp_held_show(const struct klp_rt_patch *patch, char *buf);

#endif /* _LIVEPATCH_HELD_H */
