// SPDX-License-Identifier: GPL-2.0
/*
 * Stack checks find out whether a task runs code that it must have left before it may be
 * switched.
 *
 * All such code is in one sorted table. The cost of checking a stack is its depth times the
 * logarithm of the number of functions.
 *
 * Code that a task must have left
 * -------------------------------
 *
 * A task that is switched to a new version must not be in the version that it has called so
 * far. That is a function, its parts (see struct klp_code_part), and the location in the old
 * function from which ftrace calls the handler.
 *
 * A patch that is disabled or replaced takes all code of its module with it. A task may be in
 * code of the module without any of the new functions on its stack, because the last call of a
 * function is compiled to a jump. So no task is switched while its stack holds an address in
 * the text of such a module. The exception is a kthread that the module has started: it cannot
 * leave the text of the module before the module stops it.
 *
 * A forced transition leaves tasks in versions further down the stack of versions. A replace
 * checks for all of these versions.
 *
 * A function with klp_func.stack_only is checked for in both directions, in all versions that
 * patches have given it. A replace also checks for those of the replaced patches.
 */

#include <kunit/visibility.h>
#include <linux/kthread.h>
#include <linux/mm.h>
#include <linux/moduleloader.h>
#include <linux/sched/task_stack.h>
#include <linux/sort.h>
#include <linux/stacktrace.h>
#include "redirect.h"
#include "runtime.h"
#include "stackcheck.h"

/**
 * struct klp_stack_range - contiguous code
 * @start: first address
 * @end:   address behind the last one
 * @last:  index of the range with the highest @end, among this one and those before it. Ranges
 *	   may overlap, when one replacement serves two functions
 * @name:  name of the patched function, or of the livepatch module
 */
struct klp_stack_range {
	unsigned long start;
	unsigned long end;
	unsigned int last;
	const char *name;
};

/**
 * struct klp_stack_table - code that must not be on the stack of a task to be switched
 * @rcu:      for freeing the table
 * @nr:       number of ranges of functions
 * @nr_texts: number of texts of livepatch modules, which follow the ranges of functions
 * @ranges:   both parts are sorted by start
 *
 * Constant after klp_stack_table_alloc().
 */
struct klp_stack_table {
	struct rcu_head rcu;
	unsigned int nr;
	unsigned int nr_texts;
	struct klp_stack_range ranges[];
};

static int klp_cmp_ranges(const void *a, const void *b)
{
	const struct klp_stack_range *x = a, *y = b;

	if (x->start == y->start)
		return 0;
	return x->start < y->start ? -1 : 1;
}

/* A table that is being filled. With @ranges NULL, the ranges are counted. */
struct klp_stack_fill {
	struct klp_stack_range *ranges;
	unsigned int nr;
};

static void klp_add_range(struct klp_stack_fill *fill, const char *name, unsigned long start,
			  unsigned long size)
{
	if (fill->ranges) {
		fill->ranges[fill->nr].start = start;
		fill->ranges[fill->nr].end = start + size;
		fill->ranges[fill->nr].name = name;
	}
	fill->nr++;
}

static void klp_add_parts(struct klp_stack_fill *fill, const char *name,
			  const struct klp_rt_func *version, bool of_new)
{
	struct klp_code_part *part;

	list_for_each_entry(part, &version->parts, node) {
		if (part->of_new == of_new)
			klp_add_range(fill, name, part->start, part->size);
	}
}

static void klp_add_old_code(struct klp_stack_fill *fill, struct klp_rt_func *func)
{
	klp_add_range(fill, func->name, (unsigned long)func->old_func, func->old_size);
	klp_add_parts(fill, func->name, func, false);
}

/* Add the new function. A nop has the old function as its new one. */
static void klp_add_new_code(struct klp_stack_fill *fill, const char *name,
			     const struct klp_rt_func *version)
{
	klp_add_range(fill, name, (unsigned long)version->new_func, version->new_size);
	klp_add_parts(fill, name, version, !version->nop);
}

/* Add the versions below @func: the next one, or all of them. */
static void klp_add_older_code(struct klp_stack_fill *fill, struct klp_rt_func *func, bool all)
{
	struct klp_rt_func *older = func;

	do {
		older = rcu_dereference_protected(older->older, lockdep_is_held(&klp_mutex));
		if (older)
			klp_add_new_code(fill, func->name, older);
		else
			klp_add_old_code(fill, func);
	} while (older && all);
}

/*
 * Add the entry of the function. A task that is preempted at the end of the handler has chosen
 * its version but has not called it yet. Its stack shows only the location in the old function
 * from which the handler was called.
 */
