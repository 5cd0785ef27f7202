/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Kernel live patching: the descriptions that the author of a livepatch fills in, and the
 * functions that the module loader, fork, the scheduler and /proc call.
 *
 * The core reads the descriptions. It writes only to the fields that are marked as set by the
 * core, which authors may read. The runtime objects of the core are in
 * kernel/livepatch/runtime.h.
 */

#ifndef _LINUX_LIVEPATCH_H_
#define _LINUX_LIVEPATCH_H_

#include <linux/ftrace.h>
#include <linux/livepatch_external.h>
#include <linux/livepatch_sched.h>
#include <linux/module.h>

#if IS_ENABLED(CONFIG_LIVEPATCH)

/*
 * Values of task_struct::patch_state, shown by /proc/<pid>/patch_state. The last two occur only
 * during a transition.
 */
#define KLP_TRANSITION_IDLE		-1
#define KLP_TRANSITION_UNPATCHED	 0
#define KLP_TRANSITION_PATCHED		 1

/*
 * The exported name contains the version of the layout of the structures below. On a kernel
 * without MODVERSIONS the loader cannot recognize a livepatch that was built with another
 * layout, such as the one of stock Linux 6.12: its arrays would be read with a wrong element
 * size. With this name the loader does not find the symbol, and refuses the module. Increase
 * the number whenever a structure changes that authors fill in.
 */
#define klp_enable_patch	klp_enable_patch_layout_3

/*
 * Features that Linux 6.12 does not have. A livepatch that is built for both uses a field only
 * if its macro is defined.
 */
#define KLP_HAVE_HOOKS
#define KLP_HAVE_PERSISTENT
#define KLP_HAVE_STACK_ONLY
#define KLP_HAVE_REPLACE_SET
#define KLP_HAVE_STATE_CALLBACKS

/**
 * struct klp_func - a function to be replaced
 * @old_name:	name of the function that is replaced, as in /proc/kallsyms
 * @new_func:	replacement for the function, NULL with @stack_only
 * @old_sympos:	position among the symbols called @old_name in this object, counted from 1 in the
 *		order of /proc/kallsyms. 0 means that the name is unique: otherwise the patch is
 *		refused
 * @stack_only:	do not replace the function. No task is switched, to or from the patch or to one
 *		that replaces it, while it is in the function or in a version of it: a caller
 *		of replaced functions calls either only old or only new ones. The function need
 *		not be traceable
 * @old_func:	set by the core: the function that is replaced, NULL while its object is not
 *		loaded
 *
 * An empty entry ends the array. As in Linux 6.12, except for @stack_only, and without the other
 * fields of the core.
 */
struct klp_func {
	const char *old_name;
	void *new_func;
	unsigned long old_sympos;
	bool stack_only;

	/* The core's. */
	void *old_func;
};

/**
 * struct klp_hook - a further function to call when an object is patched or unpatched
 * @hook: a nonzero result is logged and has no other effect. NULL ends the array
 *
 * An object has one set of callbacks, and lists of hooks: a generator of livepatches can
 * collect the hooks of several source files. Linux 6.12 has no hooks.
 *
 * Context: as for &struct klp_callbacks.
 */
struct klp_hook {
	int (*hook)(struct klp_object *obj);
};

/**
 * struct klp_object - changes of vmlinux or of one module
 * @name:	name of the module, NULL for vmlinux
 * @funcs:	functions to be replaced, ended by an empty entry. Must not be NULL. An array of the
 *		empty entry alone is valid, for an object with callbacks only
 * @callbacks:	functions to call around the change
 * @patch_hooks: called in this order after pre_patch has succeeded, before the functions are
 *		redirected. They cannot refuse the patch. NULL for none
 * @unpatch_hooks: called in this order when the redirection has been removed, before post_unpatch
 *		and under the same conditions. NULL for none
 * @mod:	set by the core, for callbacks and hooks: the module while it is loaded, NULL for
 *		vmlinux
 * @patched:	set by the core: the functions are redirected
 *
 * An entry with neither @name nor @funcs ends the array. As in Linux 6.12, except for the
 * hooks.
 */
struct klp_object {
	const char *name;
	struct klp_func *funcs;
	struct klp_callbacks callbacks;
	struct klp_hook *patch_hooks;
	struct klp_hook *unpatch_hooks;

	/* The core's. */
	struct module *mod;
	bool patched;
};

/**
 * typedef klp_shadow_dtor_t - destructor of a shadow variable
 * @obj:  the object it was attached to, which may have been freed
 * @data: data of the variable, which is freed afterwards
 *
 * Context: a spinlock of the core is held and interrupts are disabled. Must not sleep, and must
 * not call a klp_shadow_*() function except klp_shadow_get(). The exception is the destructor
 * of &struct klp_state_callbacks, which may sleep.
 */
