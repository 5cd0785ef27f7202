// SPDX-License-Identifier: GPL-2.0
/*
 * KUnit tests of redirection: first the tables of batches with synthetic addresses, then
 * functions of this module that are redirected. The expected results come from plain arrays and
 * linear searches.
 */

#include <kunit/test.h>
#include <linux/module.h>
#include <linux/prandom.h>
#include <linux/slab.h>
#include "../redirect.h"
#include "../redirect_batch.h"
#include "../runtime.h"
#include "../symbols.h"

#define MAX_VERSIONS	6

/* --- tables ------------------------------------------------------------------------------- */

/**
 * struct plain_address - the expected state of an address
 * @ip:		 the address
 * @added:	 the address is in the table
 * @filtered:	 the address is in the filter
 * @nr_versions: number of its versions
 * @versions:	 its versions, the newest last
 */
struct plain_address {
	unsigned long ip;
	bool added;
	bool filtered;
	unsigned int nr_versions;
	struct klp_rt_func *versions[MAX_VERSIONS];
};

/**
 * struct trial - a table and its expected contents
 * @test:     the test
 * @rnd:      random numbers, the same in each run
 * @batch:    the table
 * @nr:	      number of addresses
 * @plain:    the addresses, twice as many as fit in the table, so that some stay out
 * @nr_funcs: number of versions
 * @funcs:    the versions
 */
struct trial {
	struct kunit *test;
	struct rnd_state rnd;
	struct klp_redirect_batch *batch;
	unsigned int nr;
	struct plain_address *plain;
	unsigned int nr_funcs;
	struct klp_rt_func *funcs;
};

static unsigned int random_below(struct rnd_state *rnd, unsigned int end)
{
	return prandom_u32_state(rnd) % end;
}

static unsigned int slot_number(struct klp_redirect_batch *batch, unsigned long ip)
{
	u64 hash = (u32)((u32)ip * GOLDEN_RATIO_32);

	return hash >> batch->shift;
}

/* The start of the addresses, and a difference in their upper halves, which is 0 with 32 bits. */
#define TEXT	(~0UL << 30)
#define UPPER	((unsigned long)BIT_ULL(32))

static unsigned long random_address(struct trial *trial)
{
	return TEXT + 16 * (random_below(&trial->rnd, 0x2000000) + 1);
}

/* Return an address whose search starts at the slot of another address, or at the last slot. */
static unsigned long colliding_address(struct trial *trial, unsigned int i)
{
	unsigned long ip = random_address(trial);
	unsigned int slot = trial->batch->nr_slots - 1;

	if (trial->batch->shift == 32)
		return ip;
	if (i && random_below(&trial->rnd, 2))
		slot = slot_number(trial->batch, trial->plain[i - 1].ip);
	while (slot_number(trial->batch, ip) != slot)
		ip += 16;
	return ip;
}

static bool address_is_new(const struct trial *trial, unsigned int nr, unsigned long ip)
{
	unsigned int i;

	for (i = 0; i < nr; i++) {
		if (trial->plain[i].ip == ip)
			return false;
	}
	return true;
}

/* Create random addresses, colliding ones, and some that differ only in their upper halves. */
static void make_addresses(struct trial *trial)
{
	unsigned long ip;
	unsigned int i;

	for (i = 0; i < trial->nr; i++) {
		do {
			switch (random_below(&trial->rnd, 3)) {
			case 0:
				ip = random_address(trial);
				break;
			case 1:
				ip = colliding_address(trial, i);
				break;
			default:
				ip = i ? trial->plain[i - 1].ip - UPPER : random_address(trial);
				break;
			}
		} while (!address_is_new(trial, i, ip));
		trial->plain[i].ip = ip;
	}
}

static void free_batch(void *batch)
{
	guard(mutex)(&klp_mutex);
	klp_free_batch(batch);
}

static void begin_trial(struct kunit *test, struct trial *trial, unsigned int nr)
{
	*trial = (struct trial) { .test = test, .nr = 2 * nr, .nr_funcs = 3 * nr };
	prandom_seed_state(&trial->rnd, 6120 + nr);

	trial->plain = kunit_kcalloc(test, trial->nr, sizeof(*trial->plain), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, trial->plain);
	trial->funcs = kunit_kcalloc(test, trial->nr_funcs, sizeof(*trial->funcs), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, trial->funcs);
	scoped_guard(mutex, &klp_mutex)
		trial->batch = klp_alloc_batch(nr);
	KUNIT_ASSERT_NOT_NULL(test, trial->batch);
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, free_batch, trial->batch), 0);
	make_addresses(trial);
}

