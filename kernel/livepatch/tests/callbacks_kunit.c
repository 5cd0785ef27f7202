// SPDX-License-Identifier: GPL-2.0
/*
 * KUnit tests of callbacks and hooks: which ones run, how often, and which are owed afterwards.
 * The expected results are tables from Documentation/livepatch/callbacks.rst. The tests
 * generate all combinations of states, events and callbacks.
 */

#include <kunit/test.h>
#include <linux/string.h>
#include <linux/workqueue.h>
#include "../callbacks.h"
#include "../runtime.h"

/*
 * A letter for each callback and hook. In a rule, 'h' and 'H' stand for all hooks. In a record
 * of calls, the number of the hook follows.
 */
#define PRE_PATCH	'p'
#define PATCH_HOOK	'h'
#define POST_PATCH	'P'
#define PRE_UNPATCH	'u'
#define UNPATCH_HOOK	'H'
#define POST_UNPATCH	'U'

#define MAX_HOOKS	3

enum event { PREPARE, PUBLISH, WITHDRAW, RELEASE, FORGET, NR_EVENTS };

static const char * const event_names[] = {
	[PREPARE] = "prepare",
	[PUBLISH] = "publish",
	[WITHDRAW] = "withdraw",
	[RELEASE] = "release",
	[FORGET] = "forget",
};

#define NR_STATES	(KLP_OBJECT_LIVE + 1)

static const char * const state_names[NR_STATES] = {
	[KLP_OBJECT_IDLE] = "idle",
	[KLP_OBJECT_PREPARED] = "prepared",
	[KLP_OBJECT_LIVE] = "live",
};

struct rule {
	const char *runs;
	enum klp_object_state next;
};

/* Effect of each event in each state. A veto of pre_patch ends the event and keeps the state. */
static const struct rule rules[NR_STATES][NR_EVENTS] = {
	[KLP_OBJECT_IDLE] = {
		[PREPARE] = { "ph", KLP_OBJECT_PREPARED },
		[PUBLISH] = { "", KLP_OBJECT_IDLE },
		[WITHDRAW] = { "", KLP_OBJECT_IDLE },
		[RELEASE] = { "", KLP_OBJECT_IDLE },
		[FORGET] = { "", KLP_OBJECT_IDLE },
	},
	[KLP_OBJECT_PREPARED] = {
		[PREPARE] = { "", KLP_OBJECT_PREPARED },
		[PUBLISH] = { "P", KLP_OBJECT_LIVE },
		[WITHDRAW] = { "", KLP_OBJECT_PREPARED },
		[RELEASE] = { "HU", KLP_OBJECT_IDLE },
		[FORGET] = { "", KLP_OBJECT_IDLE },
	},
	[KLP_OBJECT_LIVE] = {
		[PREPARE] = { "", KLP_OBJECT_LIVE },
		[PUBLISH] = { "", KLP_OBJECT_LIVE },
		[WITHDRAW] = { "u", KLP_OBJECT_PREPARED },
		[RELEASE] = { "", KLP_OBJECT_LIVE },
		[FORGET] = { "", KLP_OBJECT_IDLE },
	},
};

/* Callbacks that are owed in each state: they run when the patch is disabled. */
static const char * const owed[NR_STATES] = {
	[KLP_OBJECT_IDLE] = "",
	[KLP_OBJECT_PREPARED] = "HU",
	[KLP_OBJECT_LIVE] = "uHU",
};

/**
 * struct subject - an object whose callbacks record their calls
 * @desc:	   its description
 * @patch_hooks:   the array for the description
 * @unpatch_hooks: the array for the description
 * @patch:	   the patch
 * @obj:	   the object
 * @veto:	   result of pre_patch
 * @hook_rets:	   results of the hooks
 * @ran:	   the calls since start_over()
 * @nr_ran:	   length of @ran
 * @stranger:	   a call was made while klp_callback_is_caller() returned false
 */
struct subject {
	struct klp_object desc;
	struct klp_hook patch_hooks[MAX_HOOKS + 1];
	struct klp_hook unpatch_hooks[MAX_HOOKS + 1];
	struct klp_rt_patch patch;
	struct klp_rt_object obj;
	int veto;
	int hook_rets[MAX_HOOKS];
	char ran[64];
	unsigned int nr_ran;
	bool stranger;
};

