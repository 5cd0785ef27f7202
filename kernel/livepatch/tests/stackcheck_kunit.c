// SPDX-License-Identifier: GPL-2.0
/*
 * KUnit tests of stack checks. The table is compared with a list of all ranges and a linear
 * search. Further tests check the stacks of real tasks.
 */

#include <kunit/test.h>
#include <linux/completion.h>
#include <linux/delay.h>
#include <linux/ftrace.h>
#include <linux/kallsyms.h>
#include <linux/kthread.h>
#include <linux/prandom.h>
#include "../redirect_batch.h"
#include "../runtime.h"
#include "../stackcheck.h"

/* --- tables ------------------------------------------------------------------------------- */

/* Address of the text that contains the functions of a synthetic patch. */
#define TEXT		((~0UL << 30) + 0x100000)

#define NR_OBJECTS	3

/**
 * struct plain_range - an expected range
 * @start: first address
 * @end:   address behind the last one, which may be a return address as well
 * @name:  name that a lookup returns
 */
struct plain_range {
	unsigned long start;
	unsigned long end;
	const char *name;
};

/**
 * struct made_up - a synthetic patch and its expected ranges
 * @rnd:       random numbers, the same in each run
 * @patch:     the patch
 * @objs:      its objects. The last one is not redirected
 * @funcs:     its functions
 * @older:     versions below some functions
 * @parts:     code outside of the functions: three for each
 * @redirects: the redirects of the functions
 * @names:     names of the functions, all different
 * @nr:	       number of expected ranges
 * @ranges:    expected ranges
 */
struct made_up {
	struct rnd_state rnd;
	struct klp_rt_patch patch;
	struct klp_rt_object objs[NR_OBJECTS];
	struct klp_rt_func *funcs;
	struct klp_rt_func *older;
	struct klp_code_part *parts;
	struct klp_redirect *redirects;
	char (*names)[24];
	unsigned int nr;
	struct plain_range *ranges;
};

static void *random_code(struct made_up *made_up, unsigned int nr)
{
	/* The distances are small, so that many ranges overlap. */
	return (void *)TEXT + 16 * (prandom_u32_state(&made_up->rnd) % (8 * nr));
}

static unsigned long random_size(struct made_up *made_up)
{
	unsigned int size = prandom_u32_state(&made_up->rnd) % 200 + 1;

	/* Some reach over many others. */
	return prandom_u32_state(&made_up->rnd) % 10 ? size : 20 * size;
}

static void note_range(struct made_up *made_up, const void *start, unsigned long size,
		       const char *name)
{
	made_up->ranges[made_up->nr++] = (struct plain_range) {
		.start = (unsigned long)start,
		.end = (unsigned long)start + size,
		.name = name,
	};
}

static struct klp_code_part *make_part(struct made_up *made_up, unsigned int nr,
				       unsigned int i, struct klp_rt_func *func, bool of_new)
{
	struct klp_code_part *part = &made_up->parts[i];

	part->of_new = of_new;
	part->start = (unsigned long)random_code(made_up, nr);
	part->size = random_size(made_up);
	list_add_tail(&part->node, &func->parts);
	return part;
}

static void note_part(struct made_up *made_up, const struct klp_code_part *part, const char *name)
{
	note_range(made_up, (void *)part->start, part->size, name);
}

