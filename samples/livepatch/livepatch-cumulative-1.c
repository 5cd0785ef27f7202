// SPDX-License-Identifier: GPL-2.0
/*
 * livepatch-cumulative-1 - first version of a cumulative patch: introduce a state
 *
 * Technique: a change of the system that later versions keep or remove. In
 * livepatch-seats-target one process can take all seats. The new seat_take() has a limit for
 * each process, the sysctl kernel.livepatch_seats_limit, which does not exist without the patch.
 *
 * Callbacks of an object would create the sysctl as well, but an atomic replace runs none of
 * the callbacks of the replaced patch: no version could remove it. The callbacks of a state run
 * when the first version that has the state is enabled, and when no version is left that has
 * it. See livepatch-cumulative-2 for the next version.
 *
 *	modprobe livepatch-seats-target
 *	modprobe livepatch-cumulative-1
 *	sysctl -w kernel.livepatch_seats_limit=1
 *	bash -c 'echo take > /proc/livepatch_seats; echo take > /proc/livepatch_seats'
 */
#define pr_fmt(fmt) "livepatch_cumulative_1: " fmt

#include <linux/sched.h>

#include "livepatch-cumulative.h"
#include "livepatch-cumulative-limit.h"

static struct klp_state states[] = {
	{
		.id = SEATS_LIMIT_STATE,
		.version = 1,
		.callbacks = SEATS_LIMIT_CALLBACKS,
	},
	{ }
};

/* Runs under the lock of the table. */
static int new_seat_take(struct seat_table *table)
{
	struct seat *seat;
	int own = 0;

	list_for_each_entry(seat, &table->seats, list)
		own += seat->holder == task_tgid_nr(current);
	if (own >= seats_limit_get(&states[0]))
		return -EDQUOT;
	if (table->taken == SEATS)
		return -ENOSPC;

	seat = kzalloc(sizeof(*seat), GFP_KERNEL);
	if (!seat)
		return -ENOMEM;
	seat->holder = task_tgid_nr(current);
	list_add_tail(&seat->list, &table->seats);
	table->taken++;
	return 0;
}

static struct klp_func seats_funcs[] = {
	{ .old_name = "seat_take", .new_func = new_seat_take },
	{ }
};

static struct klp_object objects[] = {
	{ .name = "livepatch_seats_target", .funcs = seats_funcs },
	{ }
};

static struct klp_patch cumulative_patch = {
	.objs = objects,
	.states = states,
	.replace = true,
	.mod = THIS_MODULE,
};

static int __init cumulative_init(void)
{
	return klp_enable_patch(&cumulative_patch);
}

static void __exit cumulative_exit(void)
{
}

module_init(cumulative_init);
module_exit(cumulative_exit);
MODULE_INFO(livepatch, "Y");
MODULE_DESCRIPTION("Livepatch sample: a cumulative patch introduces a sysctl");
MODULE_LICENSE("GPL");
