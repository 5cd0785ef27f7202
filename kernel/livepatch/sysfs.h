/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _LIVEPATCH_SYSFS_H
#define _LIVEPATCH_SYSFS_H

#include <linux/types.h>

struct kobject;
struct klp_rt_func;
struct klp_rt_object;
struct klp_rt_patch;
struct klp_rt_state;

/**
 * struct klp_sysfs_requests - functions that handle writes to files
 * @enable: enable or disable a patch
 * @force:  mark all pending tasks as switched
 *
 * Each is called without klp_mutex, logs the reason of a refusal and returns 0 or an errno for
 * the writer.
 */
struct klp_sysfs_requests {
	int (*enable)(struct klp_rt_patch *patch, bool enable);
	int (*force)(struct klp_rt_patch *patch);
};

int klp_sysfs_setup(const struct klp_sysfs_requests *requests);
bool klp_sysfs_ready(void);

void klp_sysfs_init_patch(struct klp_rt_patch *patch);
void klp_sysfs_init_object(struct klp_rt_object *obj);
void klp_sysfs_init_func(struct klp_rt_func *func);
void klp_sysfs_init_state(struct klp_rt_state *state);
int klp_sysfs_add_patch(struct klp_rt_patch *patch);
void klp_sysfs_destroy(struct kobject *kobj);

#endif /* _LIVEPATCH_SYSFS_H */
