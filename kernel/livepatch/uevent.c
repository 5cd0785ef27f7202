// SPDX-License-Identifier: GPL-2.0
/*
 * Uevents of patches.
 *
 * An event is recorded when it happens, and sent by a worker of core.c in the order of the
 * records. The worker first frees the patches that have been disabled or replaced. So a receiver
 * of "complete" can unload their modules: no reference is left.
 *
 * The directory of the patch may have been removed by then, and with it the path of its kobject.
 * Each event therefore has a kobject with the name of the patch, which is not in sysfs.
 */

#include <linux/kobject.h>
#include <linux/list.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include "sysfs.h"
#include "uevent.h"

/**
 * struct klp_uevent - an event to be sent
 * @kobj:      its kobject, owns the structure
 * @node:      in the list of recorded events
 * @event:     start, complete, reverse, force or fail
 * @direction: patching or unpatching, NULL for a request that was refused
 * @remaining: number of tasks to be switched, or KLP_UEVENT_NO_REMAINING
 * @error:     an errno for fail, otherwise 0
 */
struct klp_uevent {
	struct kobject kobj;
	struct list_head node;
	const char *event;
	const char *direction;
	int remaining;
	int error;
};

static LIST_HEAD(klp_uevents);
static DEFINE_SPINLOCK(klp_uevents_lock);

static void klp_uevent_release(struct kobject *kobj)
{
	kfree(container_of(kobj, struct klp_uevent, kobj));
}

static const struct kobj_type klp_uevent_ktype = {
	.release = klp_uevent_release,
};

/**
 * klp_uevent_add() - record an event
 * @patch:     name of the patch
 * @event:     start, complete, reverse, force or fail
 * @direction: patching or unpatching, or NULL
 * @remaining: number of tasks to be switched, or KLP_UEVENT_NO_REMAINING
 * @error:     an errno for fail, otherwise 0
 *
 * The event is lost without memory. Files in sysfs, which poll(2) can wait for, do not lose
 * changes.
 *
 * Context: process context, may sleep. klp_mutex may be held.
 */
void klp_uevent_add(const char *patch, const char *event, const char *direction, int remaining,
		    int error)
{
	struct klp_uevent *uevent;

	uevent = kzalloc(sizeof(*uevent), GFP_KERNEL);
	if (!uevent)
		return;
	kobject_init(&uevent->kobj, &klp_uevent_ktype);
	if (kobject_set_name(&uevent->kobj, "%s", patch)) {
		kobject_put(&uevent->kobj);
		return;
	}
	uevent->event = event;
	uevent->direction = direction;
	uevent->remaining = remaining;
	uevent->error = error;

	spin_lock(&klp_uevents_lock);
	list_add_tail(&uevent->node, &klp_uevents);
	spin_unlock(&klp_uevents_lock);
}

/* Move the recorded events to @uevents. */
void klp_uevents_take(struct list_head *uevents)
{
	spin_lock(&klp_uevents_lock);
	list_splice_tail_init(&klp_uevents, uevents);
	spin_unlock(&klp_uevents_lock);
}

static void klp_uevent_send(struct klp_uevent *uevent)
{
	struct kobj_uevent_env *env;

	env = kzalloc(sizeof(*env), GFP_KERNEL);
	if (!env)
		return;
	add_uevent_var(env, "KLP_EVENT=%s", uevent->event);
	add_uevent_var(env, "KLP_PATCH=%s", kobject_name(&uevent->kobj));
	if (uevent->direction)
		add_uevent_var(env, "KLP_DIRECTION=%s", uevent->direction);
	if (uevent->remaining != KLP_UEVENT_NO_REMAINING)
		add_uevent_var(env, "KLP_REMAINING=%d", uevent->remaining);
	if (uevent->error)
		add_uevent_var(env, "KLP_ERROR=%d", -uevent->error);
	klp_sysfs_send_uevent(&uevent->kobj, env->envp);
	kfree(env);
}

/**
 * klp_uevents_send() - send events and free them
 * @uevents: the events
 *
 * Context: process context, klp_mutex not held.
 */
void klp_uevents_send(struct list_head *uevents)
{
	struct klp_uevent *uevent, *next;

	list_for_each_entry_safe(uevent, next, uevents, node) {
		klp_uevent_send(uevent);
		list_del(&uevent->node);
		kobject_put(&uevent->kobj);
	}
}
