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
 * struct klp_sysfs_requests - functions that handle accesses to files
 * @enable: enable or disable a patch
 * @force:  mark all pending tasks as switched
 * @remaining: return how many tasks have to be switched
 * @held:   print the tasks that the last pass has not switched, and return the length
 *
 * Each is called without klp_mutex. The first two log the reason of a refusal and return 0 or an
 * errno for the writer. The others do not take klp_mutex.
 */
struct klp_sysfs_requests {
	int (*enable)(struct klp_rt_patch *patch, bool enable);
	int (*force)(struct klp_rt_patch *patch);
	int (*remaining)(const struct klp_rt_patch *patch);
	ssize_t (*held)(const struct klp_rt_patch *patch, char *buf);
};

int klp_sysfs_setup(const struct klp_sysfs_requests *requests);
bool klp_sysfs_ready(void);

void klp_sysfs_init_patch(struct klp_rt_patch *patch);
void klp_sysfs_init_object(struct klp_rt_object *obj);
void klp_sysfs_init_func(struct klp_rt_func *func);
void klp_sysfs_init_state(struct klp_rt_state *state);
int klp_sysfs_add_patch(struct klp_rt_patch *patch);
void klp_sysfs_destroy(struct kobject *kobj);
void klp_sysfs_send_uevent(struct kobject *kobj, char **vars);

#endif /* _LIVEPATCH_SYSFS_H */