static void end_trial(struct trial *trial)
{
	kunit_release_action(trial->test, free_batch, trial->batch);
	kunit_kfree(trial->test, trial->funcs);
	kunit_kfree(trial->test, trial->plain);
}

/* Check the versions of an address, from the newest to the oldest. */
static void check_versions(struct trial *trial, const struct plain_address *plain,
			   const struct klp_redirect *redirect)
{
	struct klp_rt_func *func = rcu_dereference_protected(redirect->newest, true);
	unsigned int i;

	for (i = plain->nr_versions; i; i--) {
		KUNIT_ASSERT_PTR_EQ(trial->test, func, plain->versions[i - 1]);
		KUNIT_ASSERT_PTR_EQ(trial->test, func->redirect, redirect);
		func = rcu_dereference_protected(func->older, true);
	}
	KUNIT_ASSERT_NULL(trial->test, func);
}

/* Look up all addresses, including those that are not in the table. */
static void check_table(struct trial *trial)
{
	unsigned int i, added = 0, filtered = 0, used = 0;

	for (i = 0; i < trial->nr; i++) {
		const struct plain_address *plain = &trial->plain[i];
		struct klp_redirect *redirect = klp_find_slot(trial->batch, plain->ip);

		added += plain->added;
		filtered += plain->filtered;
		if (!plain->added) {
			KUNIT_ASSERT_EQ(trial->test, redirect->ip, 0);
			continue;
		}
		KUNIT_ASSERT_EQ(trial->test, redirect->ip, plain->ip);
		KUNIT_ASSERT_PTR_EQ(trial->test, redirect->batch,
				    plain->filtered ? trial->batch : NULL);
		check_versions(trial, plain, redirect);
	}
	for (i = 0; i < trial->batch->nr_slots; i++)
		used += !!trial->batch->slots[i].ip;

	KUNIT_ASSERT_EQ(trial->test, used, added);
	KUNIT_ASSERT_EQ(trial->test, trial->batch->nr_filtered, filtered);
}

static void add_address(struct trial *trial, struct plain_address *plain)
{
	unsigned int nr = trial->batch->nr_filtered;
	struct klp_redirect *redirect;

	redirect = klp_add_address(trial->batch, plain->ip);
	KUNIT_ASSERT_EQ(trial->test, redirect->ip, plain->ip);
	if (!plain->filtered)
		KUNIT_ASSERT_EQ(trial->test, trial->batch->ips[nr], plain->ip);
	plain->added = true;
	plain->filtered = true;
	/* Adding it again returns the same redirect, as for a function with two names. */
	KUNIT_ASSERT_PTR_EQ(trial->test, klp_add_address(trial->batch, plain->ip), redirect);
}

static void push_version(struct trial *trial, struct plain_address *plain)
{
	struct klp_rt_func *func = &trial->funcs[random_below(&trial->rnd, trial->nr_funcs)];

	if (!plain->filtered || plain->nr_versions == MAX_VERSIONS || func->redirect)
		return;
	func->redirect = klp_find_slot(trial->batch, plain->ip);
	klp_push_version(func);
	plain->versions[plain->nr_versions++] = func;
}

static void pop_version(struct trial *trial, struct plain_address *plain)
{
	struct klp_rt_func *func;
	unsigned int i;

	if (!plain->nr_versions)
		return;
	i = random_below(&trial->rnd, plain->nr_versions);
	func = plain->versions[i];
	klp_pop_version(func);
	KUNIT_ASSERT_NULL(trial->test, func->redirect);

	plain->nr_versions--;
	for (; i < plain->nr_versions; i++)
		plain->versions[i] = plain->versions[i + 1];
	if (!plain->nr_versions)
		KUNIT_ASSERT_TRUE(trial->test, trial->batch->stale);
}

