/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _LIVEPATCH_STACKCHECK_H
#define _LIVEPATCH_STACKCHECK_H

#include <linux/kconfig.h>
#include <linux/types.h>

struct klp_rt_patch;
struct klp_stack_table;
struct task_struct;

/**
 * struct klp_stack_hit - code that has been found on the stack of a task
 * @function: name of the patched function, or NULL
 * @module:   name of the livepatch module that can be unloaded after the transition, or NULL
 */
struct klp_stack_hit {
	const char *function;
	const char *module;
};

struct klp_stack_table *klp_stack_table_alloc(struct klp_rt_patch *patch, int target);
void klp_stack_table_free(struct klp_stack_table *table);
int klp_stack_check(const struct klp_stack_table *table, struct task_struct *task,
		    struct klp_stack_hit *hit);

#if IS_ENABLED(CONFIG_KUNIT)
const char *klp_stack_find(const struct klp_stack_table *table, unsigned long addr);
#endif

#endif /* _LIVEPATCH_STACKCHECK_H */
