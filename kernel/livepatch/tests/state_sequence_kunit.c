// SPDX-License-Identifier: GPL-2.0
/*
 * KUnit tests of the stages of system states: every sequence of requests, for random patches,
 * compared with a model that knows only the stack of patches and the states that are in force.
 */

#include <kunit/test.h>
#include <linux/livepatch.h>
#include <linux/prandom.h>
#include "../runtime.h"
#include "../state.h"

#define NR_PATCHES	3
#define NR_STATES	2	/* of each patch. The last one is bound to a module */
#define NR_REQUESTS	(2 * NR_PATCHES + 1)
#define LENGTH		5	/* requests in a sequence */
#define NR_EVENTS	64
#define CONFIGURATIONS	4	/* for each sequence */

enum kind { PRE_PATCH, POST_PATCH, PRE_UNPATCH, POST_UNPATCH };

/* A callback: the patch, the number of the state, and the kind. */
struct event {
	u8 patch;
	u8 id;
	u8 kind;
};

struct events {
	struct event list[NR_EVENTS];
	unsigned int nr;
};

/**
 * struct sequence_patch - a patch with up to two states
 * @states: the array for the core
 * @desc:   its description
 * @rt:     the patch
 * @obj:    the object of the module
 * @rt_states: its states
 * @has:    bit mask of the numbers of its states
 */
struct sequence_patch {
	struct klp_state states[NR_STATES + 1];
	struct klp_patch desc;
	struct klp_rt_patch rt;
	struct klp_rt_object obj;
	struct klp_rt_state rt_states[NR_STATES];
	unsigned int has;
};

/**
 * struct model - what the patches and the callbacks should be
 * @stack:  enabled patches, oldest first
 * @nr:     number of enabled patches
 * @module: the module is loaded
 * @data:   data of the states that are in force, by number
 * @count:  number of introductions
 */
struct model {
	u8 stack[NR_PATCHES];
	unsigned int nr;
	bool module;
	unsigned long data[NR_STATES + 1];
	unsigned long count;
};

static struct sequence_patch patches[NR_PATCHES];
static struct model model;
static struct events expected, got;
static unsigned long introductions;

static void add_event(struct events *events, unsigned int patch, unsigned int id, enum kind kind)
{
	if (events->nr < NR_EVENTS)
		events->list[events->nr++] = (struct event) { patch, id, kind };
}

/* === The callbacks, and the requests as the core performs them ============================= */

static unsigned int number_of(const struct klp_patch *desc)
{
	return container_of(desc, struct sequence_patch, desc) - patches;
}

static int test_pre_patch(struct klp_patch *patch, struct klp_state *state)
{
	add_event(&got, number_of(patch), state->id, PRE_PATCH);
	introductions++;
	state->data = (void *)introductions;
	return 0;
}

static void test_post_patch(struct klp_patch *patch, struct klp_state *state)
{
	add_event(&got, number_of(patch), state->id, POST_PATCH);
}

static void test_pre_unpatch(struct klp_patch *patch, struct klp_state *state)
{
	add_event(&got, number_of(patch), state->id, PRE_UNPATCH);
}

static void test_post_unpatch(struct klp_patch *patch, struct klp_state *state)
{
	add_event(&got, number_of(patch), state->id, POST_UNPATCH);
}

static const struct klp_state_callbacks test_callbacks = {
	.pre_patch = test_pre_patch,
	.post_patch = test_post_patch,
	.pre_unpatch = test_pre_unpatch,
	.post_unpatch = test_post_unpatch,
};

