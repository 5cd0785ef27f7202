/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The runtime objects of a patch. Each description of an author (struct klp_patch, klp_object,
 * klp_func) has a counterpart that the core allocates, adds to sysfs and frees. A counterpart
 * may outlive its description: the description is freed with the module, the counterpart when
 * the last reference to its kobject is dropped.
 *
 * klp_mutex protects all fields. Fields that are read without it are marked.
 */
#ifndef _LIVEPATCH_RUNTIME_H
#define _LIVEPATCH_RUNTIME_H

#include <linux/kobject.h>
#include <linux/livepatch.h>
#include <linux/mutex.h>

struct klp_redirect;
struct klp_rt_object;

/**
 * struct klp_code_part - code that the compiler has moved out of a function
 * @node:   in &klp_rt_func.parts
 * @of_new: part of the new function, otherwise of the old one
 * @start:  address of its first byte
 * @size:   size of the code in bytes
 *
 * gcc names such code after the function, with ".cold" or ".part." appended. The code has
 * symbols of its own, may be far from the function and is entered by a jump: the stack of a
 * task that sleeps there may not contain any address of the function.
 */
struct klp_code_part {
	struct list_head node;
	bool of_new;
	unsigned long start;
	unsigned long size;
};

/**
 * struct klp_rt_func - a function of a patch, and one version of it
 * @obj:	 the object that the function belongs to
 * @desc:	 description of the function, NULL for a nop
 * @name:	 name of the function that is replaced
 * @sympos:	 its position among the symbols of that name, 0 for "the only one"
 * @old_func:	 address of the function that is replaced. Valid while @obj is loaded, like the
 *		 next four
 * @old_size:	 size of @old_func in bytes
 * @new_func:	 address of the replacement, @old_func if there is none
 * @new_size:	 size of @new_func in bytes
 * @ip:		 the address in @old_func that ftrace patches, 0 if there is none
 * @parts:	 code of @old_func and of @new_func that is outside of them
 * @redundant:	 a nop for an address that another function of @obj has, by another
 *		 name: it is no version
 * @nop:	 set by klp_rt_add_nops(): the version that runs the original code
 * @stack_only:	 no replacement: tasks are not switched while they are in the function. Such a
 *		 function may be a nop during a replace
 * @transition:	 the patch is in transition: the state of the calling task selects the version.
 *		 Read by the ftrace handler
 * @redirect:	 the redirect that this is a version of, or NULL
 * @older:	 the version below this one, NULL for the original code. Read by the ftrace
 *		 handler
 * @node:	 in &klp_rt_object.funcs
 * @kobj:	 its directory in sysfs, owns the structure
 */
struct klp_rt_func {
	struct klp_rt_object *obj;
	struct klp_func *desc;
	const char *name;
	unsigned long sympos;
	void *old_func;
	unsigned long old_size;
	void *new_func;
	unsigned long new_size;
	unsigned long ip;
	struct list_head parts;
	bool redundant;
	bool nop;
	bool stack_only;
	bool transition;
	struct klp_redirect *redirect;
	struct klp_rt_func __rcu *older;
	struct list_head node;
	struct kobject kobj;
};

/**
 * enum klp_object_state - callbacks that are owed to an object
 * @KLP_OBJECT_IDLE:	 none
 * @KLP_OBJECT_PREPARED: post_unpatch
 * @KLP_OBJECT_LIVE:	 pre_unpatch, then post_unpatch
 *
 * A callback is owed to an object when it has to run before the patch is freed. Only
 * callbacks.c changes the state of an object.
 */
enum klp_object_state {
	KLP_OBJECT_IDLE,
	KLP_OBJECT_PREPARED,
	KLP_OBJECT_LIVE,
};

