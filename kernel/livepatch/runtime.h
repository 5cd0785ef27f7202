/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the core keeps of a patch while it lives.
 *
 * Every description an author gives us (struct klp_patch, klp_object, klp_func)
 * has a counterpart here that the core allocates, puts into sysfs and frees. A
 * counterpart may outlive its description: the description goes with the module,
 * the counterpart when the last reference to its kobject is dropped.
 *
 * All of it is changed with klp_mutex held. What is read without it says so.
 */
#ifndef _LIVEPATCH_RUNTIME_H
#define _LIVEPATCH_RUNTIME_H

#include <linux/kobject.h>
#include <linux/livepatch.h>
#include <linux/mutex.h>
#include <linux/workqueue.h>

struct klp_redirect;
struct klp_rt_object;

/**
 * struct klp_rt_func - a function of a patch, and one version of it
 * @obj:	 the object it belongs to
 * @name:	 name of the function that is replaced
 * @sympos:	 its position among the symbols of that name, 0 for "the only one"
 * @old_func:	 address of the function that is replaced; valid while @obj is
 *		 loaded, like the next three
 * @old_size:	 bytes of code of @old_func
 * @new_func:	 what runs instead; @old_func itself when @nop is set
 * @new_size:	 bytes of code of @new_func
 * @nop:	 made by the core for an atomic replace, see klp_rt_add_nops() in runtime.c:
 *		 the version that runs the original code
 * @transition:	 the patch is in transition: which version runs is up to each
 *		 task. Read by the ftrace handler
 * @redirect:	 the redirected address this is a version of, NULL when it is not
 * @older:	 the version below this one, NULL for the original code. Read by
 *		 the ftrace handler
 * @node:	 in &klp_rt_object.funcs
 * @kobj:	 its directory in sysfs, owns the structure
 */
struct klp_rt_func {
	struct klp_rt_object *obj;
	const char *name;
	unsigned long sympos;
	void *old_func;
	unsigned long old_size;
	void *new_func;
	unsigned long new_size;
	bool nop;
	bool transition;
	struct klp_redirect *redirect;
	struct klp_rt_func __rcu *older;
	struct list_head node;
	struct kobject kobj;
};

/**
 * enum klp_object_state - what callbacks are owed to an object
 * @KLP_OBJECT_IDLE:	 nothing
 * @KLP_OBJECT_PREPARED: post_unpatch
 * @KLP_OBJECT_LIVE:	 pre_unpatch, then all that prepared owes
 *
 * Only callbacks.c moves an object from one to another.
 */
enum klp_object_state {
	KLP_OBJECT_IDLE,
	KLP_OBJECT_PREPARED,
	KLP_OBJECT_LIVE,
};

/**
 * struct klp_rt_object - vmlinux or a module as one patch sees it
 * @patch:	the patch
 * @desc:	the author's description, NULL when the core added the object to
 *		hold nothing but nops
 * @name:	name of the module, NULL for vmlinux
 * @mod:	the module while it is loaded
 * @relocated:	the relocations of the patch against the module are written
 * @state:	what callbacks are owed
 * @patched:	its functions are redirected. Read by sysfs without the lock
 * @funcs:	its functions, in the order of the description, nops last
 * @by_name:	the same, sorted by name and position, to find one quickly
 * @nr_funcs:	how many there are
 * @node:	in &klp_rt_patch.objs
 * @by_target:	in the hash of what patches on the stack name, by name
 * @kobj:	its directory in sysfs, owns the structure
 */
struct klp_rt_object {
	struct klp_rt_patch *patch;
	struct klp_object *desc;
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
 * struct klp_rt_patch - a patch that is enabled, or on its way in or out
 * @desc:	the author's description; not to be looked at without a reference
 *		to the module
 * @mod:	the livepatch module, of which we hold a reference unless the patch
 *		is in klp_disabled_patches
 * @name:	its name, which is the patch's as well
 * @enabled:	what the last request was. The transition to it may still be
 *		under way. Read by sysfs without the lock
 * @replace:	the patch takes the place of all others
 * @persistent:	once disabled it waits in klp_disabled_patches to be enabled again
 * @forced:	a task may still run its code: the module must never go
 * @stack_order: place in the stack of patches, 1 is the oldest. Read by sysfs
 *		without the lock
 * @objs:	its objects in the order of the description, those that hold
 *		nothing but nops last
 * @request:	what it has been asked for last, in the words of the klp_request
 *		trace event
 * @requested_ns: and when, by ktime_get_ns()
 * @node:	in klp_patches or klp_disabled_patches, or alone
 * @free_work:	takes the patch apart when that cannot be done on the spot
 * @kobj:	its directory in sysfs, owns the structure
 */
struct klp_rt_patch {
	struct klp_patch *desc;
	struct module *mod;
	const char *name;
	bool enabled;
	bool replace;
	bool persistent;
	bool forced;
	unsigned int stack_order;
	struct list_head objs;
	const char *request;
	u64 requested_ns;
	struct list_head node;
	struct work_struct free_work;
	struct kobject kobj;
};

/*
 * The one lock of the core. It is taken before module_mutex, cpu_hotplug_lock,
 * ftrace's and tasklist_lock, and held while callbacks run.
 */
extern struct mutex klp_mutex;

/* The stack of patches, oldest first. */
extern struct list_head klp_patches;

/*
 * Persistent patches that are disabled. No reference to their modules is held:
 * such a module may run its exit at any time, and takes with it what the
 * description holds, names included. klp_module_going() then takes the patch out.
 */
extern struct list_head klp_disabled_patches;

/* The patch that is in transition, or NULL. Written with klp_mutex held. */
extern struct klp_rt_patch *klp_transition_patch;

#define klp_for_each_patch(patch) \
	list_for_each_entry(patch, &klp_patches, node)
#define klp_for_each_object(obj, patch) \
	list_for_each_entry(obj, &(patch)->objs, node)
#define klp_for_each_func(func, obj) \
	list_for_each_entry(func, &(obj)->funcs, node)

/* As sysfs and the log name it. */
static inline const char *klp_object_name(const struct klp_rt_object *obj)
{
	return obj->name ?: "vmlinux";
}

static inline bool klp_object_loaded(const struct klp_rt_object *obj)
{
	return obj->mod || !obj->name;
}

/* A position of 0 and one of 1 are the same place, and the same name in sysfs. */
static inline unsigned long klp_func_position(const struct klp_rt_func *func)
{
	return func->sympos ?: 1;
}

struct klp_rt_patch *klp_rt_create_patch(struct klp_patch *desc);
void klp_rt_destroy_patch(struct klp_rt_patch *patch);
int klp_rt_add_nops(struct klp_rt_patch *patch);
void klp_rt_drop_nops(struct klp_rt_patch *patch);

void klp_rt_push_patch(struct klp_rt_patch *patch);
void klp_rt_unlink_patch(struct klp_rt_patch *patch);

bool klp_rt_is_target(const char *name);
struct klp_rt_object *klp_rt_find_object(struct klp_rt_patch *patch, const char *name);
void klp_rt_find_module(struct klp_rt_object *obj);
void klp_rt_set_module(struct klp_rt_object *obj, struct module *mod);
void klp_rt_hide_modules(struct klp_rt_patch *patch);

#endif /* _LIVEPATCH_RUNTIME_H */
