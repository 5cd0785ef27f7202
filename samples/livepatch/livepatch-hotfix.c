// SPDX-License-Identifier: GPL-2.0
/*
 * livepatch-hotfix - a patch with a replace set of its own
 *
 * Technique: .replace_set. A hotfix from another source than the cumulative patches of a vendor
 * belongs to a set of its own. A new cumulative patch does not replace it, unless its
 * .replace_sets names the set, and a new version of the hotfix replaces only the older one.
 *
 * Patches of different sets are independent of each other. One that changes a function which a
 * patch of another set changes is refused with -EBUSY.
 *
 * Everybody can read the process ids in /proc/livepatch_seats. With the hotfix only a reader
 * with CAP_SYS_ADMIN sees them, and others see the number of seats.
 *
 *	modprobe livepatch-seats-target
 *	modprobe livepatch-hotfix
 *	modprobe livepatch-cumulative-1
 *	modprobe livepatch-cumulative-2		# replaces livepatch-cumulative-1, not the hotfix
 *	grep . -r /sys/kernel/livepatch --include=replace_set
 *	setpriv --reuid 65534 --clear-groups cat /proc/livepatch_seats
 *	modprobe livepatch-cumulative-3		# contains the hotfix and replaces it
 */
#define pr_fmt(fmt) "livepatch_hotfix: " fmt

#include <linux/capability.h>
#include <linux/livepatch.h>
#include <linux/seq_file.h>
#include <linux/user_namespace.h>

#include "livepatch-cumulative.h"
#include "livepatch-seats.h"

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
			seq_printf(m, "%d\n", seat->holder);
	} else {
		seq_printf(m, "%u seats taken\n", table->taken);
	}
	mutex_unlock(&table->lock);
	symbol_put(livepatch_seat_table);
	return 0;
}

static struct klp_func seats_funcs[] = {
	{ .old_name = "seats_show", .new_func = new_seats_show },
	{ }
};

static struct klp_object objects[] = {
	{ .name = "livepatch_seats_target", .funcs = seats_funcs },
	{ }
};

static struct klp_patch hotfix_patch = {
	.objs = objects,
	.replace = true,
	.replace_set = SEATS_HOTFIX_SET,
	.mod = THIS_MODULE,
};

static int __init hotfix_init(void)
{
	return klp_enable_patch(&hotfix_patch);
}

static void __exit hotfix_exit(void)
{
}

module_init(hotfix_init);
module_exit(hotfix_exit);
MODULE_INFO(livepatch, "Y");
MODULE_DESCRIPTION("Livepatch sample: a hotfix in a replace set of its own");
MODULE_LICENSE("GPL");
