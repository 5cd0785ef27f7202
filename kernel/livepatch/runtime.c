// SPDX-License-Identifier: GPL-2.0
/*
 * Runtime objects: made from a description, found, and taken apart again.
 */

#define pr_fmt(fmt) "livepatch: " fmt

#include <kunit/visibility.h>
#include <linux/bsearch.h>
#include <linux/hashtable.h>
#include <linux/mm.h>
#include <linux/sort.h>
#include <linux/string.h>
#include <linux/stringhash.h>
#include "runtime.h"
#include "sysfs.h"

DEFINE_MUTEX(klp_mutex); /* see runtime.h */
EXPORT_SYMBOL_IF_KUNIT(klp_mutex);
LIST_HEAD(klp_patches);
EXPORT_SYMBOL_IF_KUNIT(klp_patches);
LIST_HEAD(klp_disabled_patches);
struct klp_rt_patch *klp_transition_patch;
EXPORT_SYMBOL_IF_KUNIT(klp_transition_patch);

/*
 * The modules that patches on the stack name. Most modules that come and go are
 * none of them, and find that out here whatever the number of patches.
 */
static DEFINE_HASHTABLE(klp_targets, 8);

static unsigned int klp_hash_target(const char *name)
{
	return full_name_hash(NULL, name, strlen(name));
}

/* An author's array of functions ends with an entry in which nothing is set. */
static bool klp_is_last_func(const struct klp_func *desc)
{
	return !desc->old_name && !desc->new_func && !desc->old_sympos;
}

struct klp_func_key {
	const char *name;
	unsigned long position;
};

static int klp_cmp_key(const void *key, const void *elt)
{
	const struct klp_rt_func *func = *(struct klp_rt_func * const *)elt;
	const struct klp_func_key *wanted = key;
	unsigned long position = klp_func_position(func);
	int ret;

	ret = strcmp(wanted->name, func->name);
	if (ret)
		return ret;
	if (wanted->position == position)
		return 0;
	return wanted->position < position ? -1 : 1;
}

static int klp_cmp_funcs(const void *a, const void *b)
{
	const struct klp_rt_func *func = *(struct klp_rt_func * const *)a;
	const struct klp_func_key key = {
		.name = func->name,
		.position = klp_func_position(func),
	};

	return klp_cmp_key(&key, b);
}

static struct klp_rt_func *klp_rt_find_func(struct klp_rt_object *obj, const char *name,
					    unsigned long position)
{
	const struct klp_func_key key = { .name = name, .position = position };
	struct klp_rt_func **found;

	if (!obj->by_name)
		return NULL;
	found = bsearch(&key, obj->by_name, obj->nr_funcs, sizeof(*obj->by_name), klp_cmp_key);
	return found ? *found : NULL;
}

/* Sort the functions of @obj into its index; two of one name would share a directory. */
static int klp_rt_index_object(struct klp_rt_object *obj)
{
	struct klp_rt_func **by_name, *func;
	unsigned int i = 0;

	if (list_empty(&obj->funcs))
		return 0;

	by_name = kvmalloc_array(list_count_nodes(&obj->funcs), sizeof(*by_name), GFP_KERNEL);
	if (!by_name)
		return -ENOMEM;

	klp_for_each_func(func, obj)
		by_name[i++] = func;
	kvfree(obj->by_name);
	obj->by_name = by_name;
	obj->nr_funcs = i;
	sort(by_name, i, sizeof(*by_name), klp_cmp_funcs, NULL);

	while (--i) {
		if (klp_cmp_funcs(&by_name[i - 1], &by_name[i]))
			continue;
		pr_err("function '%s,%lu' is given twice for object '%s'\n", by_name[i]->name,
		       klp_func_position(by_name[i]), klp_object_name(obj));
		return -EEXIST;
	}
	return 0;
}

