// SPDX-License-Identifier: GPL-2.0
/* A livepatch that its parameters describe. klp_stress loads it under a new name each time. */

#include <linux/math.h>
#include <linux/module.h>
#include "modules.h"

static struct stress_patch page;

module_param_named(funcs, page.funcs, uint, 0444);
MODULE_PARM_DESC(funcs, "the functions that it changes, by bits");
module_param_named(objects, page.objects, uint, 0444);
MODULE_PARM_DESC(objects, "its objects, likewise: vmlinux is always one");
module_param_named(watched, page.watched, uint, 0444);
MODULE_PARM_DESC(watched, "the functions that it only searches on the stack");
module_param_named(states, page.states, uint, 0444);
MODULE_PARM_DESC(states, "its system states");
module_param_named(unbound, page.unbound, uint, 0444);
MODULE_PARM_DESC(unbound, "the states that it binds to no module");
module_param_named(set, page.set, uint, 0444);
MODULE_PARM_DESC(set, "its replace set");
module_param_named(replace, page.replace, uint, 0444);
MODULE_PARM_DESC(replace, "the sets that it replaces, by bits: none, its own, or with set 0 both");
module_param_named(persistent, page.persistent, bool, 0444);
MODULE_PARM_DESC(persistent, "it can be enabled again");
module_param_named(hooks, page.hooks, bool, 0444);
MODULE_PARM_DESC(hooks, "its objects have hooks");

static bool alias;
module_param(alias, bool, 0444);
MODULE_PARM_DESC(alias, "it calls the first function of each target by the other name");

#define DEFINE_VERSION(n)						\
static void new_##n(struct stress_run *run)				\
{									\
	stress_body(run, n, &page);					\
}

/* The rest of a version: nothing of the version is on the stack. */
static noinline __noclone void tail(struct stress_run *run)
{
	int caller = stress_caller(run);

	stress_go(run);
	stress_leave(run, &page);
	run->seen = caller;
}

/* See stress_is_tail(): the call is a jump. */
#define DEFINE_TAIL_VERSION(n)						\
static void new_##n(struct stress_run *run)				\
{									\
	stress_enter(run, n, &page);					\
	return tail(run);						\
}

DEFINE_VERSION(0)
DEFINE_TAIL_VERSION(1)
DEFINE_VERSION(2)
DEFINE_TAIL_VERSION(3)
DEFINE_VERSION(4)
DEFINE_TAIL_VERSION(5)
DEFINE_VERSION(6)
DEFINE_TAIL_VERSION(7)

/* Programs call it with an exponent of 0. Other callers get 1. */
static u64 new_int_pow(u64 base, unsigned int exp)
{
	struct stress_run *run = exp ? NULL : stress_run_of(base);
	u64 result = 1;
	int caller;

	if (run) {
		caller = stress_enter(run, STRESS_VMLINUX, &page);
		stress_do(stress_next(run));
		stress_leave(run, &page);
		run->seen = caller;
		return 1;
	}
	while (exp--)
		result *= base;
	return result;
}

/*
 * Without the memory accounting of the original. The barrier keeps the compiler from changing
 * the call before it into a jump.
 */
static void new_exit_account(struct task_struct *task)
{
	stress_exit(&page);
	barrier();
}

static const struct klp_func versions[STRESS_PATCHED] = {
	{ .old_name = "stress_a_0", .new_func = new_0 },
	{ .old_name = "stress_a_1", .new_func = new_1 },
	{ .old_name = "stress_a_2", .new_func = new_2 },
	{ .old_name = "stress_a_3", .new_func = new_3 },
	{ .old_name = "stress_b_0", .new_func = new_4 },
	{ .old_name = "stress_b_1", .new_func = new_5 },
	{ .old_name = "stress_b_2", .new_func = new_6 },
	{ .old_name = "stress_b_3", .new_func = new_7 },
	{ .old_name = "int_pow", .new_func = new_int_pow },
	{ .old_name = "exit_task_stack_account", .new_func = new_exit_account },
};

static const char * const aliases[STRESS_TARGETS] = { "stress_a_alias", "stress_b_alias" };

static const char * const names[STRESS_OBJECTS] = { NULL, "stress_a", "stress_b" };

/* Each ends with an empty entry. */
static struct klp_func funcs[STRESS_OBJECTS][STRESS_PER_TARGET + 1];
static struct klp_object objs[STRESS_OBJECTS + 1];

static struct klp_state states[STRESS_STATES + 1];
static const unsigned int further_sets[] = { 1, 0 };

static struct klp_patch patch = {
	.mod = THIS_MODULE,
	.objs = objs,
	.states = states,
};

static unsigned int number_of(const struct klp_object *obj)
{
	unsigned int i;

	for (i = 1; obj->name && i < STRESS_OBJECTS; i++)
		if (!strcmp(obj->name, names[i]))
			return i;
	return 0;
}

static int pre_patch(struct klp_object *obj)
{
	return stress_callback(&page, number_of(obj), STRESS_ON_PRE_PATCH);
}

