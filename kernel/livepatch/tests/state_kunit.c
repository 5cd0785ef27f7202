// SPDX-License-Identifier: GPL-2.0
/* KUnit tests of system states, on every stack of patches with a few states and versions. */

#include <kunit/test.h>
#include <linux/livepatch.h>
#include "../runtime.h"
#include "../state.h"

#define NR_PATCHES	3
#define NR_IDS		2
#define NR_VERSIONS	2

/* A set contains each state in one of its versions, or not at all. */
#define NR_SETS		((NR_VERSIONS + 1) * (NR_VERSIONS + 1))
/* The last choice is a patch without an array. */
#define NR_CHOICES	(NR_SETS + 1)

/**
 * struct plain_patch - a patch and its states in a plain form
 * @versions: version of each state, 0 for none
 * @states:   the array for the core
 * @desc:     its description
 * @patch:    the patch
 */
struct plain_patch {
	unsigned int versions[NR_IDS + 1];
	struct klp_state states[NR_IDS + 1];
	struct klp_patch desc;
	struct klp_rt_patch patch;
};

static void choose(struct plain_patch *plain, unsigned int choice)
{
	unsigned int i, nr = 0, id;

	memset(plain, 0, sizeof(*plain));
	plain->patch.desc = &plain->desc;
	if (choice == NR_SETS)
		return;
	plain->versions[1] = choice % (NR_VERSIONS + 1);
	plain->versions[2] = choice / (NR_VERSIONS + 1);
	for (i = 0; i < NR_IDS; i++) {
		/* The order of the states alternates. */
		id = choice & 1 ? NR_IDS - i : i + 1;
		if (plain->versions[id])
			plain->states[nr++] = (struct klp_state) {
				.id = id,
				.version = plain->versions[id],
			};
	}
	plain->desc.states = plain->states;
}

static void check_state(struct kunit *test, const struct plain_patch *plain,
			const struct klp_state *state, unsigned long id)
{
	KUNIT_ASSERT_NOT_NULL(test, state);
	KUNIT_ASSERT_EQ(test, state->id, id);
	KUNIT_ASSERT_EQ(test, state->version, plain->versions[id]);
	KUNIT_ASSERT_TRUE(test, state >= plain->states && state < plain->states + NR_IDS);
}

/* The states of one patch. */
static void get_state(struct kunit *test)
{
	struct plain_patch *plain = test->priv;
	unsigned int choice, id;

	for (choice = 0; choice < NR_CHOICES; choice++) {
		choose(plain, choice);
		for (id = 1; id <= NR_IDS; id++) {
			if (plain->versions[id])
				check_state(test, plain, klp_get_state(&plain->desc, id), id);
			else
				KUNIT_ASSERT_NULL(test, klp_get_state(&plain->desc, id));
		}
		/* 0 ends the array. */
		KUNIT_ASSERT_NULL(test, klp_get_state(&plain->desc, 0));
		KUNIT_ASSERT_NULL(test, klp_get_state(&plain->desc, NR_IDS + 1));
		KUNIT_ASSERT_NULL(test, klp_get_state(&plain->desc, ULONG_MAX));
	}
}

/* Put the first @nr patches on the stack. The caller holds klp_mutex. */
static bool push(struct plain_patch *patches, unsigned int nr)
{
	unsigned int i;

	lockdep_assert_held(&klp_mutex);
	if (!list_empty(&klp_patches) || klp_transition_patch)
		return false;
	for (i = 0; i < nr; i++)
		list_add_tail(&patches[i].patch.node, &klp_patches);
	return true;
}

static void pop(struct plain_patch *patches, unsigned int nr)
{
	while (nr--)
		list_del(&patches[nr].patch.node);
}

