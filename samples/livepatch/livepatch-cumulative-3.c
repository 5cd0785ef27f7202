// SPDX-License-Identifier: GPL-2.0
/*
 * livepatch-cumulative-3 - third version: remove a state, replace the hotfix
 *
 * Technique: taking back a change of the replaced version. This version has no limit: its
 * states lack the one of the sysctl. The core removes that state when it replaces
 * livepatch-cumulative-2, by the callbacks of that version, which hide and free the sysctl.
 *
 * The shadow variables of the users are inherited, and the list of seats shows them. The new
 * seats_show() contains livepatch-hotfix, which has a replace set of its own: this version
 * replaces that set as well. Without .replace_sets it would be refused while the hotfix is
 * enabled, as both patches change seats_show().
 *
 *	modprobe livepatch-cumulative-3		# livepatch-cumulative-2, -hotfix are replaced
 *	sysctl kernel.livepatch_seats_limit	# does not exist any longer
 *	cat /proc/livepatch_seats		# with the users
 */
#define pr_fmt(fmt) "livepatch_cumulative_3: " fmt

#include <linux/capability.h>
#include <linux/sched.h>
#include <linux/seq_file.h>
#include <linux/uidgid.h>
#include <linux/user_namespace.h>

#include "livepatch-cumulative.h"
#include "livepatch-cumulative-users.h"

static struct klp_state states[] = {
	{
		.id = SEATS_USERS_STATE,
		.version = 1,
		.callbacks = SEATS_USERS_CALLBACKS,
		.object = "livepatch_seats_target",
		.is_shadow = true,
	},
	{ }
};

/* Runs under the lock of the table. */
static int new_seat_take(struct seat_table *table)
{
	return seat_take_recorded(table, &states[0]);
}

static void show_seat(struct seq_file *m, struct seat *seat)
{
	kuid_t *user = seats_users_known(&states[0]) ? seat_user(seat) : NULL;

	if (user)
		seq_printf(m, "%d user %u\n", seat->holder, from_kuid(&init_user_ns, *user));
	else
		seq_printf(m, "%d\n", seat->holder);
}

static int new_seats_show(struct seq_file *m, void *v)
{
	struct seat_table *table;
	struct seat *seat;

	/* Fails for a reader that the target waits for while it is being unloaded. */
	table = symbol_get(livepatch_seat_table);
	if (!table)
		return -ENODEV;

	mutex_lock(&table->lock);
	if (file_ns_capable(m->file, &init_user_ns, CAP_SYS_ADMIN)) {
		list_for_each_entry(seat, &table->seats, list)
			show_seat(m, seat);
	} else {
		seq_printf(m, "%u seats taken\n", table->taken);
	}
	mutex_unlock(&table->lock);
	symbol_put(livepatch_seat_table);
	return 0;
}

static struct klp_func seats_funcs[] = {
	{ .old_name = "seat_take", .new_func = new_seat_take },
	{ .old_name = "seat_leave", .new_func = new_seat_leave },
	{ .old_name = "seats_show", .new_func = new_seats_show },
	{ }
};

static struct klp_object objects[] = {
	{ .name = "livepatch_seats_target", .funcs = seats_funcs },
	{ }
};

static const unsigned int replace_sets[] = { SEATS_HOTFIX_SET, 0 };

static struct klp_patch cumulative_patch = {
	.objs = objects,
	.states = states,
	.replace = true,
	.replace_sets = replace_sets,
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
MODULE_DESCRIPTION("Livepatch sample: a cumulative patch removes a sysctl, replaces a hotfix");
MODULE_LICENSE("GPL");