static void post_patch(struct klp_object *obj)
{
	stress_callback(&page, number_of(obj), STRESS_ON_POST_PATCH);
}

static void pre_unpatch(struct klp_object *obj)
{
	stress_callback(&page, number_of(obj), STRESS_ON_PRE_UNPATCH);
}

static void post_unpatch(struct klp_object *obj)
{
	stress_callback(&page, number_of(obj), STRESS_ON_POST_UNPATCH);
}

static int patch_hook_1(struct klp_object *obj)
{
	return stress_callback(&page, number_of(obj), STRESS_ON_PATCH_HOOK_1);
}

static int patch_hook_2(struct klp_object *obj)
{
	return stress_callback(&page, number_of(obj), STRESS_ON_PATCH_HOOK_2);
}

static int unpatch_hook_1(struct klp_object *obj)
{
	return stress_callback(&page, number_of(obj), STRESS_ON_UNPATCH_HOOK_1);
}

static int unpatch_hook_2(struct klp_object *obj)
{
	return stress_callback(&page, number_of(obj), STRESS_ON_UNPATCH_HOOK_2);
}

static struct klp_hook patch_hooks[] = { { patch_hook_1 }, { patch_hook_2 }, { } };
static struct klp_hook unpatch_hooks[] = { { unpatch_hook_1 }, { unpatch_hook_2 }, { } };

static const struct klp_callbacks callbacks = {
	.pre_patch = pre_patch,
	.post_patch = post_patch,
	.pre_unpatch = pre_unpatch,
	.post_unpatch = post_unpatch,
};

static int state_pre_patch(struct klp_patch *unused, struct klp_state *state)
{
	return stress_state_callback(&page, state, STRESS_ON_PRE_PATCH);
}

static void state_post_patch(struct klp_patch *unused, struct klp_state *state)
{
	stress_state_callback(&page, state, STRESS_ON_POST_PATCH);
}

static void state_pre_unpatch(struct klp_patch *unused, struct klp_state *state)
{
	stress_state_callback(&page, state, STRESS_ON_PRE_UNPATCH);
}

static void state_post_unpatch(struct klp_patch *unused, struct klp_state *state)
{
	stress_state_callback(&page, state, STRESS_ON_POST_UNPATCH);
}

static void describe_states(void)
{
	struct klp_state *state = states;
	unsigned int i;

	for (i = 0; i < STRESS_STATES; i++) {
		unsigned int object = stress_object_of_state(&page, i);

		if (!(page.states & BIT(i)))
			continue;
		page.objects |= BIT(object);
		*state++ = (struct klp_state) {
			.id = STRESS_STATE_ID + i,
			.object = names[object],
			.is_shadow = i & 1,
			.callbacks = {
				.pre_patch = state_pre_patch,
				.post_patch = state_post_patch,
				.pre_unpatch = state_pre_unpatch,
				.post_unpatch = state_post_unpatch,
				.shadow_dtor = stress_shadow_dtor,
			},
		};
	}
}

/* Describe a function, and return the empty entry behind it. */
static struct klp_func *describe_func(struct klp_func *func, unsigned int number)
{
	*func = versions[number];
	if (alias && number < STRESS_VMLINUX && number % STRESS_PER_TARGET == 0)
		func->old_name = aliases[number / STRESS_PER_TARGET];
	if (page.watched & BIT(number)) {
		func->new_func = NULL;
		func->stack_only = true;
	}
	return func + 1;
}

static void describe(void)
{
	struct klp_func *next[STRESS_OBJECTS] = { funcs[0], funcs[1], funcs[2] };
	struct klp_object *obj = objs;
	unsigned int i;

	describe_states();
	page.objects |= BIT(0);
	for (i = 0; i < STRESS_PATCHED; i++) {
		unsigned int object = stress_object(i);

		if (!((page.funcs | page.watched) & BIT(i)))
			continue;
		page.objects |= BIT(object);
		next[object] = describe_func(next[object], i);
	}
	for (i = 0; i < STRESS_OBJECTS; i++) {
		if (!(page.objects & BIT(i)))
			continue;
		obj->name = names[i];
		obj->funcs = funcs[i];
		obj->callbacks = callbacks;
		if (page.hooks) {
			obj->patch_hooks = patch_hooks;
			obj->unpatch_hooks = unpatch_hooks;
		}
		obj++;
	}
	patch.replace = page.replace;
	patch.replace_set = page.set;
	if (!page.set && page.replace & BIT(1))
		patch.replace_sets = further_sets;
	patch.persistent = page.persistent;
}

static int __init patch_init(void)
{
	int ret;

	page.name = THIS_MODULE->name;
	page.desc = &patch;
	describe();
	stress_add_patch(&page);
	ret = klp_enable_patch(&patch);
	if (ret)
		stress_remove_patch(&page);
	return ret;
}

static void __exit patch_exit(void)
{
	stress_remove_patch(&page);
}

module_init(patch_init);
module_exit(patch_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Livepatch stress test: a livepatch described by its parameters");
MODULE_INFO(livepatch, "Y");
