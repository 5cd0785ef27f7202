// SPDX-License-Identifier: GPL-2.0
/*
 * KUnit tests of shadow variables: one thread against a plain array, and several
 * threads against each other.
 */

#include <kunit/test.h>
#include <linux/completion.h>
#include <linux/hashtable.h>
#include <linux/kthread.h>
#include <linux/livepatch.h>
#include <linux/prandom.h>
#include <linux/rcupdate.h>
#include <linux/wait.h>

#define NR_OBJECTS	16
#define NR_IDS		3
#define NR_THREADS	4

/* A number of a variable that no patch uses. */
#define ID(nr)		(~0UL / 3 + (nr))

/**
 * struct plain_var - the expected state of a shadow variable
 * @obj:   the object it is attached to
 * @id:	   its number
 * @data:  its data from the core, NULL when it does not exist
 * @bytes: size of the data
 * @fill:  the byte that fills the data
 */
struct plain_var {
	unsigned int obj;
	unsigned int id;
	u8 *data;
	size_t bytes;
	u8 fill;
};

/**
 * struct world - the objects and the expected state of their variables
 * @test:      the test
 * @objs:      the objects. Only addresses, see choose_objects()
 * @vars:      one for each object and number
 * @nr_made:   number of calls of the constructor that have succeeded
 * @nr_ended:  number of calls of the destructor
 * @wrong:     number of wrong calls of either
 * @ending:    the variables that the destructor may be called for. NULL for all of one number
 * @ending_id: that number
 */
struct world {
	struct kunit *test;
	void *objs[NR_OBJECTS];
	struct plain_var vars[NR_OBJECTS * NR_IDS];
	unsigned int nr_made;
	unsigned int nr_ended;
	unsigned int wrong;
	struct plain_var *ending;
	unsigned int ending_id;
};

/* Destructors have no argument but the variable. */
static struct world *world;

/* Argument of the constructor. */
struct filling {
	void *obj;
	size_t bytes;
	u8 fill;
	int ret;
};

/* Count a mistake. The caller holds a spinlock. */
static void note_unless(bool right)
{
	if (!right)
		world->wrong++;
}

static int fill_in(void *obj, void *data, void *arg)
{
	const struct filling *filling = arg;

	note_unless(obj == filling->obj);
	note_unless(!memchr_inv(data, 0, filling->bytes));
	note_unless(IS_ALIGNED((unsigned long)data, sizeof(u64)));
	if (filling->ret)
		return filling->ret;
	memset(data, filling->fill, filling->bytes);
	world->nr_made++;
	return 0;
}

static struct plain_var *plain_find_data(void *data)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(world->vars); i++) {
		if (world->vars[i].data == data)
			return &world->vars[i];
	}
	return NULL;
}

static void end_var(void *obj, void *data)
{
	struct plain_var *var = plain_find_data(data);

	world->nr_ended++;
	note_unless(var);
	if (!var)
		return;
	note_unless(obj == world->objs[var->obj]);
	note_unless(!memchr_inv(data, var->fill, var->bytes));
	note_unless(world->ending ? var == world->ending : var->id == world->ending_id);
	var->data = NULL;
}

static void check_world(void)
{
	unsigned int i;

	KUNIT_ASSERT_EQ(world->test, world->wrong, 0);
	for (i = 0; i < ARRAY_SIZE(world->vars); i++) {
		struct plain_var *var = &world->vars[i];
		u8 *data = klp_shadow_get(world->objs[var->obj], ID(var->id));

		KUNIT_ASSERT_PTR_EQ(world->test, data, var->data);
		if (data && data == var->data)
			KUNIT_ASSERT_NULL(world->test, memchr_inv(data, var->fill, var->bytes));
	}
}

/*
 * Call one of the two functions that attach a variable, with or without a constructor, which
 * may fail.
 */
