// SPDX-License-Identifier: GPL-2.0
/*
 * /sys/kernel/livepatch, as specified in Documentation/ABI/testing/sysfs-kernel-livepatch:
 *
 *	<patch>/enabled, transition, force, replace, replace_set, stack_order
 *	<patch>/remaining, held, since
 *	<patch>/states/<id>/version, inherited
 *	<patch>/<object>/patched
 *	<patch>/<object>/<function,sympos>/stack_only
 *
 * A read never takes klp_mutex, which a callback may hold for any time. A file is removed
 * before its object is freed, so the object needs no reference.
 *
 * "enabled", "transition" and "patched" can be waited for with poll(2): each change of the value is
 * followed by sysfs_notify().
 */

#define pr_fmt(fmt) "livepatch: " fmt

#include <linux/kernfs.h>
#include <linux/kstrtox.h>
#include <linux/sysfs.h>
#include <linux/timekeeping.h>
#include "runtime.h"
#include "sysfs.h"

static struct kset *klp_root;
static const struct klp_sysfs_requests *klp_requests;

static struct klp_rt_patch *to_patch(struct kobject *kobj)
{
	return container_of(kobj, struct klp_rt_patch, kobj);
}

static struct klp_rt_object *to_object(struct kobject *kobj)
{
	return container_of(kobj, struct klp_rt_object, kobj);
}

static struct klp_rt_func *to_func(struct kobject *kobj)
{
	return container_of(kobj, struct klp_rt_func, kobj);
}

static struct klp_rt_state *to_state(struct kobject *kobj)
{
	return container_of(kobj, struct klp_rt_state, kobj);
}

static ssize_t enabled_show(struct kobject *dir, struct kobj_attribute *file, char *buf)
{
	return sysfs_emit(buf, "%d\n", READ_ONCE(to_patch(dir)->enabled));
}

/* Parse a boolean value that has been written to a file of @patch. */
static int klp_parse_bool(struct klp_rt_patch *patch, struct kobj_attribute *file,
			  const char *buf, bool *value)
{
	int ret = kstrtobool(buf, value);

	if (ret)
		pr_err("value written to '%s' of patch '%s' is not 0 or 1\n",
		       file->attr.name, patch->name);
	return ret;
}

static ssize_t enabled_store(struct kobject *dir, struct kobj_attribute *file,
			     const char *buf, size_t count)
{
	struct klp_rt_patch *patch = to_patch(dir);
	bool enable;
	int ret;

	ret = klp_parse_bool(patch, file, buf, &enable);
	if (!ret)
		ret = klp_requests->enable(patch, enable);
	return ret ?: count;
}

static ssize_t transition_show(struct kobject *dir, struct kobj_attribute *file, char *buf)
{
	return sysfs_emit(buf, "%d\n", READ_ONCE(klp_transition_patch) == to_patch(dir));
}

static ssize_t force_store(struct kobject *dir, struct kobj_attribute *file,
			   const char *buf, size_t count)
{
	struct klp_rt_patch *patch = to_patch(dir);
	bool force;
	int ret;

	ret = klp_parse_bool(patch, file, buf, &force);
	if (!ret && force)
		ret = klp_requests->force(patch);
	return ret ?: count;
}

static ssize_t replace_show(struct kobject *dir, struct kobj_attribute *file, char *buf)
{
	return sysfs_emit(buf, "%d\n", to_patch(dir)->replace);
}

static ssize_t replace_set_show(struct kobject *dir, struct kobj_attribute *file, char *buf)
{
	return sysfs_emit(buf, "%u\n", to_patch(dir)->replace_set);
}

static ssize_t stack_order_show(struct kobject *dir, struct kobj_attribute *file, char *buf)
{
	return sysfs_emit(buf, "%u\n", READ_ONCE(to_patch(dir)->stack_order));
}

static ssize_t remaining_show(struct kobject *dir, struct kobj_attribute *file, char *buf)
{
	return sysfs_emit(buf, "%d\n", klp_requests->remaining(to_patch(dir)));
}

static ssize_t held_show(struct kobject *dir, struct kobj_attribute *file, char *buf)
{
	return klp_requests->held(to_patch(dir), buf);
}

static ssize_t since_show(struct kobject *dir, struct kobj_attribute *file, char *buf)
{
	unsigned long since = READ_ONCE(to_patch(dir)->since);

	/* Read the clock last: a concurrent request must not be in the future. */
	return sysfs_emit(buf, "%lu\n", (unsigned long)ktime_get_boottime_seconds() - since);
}