typedef void (*klp_shadow_dtor_t)(void *obj, void *data);

struct klp_patch;
struct klp_state;

/**
 * struct klp_state_callbacks - functions that the core calls when a state is introduced or removed
 * @pre_patch:	 the state is introduced: before any callback of an object of the patch. A nonzero
 *		 result refuses the livepatch, or the module that is being loaded, with that errno
 * @post_patch:	 after all tasks have been switched, and after the callbacks of the objects
 * @pre_unpatch: the state is removed: before any callback of an object, and before the first task
 *		 is switched. Runs only after @post_patch
 * @post_unpatch: after all tasks have been switched, and after the callbacks of the objects. Runs
 *		 whenever @pre_patch has succeeded or is NULL
 * @shadow_dtor: destructor of the shadow variables, with &klp_state.is_shadow. May sleep
 *
 * Each may be NULL. They are the callbacks of a change that outlives a patch: unlike those of
 * objects, they do not run when an enabled patch already has the state, and they do run for a
 * replaced patch whose successor does not have the state.
 *
 * Context: as for &struct klp_callbacks.
 */
struct klp_state_callbacks {
	int (*pre_patch)(struct klp_patch *patch, struct klp_state *state);
	void (*post_patch)(struct klp_patch *patch, struct klp_state *state);
	void (*pre_unpatch)(struct klp_patch *patch, struct klp_state *state);
	void (*post_unpatch)(struct klp_patch *patch, struct klp_state *state);
	klp_shadow_dtor_t shadow_dtor;
};

/**
 * struct klp_state - a permanent change of the system by a patch
 * @id:		number of the state, not 0, that the authors of patches agree upon
 * @version:	version of the change. A patch with a lower version than an installed one is
 *		refused
 * @data:	data of the author. The core copies it from the newest older patch with the state,
 *		unless the author has set it, and resets it when the patch or the state is removed
 * @callbacks:	functions to call when the state is introduced or removed
 * @object:	name of a module: the state exists only while the module is loaded. NULL for none
 * @is_shadow:	@id is also a number of shadow variables, which are freed with the state
 * @block_disable: refuse to remove the state: its last patch can neither be disabled, nor be
 *		replaced by a patch without the state
 *
 * An entry with @id 0 ends the array. A state of which only the first three fields are set is a
 * plain one, as in Linux 6.12: the core neither reads nor writes its @data, and a patch that
 * replaces one with a plain state must have it.
 */
struct klp_state {
	unsigned long id;
	unsigned int version;
	void *data;
	struct klp_state_callbacks callbacks;
	const char *object;
	bool is_shadow;
	bool block_disable;
};

/**
 * struct klp_patch - a livepatch
 * @mod:	the livepatch module, THIS_MODULE
 * @objs:	the objects to be changed, ended by an empty entry
 * @states:	the system states that the patch changes, or NULL
 * @replace:	replace all enabled patches of @replace_set and of @replace_sets
 * @replace_set: the set of the patch, 0 by default. Patches of different sets are independent:
 *		they replace each other only by @replace_sets, and one that changes a function
 *		or has a state of another set is refused
 * @replace_sets: further sets that a patch with @replace replaces, ended by 0, or NULL
 * @persistent:	keep the disabled patch in sysfs, where it can be enabled again. A patch that has
 *		been replaced by another one is freed nevertheless: its unpatch callbacks have
 *		not run
 * @enabled:	set by the core: the last request. The transition to it may be running
 *
 * Neither the structure nor an array, name, function or callback in it may be in an init
 * section. The exception is pre_patch of vmlinux, or of a state without &klp_state.object, in a
 * patch that is not persistent: it runs only in klp_enable_patch().
 *
 * The structure must stay valid until the exit of the module is called. The core does not
 * access it afterwards. As in Linux 6.12, except for @replace_set, @replace_sets and
 * @persistent.
 */
struct klp_patch {
	struct module *mod;
	struct klp_object *objs;
	struct klp_state *states;
	bool replace;
	unsigned int replace_set;
	const unsigned int *replace_sets;
	bool persistent;

	/* The core's. */
	bool enabled;
};

#ifdef CONFIG_64BIT
/* Increase the number in klp_enable_patch when one of these has to be changed. */
static_assert(sizeof(struct klp_func) == 40);
static_assert(sizeof(struct klp_callbacks) == 40);
static_assert(sizeof(struct klp_hook) == 8);
static_assert(sizeof(struct klp_object) == 88);
static_assert(sizeof(struct klp_state_callbacks) == 40);
static_assert(sizeof(struct klp_state) == 80);
static_assert(sizeof(struct klp_patch) == 48);

/* As in Linux 6.19. */
static_assert(sizeof(struct klp_func_ext) == 24);
static_assert(sizeof(struct klp_object_ext) == 64);
#endif

