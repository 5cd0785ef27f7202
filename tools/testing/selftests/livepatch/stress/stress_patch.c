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
module_param_named(replace, page.replace, bool, 0444);
MODULE_PARM_DESC(replace, "it takes the place of all others");
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

static struct klp_patch patch = {
	.mod = THIS_MODULE,
	.objs = objs,
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

static void describe(void)
{
	unsigned int i, nr[STRESS_OBJECTS] = { };
	struct klp_object *obj = objs;
	struct klp_func *func;

	page.objects |= BIT(0);
	for (i = 0; i < STRESS_PATCHED; i++) {
		if (!(page.funcs & BIT(i)))
			continue;
		page.objects |= BIT(stress_object(i));
		func = &funcs[stress_object(i)][nr[stress_object(i)]++];
		*func = versions[i];
		if (alias && i < STRESS_VMLINUX && i % STRESS_PER_TARGET == 0)
			func->old_name = aliases[i / STRESS_PER_TARGET];
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
	patch.persistent = page.persistent;
}

static int __init patch_init(void)
{
	int ret;

	page.name = THIS_MODULE->name;
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