static ssize_t patched_show(struct kobject *dir, struct kobj_attribute *file, char *buf)
{
	return sysfs_emit(buf, "%d\n", READ_ONCE(to_object(dir)->patched));
}

static ssize_t stack_only_show(struct kobject *dir, struct kobj_attribute *file, char *buf)
{
	return sysfs_emit(buf, "%d\n", to_func(dir)->stack_only);
}

static ssize_t version_show(struct kobject *dir, struct kobj_attribute *file, char *buf)
{
	return sysfs_emit(buf, "%u\n", to_state(dir)->version);
}

static ssize_t inherited_show(struct kobject *dir, struct kobj_attribute *file, char *buf)
{
	return sysfs_emit(buf, "%d\n", READ_ONCE(to_state(dir)->inherited));
}

static struct kobj_attribute enabled_attr = __ATTR_RW(enabled);
static struct kobj_attribute transition_attr = __ATTR_RO(transition);
static struct kobj_attribute force_attr = __ATTR_WO(force);
static struct kobj_attribute replace_attr = __ATTR_RO(replace);
static struct kobj_attribute replace_set_attr = __ATTR_RO(replace_set);
static struct kobj_attribute stack_order_attr = __ATTR_RO(stack_order);
static struct kobj_attribute remaining_attr = __ATTR_RO(remaining);
/* For root only: the function tells which process still runs code that has a bug. */
static struct kobj_attribute held_attr = __ATTR_RO_MODE(held, 0400);
static struct kobj_attribute since_attr = __ATTR_RO(since);
static struct kobj_attribute patched_attr = __ATTR_RO(patched);
static struct kobj_attribute stack_only_attr = __ATTR_RO(stack_only);
static struct kobj_attribute version_attr = __ATTR_RO(version);
static struct kobj_attribute inherited_attr = __ATTR_RO(inherited);

static struct attribute *klp_patch_attrs[] = {
	&enabled_attr.attr,
	&transition_attr.attr,
	&force_attr.attr,
	&replace_attr.attr,
	&replace_set_attr.attr,
	&stack_order_attr.attr,
	&remaining_attr.attr,
	&held_attr.attr,
	&since_attr.attr,
	NULL
};
ATTRIBUTE_GROUPS(klp_patch);

static struct attribute *klp_object_attrs[] = {
	&patched_attr.attr,
	NULL
};
ATTRIBUTE_GROUPS(klp_object);

/* Only for functions without a replacement: the directory of another one is empty. */
static umode_t klp_func_attr_is_visible(struct kobject *dir, struct attribute *attr, int i)
{
	return to_func(dir)->stack_only ? attr->mode : 0;
}

static struct attribute *klp_func_attrs[] = {
	&stack_only_attr.attr,
	NULL
};

static const struct attribute_group klp_func_group = {
	.attrs = klp_func_attrs,
	.is_visible = klp_func_attr_is_visible,
};
__ATTRIBUTE_GROUPS(klp_func);

static struct attribute *klp_state_attrs[] = {
	&version_attr.attr,
	&inherited_attr.attr,
	NULL
};
ATTRIBUTE_GROUPS(klp_state);

static void klp_release_patch(struct kobject *kobj)
{
	kfree(to_patch(kobj));
}

static void klp_release_object(struct kobject *kobj)
{
	kfree(to_object(kobj));
}

static void klp_release_func(struct kobject *kobj)
{
	kfree(to_func(kobj));
}

static void klp_release_state(struct kobject *kobj)
{
	kfree(to_state(kobj));
}

static const struct kobj_type klp_patch_ktype = {
	.release = klp_release_patch,
	.sysfs_ops = &kobj_sysfs_ops,
	.default_groups = klp_patch_groups,
};

static const struct kobj_type klp_object_ktype = {
	.release = klp_release_object,
	.sysfs_ops = &kobj_sysfs_ops,
	.default_groups = klp_object_groups,
};

static const struct kobj_type klp_func_ktype = {
	.release = klp_release_func,
	.sysfs_ops = &kobj_sysfs_ops,
	.default_groups = klp_func_groups,
};

static const struct kobj_type klp_state_ktype = {
	.release = klp_release_state,
	.sysfs_ops = &kobj_sysfs_ops,
	.default_groups = klp_state_groups,
};

void klp_sysfs_init_patch(struct klp_rt_patch *patch)
{
	kobject_init(&patch->kobj, &klp_patch_ktype);
}

void klp_sysfs_init_object(struct klp_rt_object *obj)
{
	kobject_init(&obj->kobj, &klp_object_ktype);
}