static void make_func(struct made_up *made_up, unsigned int nr, unsigned int i, int target)
{
	struct klp_rt_object *obj = &made_up->objs[prandom_u32_state(&made_up->rnd) % NR_OBJECTS];
	unsigned long entry = prandom_u32_state(&made_up->rnd) % 2 ? 4 : 0;
	struct klp_rt_func *func = &made_up->funcs[i];
	struct klp_rt_func *older = &made_up->older[i];
	struct klp_code_part *old_part, *new_part, *older_part;

	snprintf(made_up->names[i], sizeof(made_up->names[i]), "function_%u", i);
	func->name = made_up->names[i];
	func->old_func = random_code(made_up, nr);
	func->old_size = random_size(made_up);
	func->new_func = random_code(made_up, nr);
	func->new_size = random_size(made_up);
	func->redirect = &made_up->redirects[i];
	func->ip = (unsigned long)func->old_func + entry;
	INIT_LIST_HEAD(&func->parts);
	INIT_LIST_HEAD(&older->parts);
	older->new_func = random_code(made_up, nr);
	older->new_size = random_size(made_up);
	old_part = make_part(made_up, nr, 3 * i, func, false);
	new_part = make_part(made_up, nr, 3 * i + 1, func, true);
	older_part = make_part(made_up, nr, 3 * i + 2, older, true);
	if (prandom_u32_state(&made_up->rnd) % 2)
		RCU_INIT_POINTER(func->older, older);
	list_add_tail(&func->node, &obj->funcs);
	obj->nr_funcs++;

	if (!obj->patched)
		return;
	/* The code that tasks leave, and the entry of the function. */
	if (target == KLP_TRANSITION_UNPATCHED) {
		note_range(made_up, func->new_func, func->new_size, func->name);
		note_part(made_up, new_part, func->name);
	} else if (rcu_access_pointer(func->older)) {
		note_range(made_up, older->new_func, older->new_size, func->name);
		note_part(made_up, older_part, func->name);
	} else {
		note_range(made_up, func->old_func, func->old_size, func->name);
		note_part(made_up, old_part, func->name);
	}
	note_range(made_up, func->old_func, entry + MCOUNT_INSN_SIZE, func->name);
}

static struct made_up *make_up(struct kunit *test, unsigned int nr, int target)
{
	struct made_up *made_up = kunit_kzalloc(test, sizeof(*made_up), GFP_KERNEL);
	unsigned int i;

	KUNIT_ASSERT_NOT_NULL(test, made_up);
	made_up->patch.mod = kunit_kzalloc(test, sizeof(struct module), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, made_up->patch.mod);
	made_up->funcs = kunit_kcalloc(test, nr + 1, sizeof(*made_up->funcs), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, made_up->funcs);
	made_up->older = kunit_kcalloc(test, nr + 1, sizeof(*made_up->older), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, made_up->older);
	made_up->parts = kunit_kcalloc(test, 3 * nr + 1, sizeof(*made_up->parts), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, made_up->parts);
	made_up->redirects = kunit_kcalloc(test, nr + 1, sizeof(*made_up->redirects), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, made_up->redirects);
	made_up->names = kunit_kcalloc(test, nr + 1, sizeof(*made_up->names), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, made_up->names);
	made_up->ranges = kunit_kcalloc(test, 3 * nr + 1, sizeof(*made_up->ranges), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, made_up->ranges);

	prandom_seed_state(&made_up->rnd, 612 + nr);
	INIT_LIST_HEAD(&made_up->patch.objs);
	for (i = 0; i < NR_OBJECTS; i++) {
		INIT_LIST_HEAD(&made_up->objs[i].funcs);
		list_add_tail(&made_up->objs[i].node, &made_up->patch.objs);
		made_up->objs[i].patched = i < NR_OBJECTS - 1;
	}
	for (i = 0; i < nr; i++)
		make_func(made_up, nr, i, target);
	return made_up;
}

static struct klp_stack_table *alloc_table(struct klp_rt_patch *patch, int target)
{
	guard(mutex)(&klp_mutex);
	return klp_stack_table_alloc(patch, target);
}

static void free_table(void *table)
{
	klp_stack_table_free(table);
}

/* Build the table of a patch. The end of the test frees it. */
static struct klp_stack_table *make_table(struct kunit *test, struct klp_rt_patch *patch,
					  int target)
{
	struct klp_stack_table *table = alloc_table(patch, target);

	KUNIT_ASSERT_NOT_NULL(test, table);
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, free_table, table), 0);
	return table;
}

/* Return true if @name, or NULL, is a correct result for an address. */
static bool plain_find(const struct made_up *made_up, unsigned long addr, const char *name)
{
	bool found = false;
	unsigned int i;

	for (i = 0; i < made_up->nr; i++) {
		const struct plain_range *range = &made_up->ranges[i];

		if (addr < range->start || addr > range->end)
			continue;
		if (range->name == name)
			return true;
		found = true;
	}
	return !name && !found;
}

static void check_address(struct kunit *test, const struct made_up *made_up,
			  const struct klp_stack_table *table, unsigned long addr)
{
	const char *name = klp_stack_find(table, addr);

	KUNIT_ASSERT_TRUE_MSG(test, plain_find(made_up, addr, name), "%s is said of %lx",
			      name ?: "nothing", addr);
}