static void note(struct klp_object *desc, char what)
{
	struct subject *subject = container_of(desc, struct subject, desc);

	if (!klp_callback_is_caller())
		subject->stranger = true;
	if (subject->nr_ran < sizeof(subject->ran) - 1)
		subject->ran[subject->nr_ran++] = what;
}

static int note_pre_patch(struct klp_object *desc)
{
	note(desc, PRE_PATCH);
	return container_of(desc, struct subject, desc)->veto;
}

static void note_post_patch(struct klp_object *desc)
{
	note(desc, POST_PATCH);
}

static void note_pre_unpatch(struct klp_object *desc)
{
	note(desc, PRE_UNPATCH);
}

static void note_post_unpatch(struct klp_object *desc)
{
	note(desc, POST_UNPATCH);
}

static int note_hook(struct klp_object *desc, char kind, unsigned int i)
{
	note(desc, kind);
	note(desc, '1' + i);
	return container_of(desc, struct subject, desc)->hook_rets[i];
}

static int note_patch_hook_0(struct klp_object *desc)
{
	return note_hook(desc, PATCH_HOOK, 0);
}

static int note_patch_hook_1(struct klp_object *desc)
{
	return note_hook(desc, PATCH_HOOK, 1);
}

static int note_patch_hook_2(struct klp_object *desc)
{
	return note_hook(desc, PATCH_HOOK, 2);
}

static int note_unpatch_hook_0(struct klp_object *desc)
{
	return note_hook(desc, UNPATCH_HOOK, 0);
}

static int note_unpatch_hook_1(struct klp_object *desc)
{
	return note_hook(desc, UNPATCH_HOOK, 1);
}

static int note_unpatch_hook_2(struct klp_object *desc)
{
	return note_hook(desc, UNPATCH_HOOK, 2);
}

static const struct klp_hook all_patch_hooks[] = {
	{ note_patch_hook_0 }, { note_patch_hook_1 }, { note_patch_hook_2 },
};

static const struct klp_hook all_unpatch_hooks[] = {
	{ note_unpatch_hook_0 }, { note_unpatch_hook_1 }, { note_unpatch_hook_2 },
};

/* Number of hooks in the arrays of an object. -1 stands for no array. */
static const int hook_counts[] = { -1, 0, 1, MAX_HOOKS };

static struct klp_hook *choose_hooks(struct klp_hook *room, const struct klp_hook *all, int nr)
{
	memset(room, 0, (MAX_HOOKS + 1) * sizeof(*room));
	if (nr < 0)
		return NULL;
	memcpy(room, all, nr * sizeof(*all));
	return room;
}

static void choose_all_hooks(struct subject *subject, int nr_patch_hooks, int nr_unpatch_hooks)
{
	subject->desc.patch_hooks = choose_hooks(subject->patch_hooks, all_patch_hooks,
						 nr_patch_hooks);
	subject->desc.unpatch_hooks = choose_hooks(subject->unpatch_hooks, all_unpatch_hooks,
						   nr_unpatch_hooks);
}

static void choose_all_callbacks(struct subject *subject)
{
	subject->desc.callbacks = (struct klp_callbacks) {
		.pre_patch = note_pre_patch,
		.post_patch = note_post_patch,
		.pre_unpatch = note_pre_unpatch,
		.post_unpatch = note_post_unpatch,
	};
	subject->veto = 0;
}

/* Results of pre_patch. The first entry stands for no callback. */
static const int vetoes[] = { 0, 0, -EBUSY, -ENOMEM, 1 };

#define NR_CHOICES	(ARRAY_SIZE(vetoes) * 8 * ARRAY_SIZE(hook_counts) * ARRAY_SIZE(hook_counts))