static struct klp_rt_func *klp_rt_alloc_func(struct klp_rt_object *obj, const char *name,
					     unsigned long sympos)
{
	struct klp_rt_func *func;

	func = kzalloc(sizeof(*func), GFP_KERNEL);
	if (!func)
		return NULL;

	func->obj = obj;
	func->name = name;
	func->sympos = sympos;
	klp_sysfs_init_func(func);
	list_add_tail(&func->node, &obj->funcs);
	return func;
}

static struct klp_rt_object *klp_rt_alloc_object(struct klp_rt_patch *patch, const char *name)
{
	struct klp_rt_object *obj;

	obj = kzalloc(sizeof(*obj), GFP_KERNEL);
	if (!obj)
		return NULL;

	obj->patch = patch;
	obj->name = name;
	INIT_LIST_HEAD(&obj->funcs);
	klp_sysfs_init_object(obj);
	list_add_tail(&obj->node, &patch->objs);
	return obj;
}

static int klp_rt_add_func(struct klp_rt_object *obj, const struct klp_func *desc)
{
	struct klp_rt_func *func;

	if (!desc->old_name) {
		pr_err("a function of object '%s' has no name\n", klp_object_name(obj));
		return -EINVAL;
	}
	if (strlen(desc->old_name) >= KSYM_NAME_LEN) {
		pr_err("function name '%.32s...' of object '%s' is too long\n", desc->old_name,
		       klp_object_name(obj));
		return -EINVAL;
	}
	if (!desc->new_func) {
		pr_err("function '%s' of object '%s' has no replacement\n", desc->old_name,
		       klp_object_name(obj));
		return -EINVAL;
	}

	func = klp_rt_alloc_func(obj, desc->old_name, desc->old_sympos);
	if (!func)
		return -ENOMEM;
	func->new_func = desc->new_func;
	return 0;
}

static int klp_rt_add_object(struct klp_rt_patch *patch, struct klp_object *desc)
{
	const struct klp_func *func_desc;
	struct klp_rt_object *obj;
	int ret;

	if (desc->name) {
		if (!*desc->name) {
			pr_err("an object of patch '%s' has an empty name\n", patch->name);
			return -EINVAL;
		}
		if (strlen(desc->name) >= MODULE_NAME_LEN) {
			pr_err("object name '%.32s...' is too long\n", desc->name);
			return -EINVAL;
		}
		if (!strcmp(desc->name, "vmlinux")) {
			pr_err("object name 'vmlinux' is not a module, leave the name empty\n");
			return -EINVAL;
		}
	}
	if (klp_rt_find_object(patch, desc->name)) {
		pr_err("object '%s' is given twice\n", desc->name ?: "vmlinux");
		return -EEXIST;
	}

	obj = klp_rt_alloc_object(patch, desc->name);
	if (!obj)
		return -ENOMEM;
	obj->desc = desc;

	for (func_desc = desc->funcs; !klp_is_last_func(func_desc); func_desc++) {
		ret = klp_rt_add_func(obj, func_desc);
		if (ret)
			return ret;
	}
	return klp_rt_index_object(obj);
}

static int klp_rt_add_object_nops(struct klp_rt_patch *patch, struct klp_rt_object *old_obj)
{
	struct klp_rt_object *obj = klp_rt_find_object(patch, old_obj->name);
	struct klp_rt_func *old_func, *func;
	bool added = false;

	klp_for_each_func(old_func, old_obj) {
		if (!obj) {
			obj = klp_rt_alloc_object(patch, old_obj->name);
			if (!obj)
				return -ENOMEM;
		}
		if (klp_rt_find_func(obj, old_func->name, klp_func_position(old_func)))
			continue;
		func = klp_rt_alloc_func(obj, old_func->name, old_func->sympos);
		if (!func)
			return -ENOMEM;
		func->nop = true;
		added = true;
	}
	return added ? klp_rt_index_object(obj) : 0;
}