static void klp_add_entry(struct klp_stack_fill *fill, struct klp_rt_func *func)
{
	unsigned long start = (unsigned long)func->old_func;

	klp_add_range(fill, func->name, start, func->ip + MCOUNT_INSN_SIZE - start);
}

/* Add the old function and all versions of it. */
static void klp_add_all_code(struct klp_stack_fill *fill, struct klp_rt_func *func)
{
	struct klp_rt_func *version = klp_redirect_newest(func->ip);

	klp_add_old_code(fill, func);
	while (version) {
		klp_add_new_code(fill, func->name, version);
		version = rcu_dereference_protected(version->older, lockdep_is_held(&klp_mutex));
	}
}

/* Add the functions of @patch that tasks leave when they are switched to @target. */
static void klp_add_functions(struct klp_stack_fill *fill, struct klp_rt_patch *patch, int target)
{
	struct klp_rt_object *obj;
	struct klp_rt_func *func;

	klp_rt_for_each_object(obj, patch) {
		if (!obj->patched)
			continue;
		klp_rt_for_each_func(func, obj) {
			if (!func->redirect)
				continue;
			if (target == KLP_TRANSITION_UNPATCHED)
				klp_add_new_code(fill, func->name, func);
			else
				klp_add_older_code(fill, func, patch->replace);
			klp_add_entry(fill, func);
		}
	}
}

static void klp_add_stack_only(struct klp_stack_fill *fill, struct klp_rt_patch *patch)
{
	struct klp_rt_object *obj;
	struct klp_rt_func *func;

	klp_rt_for_each_object(obj, patch) {
		if (!obj->patched)
			continue;
		klp_rt_for_each_func(func, obj) {
			if (func->stack_only)
				klp_add_all_code(fill, func);
		}
	}
}

/*
 * Add the stack_only functions of @patch and of the patches that it replaces: the functions
 * that these change are switched as well. In both directions, since a replace may be reversed.
 */
static void klp_add_callers(struct klp_stack_fill *fill, struct klp_rt_patch *patch)
{
	struct klp_rt_patch *old;

	klp_add_stack_only(fill, patch);
	klp_for_each_patch(old) {
		if (old == patch)
			break;
		if (klp_replaces(patch->desc, old))
			klp_add_stack_only(fill, old);
	}
}

static void klp_add_text(struct klp_stack_fill *fill, struct klp_rt_patch *patch)
{
	const struct module_memory *text = &patch->mod->mem[MOD_TEXT];

	klp_add_range(fill, patch->name, (unsigned long)text->base, text->size);
}

/* Add the modules that can be unloaded after the transition of @patch to @target. */
static void klp_add_texts(struct klp_stack_fill *fill, struct klp_rt_patch *patch, int target)
{
	struct klp_rt_patch *old;

	if (target == KLP_TRANSITION_UNPATCHED) {
		klp_add_text(fill, patch);
		return;
	}
	klp_for_each_patch(old) {
		if (old == patch)
			break;
		if (klp_replaces(patch->desc, old))
			klp_add_text(fill, old);
	}
}

static void klp_sort_ranges(struct klp_stack_range *ranges, unsigned int nr)
{
	unsigned int i;

	sort(ranges, nr, sizeof(*ranges), klp_cmp_ranges, NULL);
	for (i = 1; i < nr; i++) {
		unsigned int last = ranges[i - 1].last;

		ranges[i].last = ranges[i].end >= ranges[last].end ? i : last;
	}
}

/**
 * klp_stack_table_alloc() - build the table for a transition
 * @patch:  the patch
 * @target: KLP_TRANSITION_PATCHED or KLP_TRANSITION_UNPATCHED
 *
 * The table has to be rebuilt when an object of the patch is redirected or reverted, and when
 * the transition is reversed.
 *
 * The table has two ranges for each function and one for each of its parts, one more for each older
 * version in a replace, one for each version of a stack_only function, also of the replaced
 * patches, and one for each livepatch module that is disabled or replaced.
 *
 * Context: process context, klp_mutex held.
 * Return: the table, or NULL without memory.
 */
struct klp_stack_table *klp_stack_table_alloc(struct klp_rt_patch *patch, int target)
{
	struct klp_stack_fill functions = {}, texts = {};
	struct klp_stack_table *table;

	lockdep_assert_held(&klp_mutex);

	klp_add_functions(&functions, patch, target);
	klp_add_callers(&functions, patch);
	klp_add_texts(&texts, patch, target);
	table = kvzalloc(struct_size(table, ranges, functions.nr + texts.nr), GFP_KERNEL);
	if (!table)
		return NULL;