/* Check that each address without a version is listed once, and remove these addresses. */
static void drop_unused(struct trial *trial)
{
	unsigned int nr = klp_list_unused(trial->batch);
	unsigned int i, listed, expected = 0;

	for (i = 0; i < trial->nr; i++) {
		struct plain_address *plain = &trial->plain[i];

		if (!plain->filtered || plain->nr_versions)
			continue;
		expected++;
		plain->filtered = false;
		for (listed = 0; listed < nr; listed++) {
			if (trial->batch->ips[listed] == plain->ip)
				break;
		}
		KUNIT_ASSERT_LT_MSG(trial->test, listed, nr, "%lx is not listed", plain->ip);
	}
	KUNIT_ASSERT_EQ(trial->test, nr, expected);
	klp_drop_unused(trial->batch, nr);
	KUNIT_ASSERT_FALSE(trial->test, trial->batch->stale);
}

static const unsigned int table_sizes[] = { 1, 2, 3, 4, 7, 8, 33, 200 };

/* The table grows to its full size, with lookups at intervals. */
static void table_grows(struct kunit *test)
{
	struct trial trial;
	unsigned int i, j;

	for (i = 0; i < ARRAY_SIZE(table_sizes); i++) {
		begin_trial(test, &trial, table_sizes[i]);
		check_table(&trial);
		for (j = 0; j < table_sizes[i]; j++) {
			add_address(&trial, &trial.plain[j]);
			check_table(&trial);
		}
		KUNIT_ASSERT_GE(test, trial.batch->nr_slots,
				table_sizes[i] > 1 ? 4 * table_sizes[i] : 2);
		end_trial(&trial);
	}
}

/* Thousands of random changes. */
static void table_changes(struct kunit *test)
{
	struct plain_address *plain;
	struct trial trial;
	unsigned int i, j;

	for (i = 0; i < ARRAY_SIZE(table_sizes); i++) {
		begin_trial(test, &trial, table_sizes[i]);
		for (j = 0; j < table_sizes[i]; j++)
			add_address(&trial, &trial.plain[j]);
		for (j = 0; j < 1000; j++) {
			plain = &trial.plain[random_below(&trial.rnd, table_sizes[i])];
			switch (random_below(&trial.rnd, 2 * table_sizes[i] + 1)) {
			case 0:
				/*
				 * Only after most addresses have a version: otherwise all would
				 * be removed at once.
				 */
				if (j > 4 * table_sizes[i])
					drop_unused(&trial);
				/*
				 * Add some addresses again, as for a module that is loaded
				 * again.
				 */
				if (random_below(&trial.rnd, 2))
					add_address(&trial, plain);
				break;
			case 1 ... 100:
				push_version(&trial, plain);
				break;
			default:
				if (random_below(&trial.rnd, 2))
					push_version(&trial, plain);
				else
					pop_version(&trial, plain);
				break;
			}
			if (table_sizes[i] < 10 || j % 16 == 0)
				check_table(&trial);
		}
		for (j = 0; j < table_sizes[i]; j++) {
			plain = &trial.plain[j];
			while (plain->nr_versions)
				pop_version(&trial, plain);
		}
		drop_unused(&trial);
		check_table(&trial);
		KUNIT_ASSERT_EQ(test, trial.batch->nr_filtered, 0);
		end_trial(&trial);
	}
}

static bool plain_has_module(const struct trial *trial, unsigned long base, unsigned int size)
{
	unsigned int i;

	for (i = 0; i < trial->nr; i++) {
		const struct plain_address *plain = &trial->plain[i];

		if (plain->filtered && plain->ip >= base && plain->ip - base < size)
			return true;
	}
	return false;
}

/* Check modules at an address, before it, up to it, and around it. */
static void check_modules(struct trial *trial, struct module *mod)
{
	static const struct {
		unsigned int before;
		unsigned int size;
	} places[] = { { 0, 1 }, { 0, 16 }, { 16, 16 }, { 16, 17 }, { 0x100000, 0x200000 } };
	unsigned int i, j;

	for (i = 0; i < trial->nr; i++) {
		for (j = 0; j < ARRAY_SIZE(places); j++) {
			unsigned long base = trial->plain[i].ip - places[j].before;

			mod->mem[MOD_TEXT].base = (void *)base;
			mod->mem[MOD_TEXT].size = places[j].size;
			KUNIT_ASSERT_EQ(trial->test, klp_batch_has_module(trial->batch, mod),
					plain_has_module(trial, base, places[j].size));
		}
	}
}