void klp_sysfs_init_func(struct klp_rt_func *func)
{
	kobject_init(&func->kobj, &klp_func_ktype);
}

void klp_sysfs_init_state(struct klp_rt_state *state)
{
	kobject_init(&state->kobj, &klp_state_ktype);
}

static bool klp_sysfs_exists(struct kobject *parent, const char *name)
{
	struct kernfs_node *kn = kernfs_find_and_get(parent->sd, name);

	kernfs_put(kn);
	return kn;
}

static int klp_sysfs_add_object(struct klp_rt_object *obj)
{
	struct kobject *parent = &obj->patch->kobj;
	struct klp_rt_func *func;
	int ret;

	if (!obj->kobj.state_in_sysfs) {
		if (klp_sysfs_exists(parent, klp_object_name(obj))) {
			pr_err("object name '%s' is the name of a file of the patch\n",
			       klp_object_name(obj));
			return -EEXIST;
		}
		ret = kobject_add(&obj->kobj, parent, "%s", klp_object_name(obj));
		if (ret)
			return ret;
	}
	klp_rt_for_each_func(func, obj) {
		if (func->kobj.state_in_sysfs)
			continue;
		ret = kobject_add(&func->kobj, &obj->kobj, "%s,%lu", func->name,
				  klp_func_position(func));
		if (ret)
			return ret;
	}
	return 0;
}

static int klp_sysfs_add_states(struct klp_rt_patch *patch)
{
	struct klp_rt_state *state;
	int ret;

	if (list_empty(&patch->states) || patch->states_dir)
		return 0;
	patch->states_dir = kobject_create_and_add("states", &patch->kobj);
	if (!patch->states_dir)
		return -ENOMEM;
	klp_rt_for_each_state(state, patch) {
		ret = kobject_add(&state->kobj, patch->states_dir, "%lu", state->id);
		if (ret)
			return ret;
	}
	return 0;
}

/**
 * klp_sysfs_add_patch() - add a patch, its objects, functions and states to sysfs
 * @patch: the patch
 *
 * Adds only what is missing: the nops, for a patch that is enabled again. After an error the
 * added directories stay, and klp_sysfs_destroy() removes them.
 *
 * Context: process context, klp_mutex held.
 * Return:
 * * %0 - all directories exist
 * * %-EEXIST - a patch of the same module exists, or an object has the name of a file of
 *   the patch, which is logged
 * * %-ENOMEM - no memory
 */
int klp_sysfs_add_patch(struct klp_rt_patch *patch)
{
	struct klp_rt_object *obj;
	int ret;

	if (!patch->kobj.state_in_sysfs) {
		/* Checked first, because kobject_add() dumps the stack. */
		if (klp_sysfs_exists(&klp_root->kobj, patch->name)) {
			pr_err("patch '%s' already exists\n", patch->name);
			return -EEXIST;
		}
		ret = kobject_add(&patch->kobj, &klp_root->kobj, "%s", patch->name);
		if (ret)
			return ret;
		ret = klp_sysfs_add_states(patch);
		if (ret)
			return ret;
	}
	klp_rt_for_each_object(obj, patch) {
		ret = klp_sysfs_add_object(obj);
		if (ret)
			return ret;
	}
	return 0;
}

/*
 * Remove @kobj from sysfs, even if others hold references to it, and drop the reference of the
 * core. Its children have been removed before.
 */
void klp_sysfs_destroy(struct kobject *kobj)
{
	if (kobj->state_in_sysfs)
		kobject_del(kobj);
	kobject_put(kobj);
}

/**
 * klp_sysfs_send_uevent() - send a change event for a path below the directory of livepatch
 * @kobj: a kobject with the name of a patch, which is not in sysfs itself
 * @vars: variables of the event, ended by NULL
 *
 * Context: process context.
 */
void klp_sysfs_send_uevent(struct kobject *kobj, char **vars)
{
	if (!klp_root)
		return;
	kobj->kset = klp_root;
	kobj->parent = &klp_root->kobj;
	kobject_uevent_env(kobj, KOBJ_CHANGE, vars);
}

bool klp_sysfs_ready(void)
{
	return klp_root;
}

int __init klp_sysfs_setup(const struct klp_sysfs_requests *requests)
{
	klp_requests = requests;
	/* A kset, as only its members can send uevents. Its name is the subsystem of the events. */
	klp_root = kset_create_and_add("livepatch", NULL, kernel_kobj);
	return klp_root ? 0 : -ENOMEM;
}