/**
 * struct klp_rt_state - a state of a patch
 * @patch:	the patch, one of the owners of the state
 * @desc:	description of the state
 * @id:		number of the state
 * @version:	its version
 * @obj:	the object to which the state is bound, or NULL
 * @data:	value of &klp_state.data when the patch was created
 * @stage:	callbacks that are owed. Of all owners on the stack at most one has another value
 *		than KLP_OBJECT_IDLE: the holder. Only state.c changes the stage
 * @inherited:	another patch had the state when this one became an owner. Read by sysfs without
 *		the lock
 * @node:	in &klp_rt_patch.states
 * @kobj:	its directory in sysfs, owns the structure
 */
struct klp_rt_state {
	struct klp_rt_patch *patch;
	struct klp_state *desc;
	unsigned long id;
	unsigned int version;
	struct klp_rt_object *obj;
	void *data;
	enum klp_object_state stage;
	bool inherited;
	struct list_head node;
	struct kobject kobj;
};

/**
 * struct klp_rt_object - vmlinux or a module, in one patch
 * @patch:	the patch
 * @desc:	description of the object, NULL for an object that holds only nops, or that only a
 *		state names
 * @of_state:	a state of the patch is bound to the object
 * @name:	name of the module, NULL for vmlinux
 * @mod:	the module while it is loaded
 * @relocated:	the relocations of the patch against the module have been written
 * @state:	callbacks that are owed to the object
 * @patched:	the functions are redirected. Read by sysfs without the lock
 * @funcs:	the functions, in the order of the description, nops last
 * @by_name:	the functions, sorted by name and position
 * @nr_funcs:	number of functions
 * @node:	in &klp_rt_patch.objs
 * @by_target:	in the hash of the modules that patches on the stack name
 * @kobj:	its directory in sysfs, owns the structure
 */
struct klp_rt_object {
	struct klp_rt_patch *patch;
	struct klp_object *desc;
	bool of_state;
	const char *name;
	struct module *mod;
	bool relocated;
	enum klp_object_state state;
	bool patched;
	struct list_head funcs;
	struct klp_rt_func **by_name;
	unsigned int nr_funcs;
	struct list_head node;
	struct hlist_node by_target;
	struct kobject kobj;
};

/**
 * struct klp_rt_patch - an installed patch
 * @desc:	description of the patch. Accessed only with a reference to the module
 * @mod:	the livepatch module, with a reference unless the patch is in
 *		klp_disabled_patches
 * @name:	name of the module and of the patch
 * @enabled:	what the last request was. The transition to it may be running. Read by sysfs
 *		without the lock
 * @replace:	the patch replaces the older ones for which klp_replaces() returns true
 * @replace_set: the set of the patch
 * @persistent:	the patch moves to klp_disabled_patches when it has been disabled
 * @forced:	a task may still run its code: the module is never unloaded
 * @leaving:	the module is being unloaded while the patch is enabled: requests are refused
 * @retired:	the patch has left the stack and is about to be freed
 * @stack_order: position among the patches of the set on the stack, 1 is the oldest. Read by
 *		sysfs without the lock
 * @objs:	the objects in the order of the description, those with only nops last
 * @states:	the states in the order of the description. Of several entries with one number
 *		only the first counts
 * @states_dir:	directory of the states in sysfs, NULL if there are none
 * @request:	the last request, in the words of the klp_request trace event
 * @requested_ns: time of that request, from ktime_get_ns()
 * @since:	time of the last request or of its answer, from ktime_get_boottime_seconds(). Read
 *		by sysfs without the lock
 * @node:	in klp_patches, klp_disabled_patches or the list of retired patches, or in none
 * @kobj:	its directory in sysfs, owns the structure
 */
struct klp_rt_patch {
	struct klp_patch *desc;
	struct module *mod;
	const char *name;
	bool enabled;
	bool replace;
	unsigned int replace_set;
	bool persistent;
	bool forced;
	bool leaving;
	bool retired;
	unsigned int stack_order;
	struct list_head objs;
	struct list_head states;
	struct kobject *states_dir;
	const char *request;
	u64 requested_ns;
	unsigned long since;
	struct list_head node;
	struct kobject kobj;
};

/*
 * The lock of the core. Taken before module_mutex, cpu_hotplug_lock, the locks of ftrace and
 * tasklist_lock. Held while callbacks run.
 */