/* Set the callbacks and hooks of the combination @nr. */
static void choose(struct subject *subject, unsigned int nr)
{
	struct klp_callbacks *callbacks = &subject->desc.callbacks;
	unsigned int pre_patch = nr % ARRAY_SIZE(vetoes);
	unsigned int others = nr / ARRAY_SIZE(vetoes) % 8;
	unsigned int hooks = nr / ARRAY_SIZE(vetoes) / 8;

	choose_all_callbacks(subject);
	subject->veto = vetoes[pre_patch];
	if (!pre_patch)
		callbacks->pre_patch = NULL;
	if (!(others & 1))
		callbacks->post_patch = NULL;
	if (!(others & 2))
		callbacks->pre_unpatch = NULL;
	if (!(others & 4))
		callbacks->post_unpatch = NULL;
	choose_all_hooks(subject, hook_counts[hooks % ARRAY_SIZE(hook_counts)],
			 hook_counts[hooks / ARRAY_SIZE(hook_counts)]);
}

static void start_over(struct subject *subject)
{
	memset(subject->ran, 0, sizeof(subject->ran));
	subject->nr_ran = 0;
}

/* Run the function of the core for an event. */
static int happen(struct subject *subject, enum event event)
{
	guard(mutex)(&klp_mutex);

	switch (event) {
	case PREPARE:
		return klp_callbacks_prepare(&subject->obj);
	case PUBLISH:
		klp_callbacks_publish(&subject->obj);
		return 0;
	case WITHDRAW:
		klp_callbacks_withdraw(&subject->obj);
		return 0;
	case RELEASE:
		klp_callbacks_release(&subject->obj);
		return 0;
	default:
		klp_callbacks_forget(&subject->obj);
		return 0;
	}
}

static size_t expect_hooks(char *to, const struct klp_hook *hooks, char kind)
{
	size_t len = 0;
	char i;

	for (i = '1'; hooks && hooks->hook; hooks++, i++) {
		to[len++] = kind;
		to[len++] = i;
	}
	return len;
}

/* Write the calls that a rule expects of this object to @to. Returns the result of pre_patch. */
static int expect(const struct subject *subject, const char *rule, char *to)
{
	const struct klp_object *desc = subject->desc.funcs ? &subject->desc : NULL;
	int ret = 0;

	for (; desc && *rule && !ret; rule++) {
		switch (*rule) {
		case PRE_PATCH:
			if (desc->callbacks.pre_patch) {
				*to++ = *rule;
				ret = subject->veto;
			}
			break;
		case POST_PATCH:
			if (desc->callbacks.post_patch)
				*to++ = *rule;
			break;
		case PRE_UNPATCH:
			if (desc->callbacks.pre_unpatch)
				*to++ = *rule;
			break;
		case POST_UNPATCH:
			if (desc->callbacks.post_unpatch)
				*to++ = *rule;
			break;
		case PATCH_HOOK:
			to += expect_hooks(to, desc->patch_hooks, *rule);
			break;
		case UNPATCH_HOOK:
			to += expect_hooks(to, desc->unpatch_hooks, *rule);
			break;
		}
	}
	*to = '\0';
	return ret;
}

/* Return to the idle state, as if the patch were disabled. */
static void take_back(struct subject *subject)
{
	happen(subject, WITHDRAW);
	happen(subject, RELEASE);
}

/* Check one event: its calls, its result and the new state. */
static enum klp_object_state check_event(struct kunit *test, struct subject *subject,
					 enum klp_object_state state, enum event event)
{
	const struct rule *rule = &rules[state][event];
	char expected[sizeof(subject->ran)];
	enum klp_object_state next;
	int veto, ret;

	veto = expect(subject, rule->runs, expected);
	next = veto ? state : rule->next;
	/* A positive value becomes -EINVAL. */
	ret = veto > 0 ? -EINVAL : veto;
	start_over(subject);
	KUNIT_ASSERT_EQ_MSG(test, happen(subject, event), ret, "%s when %s", event_names[event],
			    state_names[state]);
	KUNIT_ASSERT_STREQ_MSG(test, subject->ran, expected, "%s when %s", event_names[event],
			       state_names[state]);
	KUNIT_ASSERT_EQ_MSG(test, subject->obj.state, next, "%s when %s", event_names[event],
			    state_names[state]);
	return next;
}