static bool plain_compatible(const struct plain_patch *patches, unsigned int nr,
			     const struct plain_patch *new)
{
	unsigned int i, id;

	for (i = 0; i < nr; i++) {
		for (id = 1; id <= NR_IDS; id++) {
			if (!patches[i].versions[id])
				continue;
			if (!new->versions[id] && new->desc.replace)
				return false;
			if (new->versions[id] && new->versions[id] < patches[i].versions[id])
				return false;
		}
	}
	return true;
}

static void check_compatible(struct kunit *test, struct plain_patch *patches, unsigned int nr,
			     struct plain_patch *new)
{
	bool pushed, compatible = false;

	scoped_guard(mutex, &klp_mutex) {
		pushed = push(patches, nr);
		if (pushed) {
			compatible = klp_states_compatible(&new->desc);
			pop(patches, nr);
		}
	}
	if (!pushed)
		kunit_skip(test, "livepatches are enabled");
	KUNIT_ASSERT_EQ(test, compatible, plain_compatible(patches, nr, new));
}

/* Test a new patch above up to two others. */
static void compatible(struct kunit *test)
{
	struct plain_patch *patches = test->priv, *new = &patches[2];
	unsigned int nr, first, second, choice;

	for (first = 0; first < NR_CHOICES; first++) {
		choose(&patches[0], first);
		for (second = 0; second < NR_CHOICES; second++) {
			choose(&patches[1], second);
			for (choice = 0; choice < 2 * NR_CHOICES; choice++) {
				choose(new, choice / 2);
				new->desc.replace = choice % 2;
				for (nr = 0; nr <= 2; nr++)
					check_compatible(test, patches, nr, new);
			}
		}
	}
}

/* Check klp_get_prev_state(). The patch at @top is in transition, none for NR_PATCHES. */
static void check_prev_state(struct kunit *test, struct plain_patch *patches, unsigned int top)
{
	struct klp_state *found[NR_IDS + 2] = {};
	unsigned int id, i;
	bool pushed;

	scoped_guard(mutex, &klp_mutex) {
		pushed = push(patches, NR_PATCHES);
		if (pushed) {
			klp_transition_patch = top < NR_PATCHES ? &patches[top].patch : NULL;
			for (id = 1; id <= NR_IDS + 1; id++)
				found[id] = klp_get_prev_state(id);
			klp_transition_patch = NULL;
			pop(patches, NR_PATCHES);
		}
	}
	if (!pushed)
		kunit_skip(test, "livepatches are enabled");

	for (id = 1; id <= NR_IDS; id++) {
		for (i = top < NR_PATCHES ? top : 0; i; i--) {
			if (patches[i - 1].versions[id])
				break;
		}
		if (i)
			check_state(test, &patches[i - 1], found[id], id);
		else
			KUNIT_ASSERT_NULL(test, found[id]);
	}
	KUNIT_ASSERT_NULL(test, found[NR_IDS + 1]);
}

/* The newest patch below that has the state counts. */
static void get_prev_state(struct kunit *test)
{
	struct plain_patch *patches = test->priv;
	unsigned int nr, i, top, rest, end = 1;

	for (i = 0; i < NR_PATCHES; i++)
		end *= NR_CHOICES;
	for (nr = 0; nr < end; nr++) {
		for (i = 0, rest = nr; i < NR_PATCHES; i++, rest /= NR_CHOICES)
			choose(&patches[i], rest % NR_CHOICES);
		for (top = 0; top <= NR_PATCHES; top++)
			check_prev_state(test, patches, top);
	}
}

static int init(struct kunit *test)
{
	test->priv = kunit_kcalloc(test, NR_PATCHES, sizeof(struct plain_patch), GFP_KERNEL);
	return test->priv ? 0 : -ENOMEM;
}

static struct kunit_case cases[] = {
	KUNIT_CASE(get_state),
	KUNIT_CASE(compatible),
	KUNIT_CASE(get_prev_state),
	{}
};

static struct kunit_suite suite = {
	.name = "klp_state",
	.init = init,
	.test_cases = cases,
};

kunit_test_suite(suite);
