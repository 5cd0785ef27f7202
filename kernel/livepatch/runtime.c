// SPDX-License-Identifier: GPL-2.0
/* Runtime objects: creating them from a description, finding and freeing them. */

#define pr_fmt(fmt) "livepatch: " fmt

#include <kunit/visibility.h>
#include <linux/bsearch.h>
#include <linux/hashtable.h>
#include <linux/mm.h>
#include <linux/sort.h>
#include <linux/string.h>
#include <linux/stringhash.h>
#include "extents.h"
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
 * The modules that patches on the stack name, by name. Most modules that are loaded or unloaded
 * are not among them, and this lookup does not depend on the number of patches.
 */
static DEFINE_HASHTABLE(klp_targets, 8);

static unsigned int klp_hash_target(const char *name)
{
	return full_name_hash(NULL, name, strlen(name));
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

/*
 * Sort the functions of @obj into its index. Two functions of one name and position would share
 * a directory, and are refused.
 */
static int klp_rt_index_object(struct klp_rt_object *obj)
{
	struct klp_rt_func **by_name, *func;
	unsigned int i = 0;

	if (list_empty(&obj->funcs))
		return 0;

	by_name = kvmalloc_array(list_count_nodes(&obj->funcs), sizeof(*by_name), GFP_KERNEL);
	if (!by_name)
		return -ENOMEM;

	klp_rt_for_each_func(func, obj)
		by_name[i++] = func;
	kvfree(obj->by_name);
	obj->by_name = by_name;
	obj->nr_funcs = i;
	sort(by_name, i, sizeof(*by_name), klp_cmp_funcs, NULL);

	while (--i) {
		if (klp_cmp_funcs(&by_name[i - 1], &by_name[i]))
			continue;
		pr_err("function '%s,%lu' is listed twice for object '%s'\n", by_name[i]->name,
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
	INIT_LIST_HEAD(&func->parts);
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

/* A part of a description, and its name in the log. */
struct klp_desc_part {
	const void *part;
	const char *name;
};

/*
 * Check that parts of a description are not in an init section of the module. Init sections
 * have been freed when a persistent patch is enabled again, when a target module is loaded
 * later, or when a transition completes.
 */
static int klp_check_parts(const struct klp_rt_patch *patch, const char *objname,
			   const struct klp_desc_part *parts, unsigned int nr)
{
	unsigned int i;

	for (i = 0; i < nr; i++) {
		if (!within_module_init((unsigned long)parts[i].part, patch->mod))
			continue;
		pr_err("patch '%s': %s of object '%s' is in an init section\n", patch->name,
		       parts[i].name, objname);
		return -EINVAL;
	}
	return 0;
}

static int klp_check_hooks(const struct klp_rt_patch *patch, const char *objname,
			   const struct klp_hook *hooks, const char *name)
{
	const struct klp_desc_part array = { hooks, name };
	int ret;

	ret = klp_check_parts(patch, objname, &array, 1);
	for (; hooks && hooks->hook && !ret; hooks++) {
		const struct klp_desc_part hook = { hooks->hook, name };

		ret = klp_check_parts(patch, objname, &hook, 1);
	}
	return ret;
}

static int klp_check_object_lasts(const struct klp_rt_patch *patch, const struct klp_object *desc)
{
	/* Called only by klp_enable_patch(), that is, during the init of the module. */
	bool once = !desc->name && !patch->persistent;
	const struct klp_desc_part parts[] = {
		{ desc->name, "name" },
		{ desc->funcs, "funcs" },
		{ once ? NULL : desc->callbacks.pre_patch, "pre_patch" },
		{ desc->callbacks.post_patch, "post_patch" },
		{ desc->callbacks.pre_unpatch, "pre_unpatch" },
		{ desc->callbacks.post_unpatch, "post_unpatch" },
	};
	const char *objname = desc->name ?: "vmlinux";
	int ret;

	if (within_module_init((unsigned long)desc, patch->mod)) {
		pr_err("patch '%s': objs is in an init section\n", patch->name);
		return -EINVAL;
	}
	ret = klp_check_parts(patch, objname, parts, ARRAY_SIZE(parts));
	if (ret)
		return ret;
	ret = klp_check_hooks(patch, objname, desc->patch_hooks, "patch_hooks");
	if (ret)
		return ret;
	return klp_check_hooks(patch, objname, desc->unpatch_hooks, "unpatch_hooks");
}

static int klp_check_patch_lasts(const struct klp_patch *desc)
{
	if (within_module_init((unsigned long)desc, desc->mod)) {
		pr_err("patch '%s': its struct klp_patch is in an init section\n",
		       desc->mod->name);
		return -EINVAL;
	}
	if (within_module_init((unsigned long)desc->states, desc->mod)) {
		pr_err("patch '%s': states is in an init section\n", desc->mod->name);
		return -EINVAL;
	}
	if (within_module_init((unsigned long)desc->replace_sets, desc->mod)) {
		pr_err("patch '%s': replace_sets is in an init section\n", desc->mod->name);
		return -EINVAL;
	}
	return 0;
}

static int klp_rt_add_func(struct klp_rt_object *obj, struct klp_func *desc)
{
	const struct klp_desc_part parts[] = {
		{ desc->old_name, "old_name of a function" },
		{ desc->new_func, "new_func of a function" },
	};
	struct klp_rt_func *func;
	int ret;

	if (!desc->old_name) {
		pr_err("a function of object '%s' has no name\n", klp_object_name(obj));
		return -EINVAL;
	}
	if (strlen(desc->old_name) >= KSYM_NAME_LEN) {
		pr_err("function name '%.32s...' of object '%s' is too long\n", desc->old_name,
		       klp_object_name(obj));
		return -EINVAL;
	}
	if (!desc->new_func != desc->stack_only) {
		pr_err("function '%s' of object '%s' has %s replacement\n", desc->old_name,
		       klp_object_name(obj), desc->stack_only ? "stack_only and a" : "no");
		return -EINVAL;
	}

	ret = klp_check_parts(obj->patch, klp_object_name(obj), parts, ARRAY_SIZE(parts));
	if (ret)
		return ret;

	func = klp_rt_alloc_func(obj, desc->old_name, desc->old_sympos);
	if (!func)
		return -ENOMEM;
	func->desc = desc;
	func->new_func = desc->new_func;
	func->stack_only = desc->stack_only;
	return 0;
}

/* Check that @name is a valid name of a module and of a directory in sysfs. */
static int klp_check_object_name(const struct klp_rt_patch *patch, const char *name)
{
	if (!*name) {
		pr_err("an object of patch '%s' has an empty name\n", patch->name);
		return -EINVAL;
	}
	if (strlen(name) >= MODULE_NAME_LEN) {
		pr_err("object name '%.32s...' is too long\n", name);
		return -EINVAL;
	}
	if (!strcmp(name, "vmlinux")) {
		pr_err("object name 'vmlinux' is not a module, use a NULL name for vmlinux\n");
		return -EINVAL;
	}
	if (strchr(name, '-')) {
		pr_err("object name '%s' contains '-', module names contain '_' instead\n",
		       name);
		return -EINVAL;
	}
	if (strchr(name, '/') || !strcmp(name, ".") || !strcmp(name, "..")) {
		pr_err("object name '%s' is not a valid module name\n", name);
		return -EINVAL;
	}
	return 0;
}

static int klp_rt_add_object(struct klp_rt_patch *patch, struct klp_object *desc)
{
	struct klp_rt_object *obj;
	struct klp_func *func_desc;
	int ret;

	ret = klp_check_object_lasts(patch, desc);
	if (!ret && desc->name)
		ret = klp_check_object_name(patch, desc->name);
	if (ret)
		return ret;
	if (klp_rt_find_object(patch, desc->name)) {
		pr_err("object '%s' is listed twice\n", desc->name ?: "vmlinux");
		return -EEXIST;
	}

	obj = klp_rt_alloc_object(patch, desc->name);
	if (!obj)
		return -ENOMEM;
	obj->desc = desc;

	klp_for_each_func_static(desc, func_desc) {
		ret = klp_rt_add_func(obj, func_desc);
		if (ret)
			return ret;
	}
	return klp_rt_index_object(obj);
}

static int klp_check_state_lasts(const struct klp_rt_patch *patch, const struct klp_state *desc)
{
	/* Run only in the request of klp_enable_patch(), that is, during the init of the module. */
	bool once = !desc->object && !patch->persistent;
	const void *parts[] = {
		desc->object,
		once ? NULL : desc->callbacks.pre_patch,
		desc->callbacks.post_patch,
		desc->callbacks.pre_unpatch,
		desc->callbacks.post_unpatch,
		desc->callbacks.shadow_dtor,
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(parts); i++) {
		if (!within_module_init((unsigned long)parts[i], patch->mod))
			continue;
		pr_err("patch '%s': a part of state %lu is in an init section\n", patch->name,
		       desc->id);
		return -EINVAL;
	}
	return 0;
}

/* Bind a state to the object of its name. The object is created if the patch has none. */
static int klp_rt_bind_state(struct klp_rt_state *state, const char *name)
{
	struct klp_rt_patch *patch = state->patch;
	int ret;

	ret = klp_check_object_name(patch, name);
	if (ret)
		return ret;
	state->obj = klp_rt_find_object(patch, name);
	if (!state->obj)
		state->obj = klp_rt_alloc_object(patch, name);
	if (!state->obj)
		return -ENOMEM;
	state->obj->of_state = true;
	return 0;
}

static int klp_rt_add_state(struct klp_rt_patch *patch, struct klp_state *desc)
{
	struct klp_rt_state *state;
	int ret;

	/* The first entry with this number counts. */
	if (klp_get_state(patch->desc, desc->id) != desc)
		return 0;
	ret = klp_check_state_lasts(patch, desc);
	if (ret)
		return ret;
	state = kzalloc(sizeof(*state), GFP_KERNEL);
	if (!state)
		return -ENOMEM;

	state->patch = patch;
	state->desc = desc;
	state->id = desc->id;
	state->version = desc->version;
	state->data = desc->data;
	klp_sysfs_init_state(state);
	list_add_tail(&state->node, &patch->states);
	return desc->object ? klp_rt_bind_state(state, desc->object) : 0;
}

static void klp_rt_destroy_state(struct klp_rt_state *state)
{
	list_del(&state->node);
	klp_sysfs_destroy(&state->kobj);
}

static int klp_rt_add_object_nops(struct klp_rt_patch *patch, struct klp_rt_object *old_obj)
{
	struct klp_rt_object *obj = klp_rt_find_object(patch, old_obj->name);
	struct klp_rt_func *old_func, *func;
	bool added = false;

	klp_rt_for_each_func(old_func, old_obj) {
		if (old_func->stack_only)
			continue;
		if (!obj) {
			obj = klp_rt_alloc_object(patch, old_obj->name);
			if (!obj)
				return -ENOMEM;
		}
		func = klp_rt_find_func(obj, old_func->name, klp_func_position(old_func));
		if (func) {
			/* A nop has the directory of its name. So make this function the nop. */
			func->nop = func->nop || func->stack_only;
			continue;
		}
		func = klp_rt_alloc_func(obj, old_func->name, old_func->sympos);
		if (!func)
			return -ENOMEM;
		func->nop = true;
		added = true;
	}
	return added ? klp_rt_index_object(obj) : 0;
}

/**
 * klp_rt_add_nops() - add the nops of an atomic replace
 * @patch: a patch that is not on the stack
 *
 * A function that a replaced patch changes and this one does not change is reverted to its
 * original code, in the same transition. Until the end of the transition a nop is its newest
 * version. The names of nops belong to the older patch, which exists until the nops are freed.
 *
 * Context: process context, klp_mutex held.
 * Return:
 * * %0 - the nops have been added
 * * %-ENOMEM - no memory. klp_rt_drop_nops() frees those that have been added
 */
int klp_rt_add_nops(struct klp_rt_patch *patch)
{
	struct klp_rt_object *old_obj;
	struct klp_rt_patch *old;
	int ret;

	klp_for_each_patch(old) {
		if (!klp_replaces(patch->desc, old))
			continue;
		klp_rt_for_each_object(old_obj, old) {
			ret = klp_rt_add_object_nops(patch, old_obj);
			if (ret)
				return ret;
		}
	}
	return 0;
}

/**
 * klp_replaces() - find out whether a patch replaces an older one
 * @desc: description of the patch
 * @old:  a patch below it on the stack
 *
 * Context: process context, klp_mutex held.
 * Return: true if @desc has klp_patch.replace, and @old is of a set that it replaces.
 */
bool klp_replaces(const struct klp_patch *desc, const struct klp_rt_patch *old)
{
	const unsigned int *set = desc->replace_sets;

	if (!desc->replace)
		return false;
	if (old->replace_set == desc->replace_set)
		return true;
	for (; set && *set; set++) {
		if (*set == old->replace_set)
			return true;
	}
	return false;
}
EXPORT_SYMBOL_IF_KUNIT(klp_replaces);

/**
 * klp_sets_conflict() - find out whether two patches must not change the same function
 * @desc: description of a patch
 * @old:  a patch below it on the stack
 *
 * Context: process context, klp_mutex held.
 * Return: true if they are of different sets, and @desc does not replace @old. The patch must
 * not change a function or have a state that @old changes or has.
 */
bool klp_sets_conflict(const struct klp_patch *desc, const struct klp_rt_patch *old)
{
	return desc->replace_set != old->replace_set && !klp_replaces(desc, old);
}

static int klp_check_state_conflict(const struct klp_rt_patch *patch,
				    const struct klp_rt_patch *old)
{
	const struct klp_state *state;

	for (state = patch->desc->states; state && state->id; state++) {
		if (!klp_get_state(old->desc, state->id))
			continue;
		pr_err("patch '%s' of set %u has state %lu, as patch '%s' of set %u does\n",
		       patch->name, patch->replace_set, state->id, old->name, old->replace_set);
		return -EBUSY;
	}
	return 0;
}

static int klp_check_object_conflict(struct klp_rt_object *obj, struct klp_rt_object *old)
{
	struct klp_rt_func *func, *other;

	klp_rt_for_each_func(func, obj) {
		if (!klp_func_has_replacement(func))
			continue;
		other = klp_rt_find_func(old, func->name, klp_func_position(func));
		if (!other || !klp_func_has_replacement(other))
			continue;
		pr_err("patch '%s' of set %u changes function '%s,%lu' of object '%s', as patch '%s' of set %u does\n",
		       obj->patch->name, obj->patch->replace_set, func->name,
		       klp_func_position(func), klp_object_name(obj), old->patch->name,
		       old->patch->replace_set);
		return -EBUSY;
	}
	return 0;
}

/**
 * klp_rt_check_conflicts() - check functions and states against patches of other sets
 * @patch: a patch that is not on the stack
 *
 * States are compared by number, and functions by name and position, whether their object is
 * loaded or not.
 * klp_redirect_object() compares the addresses of those that have several names.
 *
 * Context: process context, klp_mutex held.
 * Return:
 * * %0 - no other patch has them
 * * %-EBUSY - a patch of another set, which is not replaced, has a function or a state of
 *   @patch, which is logged
 */
int klp_rt_check_conflicts(struct klp_rt_patch *patch)
{
	struct klp_rt_object *obj, *old_obj;
	struct klp_rt_patch *old;
	int ret;

	lockdep_assert_held(&klp_mutex);

	klp_for_each_patch(old) {
		if (!klp_sets_conflict(patch->desc, old))
			continue;
		ret = klp_check_state_conflict(patch, old);
		if (ret)
			return ret;
		klp_rt_for_each_object(obj, patch) {
			old_obj = klp_rt_find_object(old, obj->name);
			ret = old_obj ? klp_check_object_conflict(obj, old_obj) : 0;
			if (ret)
				return ret;
		}
	}
	return 0;
}

static void klp_rt_destroy_func(struct klp_rt_func *func)
{
	klp_forget_extents(func);
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
 * klp_rt_create_patch() - create the runtime objects of a patch
 * @desc: description of the patch
 *
 * Validates the description, and creates an object for each of its parts and for the nops of an
 * atomic replace. They are not in sysfs yet.
 *
 * Context: process context, klp_mutex held.
 * Return: the patch, or an ERR_PTR():
 * * %-EINVAL - a part of the description is missing or malformed, which is logged
 * * %-EEXIST - two objects or two functions have the same name, which is logged
 * * %-ENOMEM - no memory
 */
struct klp_rt_patch *klp_rt_create_patch(struct klp_patch *desc)
{
	struct klp_object *obj_desc;
	struct klp_state *state_desc;
	struct klp_rt_patch *patch;
	int ret;

	lockdep_assert_held(&klp_mutex);

	ret = klp_check_patch_lasts(desc);
	if (ret)
		return ERR_PTR(ret);

	patch = kzalloc(sizeof(*patch), GFP_KERNEL);
	if (!patch)
		return ERR_PTR(-ENOMEM);

	patch->desc = desc;
	patch->mod = desc->mod;
	patch->name = desc->mod->name;
	patch->replace = desc->replace;
	patch->replace_set = desc->replace_set;
	patch->persistent = desc->persistent;
	INIT_LIST_HEAD(&patch->objs);
	INIT_LIST_HEAD(&patch->states);
	INIT_LIST_HEAD(&patch->node);
	klp_sysfs_init_patch(patch);

	klp_for_each_object_static(desc, obj_desc) {
		ret = klp_rt_add_object(patch, obj_desc);
		if (ret)
			goto err;
	}
	for (state_desc = desc->states; state_desc && state_desc->id; state_desc++) {
		ret = klp_rt_add_state(patch, state_desc);
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
 * klp_rt_destroy_patch() - free the runtime objects of a patch
 * @patch: the patch, without further users
 *
 * Removes its directory from sysfs. The description may have been freed already.
 *
 * Context: process context. Waits for readers and writers of the sysfs files of the patch. Must
 * not be called from there, and not with klp_mutex held unless the patch is not in sysfs.
 */
void klp_rt_destroy_patch(struct klp_rt_patch *patch)
{
	struct klp_rt_state *state, *next_state;
	struct klp_rt_object *obj, *next;

	list_for_each_entry_safe(state, next_state, &patch->states, node)
		klp_rt_destroy_state(state);
	if (patch->states_dir)
		klp_sysfs_destroy(patch->states_dir);
	list_for_each_entry_safe(obj, next, &patch->objs, node)
		klp_rt_destroy_object(obj);
	klp_sysfs_destroy(&patch->kobj);
}

/**
 * klp_rt_drop_nops() - free the nops of an atomic replace
 * @patch: the patch, whose nops are not redirected any longer
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
		if (klp_object_has_only_nops(obj)) {
			klp_rt_destroy_object(obj);
			continue;
		}
		for (i = 0, kept = 0; i < obj->nr_funcs; i++) {
			if (obj->by_name[i]->desc)
				obj->by_name[kept++] = obj->by_name[i];
		}
		obj->nr_funcs = kept;
		list_for_each_entry_safe(func, next, &obj->funcs, node) {
			func->nop = false;
			if (!func->desc)
				klp_rt_destroy_func(func);
		}
	}
}

/* Number the patches of each set. */
static void klp_rt_renumber(void)
{
	struct klp_rt_patch *patch, *older;
	unsigned int order;

	klp_for_each_patch(patch) {
		order = 1;
		klp_for_each_patch(older) {
			if (older == patch)
				break;
			order += older->replace_set == patch->replace_set;
		}
		WRITE_ONCE(patch->stack_order, order);
	}
}

/* Put @patch on top of the stack of patches. */
void klp_rt_push_patch(struct klp_rt_patch *patch)
{
	struct klp_rt_object *obj;

	lockdep_assert_held(&klp_mutex);
	list_move_tail(&patch->node, &klp_patches);
	klp_rt_renumber();

	klp_rt_for_each_object(obj, patch) {
		if (obj->name)
			hash_add(klp_targets, &obj->by_target, klp_hash_target(obj->name));
	}
}

/* Remove @patch from the stack of patches, or from the disabled patches. */
void klp_rt_unlink_patch(struct klp_rt_patch *patch)
{
	struct klp_rt_object *obj;

	lockdep_assert_held(&klp_mutex);
	list_del_init(&patch->node);
	WRITE_ONCE(patch->stack_order, 0);
	klp_rt_renumber();

	klp_rt_for_each_object(obj, patch)
		hash_del(&obj->by_target);
}

/* Return true if a patch on the stack names the module @name. */
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

/*
 * Return the object of @patch for the module @name, or for vmlinux when @name is NULL. NULL if
 * there is none.
 */
struct klp_rt_object *klp_rt_find_object(struct klp_rt_patch *patch, const char *name)
{
	struct klp_rt_object *obj;

	klp_rt_for_each_object(obj, patch) {
		if (name && obj->name ? !strcmp(name, obj->name) : name == obj->name)
			return obj;
	}
	return NULL;
}

/* Set the module of @obj, NULL when it is unloaded. */
void klp_rt_set_module(struct klp_rt_object *obj, struct module *mod)
{
	obj->mod = mod;
	if (obj->desc)
		obj->desc->mod = mod;
}

/* Clear the fields of the core in a description, which may be freed with its module. */
void klp_rt_clear_description(struct klp_rt_patch *patch)
{
	struct klp_rt_object *obj;
	struct klp_rt_func *func;

	patch->desc->enabled = false;
	klp_rt_for_each_object(obj, patch) {
		if (!obj->desc)
			continue;
		obj->desc->mod = NULL;
		obj->desc->patched = false;
		klp_rt_for_each_func(func, obj) {
			if (func->desc)
				func->desc->old_func = NULL;
		}
	}
}

/*
 * Return the module @name if it is loaded, or NULL. A module counts as loaded from
 * klp_module_coming() to klp_module_going().
 */
struct module *klp_find_alive_module(const char *name)
{
	struct module *mod;

	lockdep_assert_held(&klp_mutex);

	/* find_module() walks a list that is protected by RCU-sched. */
	preempt_disable();
	mod = find_module(name);
	if (mod && !mod->klp_alive)
		mod = NULL;
	preempt_enable();
	return mod;
}

/*
 * Find the module of @obj if it is loaded. Afterwards klp_module_coming() and klp_module_going()
 * set and clear the module of @obj. They also ensure that the pointer does not outlive the
 * module, so no reference is taken.
 */
void klp_rt_find_module(struct klp_rt_object *obj)
{
	lockdep_assert_held(&klp_mutex);
	if (obj->name)
		klp_rt_set_module(obj, klp_find_alive_module(obj->name));
}
