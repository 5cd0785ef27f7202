// SPDX-License-Identifier: GPL-2.0
/*
 * livepatch-cumulative-2 - second version: inherit a state, introduce another one
 *
 * Technique: keeping a change of the replaced version. The limit of livepatch-cumulative-1
 * applies to each user now, as a user can start many processes. A shadow variable of each seat
 * records its user.
 *
 * - The sysctl is inherited: no callback runs, and the value that the administrator has set
 *   stays. klp_state.data is that of the replaced version, before the first callback or new
 *   function of this one runs. Without the first version, this one introduces the sysctl.
 * - The version of the state is 2, as the meaning of the limit has changed: the first version
 *   cannot be enabled on top of this one.
 * - The shadow variables are a state of their own.
 *
 *	modprobe livepatch-cumulative-2		# livepatch-cumulative-1 is replaced
 *	rmmod livepatch-cumulative-1
 *	bash -c 'echo take > /proc/livepatch_seats'
 *	bash -c 'echo take > /proc/livepatch_seats'
 */
#define pr_fmt(fmt) "livepatch_cumulative_2: " fmt

#include <linux/sched.h>

#include "livepatch-cumulative.h"
#include "livepatch-cumulative-limit.h"
#include "livepatch-cumulative-users.h"

enum { LIMIT, USERS };

static struct klp_state states[] = {
	[LIMIT] = {
		.id = SEATS_LIMIT_STATE,
		.version = 2,
		.callbacks = SEATS_LIMIT_CALLBACKS,
	},
	[USERS] = {
		.id = SEATS_USERS_STATE,
		.version = 1,
		.callbacks = SEATS_USERS_CALLBACKS,
		.object = "livepatch_seats_target",
		.is_shadow = true,
	},
	{ }
};

/* Count a seat from before the patch by its process, as the first version did. */
static bool is_own(struct seat *seat)
{
	kuid_t *user = seats_users_known(&states[USERS]) ? seat_user(seat) : NULL;

	return user ? uid_eq(*user, current_uid()) : seat->holder == task_tgid_nr(current);
}

/* Runs under the lock of the table. */
static int new_seat_take(struct seat_table *table)
{
	struct seat *seat;
	int own = 0;

	list_for_each_entry(seat, &table->seats, list)
		own += is_own(seat);
	if (own >= seats_limit_get(&states[LIMIT]))
		return -EDQUOT;
	return seat_take_recorded(table, &states[USERS]);
}

static struct klp_func seats_funcs[] = {
	{ .old_name = "seat_take", .new_func = new_seat_take },
	{ .old_name = "seat_leave", .new_func = new_seat_leave },
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
MODULE_DESCRIPTION("Livepatch sample: a cumulative patch inherits a sysctl, adds shadow variables");
MODULE_LICENSE("GPL");