/* Check that each owed callback runs once, and that none is owed afterwards. */
static void check_owed(struct kunit *test, struct subject *subject, enum klp_object_state state)
{
	char expected[sizeof(subject->ran)];

	expect(subject, owed[state], expected);
	start_over(subject);
	take_back(subject);
	KUNIT_ASSERT_STREQ_MSG(test, subject->ran, expected, "owed when %s", state_names[state]);
	KUNIT_ASSERT_EQ(test, subject->obj.state, KLP_OBJECT_IDLE);
	take_back(subject);
	KUNIT_ASSERT_STREQ_MSG(test, subject->ran, expected, "owed twice when %s",
			       state_names[state]);
}

/* Bring an object from the idle state to @state, by the regular sequence of events. */
static bool reach(struct subject *subject, enum klp_object_state state)
{
	int veto = subject->veto;

	subject->veto = 0;
	if (state != KLP_OBJECT_IDLE)
		happen(subject, PREPARE);
	if (state == KLP_OBJECT_LIVE)
		happen(subject, PUBLISH);
	subject->veto = veto;
	return subject->obj.state == state;
}

static void check_all_events(struct kunit *test, struct subject *subject)
{
	enum klp_object_state state, next;
	enum event event;

	for (state = 0; state < NR_STATES; state++) {
		for (event = 0; event < NR_EVENTS; event++) {
			KUNIT_ASSERT_TRUE(test, reach(subject, state));
			next = check_event(test, subject, state, event);
			check_owed(test, subject, next);
		}
	}
	KUNIT_ASSERT_FALSE(test, subject->stranger);
	KUNIT_ASSERT_FALSE(test, klp_callback_is_caller());
}

/* Test every event in every state, with every combination of callbacks and hooks. */
static void every_event(struct kunit *test)
{
	struct subject *subject = test->priv;
	unsigned int nr;

	for (nr = 0; nr < NR_CHOICES; nr++) {
		choose(subject, nr);
		check_all_events(test, subject);
	}
}

/* An object that the core has added for nops has no description and no callbacks. */
static void no_description(struct kunit *test)
{
	struct subject *subject = test->priv;

	choose_all_callbacks(subject);
	choose_all_hooks(subject, MAX_HOOKS, MAX_HOOKS);
	subject->obj.desc = NULL;
	subject->desc.funcs = NULL;
	check_all_events(test, subject);
}

/* A failing hook does not keep other hooks or callbacks from running. */
static void hooks_fail(struct kunit *test)
{
	struct subject *subject = test->priv;
	unsigned int nr, failing, i;

	choose_all_callbacks(subject);
	for (nr = 1; nr <= MAX_HOOKS; nr++) {
		choose_all_hooks(subject, nr, nr);
		for (failing = 0; failing < 1 << nr; failing++) {
			for (i = 0; i < nr; i++)
				subject->hook_rets[i] = failing & BIT(i) ? -EIO + (int)i : 0;
			check_event(test, subject, KLP_OBJECT_IDLE, PREPARE);
			check_event(test, subject, KLP_OBJECT_PREPARED, PUBLISH);
			check_owed(test, subject, KLP_OBJECT_LIVE);
		}
	}
}

/* Number of calls over a sequence of events. */
struct tally {
	unsigned int pre_patch;
	unsigned int patch_hook;
	unsigned int post_patch;
	unsigned int pre_unpatch;
	unsigned int unpatch_hook;
	unsigned int post_unpatch;
};

static void tally_up(struct tally *tally, const struct subject *subject)
{
	const char *what;

	for (what = subject->ran; *what; what++) {
		tally->pre_patch += *what == PRE_PATCH && !subject->veto;
		tally->patch_hook += *what == PATCH_HOOK;
		tally->post_patch += *what == POST_PATCH;
		tally->pre_unpatch += *what == PRE_UNPATCH;
		tally->unpatch_hook += *what == UNPATCH_HOOK;
		tally->post_unpatch += *what == POST_UNPATCH;
	}
}

#define SEQUENCE_LENGTH	6
#define NR_STEPS	(NR_EVENTS + 1)		/* prepare is two: it is vetoed or not */

/*
 * Run the events of sequence @nr. The expected numbers of calls are counted without the states.
 */