static void make_patch(unsigned int p, unsigned int has, unsigned int set, bool replace)
{
	struct sequence_patch *patch = &patches[p];
	struct klp_rt_state *state;
	unsigned int id, nr = 0;

	memset(patch, 0, sizeof(*patch));
	patch->has = has;
	patch->desc.states = patch->states;
	patch->desc.replace = replace;
	patch->desc.replace_set = set;
	patch->rt.desc = &patch->desc;
	patch->rt.name = "klp_kunit";
	patch->rt.replace_set = set;
	patch->obj.patch = &patch->rt;
	INIT_LIST_HEAD(&patch->rt.states);
	INIT_LIST_HEAD(&patch->rt.node);

	for (id = 1; id <= NR_STATES; id++) {
		if (!(has & 1 << id))
			continue;
		patch->states[nr].id = id;
		patch->states[nr].callbacks = test_callbacks;
		state = &patch->rt_states[nr];
		state->patch = &patch->rt;
		state->desc = &patch->states[nr++];
		state->id = id;
		state->obj = id == NR_STATES ? &patch->obj : NULL;
		list_add_tail(&state->node, &patch->rt.states);
	}
}

static void remove_from_stack(struct klp_rt_patch *patch)
{
	list_del_init(&patch->node);
	klp_states_forget(patch);
}

static void core_enable(struct klp_rt_patch *patch, bool reversed)
{
	struct klp_rt_patch *old, *next;

	list_add_tail(&patch->node, &klp_patches);
	klp_transition_patch = patch;
	klp_states_enable(patch, NULL);
	klp_states_replace(patch);
	patch->enabled = !reversed;
	klp_states_settle();
	klp_transition_patch = NULL;
	if (reversed) {
		remove_from_stack(patch);
		return;
	}
	list_for_each_entry_safe(old, next, &klp_patches, node) {
		if (old == patch)
			break;
		if (klp_replaces(patch->desc, old))
			remove_from_stack(old);
	}
}

static void core_disable(struct klp_rt_patch *patch, bool reversed)
{
	klp_transition_patch = patch;
	klp_states_disable(patch);
	patch->enabled = reversed;
	klp_states_settle();
	klp_transition_patch = NULL;
	if (!reversed)
		remove_from_stack(patch);
}

/* A module that is not loaded: only its address is used. */
static struct module *const test_module = THIS_MODULE;

static void core_load_module(void)
{
	struct sequence_patch *patch;
	struct klp_rt_patch *rt;

	klp_for_each_patch(rt) {
		patch = container_of(rt, struct sequence_patch, rt);
		patch->obj.mod = test_module;
		klp_states_enable(rt, &patch->obj);
		klp_states_publish(&patch->obj);
	}
}

static void core_unload_module(void)
{
	struct sequence_patch *patch;
	struct klp_rt_patch *rt;

	klp_for_each_patch(rt) {
		patch = container_of(rt, struct sequence_patch, rt);
		klp_states_withdraw(&patch->obj);
		klp_states_release(&patch->obj);
		patch->obj.mod = NULL;
	}
}

/* === The model ============================================================================= */

static bool model_replaces(unsigned int p, unsigned int old)
{
	return patches[p].desc.replace &&
	       patches[p].desc.replace_set == patches[old].desc.replace_set;
}

/* Return true if a patch of another set has a state of patch @p: the core refuses it. */
static bool model_conflicts(unsigned int p)
{
	unsigned int i, old;

	for (i = 0; i < model.nr; i++) {
		old = model.stack[i];
		if (patches[old].desc.replace_set != patches[p].desc.replace_set &&
		    patches[old].has & patches[p].has)
			return true;
	}
	return false;
}

static bool model_is_active(unsigned int id)
{
	return id < NR_STATES || model.module;
}

/* Return the newest owner on the stack, without patch @but, or NR_PATCHES. */
static unsigned int model_newest(unsigned int id, unsigned int but)
{
	unsigned int i = model.nr;

	while (i--) {
		if (model.stack[i] != but && patches[model.stack[i]].has & 1 << id)
			return model.stack[i];
	}
	return NR_PATCHES;
}

static void model_introduce(unsigned int p, unsigned int id)
{
	add_event(&expected, p, id, PRE_PATCH);
	model.data[id] = ++model.count;
}