static inline bool klp_is_last_object(const struct klp_object *obj)
{
	return !obj->name && !obj->funcs;
}

static inline bool klp_is_last_func(const struct klp_func *func)
{
	return !func->old_name && !func->new_func && !func->old_sympos;
}

/*
 * Iterators over a description. Those without "static" in their name iterate over lists of the
 * core in Linux 6.12. Here they are the same as the others.
 */
#define klp_for_each_object_static(patch, obj)					\
	for ((obj) = (patch)->objs; !klp_is_last_object(obj); (obj)++)
#define klp_for_each_object(patch, obj)	klp_for_each_object_static(patch, obj)
#define klp_for_each_object_safe(patch, obj, next)				\
	for ((obj) = (patch)->objs;						\
	     !klp_is_last_object(obj) && ((next) = (obj) + 1, true); (obj) = (next))

#define klp_for_each_func_static(obj, func)					\
	for ((func) = (obj)->funcs; !klp_is_last_func(func); (func)++)
#define klp_for_each_func(obj, func)	klp_for_each_func_static(obj, func)
#define klp_for_each_func_safe(obj, func, next)					\
	for ((func) = (obj)->funcs;						\
	     !klp_is_last_func(func) && ((next) = (func) + 1, true); (func) = (next))

int klp_enable_patch(struct klp_patch *patch);
void *klp_find_section_by_name(const struct module *mod, const char *name, size_t *sec_size);

/* System states. */
struct klp_state *klp_get_prev_state(unsigned long id);
struct klp_state *klp_get_state(struct klp_patch *patch, unsigned long id);

/* Shadow variables: data that is attached to an object without changing its type. */

/**
 * typedef klp_shadow_ctor_t - constructor of a shadow variable
 * @obj:  the object it is attached to
 * @data: data of the variable, zeroed
 * @arg:  argument of klp_shadow_alloc() or klp_shadow_get_or_alloc()
 *
 * Context: a spinlock of the core is held and interrupts are disabled. Must not sleep, and must
 * not call a klp_shadow_*() function except klp_shadow_get().
 * Return: 0, or an errno: then the variable is freed, and nothing is attached.
 */
typedef int (*klp_shadow_ctor_t)(void *obj, void *data, void *arg);

void *klp_shadow_get(void *obj, unsigned long id);
void *klp_shadow_alloc(void *obj, unsigned long id, size_t bytes, gfp_t gfp,
		       klp_shadow_ctor_t ctor, void *arg);
void *klp_shadow_get_or_alloc(void *obj, unsigned long id, size_t bytes, gfp_t gfp,
			      klp_shadow_ctor_t ctor, void *arg);
void klp_shadow_free(void *obj, unsigned long id, klp_shadow_dtor_t dtor);
void klp_shadow_free_all(unsigned long id, klp_shadow_dtor_t dtor);

/* For the module loader. */
void klp_module_going(struct module *mod);
int klp_module_coming(struct module *mod);
int klp_apply_section_relocs(struct module *mod, Elf_Shdr *sections, const char *secnames,
			     const char *symnames, unsigned int symtab, unsigned int index,
			     const char *objname);

/* For the exit to user mode, the idle loop, and fork. */
void klp_update_patch_state(struct task_struct *task);
void klp_copy_process(struct task_struct *child);

/**
 * klp_patch_pending() - find out whether a task has to be switched
 * @task: the task
 *
 * For the exit to user mode and the idle loop of Linux 6.12.
 *
 * Context: any.
 * Return: true during a transition in which @task has not been switched.
 */
static inline bool klp_patch_pending(struct task_struct *task)
{
	return test_tsk_thread_flag(task, TIF_PATCH_PENDING);
}

/**
 * klp_have_reliable_stack() - find out whether stacks of sleeping tasks are reliable
 *
 * Context: any.
 * Return: true if this kernel can read the stack of a sleeping task reliably. Otherwise some
 * transitions never complete.
 */
static inline bool klp_have_reliable_stack(void)
{
	return IS_ENABLED(CONFIG_HAVE_RELIABLE_STACKTRACE) && IS_ENABLED(CONFIG_STACKTRACE);
}

#else /* !CONFIG_LIVEPATCH */

static inline void klp_module_going(struct module *mod) {}
static inline int klp_module_coming(struct module *mod) { return 0; }
static inline bool klp_patch_pending(struct task_struct *task) { return false; }
static inline void klp_copy_process(struct task_struct *child) {}
static inline void klp_update_patch_state(struct task_struct *task) {}

static inline int klp_apply_section_relocs(struct module *mod, Elf_Shdr *sections,
					   const char *secnames, const char *symnames,
					   unsigned int symtab, unsigned int index,
					   const char *objname)
{
	return 0;
}

#endif /* CONFIG_LIVEPATCH */

#endif /* _LINUX_LIVEPATCH_H_ */
