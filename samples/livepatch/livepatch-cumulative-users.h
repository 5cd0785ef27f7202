/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The state "users" of livepatch-cumulative-2 and -3: a shadow variable of each seat, the user
 * of its holder.
 *
 * The state is bound to livepatch_seats_target. It is removed when that module is unloaded, and
 * the core frees the variables with it.
 *
 * While tasks run the old seat_leave(), a seat is freed without its variable, and the next seat
 * at the same address would get it. So variables are attached and read only while all tasks run
 * the new functions. All versions share the flag for this through klp_state.data.
 */
#ifndef _LIVEPATCH_CUMULATIVE_USERS_H_
#define _LIVEPATCH_CUMULATIVE_USERS_H_

#include <linux/cred.h>
#include <linux/livepatch.h>
#include <linux/slab.h>

#include "livepatch-cumulative.h"
#include "livepatch-seats.h"

struct seats_users {
	bool recording;
};

static int seats_users_create(struct klp_patch *patch, struct klp_state *state)
{
	struct seats_users *users;

	users = kzalloc(sizeof(*users), GFP_KERNEL);
	if (!users)
		return -ENOMEM;
	state->data = users;
	return 0;
}

static void seats_users_start(struct klp_patch *patch, struct klp_state *state)
{
	struct seats_users *users = state->data;

	WRITE_ONCE(users->recording, true);
}

static void seats_users_stop(struct klp_patch *patch, struct klp_state *state)
{
	struct seats_users *users = state->data;

	WRITE_ONCE(users->recording, false);
}

static void seats_users_destroy(struct klp_patch *patch, struct klp_state *state)
{
	kfree(state->data);
}

#define SEATS_USERS_CALLBACKS {				\
	.pre_patch	= seats_users_create,		\
	.post_patch	= seats_users_start,		\
	.pre_unpatch	= seats_users_stop,		\
	.post_unpatch	= seats_users_destroy,		\
}

static inline bool seats_users_known(const struct klp_state *state)
{
	struct seats_users *users = state->data;

	return READ_ONCE(users->recording);
}

/* Return the user of a seat, or NULL for a seat that was taken before the state was live. */
static inline kuid_t *seat_user(struct seat *seat)
{
	return klp_shadow_get(seat, SEATS_USERS_STATE);
}

static inline int seat_record_user(struct seat *seat)
{
	kuid_t *user;

	user = klp_shadow_alloc(seat, SEATS_USERS_STATE, sizeof(*user), GFP_KERNEL, NULL, NULL);
	if (!user)
		return -ENOMEM;
	*user = current_uid();
	return 0;
}

static inline void seat_forget_user(struct seat *seat)
{
	klp_shadow_free(seat, SEATS_USERS_STATE, NULL);
}

/*
 * Take and leave a seat as the functions of the target do, with the user of the seat recorded.
 * The caller holds the lock of the table.
 */
static inline int seat_take_recorded(struct seat_table *table, const struct klp_state *state)
{
	struct seat *seat;

	if (table->taken == SEATS)
		return -ENOSPC;

	seat = kzalloc(sizeof(*seat), GFP_KERNEL);
	if (!seat)
		return -ENOMEM;
	if (seats_users_known(state) && seat_record_user(seat)) {
		kfree(seat);
		return -ENOMEM;
	}
	seat->holder = task_tgid_nr(current);
	list_add_tail(&seat->list, &table->seats);
	table->taken++;
	return 0;
}

static int new_seat_leave(struct seat_table *table)
{
	struct seat *seat;

	list_for_each_entry(seat, &table->seats, list) {
		if (seat->holder != task_tgid_nr(current))
			continue;
		list_del(&seat->list);
		table->taken--;
		/* Free the variable before the object, whose address may be used again. */
		seat_forget_user(seat);
		kfree(seat);
		return 0;
	}
	return -ENOENT;
}

#endif /* _LIVEPATCH_CUMULATIVE_USERS_H_ */