static void make_var(struct plain_var *var, struct rnd_state *rnd, bool or_get)
{
	struct filling filling = {
		.obj = world->objs[var->obj],
		.bytes = prandom_u32_state(rnd) % 100 + 1,
		.fill = prandom_u32_state(rnd) % 2 ? prandom_u32_state(rnd) : 0,
		.ret = prandom_u32_state(rnd) % 200 ? 0 : -EDOM,
	};
	klp_shadow_ctor_t ctor = filling.fill || filling.ret ? fill_in : NULL;
	unsigned int nr_made = world->nr_made;
	u8 *data;

	if (or_get)
		data = klp_shadow_get_or_alloc(filling.obj, ID(var->id), filling.bytes, GFP_KERNEL,
					       ctor, &filling);
	else
		data = klp_shadow_alloc(filling.obj, ID(var->id), filling.bytes, GFP_KERNEL, ctor,
					&filling);
	if (var->data) {
		KUNIT_ASSERT_PTR_EQ(world->test, data, var->data);
		KUNIT_ASSERT_EQ(world->test, world->nr_made, nr_made);
		return;
	}
	KUNIT_ASSERT_EQ(world->test, !data, !!filling.ret);
	KUNIT_ASSERT_EQ(world->test, world->nr_made, nr_made + (ctor && !filling.ret));
	var->data = data;
	var->bytes = filling.bytes;
	var->fill = filling.fill;
}

static void free_var(struct plain_var *var, bool dtor)
{
	unsigned int nr_ended = world->nr_ended;
	bool there = var->data;

	world->ending = var;
	klp_shadow_free(world->objs[var->obj], ID(var->id), dtor ? end_var : NULL);
	KUNIT_ASSERT_EQ(world->test, world->nr_ended, nr_ended + (there && dtor));
	var->data = NULL;
}

static void free_all(unsigned int id, bool dtor)
{
	unsigned int nr_ended = world->nr_ended, i, there = 0;

	for (i = 0; i < ARRAY_SIZE(world->vars); i++)
		there += world->vars[i].id == id && world->vars[i].data;
	world->ending = NULL;
	world->ending_id = id;
	klp_shadow_free_all(ID(id), dtor ? end_var : NULL);
	KUNIT_ASSERT_EQ(world->test, world->nr_ended, nr_ended + (dtor ? there : 0));
	for (i = 0; i < ARRAY_SIZE(world->vars); i++) {
		if (world->vars[i].id == id)
			world->vars[i].data = NULL;
	}
}

/* Half of the objects share a bucket of the hash table, which has 1 << 12 of them. */
static void choose_objects(void)
{
	unsigned long addr = (unsigned long)world, wanted;
	unsigned int i;

	for (i = 0; i < NR_OBJECTS / 2; i++, addr += sizeof(u64))
		world->objs[i] = (void *)addr;
	wanted = hash_min(addr, 12);
	for (; i < NR_OBJECTS; i++, addr += sizeof(u64)) {
		while (hash_min(addr, 12) != wanted)
			addr += sizeof(u64);
		world->objs[i] = (void *)addr;
	}
}

static void one_thread(struct kunit *test)
{
	struct plain_var *var;
	struct rnd_state rnd;
	unsigned int i;

	world = test->priv;
	choose_objects();
	prandom_seed_state(&rnd, 612);
	for (i = 0; i < ARRAY_SIZE(world->vars); i++) {
		world->vars[i].obj = i / NR_IDS;
		world->vars[i].id = i % NR_IDS;
	}
	for (i = 0; i < 5000; i++) {
		var = &world->vars[prandom_u32_state(&rnd) % ARRAY_SIZE(world->vars)];
		switch (prandom_u32_state(&rnd) % 64) {
		case 0:
			free_all(var->id, prandom_u32_state(&rnd) % 4);
			break;
		case 1 ... 25:
			free_var(var, prandom_u32_state(&rnd) % 4);
			break;
		case 26 ... 45:
			/* klp_shadow_alloc() warns if the variable exists. */
			make_var(var, &rnd, var->data);
			break;
		default:
			make_var(var, &rnd, true);
			break;
		}
		check_world();
	}
	for (i = 0; i < NR_IDS; i++)
		free_all(i, true);
	check_world();
}

