/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _LIVEPATCH_TRANSITION_H
#define _LIVEPATCH_TRANSITION_H

struct klp_rt_patch;

void klp_transition_setup(void (*finished)(struct klp_rt_patch *patch));

void klp_transition_init(struct klp_rt_patch *patch, int target);
void klp_transition_start(void);
void klp_transition_reverse(void);
void klp_transition_cancel(void);
void klp_transition_force(void);
void klp_transition_wait(void);
void klp_transition_object_changed(void);
int klp_transition_remaining(const struct klp_rt_patch *patch);

#endif /* _LIVEPATCH_TRANSITION_H */