static void model_enable(unsigned int p, bool reversed)
{
	unsigned int id, i, new = 0, removed[NR_STATES + 1], kept = 0;

	for (id = 1; id <= NR_STATES; id++) {
		removed[id] = NR_PATCHES;
		if (!model_is_active(id))
			continue;
		if (patches[p].has & 1 << id && model_newest(id, NR_PATCHES) == NR_PATCHES) {
			new |= 1 << id;
			model_introduce(p, id);
		}
	}
	/* States of which all owners are replaced by a patch that lacks them. */
	for (i = 0; i < model.nr; i++) {
		for (id = 1; id <= NR_STATES; id++) {
			if (!model_is_active(id) || patches[p].has & 1 << id ||
			    model_newest(id, NR_PATCHES) != model.stack[i] ||
			    !model_replaces(p, model.stack[i]))
				continue;
			removed[id] = model.stack[i];
			add_event(&expected, model.stack[i], id, PRE_UNPATCH);
		}
	}

	if (reversed) {
		for (i = 0; i < model.nr; i++)
			for (id = 1; id <= NR_STATES; id++)
				if (removed[id] == model.stack[i])
					add_event(&expected, removed[id], id, POST_PATCH);
		for (id = 1; id <= NR_STATES; id++)
			if (new & 1 << id)
				add_event(&expected, p, id, POST_UNPATCH);
		return;
	}
	for (id = 1; id <= NR_STATES; id++)
		if (new & 1 << id)
			add_event(&expected, p, id, POST_PATCH);
	for (i = 0; i < model.nr; i++)
		for (id = 1; id <= NR_STATES; id++)
			if (removed[id] == model.stack[i])
				add_event(&expected, removed[id], id, POST_UNPATCH);
	for (i = 0; i < model.nr; i++)
		if (!model_replaces(p, model.stack[i]))
			model.stack[kept++] = model.stack[i];
	model.stack[kept++] = p;
	model.nr = kept;
}

static void model_disable(unsigned int p, bool reversed)
{
	unsigned int id, i, kept = 0, removed = 0;

	for (id = 1; id <= NR_STATES; id++) {
		if (!model_is_active(id) || !(patches[p].has & 1 << id) ||
		    model_newest(id, p) != NR_PATCHES)
			continue;
		removed |= 1 << id;
		add_event(&expected, p, id, PRE_UNPATCH);
	}
	for (id = 1; id <= NR_STATES; id++)
		if (removed & 1 << id)
			add_event(&expected, p, id, reversed ? POST_PATCH : POST_UNPATCH);
	if (reversed)
		return;
	for (i = 0; i < model.nr; i++)
		if (model.stack[i] != p)
			model.stack[kept++] = model.stack[i];
	model.nr = kept;
}

static void model_toggle_module(void)
{
	unsigned int i, p;

	model.module = !model.module;
	if (!model.module) {
		p = model_newest(NR_STATES, NR_PATCHES);
		if (p == NR_PATCHES)
			return;
		add_event(&expected, p, NR_STATES, PRE_UNPATCH);
		add_event(&expected, p, NR_STATES, POST_UNPATCH);
		return;
	}
	for (i = 0; i < model.nr; i++) {
		p = model.stack[i];
		if (!(patches[p].has & 1 << NR_STATES))
			continue;
		model_introduce(p, NR_STATES);
		add_event(&expected, p, NR_STATES, POST_PATCH);
		return;
	}
}

/* === Sequences ============================================================================= */

static bool is_enabled(unsigned int p)
{
	unsigned int i;

	for (i = 0; i < model.nr; i++)
		if (model.stack[i] == p)
			return true;
	return false;
}

/* Perform one request: the last one is for the module, the others for patches. */
static void request(unsigned int number)
{
	unsigned int p = number / 2;
	bool reversed = number % 2;

	if (p == NR_PATCHES) {
		if (model.module)
			core_unload_module();
		else
			core_load_module();
		model_toggle_module();
	} else if (is_enabled(p)) {
		core_disable(&patches[p].rt, reversed);
		model_disable(p, reversed);
	} else if (!model_conflicts(p)) {
		patches[p].obj.mod = model.module ? test_module : NULL;
		core_enable(&patches[p].rt, reversed);
		model_enable(p, reversed);
	}
}