/**
 * klp_rt_add_nops() - add what an atomic replace takes back
 * @patch: a patch that is not on the stack
 *
 * A function that an older patch has changed and this one does not change goes
 * back to its original code, task by task like all others. For the time of the
 * transition it gets a version that says just that. The names belong to the older
 * patch, which stays until the nops are dropped.
 *
 * Context: process context, klp_mutex held.
 * Return: 0 or -ENOMEM. Those that have been added stay: klp_rt_drop_nops().
 */
int klp_rt_add_nops(struct klp_rt_patch *patch)
{
	struct klp_rt_object *old_obj;
	struct klp_rt_patch *old;
	int ret;

	klp_for_each_patch(old) {
		klp_for_each_object(old_obj, old) {
			ret = klp_rt_add_object_nops(patch, old_obj);
			if (ret)
				return ret;
		}
	}
	return 0;
}

static void klp_rt_destroy_func(struct klp_rt_func *func)
{
	list_del(&func->node);
	klp_sysfs_destroy(&func->kobj);
}

static void klp_rt_destroy_object(struct klp_rt_object *obj)
{
	struct klp_rt_func *func, *next;

	list_for_each_entry_safe(func, next, &obj->funcs, node)
		klp_rt_destroy_func(func);
	kvfree(obj->by_name);
	obj->by_name = NULL;
	hash_del(&obj->by_target);
	list_del(&obj->node);
	klp_sysfs_destroy(&obj->kobj);
}

/**
 * klp_rt_create_patch() - make the runtime objects of a patch
 * @desc: the author's description
 *
 * Checks the description and makes an object for each of its parts and for the
 * nops of an atomic replace. They are not in sysfs yet.
 *
 * Context: process context, klp_mutex held.
 * Return: the patch, or an ERR_PTR. What is wrong with a description is logged.
 * -EINVAL: a part of it is missing or malformed; -EEXIST: something is there
 * twice; -ENOMEM.
 */
struct klp_rt_patch *klp_rt_create_patch(struct klp_patch *desc)
{
	struct klp_object *obj_desc;
	struct klp_rt_patch *patch;
	int ret;

	lockdep_assert_held(&klp_mutex);

	patch = kzalloc(sizeof(*patch), GFP_KERNEL);
	if (!patch)
		return ERR_PTR(-ENOMEM);

	patch->desc = desc;
	patch->mod = desc->mod;
	patch->name = desc->mod->name;
	patch->replace = desc->replace;
	patch->persistent = desc->persistent;
	INIT_LIST_HEAD(&patch->objs);
	INIT_LIST_HEAD(&patch->node);
	klp_sysfs_init_patch(patch);

	for (obj_desc = desc->objs; obj_desc->name || obj_desc->funcs; obj_desc++) {
		ret = klp_rt_add_object(patch, obj_desc);
		if (ret)
			goto err;
	}
	if (patch->replace) {
		ret = klp_rt_add_nops(patch);
		if (ret)
			goto err;
	}
	return patch;

err:
	klp_rt_destroy_patch(patch);
	return ERR_PTR(ret);
}

/**
 * klp_rt_destroy_patch() - take the runtime objects of a patch apart
 * @patch: the patch; must not be used any more
 *
 * Takes its directory out of sysfs. Neither a function of the patch nor one of
 * its callbacks may still be needed. The description may be gone already.
 *
 * Context: process context. Waits for whoever is in one of the patch's sysfs
 * files, so must not be called from there, and not with klp_mutex held unless
 * the patch is not in sysfs yet.
 */
void klp_rt_destroy_patch(struct klp_rt_patch *patch)
{
	struct klp_rt_object *obj, *next;

	list_for_each_entry_safe(obj, next, &patch->objs, node)
		klp_rt_destroy_object(obj);
	klp_sysfs_destroy(&patch->kobj);
}

/**
 * klp_rt_drop_nops() - forget the nops of an atomic replace
 * @patch: the patch, whose nops are no longer redirected to
 *
 * Context: process context, klp_mutex held.
 */