/* klp_batch_has_module() finds the addresses in the filter. A removed address does not count. */
static void table_has_module(struct kunit *test)
{
	struct module *mod = kunit_kzalloc(test, sizeof(*mod), GFP_KERNEL);
	const unsigned int nr = 33;
	struct trial trial;
	unsigned int i;

	KUNIT_ASSERT_NOT_NULL(test, mod);
	begin_trial(test, &trial, nr);
	for (i = 0; i < nr; i++)
		add_address(&trial, &trial.plain[i]);
	check_modules(&trial, mod);
	for (i = 0; i < nr; i += 2)
		push_version(&trial, &trial.plain[i]);
	drop_unused(&trial);
	check_modules(&trial, mod);
	end_trial(&trial);
}

/* --- functions ---------------------------------------------------------------------------- */

#define NR_FUNCTIONS	8
#define NR_PATCHES	3
#define NR_OBJECTS	3

typedef int (*function_t)(void);

/* Version 0 is the original code. */
#define DEFINE_VERSION(version, nr)					\
static noinline int version_##version##_##nr(void)			\
{									\
	return 100 * (version) + (nr);					\
}

DEFINE_VERSION(0, 0) DEFINE_VERSION(1, 0) DEFINE_VERSION(2, 0) DEFINE_VERSION(3, 0)
DEFINE_VERSION(0, 1) DEFINE_VERSION(1, 1) DEFINE_VERSION(2, 1) DEFINE_VERSION(3, 1)
DEFINE_VERSION(0, 2) DEFINE_VERSION(1, 2) DEFINE_VERSION(2, 2) DEFINE_VERSION(3, 2)
DEFINE_VERSION(0, 3) DEFINE_VERSION(1, 3) DEFINE_VERSION(2, 3) DEFINE_VERSION(3, 3)
DEFINE_VERSION(0, 4) DEFINE_VERSION(1, 4) DEFINE_VERSION(2, 4) DEFINE_VERSION(3, 4)
DEFINE_VERSION(0, 5) DEFINE_VERSION(1, 5) DEFINE_VERSION(2, 5) DEFINE_VERSION(3, 5)
DEFINE_VERSION(0, 6) DEFINE_VERSION(1, 6) DEFINE_VERSION(2, 6) DEFINE_VERSION(3, 6)
DEFINE_VERSION(0, 7) DEFINE_VERSION(1, 7) DEFINE_VERSION(2, 7) DEFINE_VERSION(3, 7)

#define VERSIONS_OF(nr)							\
	{								\
		version_0_##nr, version_1_##nr, version_2_##nr,		\
		version_3_##nr,						\
	}

/* The array is not const: the compiler must not know the target of a call. */
static function_t functions[NR_FUNCTIONS][NR_PATCHES + 1] = {
	VERSIONS_OF(0), VERSIONS_OF(1), VERSIONS_OF(2), VERSIONS_OF(3),
	VERSIONS_OF(4), VERSIONS_OF(5), VERSIONS_OF(6), VERSIONS_OF(7),
};

/**
 * struct plain_version - a version of a function
 * @patch: the patch that it belongs to, 0 to NR_PATCHES - 1
 * @func:  the function in the core
 */
struct plain_version {
	unsigned int patch;
	const struct klp_rt_func *func;
};

/**
 * struct test_patch - a patch with some functions of this module
 * @desc:    its description, without objects
 * @patch:   the patch
 * @objs:    its objects. The last one has no description
 * @funcs:   its functions
 * @applied: its functions are redirected
 */
struct test_patch {
	struct klp_patch desc;
	struct klp_rt_patch patch;
	struct klp_rt_object objs[NR_OBJECTS];
	struct klp_rt_func funcs[NR_FUNCTIONS];
	bool applied;
};

/**
 * struct scene - the patches and the expected versions
 * @rnd:	  random numbers, the same in each run
 * @patches:	  the patches
 * @desc:	  used as the description of objects
 * @stacks:	  versions of each function, the newest last
 * @nr_versions:  number of versions of each function
 * @nr_addresses: number of addresses in all filters before the test
 */
