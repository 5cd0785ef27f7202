// SPDX-License-Identifier: GPL-2.0
/*
 * Stack checks: is a task in a function that it must have left before it may be
 * switched? The code of all such functions is kept in one sorted table, so a
 * stack costs its depth times the logarithm of the number of functions.
 */

#include <kunit/visibility.h>
#include <linux/mm.h>
#include <linux/sched/task_stack.h>
#include <linux/sort.h>
#include <linux/stacktrace.h>
#include "redirect.h"
#include "runtime.h"
#include "stackcheck.h"

/**
 * struct klp_stack_range - the code of one function
 * @start: its first address
 * @end:   the address behind its last
 * @last:  which range among this one and those before it reaches farthest.
 *	   Ranges may overlap, when one replacement serves two functions
 * @name:  name of the function that the patch replaces
 */
struct klp_stack_range {
	unsigned long start;
	unsigned long end;
	unsigned int last;
	const char *name;
};

/**
 * struct klp_stack_table - what may not be on the stack of a task to be switched
 * @rcu:    to free it
 * @nr:     number of ranges
 * @ranges: sorted by start
 *
 * Does not change once it has been made.
 */
struct klp_stack_table {
	struct rcu_head rcu;
	unsigned int nr;
	struct klp_stack_range ranges[] __counted_by(nr);
};

static int klp_cmp_ranges(const void *a, const void *b)
{
	const struct klp_stack_range *x = a, *y = b;

	if (x->start == y->start)
		return 0;
	return x->start < y->start ? -1 : 1;
}

static void klp_set_range(struct klp_stack_range *range, struct klp_rt_func *func,
			  const void *start, unsigned long size)
{
	range->start = (unsigned long)start;
	range->end = range->start + size;
	range->name = func->name;
}

/* The code that tasks leave when they are switched to @target. */
static void klp_set_code_range(struct klp_stack_range *range, struct klp_rt_func *func, int target)
{
	struct klp_rt_func *older;

	older = rcu_dereference_protected(func->older, lockdep_is_held(&klp_mutex));
	if (target == KLP_TRANSITION_UNPATCHED)
		klp_set_range(range, func, func->new_func, func->new_size);
	else if (older)
		klp_set_range(range, func, older->new_func, older->new_size);
	else
		klp_set_range(range, func, func->old_func, func->old_size);
}

/*
 * The way into the function. A task that is preempted at the end of our handler
 * has chosen where it goes next but is not there yet: all that its stack shows
 * is the place in the old function from which the handler was called.
 */
static void klp_set_entry_range(struct klp_stack_range *range, struct klp_rt_func *func)
{
	unsigned long end = klp_redirect_address(func) + MCOUNT_INSN_SIZE;

	klp_set_range(range, func, func->old_func, end - (unsigned long)func->old_func);
}

/**
 * klp_stack_table_alloc() - make the table for a transition
 * @patch:  the patch
 * @target: KLP_TRANSITION_PATCHED or KLP_TRANSITION_UNPATCHED
 *
 * It says what is true now: it is of no use any more when an object of the
 * patch has been redirected, or is not any more, or when the transition is
 * reversed.
 *
 * Context: process context, klp_mutex held.
 * Return: the table, or NULL when there is no memory for it.
 */
struct klp_stack_table *klp_stack_table_alloc(struct klp_rt_patch *patch, int target)
{
	struct klp_stack_table *table;
	struct klp_rt_object *obj;
	struct klp_rt_func *func;
	unsigned int i, nr = 0;

	lockdep_assert_held(&klp_mutex);

	klp_for_each_object(obj, patch) {
		if (obj->patched)
			nr += 2 * obj->nr_funcs;
	}
	table = kvzalloc(struct_size(table, ranges, nr), GFP_KERNEL);
	if (!table)
		return NULL;

	table->nr = nr;
	i = 0;
	klp_for_each_object(obj, patch) {
		if (!obj->patched)
			continue;
		klp_for_each_func(func, obj) {
			klp_set_code_range(&table->ranges[i++], func, target);
			klp_set_entry_range(&table->ranges[i++], func);
		}
	}
	sort(table->ranges, nr, sizeof(table->ranges[0]), klp_cmp_ranges, NULL);

	for (i = 1; i < nr; i++) {
		unsigned int last = table->ranges[i - 1].last;

		table->ranges[i].last =
			table->ranges[i].end >= table->ranges[last].end ? i : last;
	}
	return table;
}
EXPORT_SYMBOL_IF_KUNIT(klp_stack_table_alloc);

/**
 * klp_stack_table_free() - free a table when nobody checks a stack with it any more
 * @table: the table, or NULL
 *
 * Context: process context.
 */
void klp_stack_table_free(struct klp_stack_table *table)
{
	kvfree_rcu(table, rcu);
}
EXPORT_SYMBOL_IF_KUNIT(klp_stack_table_free);

/* Name of the function of the table that @addr, found on a stack, returns to; or NULL. */
VISIBLE_IF_KUNIT const char *klp_stack_find(const struct klp_stack_table *table,
					    unsigned long addr)
{
	const struct klp_stack_range *range;
	unsigned int low = 0, high = table->nr;

	while (low < high) {
		unsigned int mid = low + (high - low) / 2;

		if (table->ranges[mid].start <= addr)
			low = mid + 1;
		else
			high = mid;
	}
	if (!low)
		return NULL;

	/*
	 * A return address may be the one behind the function, when its last
	 * instruction is a call of something that does not return.
	 */
	range = &table->ranges[table->ranges[low - 1].last];
	return addr <= range->end ? range->name : NULL;
}
EXPORT_SYMBOL_IF_KUNIT(klp_stack_find);

struct klp_stack_walk {
	const struct klp_stack_table *table;
	const char *found;
};

static bool klp_walk_entry(void *cookie, unsigned long addr)
{
	struct klp_stack_walk *walk = cookie;

	walk->found = klp_stack_find(walk->table, addr);
	return !walk->found;
}

/**
 * klp_stack_check() - may a task be switched?
 * @table: what it may not have on its stack
 * @task:  the task, current or one that is kept from running
 * @name:  set to the name of the function it is in, for -EADDRINUSE
 *
 * Context: preemption disabled.
 * Return: 0 if so; -EADDRINUSE when it is in a function of the table; -EINVAL
 * when its stack cannot be told reliably.
 */
int klp_stack_check(const struct klp_stack_table *table, struct task_struct *task,
		    const char **name)
{
	struct klp_stack_walk walk = { .table = table };
	int ret;

	lockdep_assert_preemption_disabled();

	if (!klp_have_reliable_stack())
		return -EINVAL;

	/* A task that has no stack any more is in no function. */
	if (!try_get_task_stack(task))
		return 0;
	ret = arch_stack_walk_reliable(klp_walk_entry, &walk, task);
	put_task_stack(task);

	if (walk.found) {
		*name = walk.found;
		return -EADDRINUSE;
	}
	return ret ? -EINVAL : 0;
}
EXPORT_SYMBOL_IF_KUNIT(klp_stack_check);
