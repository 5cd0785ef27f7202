/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _LIVEPATCH_STACKCHECK_H
#define _LIVEPATCH_STACKCHECK_H

#include <linux/kconfig.h>
#include <linux/types.h>

struct klp_rt_patch;
struct klp_stack_table;
struct task_struct;

struct klp_stack_table *klp_stack_table_alloc(struct klp_rt_patch *patch, int target);
void klp_stack_table_free(struct klp_stack_table *table);
int klp_stack_check(const struct klp_stack_table *table, struct task_struct *task,
		    const char **name);

#if IS_ENABLED(CONFIG_KUNIT)
const char *klp_stack_find(const struct klp_stack_table *table, unsigned long addr);
#endif

/* Does this kernel find out for certain what a sleeping task has on its stack? */
static inline bool klp_have_reliable_stack(void)
{
	return IS_ENABLED(CONFIG_HAVE_RELIABLE_STACKTRACE) && IS_ENABLED(CONFIG_STACKTRACE);
}

#endif /* _LIVEPATCH_STACKCHECK_H */