/* --- threads ------------------------------------------------------------------------------ */

#define MAGIC		0x736861646f77ULL

/* A variable that several threads use. */
struct contested {
	u64 magic;
	void *obj;
	unsigned int slot;
};

/**
 * struct arena - shared data of the threads
 * @objs:	  the objects
 * @alive:	  number of existing variables, for each object
 * @wrong:	  number of mistakes
 * @nr_made:	  number of calls of the constructor
 * @ready:	  number of threads that wait for the others
 * @all_ready:	  wait queue for them
 * @met:	  the variable that each thread has got in a round
 * @tasks:	  the threads
 * @arg:	  their arguments
 */
struct arena {
	u64 objs[NR_OBJECTS];
	atomic_t alive[NR_OBJECTS * NR_IDS];
	atomic_t wrong;
	atomic_t nr_made;
	atomic_t ready;
	wait_queue_head_t all_ready;
	void *met[NR_THREADS];
	struct task_struct *tasks[NR_THREADS];
	struct thread_arg {
		struct arena *arena;
		unsigned int nr;
		struct completion done;
	} arg[NR_THREADS];
};

static struct arena *arena;

static int contested_ctor(void *obj, void *data, void *arg)
{
	struct contested *contested = data;

	contested->slot = *(unsigned int *)arg;
	contested->obj = obj;
	if (atomic_inc_return(&arena->alive[contested->slot]) != 1)
		atomic_inc(&arena->wrong);
	atomic_inc(&arena->nr_made);
	contested->magic = MAGIC;
	return 0;
}

static void contested_dtor(void *obj, void *data)
{
	struct contested *contested = data;

	if (contested->magic != MAGIC || contested->obj != obj ||
	    atomic_dec_return(&arena->alive[contested->slot]))
		atomic_inc(&arena->wrong);
	contested->magic = 0;
}

/* A lookup returns an initialized variable, one that has just been destroyed, or NULL. */
static void look_up(unsigned int slot)
{
	void *obj = &arena->objs[slot / NR_IDS];
	struct contested *contested;
	u64 magic;

	guard(rcu)();
	contested = klp_shadow_get(obj, ID(slot % NR_IDS));
	if (!contested)
		return;
	magic = READ_ONCE(contested->magic);
	if ((magic && magic != MAGIC) || contested->obj != obj || contested->slot != slot)
		atomic_inc(&arena->wrong);
}

static void wait_for_others(unsigned int nr)
{
	if (atomic_inc_return(&arena->ready) == nr)
		wake_up_all(&arena->all_ready);
	else
		wait_event(arena->all_ready, atomic_read(&arena->ready) >= nr);
}

static int fight(void *data)
{
	struct thread_arg *arg = data;
	struct rnd_state rnd;
	unsigned int i, slot;
	void *obj;

	prandom_seed_state(&rnd, arg->nr);
	wait_for_others(NR_THREADS);
	for (i = 0; i < 20000; i++) {
		slot = prandom_u32_state(&rnd) % (2 * NR_IDS);
		obj = &arena->objs[slot / NR_IDS];
		switch (prandom_u32_state(&rnd) % 32) {
		case 0:
			klp_shadow_free_all(ID(slot % NR_IDS), contested_dtor);
			break;
		case 1 ... 8:
			klp_shadow_free(obj, ID(slot % NR_IDS), contested_dtor);
			break;
		case 9 ... 18:
			if (!klp_shadow_get_or_alloc(obj, ID(slot % NR_IDS),
						     sizeof(struct contested), GFP_KERNEL,
						     contested_ctor, &slot))
				atomic_inc(&arena->wrong);
			break;
		default:
			look_up(slot);
			break;
		}
		if (i % 16 == 0)
			cond_resched();
	}
	complete(&arg->done);
	return 0;
}

