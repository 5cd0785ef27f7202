/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Live patching: what a tool that creates livepatches shares with the kernel. The names and the
 * layout are those of Linux 6.19, for its objtool and klp-build. linux/livepatch.h includes this
 * file. Tools can include this file too: it needs only headers that tools/include has.
 */

#ifndef _LINUX_LIVEPATCH_EXTERNAL_H_
#define _LINUX_LIVEPATCH_EXTERNAL_H_

#include <linux/stringify.h>
#include <linux/types.h>

/* Names of livepatch relocation sections and symbols, see module-elf-format.rst. */
#define KLP_RELOC_SEC_PREFIX		".klp.rela."
#define KLP_SYM_PREFIX			".klp.sym."

/*
 * Names of the pointers by which a changed source file declares its callbacks. The name of the
 * object follows. The tool copies the pointers to the description of the object.
 */
#define __KLP_PRE_PATCH_PREFIX		__klp_pre_patch_callback_
#define __KLP_POST_PATCH_PREFIX		__klp_post_patch_callback_
#define __KLP_PRE_UNPATCH_PREFIX	__klp_pre_unpatch_callback_
#define __KLP_POST_UNPATCH_PREFIX	__klp_post_unpatch_callback_

/* The same as strings. */
#define KLP_PRE_PATCH_PREFIX		__stringify(__KLP_PRE_PATCH_PREFIX)
#define KLP_POST_PATCH_PREFIX		__stringify(__KLP_POST_PATCH_PREFIX)
#define KLP_PRE_UNPATCH_PREFIX		__stringify(__KLP_PRE_UNPATCH_PREFIX)
#define KLP_POST_UNPATCH_PREFIX		__stringify(__KLP_POST_UNPATCH_PREFIX)

struct klp_object;

typedef int (*klp_pre_patch_t)(struct klp_object *obj);
typedef void (*klp_post_patch_t)(struct klp_object *obj);
typedef void (*klp_pre_unpatch_t)(struct klp_object *obj);
typedef void (*klp_post_unpatch_t)(struct klp_object *obj);

/**
 * struct klp_callbacks - functions that the core calls around the change of an object
 * @pre_patch:	 before the functions of the object are redirected. A nonzero result refuses the
 *		 livepatch, or the module that is being loaded, with that errno. A positive value
 *		 or another value that is not an errno is logged and becomes -EINVAL
 * @post_patch:	 after all tasks have been switched to the new functions
 * @pre_unpatch: before the first task is switched back to the old functions. Runs only after
 *		 @post_patch
 * @post_unpatch: after all tasks have been switched back and the redirection has been removed.
 *		 Runs whenever @pre_patch has succeeded or is NULL, except in a patch that has
 *		 been replaced by another one
 * @post_unpatch_enabled: unused, exists for code that uses the field of Linux 6.12
 *
 * Each may be NULL. The callbacks of an object run only while the object is loaded: vmlinux
 * always, a module from MODULE_STATE_COMING, before its init, to MODULE_STATE_GOING, after its
 * exit.
 *
 * Context: process context, may sleep. klp_mutex is held, so a callback must not wait for
 * anything that needs it: loading or unloading a module, or a write to a file in
 * /sys/kernel/livepatch. A callback that calls klp_enable_patch() or writes to such a file gets
 * -EDEADLK.
 *
 * The semantics are those of Linux 6.12, with one addition. The callbacks that are owed are
 * recorded for each object. No callback is repeated or omitted when a transition is reversed, a
 * module is refused or a redirection fails.
 */
struct klp_callbacks {
	klp_pre_patch_t pre_patch;
	klp_post_patch_t post_patch;
	klp_pre_unpatch_t pre_unpatch;
	klp_post_unpatch_t post_unpatch;

	/* Unused, see above. */
	bool post_unpatch_enabled;
};

/**
 * struct klp_func_ext - description of a function, as a tool writes it
 * @old_name: name of the function that is replaced
 * @new_func: replacement for the function
 * @sympos:   position among the symbols called @old_name in the object, or 0
 *
 * The section .init.klp_funcs consists of such entries. It is freed after the init of the module,
 * which copies them to &struct klp_func.
 */
struct klp_func_ext {
	const char *old_name;
	void *new_func;
	unsigned long sympos;
};

/**
 * struct klp_object_ext - description of an object, as a tool writes it
 * @name:      name of the module, NULL for vmlinux
 * @funcs:     the functions of the object
 * @callbacks: functions to call around the change
 * @nr_funcs:  number of @funcs. No empty entry follows
 *
 * The section .init.klp_objects consists of such entries. It is freed after the init of the
 * module, which copies them to &struct klp_object.
 */
struct klp_object_ext {
	const char *name;
	struct klp_func_ext *funcs;
	struct klp_callbacks callbacks;
	unsigned int nr_funcs;
};

#endif /* _LINUX_LIVEPATCH_EXTERNAL_H_ */