static void check_table(struct kunit *test, unsigned int nr, int target)
{
	struct made_up *made_up = make_up(test, nr, target);
	struct klp_stack_table *table = make_table(test, &made_up->patch, target);
	unsigned int i, step = nr / 100 + 1;
	long offset;

	/* The bounds of the ranges, and random addresses. */
	for (i = 0; i < made_up->nr; i += step) {
		for (offset = -1; offset <= 1; offset++) {
			check_address(test, made_up, table, made_up->ranges[i].start + offset);
			check_address(test, made_up, table, made_up->ranges[i].end + offset);
		}
	}
	for (i = 0; i < 300; i++) {
		offset = prandom_u32_state(&made_up->rnd) % (128 * nr + 8000);
		check_address(test, made_up, table, TEXT - 100 + offset);
	}
	check_address(test, made_up, table, 0);
	check_address(test, made_up, table, ULONG_MAX);
}

static const unsigned int table_sizes[] = { 0, 1, 2, 3, 4, 5, 10, 30, 100, 2000 };

static void table_patched(struct kunit *test)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(table_sizes); i++)
		check_table(test, table_sizes[i], KLP_TRANSITION_PATCHED);
}

static void table_unpatched(struct kunit *test)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(table_sizes); i++)
		check_table(test, table_sizes[i], KLP_TRANSITION_UNPATCHED);
}

/* --- tasks -------------------------------------------------------------------------------- */

/**
 * struct sleeper - a task that sleeps in a function
 * @task:    the task
 * @reached: the task is in the function
 * @go_on:   the task may leave the function
 */
struct sleeper {
	struct task_struct *task;
	struct completion reached;
	struct completion go_on;
};

static noinline void sleep_here(struct sleeper *sleeper)
{
	complete(&sleeper->reached);
	wait_for_completion(&sleeper->go_on);
	/* Keeps the compiler from jumping to the function that waits. */
	barrier();
}

static int sleeper_fn(void *data)
{
	sleep_here(data);
	return 0;
}

/* A function that never sleeps. */
static noinline int not_here(int value)
{
	barrier();
	return value + 1;
}

/* Return the size of a function from kallsyms. */
static unsigned long size_of(const void *code)
{
	char symbol[KSYM_SYMBOL_LEN];
	unsigned long size = 0;
	const char *slash;

	sprint_symbol(symbol, (unsigned long)code);
	slash = strrchr(symbol, '/');
	if (!slash || sscanf(slash, "/0x%lx", &size) != 1)
		return 0;
	return size;
}

/* Build the table of a patch of one function, for tasks that leave the old code. */
static struct klp_stack_table *table_for(struct kunit *test, void *code, const char *name)
{
	struct made_up *made_up = make_up(test, 0, KLP_TRANSITION_PATCHED);
	struct klp_rt_func *func = made_up->funcs;

	func->name = name;
	func->old_func = code;
	func->old_size = size_of(code);
	KUNIT_ASSERT_GT(test, func->old_size, 0);
	func->redirect = made_up->redirects;
	func->ip = (unsigned long)code;
	INIT_LIST_HEAD(&func->parts);
	list_add_tail(&func->node, &made_up->objs[0].funcs);
	made_up->objs[0].nr_funcs = 1;
	return make_table(test, &made_up->patch, KLP_TRANSITION_PATCHED);
}

static int check_stack(const struct klp_stack_table *table, struct task_struct *task,
		       const char **name)
{
	struct klp_stack_hit hit;
	int ret;

	guard(preempt)();
	ret = klp_stack_check(table, task, &hit);
	*name = hit.function;
	return ret;
}

/* Return true if the task has left its CPU and sleeps until it is woken. */
static bool is_asleep(struct task_struct *task)
{
	if (READ_ONCE(task->__state) != TASK_UNINTERRUPTIBLE)
		return false;
#ifdef CONFIG_SMP
	/* Pairs with smp_store_release() in finish_task(). */
	if (smp_load_acquire(&task->on_cpu))
		return false;
#endif
	return true;
}

static void wake_up_sleeper(void *data)
{
	struct sleeper *sleeper = data;

	complete(&sleeper->go_on);
	kthread_stop(sleeper->task);
	put_task_struct(sleeper->task);
}