extern struct mutex klp_mutex;

/* The stack of patches, oldest first. */
extern struct list_head klp_patches;

/*
 * Persistent patches that are disabled. No reference to their modules is held: the module may
 * be unloaded at any time, and its description with all names is freed then. klp_module_going()
 * removes the patch.
 */
extern struct list_head klp_disabled_patches;

/* The patch that is in transition, or NULL. Written under klp_mutex. */
extern struct klp_rt_patch *klp_transition_patch;

#define klp_for_each_patch(patch) \
	list_for_each_entry(patch, &klp_patches, node)
#define klp_rt_for_each_object(obj, patch) \
	list_for_each_entry(obj, &(patch)->objs, node)
#define klp_rt_for_each_state(state, patch) \
	list_for_each_entry(state, &(patch)->states, node)
#define klp_rt_for_each_func(func, obj) \
	list_for_each_entry(func, &(obj)->funcs, node)

/* Return the name of @obj in sysfs and in the log. */
static inline const char *klp_object_name(const struct klp_rt_object *obj)
{
	return obj->name ?: "vmlinux";
}

/* Return true if the object exists only for the nops of an atomic replace. */
static inline bool klp_object_has_only_nops(const struct klp_rt_object *obj)
{
	return !obj->desc && !obj->of_state;
}

static inline bool klp_object_loaded(const struct klp_rt_object *obj)
{
	return obj->mod || !obj->name;
}

/* Return the position in sysfs. Positions 0 and 1 mean the same symbol. */
static inline unsigned long klp_func_position(const struct klp_rt_func *func)
{
	return func->sympos ?: 1;
}

/* Return true if @func has code of its own that replaces the old function. */
static inline bool klp_func_has_replacement(const struct klp_rt_func *func)
{
	return !func->nop && !func->stack_only;
}

/* Return true if @func becomes a version of a redirect when its object is redirected. */
static inline bool klp_func_is_version(const struct klp_rt_func *func)
{
	return !func->redundant && (func->nop || !func->stack_only);
}

static inline void klp_rt_set_enabled(struct klp_rt_patch *patch, bool enabled)
{
	/* Read by sysfs without the lock. */
	WRITE_ONCE(patch->enabled, enabled);
	patch->desc->enabled = enabled;
	sysfs_notify(&patch->kobj, NULL, "enabled");
}

static inline void klp_rt_set_patched(struct klp_rt_object *obj, bool patched)
{
	/* Read by sysfs without the lock. */
	WRITE_ONCE(obj->patched, patched);
	if (obj->desc)
		obj->desc->patched = patched;
	sysfs_notify(&obj->kobj, NULL, "patched");
}

static inline void klp_rt_set_old_func(struct klp_rt_func *func, void *old_func)
{
	func->old_func = old_func;
	if (func->desc)
		func->desc->old_func = old_func;
}

struct klp_rt_patch *klp_rt_create_patch(struct klp_patch *desc);
void klp_rt_destroy_patch(struct klp_rt_patch *patch);
bool klp_replaces(const struct klp_patch *desc, const struct klp_rt_patch *old);
bool klp_sets_conflict(const struct klp_patch *desc, const struct klp_rt_patch *old);
int klp_rt_check_conflicts(struct klp_rt_patch *patch);
int klp_rt_add_nops(struct klp_rt_patch *patch);
void klp_rt_drop_nops(struct klp_rt_patch *patch);

void klp_rt_push_patch(struct klp_rt_patch *patch);
void klp_rt_unlink_patch(struct klp_rt_patch *patch);

bool klp_rt_is_target(const char *name);
struct klp_rt_object *klp_rt_find_object(struct klp_rt_patch *patch, const char *name);
struct module *klp_find_alive_module(const char *name);
void klp_rt_find_module(struct klp_rt_object *obj);
void klp_rt_set_module(struct klp_rt_object *obj, struct module *mod);
void klp_rt_clear_description(struct klp_rt_patch *patch);

#endif /* _LIVEPATCH_RUNTIME_H */