static void check_sequence(struct kunit *test, struct subject *subject, unsigned int nr)
{
	enum klp_object_state state = KLP_OBJECT_IDLE;
	unsigned int i, lost = 0, lost_live = 0;
	struct tally tally = {};
	enum event event;

	for (i = 0; i < SEQUENCE_LENGTH; i++, nr /= NR_STEPS) {
		event = nr % NR_STEPS;
		subject->veto = 0;
		if (event == NR_EVENTS) {
			event = PREPARE;
			subject->veto = -EBUSY;
		}
		if (event == FORGET) {
			lost = tally.pre_patch - tally.post_unpatch;
			lost_live = tally.post_patch - tally.pre_unpatch;
		}
		state = check_event(test, subject, state, event);
		tally_up(&tally, subject);
		KUNIT_ASSERT_LE(test, tally.pre_patch - tally.post_unpatch - lost, 1);
		KUNIT_ASSERT_LE(test, tally.post_patch - tally.pre_unpatch - lost_live, 1);
	}
	start_over(subject);
	take_back(subject);
	tally_up(&tally, subject);

	KUNIT_ASSERT_EQ(test, tally.pre_patch, tally.patch_hook);
	KUNIT_ASSERT_EQ(test, tally.pre_patch, tally.post_unpatch + lost);
	KUNIT_ASSERT_EQ(test, tally.pre_patch, tally.unpatch_hook + lost);
	KUNIT_ASSERT_EQ(test, tally.post_patch, tally.pre_unpatch + lost_live);
}

/* Test all sequences of events: each step follows the rules, and each owed callback runs once. */
static void every_sequence(struct kunit *test)
{
	struct subject *subject = test->priv;
	unsigned int nr, i, end = 1;

	choose_all_callbacks(subject);
	choose_all_hooks(subject, 1, 1);
	for (i = 0; i < SEQUENCE_LENGTH; i++)
		end *= NR_STEPS;
	for (nr = 0; nr < end; nr++)
		check_sequence(test, subject, nr);
}

/* A task that calls klp_callback_is_caller(). */
struct stranger {
	struct work_struct work;
	bool is_caller;
	struct klp_object desc;
};

static void ask(struct work_struct *work)
{
	container_of(work, struct stranger, work)->is_caller = klp_callback_is_caller();
}

static int let_ask(struct klp_object *desc)
{
	struct stranger *stranger = container_of(desc, struct stranger, desc);

	schedule_work(&stranger->work);
	flush_work(&stranger->work);
	return 0;
}

/* klp_callback_is_caller() returns false in other tasks while a callback or a hook runs. */
static void other_task(struct kunit *test)
{
	struct klp_hook hooks[] = { { let_ask }, {} };
	struct subject *subject = test->priv;
	struct stranger *stranger;

	stranger = kunit_kzalloc(test, sizeof(*stranger), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, stranger);
	INIT_WORK(&stranger->work, ask);

	subject->obj.desc = &stranger->desc;
	stranger->desc.callbacks.pre_patch = let_ask;
	stranger->is_caller = true;
	happen(subject, PREPARE);
	KUNIT_ASSERT_FALSE(test, stranger->is_caller);

	stranger->desc.unpatch_hooks = hooks;
	stranger->is_caller = true;
	happen(subject, RELEASE);
	KUNIT_ASSERT_FALSE(test, stranger->is_caller);
}

static int init(struct kunit *test)
{
	static struct klp_func no_funcs[] = { {} };
	struct subject *subject = kunit_kzalloc(test, sizeof(*subject), GFP_KERNEL);

	if (!subject)
		return -ENOMEM;
	subject->patch.name = "klp_kunit";
	subject->desc.funcs = no_funcs;
	subject->obj.patch = &subject->patch;
	subject->obj.desc = &subject->desc;
	test->priv = subject;
	return 0;
}

static struct kunit_case cases[] = {
	KUNIT_CASE(every_event),
	KUNIT_CASE(no_description),
	KUNIT_CASE(hooks_fail),
	KUNIT_CASE(every_sequence),
	KUNIT_CASE(other_task),
	{}
};

static struct kunit_suite suite = {
	.name = "klp_callbacks",
	.init = init,
	.test_cases = cases,
};

kunit_test_suite(suite);

MODULE_DESCRIPTION("KUnit tests of live patching");
MODULE_LICENSE("GPL");
MODULE_IMPORT_NS(EXPORTED_FOR_KUNIT_TESTING);