	table->nr = functions.nr;
	table->nr_texts = texts.nr;
	functions = (struct klp_stack_fill) { .ranges = table->ranges };
	texts = (struct klp_stack_fill) { .ranges = table->ranges + table->nr };
	klp_add_functions(&functions, patch, target);
	klp_add_callers(&functions, patch);
	klp_add_texts(&texts, patch, target);
	klp_sort_ranges(table->ranges, table->nr);
	klp_sort_ranges(table->ranges + table->nr, table->nr_texts);
	return table;
}
EXPORT_SYMBOL_IF_KUNIT(klp_stack_table_alloc);

/**
 * klp_stack_table_free() - free a table after all checks that use it
 * @table: the table, or NULL
 *
 * Context: process context.
 */
void klp_stack_table_free(struct klp_stack_table *table)
{
	kvfree_rcu(table, rcu);
}
EXPORT_SYMBOL_IF_KUNIT(klp_stack_table_free);

/* Return the range to which @addr, found on a stack, returns, or NULL. */
static const struct klp_stack_range *klp_find_range(const struct klp_stack_range *ranges,
						    unsigned int nr, unsigned long addr)
{
	const struct klp_stack_range *range;
	unsigned int low = 0, high = nr;

	while (low < high) {
		unsigned int mid = low + (high - low) / 2;

		if (ranges[mid].start <= addr)
			low = mid + 1;
		else
			high = mid;
	}
	if (!low)
		return NULL;

	/*
	 * Include @end: a call that does not return may be the last instruction of the
	 * function.
	 */
	range = &ranges[ranges[low - 1].last];
	return addr <= range->end ? range : NULL;
}

/* Return the name of the function to which @addr, found on a stack, returns, or NULL. */
VISIBLE_IF_KUNIT const char *klp_stack_find(const struct klp_stack_table *table,
					    unsigned long addr)
{
	const struct klp_stack_range *range = klp_find_range(table->ranges, table->nr, addr);

	return range ? range->name : NULL;
}
EXPORT_SYMBOL_IF_KUNIT(klp_stack_find);

/* A walk over the stack of a task. @thread is the function that a kthread was started with. */
struct klp_stack_walk {
	const struct klp_stack_table *table;
	unsigned long thread;
	struct klp_stack_hit *hit;
};

/*
 * Record that @addr is in the text of a module that can be unloaded after the transition,
 * unless the module has started the task.
 */
static void klp_check_texts(const struct klp_stack_walk *walk, unsigned long addr)
{
	const struct klp_stack_table *table = walk->table;
	const struct klp_stack_range *text;

	text = klp_find_range(table->ranges + table->nr, table->nr_texts, addr);
	if (text && (walk->thread < text->start || walk->thread >= text->end))
		walk->hit->module = text->name;
}

/* Continue after code of a module: the name of a function is more specific. */
static bool klp_walk_entry(void *cookie, unsigned long addr)
{
	struct klp_stack_walk *walk = cookie;

	walk->hit->function = klp_stack_find(walk->table, addr);
	if (!walk->hit->function && !walk->hit->module)
		klp_check_texts(walk, addr);
	return !walk->hit->function;
}

/**
 * klp_stack_check() - check whether a task may be switched
 * @table: code that must not be on its stack
 * @task:  the task, current or one that cannot run
 * @hit:   cleared. For -EADDRINUSE, set to the code that has been found
 *
 * Context: preemption disabled.
 * Return:
 * * %0 - the task may be switched
 * * %-EADDRINUSE - the task is in code of the table
 * * %-EINVAL - the stack cannot be read reliably
 */
int klp_stack_check(const struct klp_stack_table *table, struct task_struct *task,
		    struct klp_stack_hit *hit)
{
	struct klp_stack_walk walk = {
		.table = table,
		.thread = (unsigned long)kthread_func(task),
		.hit = hit,
	};
	int ret;

	lockdep_assert_preemption_disabled();

	*hit = (struct klp_stack_hit) {};
	if (!klp_have_reliable_stack())
		return -EINVAL;

	/* A task whose stack has been freed is in no function. */
	if (!try_get_task_stack(task))
		return 0;
	ret = arch_stack_walk_reliable(klp_walk_entry, &walk, task);
	put_task_stack(task);

	if (hit->function || hit->module)
		return -EADDRINUSE;
	return ret ? -EINVAL : 0;
}
EXPORT_SYMBOL_IF_KUNIT(klp_stack_check);