struct scene {
	struct rnd_state rnd;
	struct test_patch patches[NR_PATCHES];
	struct klp_object desc;
	struct plain_version stacks[NR_FUNCTIONS][NR_PATCHES];
	unsigned int nr_versions[NR_FUNCTIONS];
	unsigned int nr_addresses;
};

/* Return the number of addresses in the filters of all batches. */
static unsigned int count_addresses(void)
{
	struct klp_redirect_batch *batch;
	unsigned int nr = 0;

	guard(mutex)(&klp_mutex);
	list_for_each_entry(batch, &klp_batches, node)
		nr += batch->nr_filtered;
	return nr;
}

/* Return the result of calling a function in a state of the task. */
static int call(unsigned int nr, int state)
{
	int ret;

	guard(mutex)(&klp_mutex);
	WRITE_ONCE(current->patch_state, state);
	ret = functions[nr][0]();
	WRITE_ONCE(current->patch_state, KLP_TRANSITION_IDLE);
	return ret;
}

/* Return the expected result. */
static int plain_call(const struct scene *scene, unsigned int nr, int state)
{
	unsigned int top = scene->nr_versions[nr];
	const struct plain_version *version;

	if (!top)
		return nr;
	version = &scene->stacks[nr][top - 1];
	if (version->func->transition && state == KLP_TRANSITION_UNPATCHED) {
		if (top == 1)
			return nr;
		version--;
	}
	return version->func->nop ? nr : 100 * (version->patch + 1) + nr;
}

static void check_calls(struct kunit *test, struct scene *scene)
{
	unsigned int nr;
	int state;

	for (nr = 0; nr < NR_FUNCTIONS; nr++) {
		for (state = KLP_TRANSITION_IDLE; state <= KLP_TRANSITION_PATCHED; state++)
			KUNIT_ASSERT_EQ_MSG(test, call(nr, state), plain_call(scene, nr, state),
					    "function %u, state %d", nr, state);
	}
}

/* Choose the functions of a patch and their objects at random. */
static void make_patch(struct scene *scene, unsigned int p)
{
	struct test_patch *patch = &scene->patches[p];
	struct klp_rt_object *obj;
	struct klp_rt_func *func;
	unsigned int i;

	memset(patch, 0, sizeof(*patch));
	patch->patch.desc = &patch->desc;
	patch->patch.name = "klp_kunit";
	INIT_LIST_HEAD(&patch->patch.objs);
	for (i = 0; i < NR_OBJECTS; i++) {
		obj = &patch->objs[i];
		obj->patch = &patch->patch;
		obj->desc = i < NR_OBJECTS - 1 ? &scene->desc : NULL;
		INIT_LIST_HEAD(&obj->funcs);
		list_add_tail(&obj->node, &patch->patch.objs);
	}
	for (i = 0; i < NR_FUNCTIONS; i++) {
		if (!random_below(&scene->rnd, 3))
			continue;
		obj = &patch->objs[random_below(&scene->rnd, NR_OBJECTS)];
		func = &patch->funcs[i];
		func->obj = obj;
		func->name = "function";
		func->old_func = functions[i][0];
		klp_locate_func(func);
		/* An object that the core has added contains only nops. */
		func->nop = !obj->desc || !random_below(&scene->rnd, 4);
		func->new_func = func->nop ? func->old_func : (void *)functions[i][p + 1];
		func->transition = func->nop || random_below(&scene->rnd, 2);
		list_add_tail(&func->node, &obj->funcs);
		obj->nr_funcs++;
	}
}

/* Choose the functions of a patch, at least @nr_funcs for each object. */
static void make_full_patch(struct scene *scene, unsigned int p, unsigned int nr_funcs)
{
	struct klp_rt_object *obj;
	bool full;

	do {
		make_patch(scene, p);
		full = true;
		klp_rt_for_each_object(obj, &scene->patches[p].patch)
			full &= obj->nr_funcs >= nr_funcs;
	} while (!full);
}

static void plain_apply(struct scene *scene, unsigned int p)
{
	struct test_patch *patch = &scene->patches[p];
	unsigned int i;

	for (i = 0; i < NR_FUNCTIONS; i++) {
		if (patch->funcs[i].obj)
			scene->stacks[i][scene->nr_versions[i]++] =
				(struct plain_version) { p, &patch->funcs[i] };
	}
}