void klp_rt_drop_nops(struct klp_rt_patch *patch)
{
	struct klp_rt_object *obj, *next_obj;
	struct klp_rt_func *func, *next;
	unsigned int i, kept;

	lockdep_assert_held(&klp_mutex);

	list_for_each_entry_safe(obj, next_obj, &patch->objs, node) {
		if (!obj->desc) {
			klp_rt_destroy_object(obj);
			continue;
		}
		for (i = 0, kept = 0; i < obj->nr_funcs; i++) {
			if (!obj->by_name[i]->nop)
				obj->by_name[kept++] = obj->by_name[i];
		}
		obj->nr_funcs = kept;
		list_for_each_entry_safe(func, next, &obj->funcs, node) {
			if (func->nop)
				klp_rt_destroy_func(func);
		}
	}
}

static void klp_rt_renumber(void)
{
	struct klp_rt_patch *patch;
	unsigned int order = 0;

	klp_for_each_patch(patch)
		WRITE_ONCE(patch->stack_order, ++order);
}

/* Put @patch on top of the stack of patches. */
void klp_rt_push_patch(struct klp_rt_patch *patch)
{
	struct klp_rt_object *obj;

	lockdep_assert_held(&klp_mutex);
	list_move_tail(&patch->node, &klp_patches);
	klp_rt_renumber();

	klp_for_each_object(obj, patch) {
		if (obj->name)
			hash_add(klp_targets, &obj->by_target, klp_hash_target(obj->name));
	}
}

/* Take @patch out of the stack of patches, or out of those that are disabled. */
void klp_rt_unlink_patch(struct klp_rt_patch *patch)
{
	struct klp_rt_object *obj;

	lockdep_assert_held(&klp_mutex);
	list_del_init(&patch->node);
	WRITE_ONCE(patch->stack_order, 0);
	klp_rt_renumber();

	klp_for_each_object(obj, patch)
		hash_del(&obj->by_target);
}

/* Does any patch on the stack name the module called @name? */
bool klp_rt_is_target(const char *name)
{
	struct klp_rt_object *obj;

	lockdep_assert_held(&klp_mutex);
	hash_for_each_possible(klp_targets, obj, by_target, klp_hash_target(name)) {
		if (!strcmp(obj->name, name))
			return true;
	}
	return false;
}

/* The object of @patch for the module called @name, or for vmlinux when it is NULL. */
struct klp_rt_object *klp_rt_find_object(struct klp_rt_patch *patch, const char *name)
{
	struct klp_rt_object *obj;

	klp_for_each_object(obj, patch) {
		if (name && obj->name ? !strcmp(name, obj->name) : name == obj->name)
			return obj;
	}
	return NULL;
}

/* Note that the module of @obj has come, or has gone when @mod is NULL. */
void klp_rt_set_module(struct klp_rt_object *obj, struct module *mod)
{
	obj->mod = mod;
	if (obj->desc)
		obj->desc->mod = mod;
}

/* The author is to see no modules of a patch that is neither enabled nor on its way. */
void klp_rt_hide_modules(struct klp_rt_patch *patch)
{
	struct klp_rt_object *obj;

	klp_for_each_object(obj, patch) {
		if (obj->desc)
			obj->desc->mod = NULL;
	}
}

/*
 * Find the module of @obj if it is there now. A module counts from
 * klp_module_coming() to klp_module_going(): before and after, those two bring
 * and take it themselves. They also see to it that the pointer does not outlive
 * the module, no reference is taken.
 */
void klp_rt_find_module(struct klp_rt_object *obj)
{
	struct module *mod;

	lockdep_assert_held(&klp_mutex);
	if (!obj->name)
		return;

	/* find_module() walks a list that is protected by RCU-sched. */
	preempt_disable();
	mod = find_module(obj->name);
	if (mod && !mod->klp_alive)
		mod = NULL;
	preempt_enable();

	klp_rt_set_module(obj, mod);
}
