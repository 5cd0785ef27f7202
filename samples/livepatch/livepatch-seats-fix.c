// SPDX-License-Identifier: GPL-2.0
/*
 * livepatch-seats-fix - a shadow variable fixes a leak, for existing and for new objects
 *
 * Technique: adding a member to an object of a running system, and managing the memory of the
 * member. The seats of livepatch-seats-target record their holder by a number, which may be
 * another process later. The new member is a reference to the struct pid, which shows that a
 * holder has died. seat_take() then frees its seat.
 *
 * The constructor takes the reference and the destructor drops it, in new functions and in
 * callbacks: post_patch attaches the variable to the existing seats, and frees those that have
 * leaked. pre_unpatch detaches it from all.
 *
 * pre_patch and post_unpatch would be wrong: during a transition a task may run the old
 * seat_leave(), which frees a seat without its variable, and the next seat at the same address
 * would get it. So the variables exist only while all tasks run the new functions.
 *
 * A shadow variable is not freed with the patch. An atomic replace runs no callback of the
 * replaced patch: the variables and their references stay. The new patch has to use the same
 * number, and frees them with its own destructor. For the same reason post_patch accepts an
 * existing variable.
 *
 *	modprobe livepatch-seats-target
 *	for i in 1 2 3 4; do bash -c 'echo take > /proc/livepatch_seats'; done
 *	bash -c 'echo take > /proc/livepatch_seats'		# no space left
 *	modprobe livepatch-seats-fix
 *	bash -c 'echo take > /proc/livepatch_seats'
 */
#define pr_fmt(fmt) "livepatch_seats_fix: " fmt

#include <linux/livepatch.h>
#include <linux/pid.h>
#include <linux/pid_namespace.h>
#include <linux/sched.h>
#include <linux/slab.h>

#include "livepatch-seats.h"

/* Stands for "struct pid of the holder of a seat" in each patch that uses it. */
#define HOLDER_ID	0x5ea7

/* Taken inside the lock of the table, which callbacks cannot always reach. */
static DEFINE_MUTEX(tracking_lock);
static bool tracking;
static unsigned int references;

static int holder_ctor(void *seat, void *data, void *pid)
{
	struct pid **holder = data;

	*holder = get_pid(pid);
	references++;
	return 0;
}

static void holder_dtor(void *seat, void *data)
{
	struct pid **holder = data;

	put_pid(*holder);
	references--;
}

static bool is_alive(struct pid *pid)
{
	bool alive;

	rcu_read_lock();
	alive = pid_task(pid, PIDTYPE_TGID);
	rcu_read_unlock();
	return alive;
}

static void free_seat(struct seat_table *table, struct seat *seat)
{
	list_del(&seat->list);
	table->taken--;
	/* Free the variable before the object, whose address may be used again. */
	klp_shadow_free(seat, HOLDER_ID, holder_dtor);
	kfree(seat);
}

static void reclaim(struct seat_table *table)
{
	struct seat *seat, *next;
	struct pid **holder;

	list_for_each_entry_safe(seat, next, &table->seats, list) {
		holder = klp_shadow_get(seat, HOLDER_ID);
		if (holder && !is_alive(*holder))
			free_seat(table, seat);
	}
}

static int take(struct seat_table *table)
{
	struct seat *seat;

	if (tracking && table->taken == SEATS)
		reclaim(table);
	if (table->taken == SEATS)
		return -ENOSPC;

	seat = kzalloc(sizeof(*seat), GFP_KERNEL);
	if (!seat)
		return -ENOMEM;
	if (tracking && !klp_shadow_alloc(seat, HOLDER_ID, sizeof(struct pid *), GFP_KERNEL,
					  holder_ctor, task_tgid(current))) {
		kfree(seat);
		return -ENOMEM;
	}

	seat->holder = task_tgid_nr(current);
	list_add_tail(&seat->list, &table->seats);
	table->taken++;
	return 0;
}

static int new_seat_take(struct seat_table *table)
{
	int ret;

	mutex_lock(&tracking_lock);
	ret = take(table);
	mutex_unlock(&tracking_lock);
	return ret;
}

static int new_seat_leave(struct seat_table *table)
{
	struct seat *seat;
	int ret = -ENOENT;

	mutex_lock(&tracking_lock);
	list_for_each_entry(seat, &table->seats, list) {
		if (seat->holder != task_tgid_nr(current))
			continue;
		free_seat(table, seat);
		ret = 0;
		break;
	}
	mutex_unlock(&tracking_lock);
	return ret;
}

static void attach(struct seat_table *table, struct seat *seat)
{
	struct pid *pid;

	rcu_read_lock();
	pid = get_pid(find_pid_ns(seat->holder, &init_pid_ns));
	rcu_read_unlock();

	if (!pid || !is_alive(pid))
		free_seat(table, seat);
	else if (!klp_shadow_get_or_alloc(seat, HOLDER_ID, sizeof(pid), GFP_KERNEL, holder_ctor,
					  pid))
		pr_warn("no memory: the seat of %d may leak\n", seat->holder);
	put_pid(pid);
}

static void attach_all(struct klp_object *obj)
{
	struct seat_table *table = NULL;
	struct seat *seat, *next;

	/*
	 * A module that is being loaded or unloaded has no symbols for symbol_get(), and no
	 * seats.
	 */
	if (obj->mod->state == MODULE_STATE_LIVE)
		table = symbol_get(livepatch_seat_table);
	if (!table) {
		mutex_lock(&tracking_lock);
		tracking = true;
		mutex_unlock(&tracking_lock);
		return;
	}

	mutex_lock(&table->lock);
	mutex_lock(&tracking_lock);
	tracking = true;
	list_for_each_entry_safe(seat, next, &table->seats, list)
		attach(table, seat);
	pr_info("%u seats taken, %u holders known\n", table->taken, references);
	mutex_unlock(&tracking_lock);
	mutex_unlock(&table->lock);
	symbol_put(livepatch_seat_table);
}

static void detach_all(struct klp_object *obj)
{
	mutex_lock(&tracking_lock);
	tracking = false;
	klp_shadow_free_all(HOLDER_ID, holder_dtor);
	pr_info("%u holders known\n", references);
	mutex_unlock(&tracking_lock);
}

static struct klp_func seats_funcs[] = {
	{ .old_name = "seat_take", .new_func = new_seat_take },
	{ .old_name = "seat_leave", .new_func = new_seat_leave },
	{ }
};

static struct klp_object objects[] = {
	{
		.name = "livepatch_seats_target",
		.funcs = seats_funcs,
		.callbacks = {
			.post_patch = attach_all,
			.pre_unpatch = detach_all,
		},
	},
	{ }
};

static struct klp_patch seats_patch = {
	.objs = objects,
	.mod = THIS_MODULE,
};

static int __init seats_fix_init(void)
{
	return klp_enable_patch(&seats_patch);
}

static void __exit seats_fix_exit(void)
{
}

module_init(seats_fix_init);
module_exit(seats_fix_exit);
MODULE_INFO(livepatch, "Y");
MODULE_DESCRIPTION("Livepatch sample: a shadow variable fixes a leak");
MODULE_LICENSE("GPL");