static void start_sleeper(struct kunit *test, struct sleeper *sleeper)
{
	init_completion(&sleeper->reached);
	init_completion(&sleeper->go_on);
	sleeper->task = kthread_create(sleeper_fn, sleeper, "klp_kunit");
	KUNIT_ASSERT_FALSE(test, IS_ERR(sleeper->task));
	get_task_struct(sleeper->task);
	wake_up_process(sleeper->task);
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, wake_up_sleeper, sleeper), 0);

	wait_for_completion(&sleeper->reached);
	while (!is_asleep(sleeper->task))
		usleep_range(500, 1000);
}

static void need_reliable_stack(struct kunit *test)
{
	if (!klp_have_reliable_stack())
		kunit_skip(test, "this kernel does not know stacks for certain");
}

/*
 * A task that sleeps in a function or in its callee is found, and is not found after it has
 * left.
 */
static void task_asleep(struct kunit *test)
{
	struct klp_stack_table *in, *above, *elsewhere;
	struct sleeper *sleeper;
	const char *name;

	need_reliable_stack(test);
	sleeper = kunit_kzalloc(test, sizeof(*sleeper), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, sleeper);
	in = table_for(test, sleep_here, "in");
	above = table_for(test, sleeper_fn, "above");
	elsewhere = table_for(test, not_here, "elsewhere");
	start_sleeper(test, sleeper);

	KUNIT_ASSERT_EQ(test, check_stack(in, sleeper->task, &name), -EADDRINUSE);
	KUNIT_ASSERT_STREQ(test, name, "in");
	KUNIT_ASSERT_EQ(test, check_stack(above, sleeper->task, &name), -EADDRINUSE);
	KUNIT_ASSERT_STREQ(test, name, "above");
	KUNIT_ASSERT_EQ(test, check_stack(elsewhere, sleeper->task, &name), 0);
	KUNIT_ASSERT_NULL(test, name);
}

/* A task that has ended is in no function. A reference keeps its task_struct. */
static void task_ended(struct kunit *test)
{
	struct klp_stack_table *table;
	struct sleeper *sleeper;
	const char *name;
	unsigned int __maybe_unused i;

	need_reliable_stack(test);
	sleeper = kunit_kzalloc(test, sizeof(*sleeper), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, sleeper);
	table = table_for(test, sleep_here, "in");
	start_sleeper(test, sleeper);
	get_task_struct(sleeper->task);
	kunit_release_action(test, wake_up_sleeper, sleeper);

#ifdef CONFIG_THREAD_INFO_IN_TASK
	/* Its stack is freed soon afterwards. */
	for (i = 0; i < 10000 && refcount_read(&sleeper->task->stack_refcount); i++)
		usleep_range(500, 1000);
	KUNIT_ASSERT_EQ(test, refcount_read(&sleeper->task->stack_refcount), 0);
#endif
	KUNIT_ASSERT_EQ(test, check_stack(table, sleeper->task, &name), 0);
	put_task_struct(sleeper->task);
}

static noinline int check_self(const struct klp_stack_table *table, const char **name)
{
	int ret = check_stack(table, current, name);

	barrier();
	return ret;
}

/* The check of current, inside and outside of the function. */
static void task_current(struct kunit *test)
{
	struct klp_stack_table *in, *elsewhere;
	const char *name;

	need_reliable_stack(test);
	in = table_for(test, check_self, "in");
	elsewhere = table_for(test, not_here, "elsewhere");

	KUNIT_ASSERT_EQ(test, check_self(in, &name), -EADDRINUSE);
	KUNIT_ASSERT_STREQ(test, name, "in");
	KUNIT_ASSERT_EQ(test, check_stack(in, current, &name), 0);
	KUNIT_ASSERT_EQ(test, check_self(elsewhere, &name), 0);
	KUNIT_ASSERT_EQ(test, not_here(1), 2);
}

static struct kunit_case cases[] = {
	KUNIT_CASE(table_patched),
	KUNIT_CASE(table_unpatched),
	KUNIT_CASE(task_asleep),
	KUNIT_CASE(task_ended),
	KUNIT_CASE(task_current),
	{}
};

static struct kunit_suite suite = {
	.name = "klp_stackcheck",
	.test_cases = cases,
};

kunit_test_suite(suite);