/* Return true if the callbacks, the data and the stages are as in the model. */
static bool is_right(void)
{
	struct klp_rt_state *state;
	unsigned int p, held[NR_STATES + 1] = {}, id;
	void *data;

	if (got.nr != expected.nr || memcmp(got.list, expected.list, got.nr * sizeof(*got.list)))
		return false;
	for (p = 0; p < NR_PATCHES; p++) {
		klp_rt_for_each_state(state, &patches[p].rt) {
			held[state->id] += state->stage != KLP_OBJECT_IDLE;
			data = is_enabled(p) && model_is_active(state->id) ?
			       (void *)model.data[state->id] : NULL;
			if (state->desc->data != data || state->stage == KLP_OBJECT_PREPARED)
				return false;
		}
	}
	for (id = 1; id <= NR_STATES; id++) {
		if (held[id] != (model_is_active(id) && model_newest(id, NR_PATCHES) != NR_PATCHES))
			return false;
	}
	return true;
}

/* Run a sequence. Returns the number of requests until the first difference from the model. */
static unsigned int run_sequence(unsigned int sequence, struct rnd_state *rnd)
{
	unsigned int i, p, choice;

	memset(&model, 0, sizeof(model));
	introductions = 0;
	for (p = 0; p < NR_PATCHES; p++) {
		choice = prandom_u32_state(rnd) >> 8;
		/* Bit 0 of the mask is unused: there is no state 0. */
		make_patch(p, choice & 6, choice >> 4 & 1, choice >> 3 & 1);
	}
	for (i = 0; i < LENGTH; i++, sequence /= NR_REQUESTS) {
		got.nr = 0;
		expected.nr = 0;
		request(sequence % NR_REQUESTS);
		if (!is_right())
			break;
	}
	for (p = 0; p < NR_PATCHES; p++)
		list_del_init(&patches[p].rt.node);
	return i;
}

static void report(struct kunit *test, const char *name, const struct events *events)
{
	static const char * const kinds[] = {
		"pre_patch", "post_patch", "pre_unpatch", "post_unpatch"
	};
	unsigned int i;

	for (i = 0; i < events->nr; i++)
		kunit_info(test, "%s: patch %u state %u %s\n", name, events->list[i].patch,
			   events->list[i].id, kinds[events->list[i].kind]);
}

/* All sequences of five requests, which contain the shorter ones. */
static void every_sequence(struct kunit *test)
{
	unsigned int sequence, end = 1, i, c, length = LENGTH;
	struct rnd_state rnd;
	bool free = true;

	prandom_seed_state(&rnd, 13);
	for (i = 0; i < LENGTH; i++)
		end *= NR_REQUESTS;
	for (sequence = 0; sequence < end && length == LENGTH && free; sequence++) {
		scoped_guard(mutex, &klp_mutex) {
			free = list_empty(&klp_patches) && !klp_transition_patch;
			for (c = 0; c < CONFIGURATIONS && length == LENGTH && free; c++)
				length = run_sequence(sequence, &rnd);
		}
		cond_resched();
	}
	if (!free)
		kunit_skip(test, "livepatches are enabled");
	if (length == LENGTH)
		return;
	report(test, "expected", &expected);
	report(test, "got", &got);
	KUNIT_FAIL(test, "sequence %u differs after request %u", sequence - 1, length);
}

static struct kunit_case sequence_cases[] = {
	KUNIT_CASE_SLOW(every_sequence),
	{}
};

static struct kunit_suite sequence_suite = {
	.name = "klp_state_sequences",
	.test_cases = sequence_cases,
};

kunit_test_suite(sequence_suite);