static void plain_remove(struct scene *scene, unsigned int p, bool nops_only)
{
	unsigned int i, from, to;

	for (i = 0; i < NR_FUNCTIONS; i++) {
		for (from = 0, to = 0; from < scene->nr_versions[i]; from++) {
			if (scene->stacks[i][from].patch == p &&
			    (scene->stacks[i][from].func->nop || !nops_only))
				continue;
			scene->stacks[i][to++] = scene->stacks[i][from];
		}
		scene->nr_versions[i] = to;
	}
}

static int apply(struct scene *scene, unsigned int p, bool prepare)
{
	struct klp_rt_object *obj;
	int ret;

	guard(mutex)(&klp_mutex);

	if (prepare)
		klp_redirect_prepare(&scene->patches[p].patch);
	klp_rt_for_each_object(obj, &scene->patches[p].patch) {
		ret = klp_redirect_object(obj);
		if (ret)
			return ret;
	}
	return 0;
}

static void remove(struct scene *scene, unsigned int p)
{
	struct klp_rt_object *obj;

	guard(mutex)(&klp_mutex);

	klp_rt_for_each_object(obj, &scene->patches[p].patch)
		klp_unredirect_object(obj);
	klp_redirect_synchronize();
}

/* Remove the nops, as at the end of the transition of a replace. */
static void remove_nops(struct scene *scene, unsigned int p)
{
	struct klp_rt_func *func, *next;
	struct klp_rt_object *obj;

	guard(mutex)(&klp_mutex);

	klp_rt_for_each_object(obj, &scene->patches[p].patch) {
		klp_unredirect_nops(obj);
		list_for_each_entry_safe(func, next, &obj->funcs, node) {
			if (!func->nop)
				continue;
			list_del(&func->node);
			obj->nr_funcs--;
		}
	}
	klp_redirect_synchronize();
}

static void check_trimmed(struct kunit *test, struct scene *scene)
{
	unsigned int i, redirected = 0;

	klp_redirect_trim();
	for (i = 0; i < NR_FUNCTIONS; i++)
		redirected += !!scene->nr_versions[i];
	KUNIT_ASSERT_EQ(test, count_addresses() - scene->nr_addresses, redirected);
}

static void toggle_transition(struct scene *scene, unsigned int p)
{
	struct klp_rt_func *func;
	unsigned int i;

	for (i = 0; i < NR_FUNCTIONS; i++) {
		func = &scene->patches[p].funcs[i];
		WRITE_ONCE(func->transition, func->nop || !func->transition);
	}
}

static void apply_or_remove(struct kunit *test, struct scene *scene, unsigned int p)
{
	struct test_patch *patch = &scene->patches[p];
	unsigned int i;

	if (patch->applied) {
		remove(scene, p);
		plain_remove(scene, p, false);
	} else {
		make_patch(scene, p);
		KUNIT_ASSERT_EQ(test, apply(scene, p, random_below(&scene->rnd, 2)), 0);
		plain_apply(scene, p);
	}
	patch->applied = !patch->applied;
	for (i = 0; i < NR_OBJECTS; i++)
		KUNIT_ASSERT_EQ(test, patch->objs[i].patched, patch->applied);
}

/* Patches are enabled and disabled in random order, in a transition or not. */
static void functions_change(struct kunit *test)
{
	struct scene *scene = test->priv;
	unsigned int i, p;

	prandom_seed_state(&scene->rnd, 612);
	for (i = 0; i < 150; i++) {
		p = random_below(&scene->rnd, NR_PATCHES);
		switch (random_below(&scene->rnd, 8)) {
		case 0:
			check_trimmed(test, scene);
			break;
		case 1:
			if (!scene->patches[p].applied)
				break;
			remove_nops(scene, p);
			plain_remove(scene, p, true);
			KUNIT_ASSERT_FALSE(test, scene->patches[p].objs[NR_OBJECTS - 1].patched);
			KUNIT_ASSERT_TRUE(test, scene->patches[p].objs[0].patched);
			/*
			 * Objects without a description are gone, and removing nops again has
			 * no effect.
			 */
			remove_nops(scene, p);
			break;
		case 2 ... 3:
			toggle_transition(scene, p);
			break;
		default:
			apply_or_remove(test, scene, p);
			break;
		}
		check_calls(test, scene);
	}
	for (p = 0; p < NR_PATCHES; p++) {
		if (scene->patches[p].applied)
			apply_or_remove(test, scene, p);
	}
	check_trimmed(test, scene);
	check_calls(test, scene);
}

