/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A version of the cumulative livepatch that `make fleet` rolls out. FLEET_VERSION is its number.
 *
 * The first version that is enabled introduces a system state, whose data is the number of that
 * version. The next versions inherit the state. From version 2 on readers do not sleep.
 */
#include "test_klp.h"
#include "test_klp_fleet.h"
#include <linux/module.h>
#include <linux/panic.h>
#include <linux/slab.h>

#define FLEET_STATE	0x0f1ee7

static int introduce(struct klp_patch *patch, struct klp_state *state)
{
	int *version;

	version = kmalloc(sizeof(*version), GFP_KERNEL);
	if (!version)
		return -ENOMEM;
	*version = FLEET_VERSION;
	state->data = version;
	return 0;
}

static void remove(struct klp_patch *patch, struct klp_state *state)
{
	kfree(state->data);
}

static struct klp_state states[] = {
	{
		.id = FLEET_STATE,
		.version = 1,
		.callbacks = {
			.pre_patch = introduce,
			.post_unpatch = remove,
		},
	},
	{ }
};

/* Read the policy of the target. The livepatch does not depend on the target otherwise. */
static struct fleet_policy read_policy(void)
{
	struct fleet_policy *policy, copy = {};

	policy = symbol_get(test_klp_fleet_policy);
	if (policy) {
		copy = *policy;
		symbol_put(test_klp_fleet_policy);
	}
	return copy;
}

static int may_patch(struct klp_object *obj)
{
	return read_policy().veto == FLEET_VERSION ? -EBUSY : 0;
}

static void panic_if_told(struct klp_object *obj)
{
	if (read_policy().panic == FLEET_VERSION)
		panic("test_klp_fleet: the parameter panic is %d\n", FLEET_VERSION);
}

static void new_version(struct seq_file *m)
{
	int *introduced_by = states[0].data;

	seq_printf(m, "%d %d\n", FLEET_VERSION, *introduced_by);
}

static int __maybe_unused new_wait(void)
{
	return 0;
}

static struct klp_func funcs[] = {
	{ .old_name = "test_klp_fleet_version", .new_func = new_version },
#if FLEET_VERSION > 1
	{ .old_name = "test_klp_fleet_wait", .new_func = new_wait },
#endif
	{ }
};

static struct klp_object objects[] = {
	{
		.name = "test_klp_fleet",
		.funcs = funcs,
		.callbacks = {
			.pre_patch = may_patch,
			.post_patch = panic_if_told,
		},
	},
	{ }
};

static struct klp_patch patch = {
	.objs = objects,
	.states = states,
	.replace = true,
	.mod = THIS_MODULE,
};

static int __init fleet_patch_init(void)
{
	return klp_enable_patch(&patch);
}

static void __exit fleet_patch_exit(void)
{
}

module_init(fleet_patch_init);
module_exit(fleet_patch_exit);
MODULE_LICENSE("GPL");
MODULE_INFO(livepatch, "Y");
MODULE_DESCRIPTION("Livepatch selftests: a version of the livepatch of a fleet");