#define NR_ROUNDS	300

/* All threads request the same new variable, in many rounds. */
static int meet(void *data)
{
	struct thread_arg *arg = data;
	unsigned int i, slot = 0;

	for (i = 1; i <= NR_ROUNDS; i++) {
		wait_for_others((2 * i - 1) * NR_THREADS);
		arg->arena->met[arg->nr] = klp_shadow_get_or_alloc(&arena->objs[0], ID(0),
								   sizeof(struct contested),
								   GFP_KERNEL, contested_ctor,
								   &slot);
		/* The first thread checks the variable when all have got it. */
		wait_for_others(2 * i * NR_THREADS);
		if (arg->nr)
			continue;
		for (slot = 1; slot < NR_THREADS; slot++) {
			if (!arena->met[0] || arena->met[slot] != arena->met[0])
				atomic_inc(&arena->wrong);
		}
		slot = 0;
		klp_shadow_free(&arena->objs[0], ID(0), contested_dtor);
	}
	complete(&arg->done);
	return 0;
}

static void run_threads(struct kunit *test, int (*fn)(void *data))
{
	struct task_struct *task;
	unsigned int i;

	arena = kunit_kzalloc(test, sizeof(*arena), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, arena);
	init_waitqueue_head(&arena->all_ready);
	for (i = 0; i < NR_THREADS; i++) {
		arena->arg[i].arena = arena;
		arena->arg[i].nr = i;
		init_completion(&arena->arg[i].done);
		task = kthread_create(fn, &arena->arg[i], "klp_kunit/%u", i);
		KUNIT_ASSERT_FALSE(test, IS_ERR(task));
		arena->tasks[i] = get_task_struct(task);
	}
	for (i = 0; i < NR_THREADS; i++)
		wake_up_process(arena->tasks[i]);
	for (i = 0; i < NR_THREADS; i++) {
		wait_for_completion(&arena->arg[i].done);
		kthread_stop(arena->tasks[i]);
		put_task_struct(arena->tasks[i]);
	}
}

/* Each variable exists at most once, and is constructed and destroyed once. */
static void threads_fight(struct kunit *test)
{
	unsigned int i;

	run_threads(test, fight);
	for (i = 0; i < NR_IDS; i++)
		klp_shadow_free_all(ID(i), contested_dtor);
	KUNIT_ASSERT_EQ(test, atomic_read(&arena->wrong), 0);
	for (i = 0; i < ARRAY_SIZE(arena->alive); i++)
		KUNIT_ASSERT_EQ(test, atomic_read(&arena->alive[i]), 0);
	KUNIT_ASSERT_GT(test, atomic_read(&arena->nr_made), 100);
}

/* Concurrent requests: a single one creates the variable, and all get it. */
static void threads_meet(struct kunit *test)
{
	run_threads(test, meet);
	KUNIT_ASSERT_EQ(test, atomic_read(&arena->wrong), 0);
	KUNIT_ASSERT_EQ(test, atomic_read(&arena->nr_made), NR_ROUNDS);
	KUNIT_ASSERT_EQ(test, atomic_read(&arena->alive[0]), 0);
}

static int init(struct kunit *test)
{
	struct world *new = kunit_kzalloc(test, sizeof(*new), GFP_KERNEL);

	if (!new)
		return -ENOMEM;
	new->test = test;
	test->priv = new;
	return 0;
}

/* Free the variables of a test that has failed. */
static void clean_up(struct kunit *test)
{
	unsigned int i;

	for (i = 0; i < NR_IDS; i++)
		klp_shadow_free_all(ID(i), NULL);
}

static struct kunit_case cases[] = {
	KUNIT_CASE(one_thread),
	KUNIT_CASE(threads_fight),
	KUNIT_CASE(threads_meet),
	{}
};

static struct kunit_suite suite = {
	.name = "klp_shadow",
	.init = init,
	.exit = clean_up,
	.test_cases = cases,
};

kunit_test_suite(suite);