/* Addresses that are registered and get no version are removed. */
static void prepare_for_nothing(struct kunit *test)
{
	struct scene *scene = test->priv;
	struct test_patch *patch = &scene->patches[0];
	unsigned int i;

	prandom_seed_state(&scene->rnd, 1);
	make_full_patch(scene, 0, 1);
	scoped_guard(mutex, &klp_mutex)
		klp_redirect_prepare(&patch->patch);
	KUNIT_ASSERT_GT(test, count_addresses(), scene->nr_addresses);
	check_calls(test, scene);
	check_trimmed(test, scene);

	/* A function that cannot be traced is reported by klp_redirect_object(), not here. */
	for (i = 0; !patch->funcs[i].obj; i++)
		;
	patch->funcs[i].ip = 0;
	scoped_guard(mutex, &klp_mutex)
		klp_redirect_prepare(&patch->patch);
	KUNIT_ASSERT_EQ(test, count_addresses(), scene->nr_addresses);

	/* The functions of an object that is not loaded are not registered. */
	patch->funcs[i].obj->name = "klp_kunit_absent";
	scoped_guard(mutex, &klp_mutex)
		klp_redirect_prepare(&patch->patch);
	KUNIT_ASSERT_GT(test, count_addresses(), scene->nr_addresses);
	patch->funcs[i].obj->name = NULL;
	check_trimmed(test, scene);
}

/* A refused object is not registered, and the object before it is unchanged. */
static void redirect_fails(struct kunit *test)
{
	struct scene *scene = test->priv;
	struct klp_rt_func *last;
	struct klp_rt_object *obj;
	unsigned int i;
	int ret;

	prandom_seed_state(&scene->rnd, 2);
	make_patch(scene, 0);
	KUNIT_ASSERT_EQ(test, apply(scene, 0, false), 0);
	plain_apply(scene, 0);
	scene->patches[0].applied = true;

	make_full_patch(scene, 1, 2);
	obj = &scene->patches[1].objs[0];
	last = list_last_entry(&obj->funcs, struct klp_rt_func, node);
	last->ip = 0;
	scoped_guard(mutex, &klp_mutex)
		ret = klp_redirect_object(obj);
	KUNIT_ASSERT_EQ(test, ret, -EINVAL);
	KUNIT_ASSERT_FALSE(test, obj->patched);
	for (i = 0; i < NR_FUNCTIONS; i++)
		KUNIT_ASSERT_NULL(test, scene->patches[1].funcs[i].redirect);

	check_calls(test, scene);
	apply_or_remove(test, scene, 0);
	check_trimmed(test, scene);
	check_calls(test, scene);
}

static int init(struct kunit *test)
{
	struct scene *scene = kunit_kzalloc(test, sizeof(*scene), GFP_KERNEL);

	if (!scene)
		return -ENOMEM;
	scene->nr_addresses = count_addresses();
	test->priv = scene;
	return 0;
}

/* Revert the functions of a test that has failed. */
static void clean_up(struct kunit *test)
{
	struct scene *scene = test->priv;
	unsigned int p;

	if (!scene)
		return;
	for (p = 0; p < NR_PATCHES; p++) {
		if (scene->patches[p].patch.name)
			remove(scene, p);
	}
	klp_redirect_trim();
}

static struct kunit_case cases[] = {
	KUNIT_CASE(table_grows),
	KUNIT_CASE(table_changes),
	KUNIT_CASE(table_has_module),
	KUNIT_CASE_SLOW(functions_change),
	KUNIT_CASE(prepare_for_nothing),
	KUNIT_CASE(redirect_fails),
	{}
};

static struct kunit_suite suite = {
	.name = "klp_redirect",
	.init = init,
	.exit = clean_up,
	.test_cases = cases,
};

kunit_test_suite(suite);
