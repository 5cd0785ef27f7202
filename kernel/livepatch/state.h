/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _LIVEPATCH_STATE_H
#define _LIVEPATCH_STATE_H

#include <linux/types.h>

struct klp_patch;
struct klp_rt_object;
struct klp_rt_patch;

bool klp_states_compatible(struct klp_patch *patch);
int klp_states_check_replace(struct klp_patch *desc);
int klp_states_check_disable(struct klp_rt_patch *patch);

int klp_states_enable(struct klp_rt_patch *patch, const struct klp_rt_object *obj);
void klp_states_disable(struct klp_rt_patch *patch);
void klp_states_replace(struct klp_rt_patch *patch);
void klp_states_settle(void);
void klp_states_forget(struct klp_rt_patch *patch);

void klp_states_publish(const struct klp_rt_object *obj);
void klp_states_withdraw(const struct klp_rt_object *obj);
void klp_states_release(const struct klp_rt_object *obj);

#endif /* _LIVEPATCH_STATE_H */
