/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The state "limit" of livepatch-cumulative-1 and -2: the sysctl kernel.livepatch_seats_limit.
 *
 * The version that introduces the state allocates the sysctl. A version that inherits the state
 * finds it in klp_state.data, and frees it if it is the one that removes the state. The first
 * module may have been unloaded by then: the allocated memory contains all that the sysctl
 * consists of, and does not point into a module.
 */
#ifndef _LIVEPATCH_CUMULATIVE_LIMIT_H_
#define _LIVEPATCH_CUMULATIVE_LIMIT_H_

#include <linux/livepatch.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/sysctl.h>

#include "livepatch-seats.h"

struct seats_limit {
	int max;
	char name[32];
	struct ctl_table table;
	struct ctl_table_header *header;
};

static int seats_limit_create(struct klp_patch *patch, struct klp_state *state)
{
	struct seats_limit *limit;

	limit = kzalloc(sizeof(*limit), GFP_KERNEL);
	if (!limit)
		return -ENOMEM;
	limit->max = SEATS;
	strscpy(limit->name, "livepatch_seats_limit");
	limit->table.procname = limit->name;
	limit->table.data = &limit->max;
	limit->table.maxlen = sizeof(limit->max);
	limit->table.mode = 0644;
	limit->table.proc_handler = proc_dointvec_minmax;
	limit->table.extra1 = SYSCTL_ONE;
	state->data = limit;
	return 0;
}

/* Let users see the sysctl when all tasks obey it. */
static void seats_limit_show(struct klp_patch *patch, struct klp_state *state)
{
	struct seats_limit *limit = state->data;

	limit->header = register_sysctl_sz("kernel", &limit->table, 1);
	if (!limit->header)
		pr_warn("no memory for the sysctl\n");
}

/* Waits for readers and writers of the sysctl. New functions may still read the value. */
static void seats_limit_hide(struct klp_patch *patch, struct klp_state *state)
{
	struct seats_limit *limit = state->data;

	unregister_sysctl_table(limit->header);
}

static void seats_limit_destroy(struct klp_patch *patch, struct klp_state *state)
{
	kfree(state->data);
}

#define SEATS_LIMIT_CALLBACKS {				\
	.pre_patch	= seats_limit_create,		\
	.post_patch	= seats_limit_show,		\
	.pre_unpatch	= seats_limit_hide,		\
	.post_unpatch	= seats_limit_destroy,		\
}

/* Return the limit. For the new functions, which run only while the state exists. */
static inline int seats_limit_get(const struct klp_state *state)
{
	struct seats_limit *limit = state->data;

	return READ_ONCE(limit->max);
}

#endif /* _LIVEPATCH_CUMULATIVE_LIMIT_H_ */
