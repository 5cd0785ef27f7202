// SPDX-License-Identifier: GPL-2.0
/*
 * livepatch-seats-target - four seats, and a leak
 *
 * A process that writes "take" to /proc/livepatch_seats takes a seat, and one that writes
 * "leave" returns it. The file lists the holders. The bug: the seat of a process that has died
 * without leaving is never freed, and after four of them no seat is left.
 *
 * livepatch-seats-fix fixes the leak.
 */
#include <linux/module.h>
#include <linux/proc_fs.h>
#include <linux/sched.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/uaccess.h>

#include "livepatch-seats.h"

struct seat_table livepatch_seat_table = {
	.lock = __MUTEX_INITIALIZER(livepatch_seat_table.lock),
	.seats = LIST_HEAD_INIT(livepatch_seat_table.seats),
};
EXPORT_SYMBOL_GPL(livepatch_seat_table);

/*
 * The functions to be livepatched: they must not be cloned or inlined. Both run under the lock
 * of the table.
 */
static noinline __noclone int seat_take(struct seat_table *table)
{
	struct seat *seat;

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

static noinline __noclone int seat_leave(struct seat_table *table)
{
	struct seat *seat;

	list_for_each_entry(seat, &table->seats, list) {
		if (seat->holder != task_tgid_nr(current))
			continue;
		list_del(&seat->list);
		table->taken--;
		kfree(seat);
		return 0;
	}
	return -ENOENT;
}

static int seats_show(struct seq_file *m, void *v)
{
	struct seat_table *table = &livepatch_seat_table;
	struct seat *seat;

	mutex_lock(&table->lock);
	list_for_each_entry(seat, &table->seats, list)
		seq_printf(m, "%d\n", seat->holder);
	mutex_unlock(&table->lock);
	return 0;
}

static int seats_open(struct inode *inode, struct file *file)
{
	return single_open(file, seats_show, NULL);
}

static ssize_t seats_write(struct file *file, const char __user *from, size_t count, loff_t *pos)
{
	struct seat_table *table = &livepatch_seat_table;
	char word[8] = "";
	int ret = -EINVAL;

	if (count >= sizeof(word))
		return -EINVAL;
	if (copy_from_user(word, from, count))
		return -EFAULT;

	mutex_lock(&table->lock);
	if (sysfs_streq(word, "take"))
		ret = seat_take(table);
	else if (sysfs_streq(word, "leave"))
		ret = seat_leave(table);
	mutex_unlock(&table->lock);
	return ret ?: count;
}

static const struct proc_ops seats_ops = {
	.proc_open	= seats_open,
	.proc_read	= seq_read,
	.proc_write	= seats_write,
	.proc_lseek	= seq_lseek,
	.proc_release	= single_release,
};

static int __init seats_init(void)
{
	if (!proc_create("livepatch_seats", 0644, NULL, &seats_ops))
		return -ENOMEM;
	return 0;
}

static void __exit seats_exit(void)
{
	struct seat *seat, *next;

	remove_proc_entry("livepatch_seats", NULL);
	list_for_each_entry_safe(seat, next, &livepatch_seat_table.seats, list)
		kfree(seat);
}

module_init(seats_init);
module_exit(seats_exit);
MODULE_DESCRIPTION("Livepatch sample: seats that leak");
MODULE_LICENSE("GPL");
