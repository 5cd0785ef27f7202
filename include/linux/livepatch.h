/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Kernel live patching: what the author of a livepatch fills in, and what the
 * module loader, fork, the scheduler and /proc call.
 *
 * The structures below are descriptions. The core reads them and, but for
 * &klp_object.mod, never writes to them: all that it keeps while a patch lives
 * stands in objects of its own, see kernel/livepatch/runtime.h.
 */

#ifndef _LINUX_LIVEPATCH_H_
#define _LINUX_LIVEPATCH_H_

#include <linux/ftrace.h>
#include <linux/livepatch_sched.h>
#include <linux/module.h>

#if IS_ENABLED(CONFIG_LIVEPATCH)

/*
 * Values of task_struct::patch_state, as /proc/<pid>/patch_state shows them.
 * A task is in one of the last two only while a transition is under way.
 */
#define KLP_TRANSITION_IDLE		-1
#define KLP_TRANSITION_UNPATCHED	 0
#define KLP_TRANSITION_PATCHED		 1

struct klp_object;

/**
 * struct klp_func - one function to be replaced
 * @old_name:	name of the function that is replaced, as in /proc/kallsyms
 * @new_func:	the function that runs instead of it
 * @old_sympos:	which of the symbols called @old_name in this object is meant,
 *		counted from 1 in the order of /proc/kallsyms; 0 says that the
 *		name stands there only once, and the patch is refused if not
 *
 * An entry with nothing set ends the array. As in Linux 6.12, but for the fields
 * of the core, which are not the author's to see.
 */
struct klp_func {
	const char *old_name;
	void *new_func;
	unsigned long old_sympos;
};

/**
 * struct klp_callbacks - what an object wants to be run around its change
 * @pre_patch:	 before the object's functions are redirected. A value other
 *		 than 0 vetoes: the livepatch, or the module that is being
 *		 loaded under it, is refused with that errno
 * @post_patch:	 after every task runs the new functions
 * @pre_unpatch: before the first task goes back to the old functions; runs
 *		 only when @post_patch has run
 * @post_unpatch: after every task is back and the redirection is removed; runs
 *		 whenever @pre_patch has succeeded or there is none, but not
 *		 in a patch that has been replaced by another
 *
 * Each may be NULL. An object's callbacks run only while the object is loaded:
 * vmlinux always, a module from MODULE_STATE_COMING, before its init, to
 * MODULE_STATE_GOING, after its exit.
 *
 * Context: process context, may sleep. The lock of the livepatch core is held,
 * so a callback must not wait for anything that needs it: the loading or the
 * removal of a module, or a write to a file below /sys/kernel/livepatch. When it
 * calls klp_enable_patch() itself, or writes to such a file, it gets -EDEADLK.
 *
 * The semantics are those of Linux 6.12, made whole: what is owed is kept for each
 * object, so that nothing runs twice and nothing is lost when a transition is
 * reversed, a module is refused or a redirection fails.
 */
struct klp_callbacks {
	int (*pre_patch)(struct klp_object *obj);
	void (*post_patch)(struct klp_object *obj);
	void (*pre_unpatch)(struct klp_object *obj);
	void (*post_unpatch)(struct klp_object *obj);
};

/**
 * struct klp_hook - one more thing to be run when an object is patched or unpatched
 * @hook: returns 0, or a value that is logged and has no further effect. NULL
 *	  ends the array
 *
 * Where callbacks are the one place of an object's author, hooks are a list: what
 * generates livepatches can collect those of several source files. Linux 6.12 has
 * no such thing.
 *
 * Context: as for &struct klp_callbacks.
 */
struct klp_hook {
	int (*hook)(struct klp_object *obj);
};

/**
 * struct klp_object - what a patch changes in vmlinux or in one module
 * @name:	name of the module, NULL for vmlinux
 * @funcs:	its functions, ended by an empty entry. Must not be NULL, but may
 *		hold nothing but the empty entry, for callbacks alone
 * @callbacks:	what runs around the change
 * @patch_hooks: run in this order after pre_patch has succeeded, before the
 *		functions are redirected; NULL for none. They cannot veto
 * @unpatch_hooks: run in this order when the redirection is removed, before
 *		post_unpatch, and whenever that is due; NULL for none
 * @mod:	set by the core, for callbacks and hooks to read: the module while
 *		it is loaded, NULL for vmlinux
 *
 * An entry with neither @name nor @funcs ends the array. As in Linux 6.12, but for
 * the hooks.
 */
struct klp_object {
	const char *name;
	struct klp_func *funcs;
	struct klp_callbacks callbacks;
	struct klp_hook *patch_hooks;
	struct klp_hook *unpatch_hooks;

	/* The core's. */
	struct module *mod;
};

/**
 * struct klp_state - something in the system that a patch changes for good
 * @id:		which thing; any number but 0 that patch authors agree upon
 * @version:	version of the change. A patch with a lower version than one that
 *		is installed is refused
 * @data:	the author's
 *
 * An entry with @id 0 ends the array. As in Linux 6.12.
 */
struct klp_state {
	unsigned long id;
	unsigned int version;
	void *data;
};

/**
 * struct klp_patch - a livepatch
 * @mod:	the livepatch module, THIS_MODULE
 * @objs:	the objects it changes, ended by an empty entry
 * @states:	the system states that it changes, or NULL
 * @replace:	take the place of all patches that are enabled
 * @persistent:	stay in sysfs when the patch has been disabled, to be enabled
 *		again there. One that has been replaced by another patch leaves
 *		all the same: its unpatch callbacks have not run
 *
 * Must stay valid until the module's exit is called. A persistent patch is not
 * looked at any more from there on, and of any other the core has let go before
 * the module can be removed. As in Linux 6.12, but for @persistent.
 */
struct klp_patch {
	struct module *mod;
	struct klp_object *objs;
	struct klp_state *states;
	bool replace;
	bool persistent;
};

int klp_enable_patch(struct klp_patch *patch);

/* System states. */
struct klp_state *klp_get_prev_state(unsigned long id);
struct klp_state *klp_get_state(struct klp_patch *patch, unsigned long id);

/* Shadow variables: data attached to an object without changing its type. */

/**
 * typedef klp_shadow_dtor_t - ends the life of a shadow variable
 * @obj:  the object it was attached to, which may be gone
 * @data: the variable, which is freed afterwards
 *
 * Context: a spinlock of the core is held and interrupts are disabled: must not
 * sleep, and may call no klp_shadow_*() function but klp_shadow_get().
 */
typedef void (*klp_shadow_dtor_t)(void *obj, void *data);

/**
 * typedef klp_shadow_ctor_t - begins the life of a shadow variable
 * @obj:  the object it is going to be attached to
 * @data: the variable, zeroed
 * @arg:  what the caller of klp_shadow_alloc() or klp_shadow_get_or_alloc() gave
 *
 * Context: as for klp_shadow_dtor_t.
 * Return: 0, or an errno: then the variable is freed and nothing is attached.
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
 * klp_patch_pending() - is this task still to be switched?
 * @task: the task
 *
 * For the exit to user mode and the idle loop of Linux 6.12.
 *
 * Context: any.
 * Return: true while a transition is under way that @task has not followed.
 */
static inline bool klp_patch_pending(struct task_struct *task)
{
	return test_tsk_thread_flag(task, TIF_PATCH_PENDING);
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
