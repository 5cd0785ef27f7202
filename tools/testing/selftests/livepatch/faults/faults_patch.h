/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Shared by both livepatches: the functions that both change, and callbacks and hooks of objects
 * and states that record a letter each.
 *
 *	p pre_patch	h i patch_hooks		L post_patch
 *	w pre_unpatch	u v unpatch_hooks	q post_unpatch
 *	d shadow_dtor
 */

#include <linux/livepatch.h>
#include <linux/module.h>
#include <linux/seq_file.h>
#include "faults.h"

/* The results of the functions tell the two livepatches apart. */
#define FAULTS_NUMBER	((int)sizeof(KBUILD_MODNAME) * 100)

static bool replace;
module_param(replace, bool, 0444);
MODULE_PARM_DESC(replace, "take the place of all patches enabled before");

static bool persistent;
module_param(persistent, bool, 0444);
MODULE_PARM_DESC(persistent, "stay when disabled, to be enabled again");

static void note(struct klp_object *obj, char step)
{
	faults_note(KBUILD_MODNAME, obj->name ?: "vmlinux", step);
}

static int pre_patch(struct klp_object *obj)
{
	note(obj, 'p');
	return 0;
}

static void post_patch(struct klp_object *obj)
{
	note(obj, 'L');
}

static void pre_unpatch(struct klp_object *obj)
{
	note(obj, 'w');
}

static void post_unpatch(struct klp_object *obj)
{
	note(obj, 'q');
}

static int patch_hook(struct klp_object *obj)
{
	note(obj, 'h');
	return 0;
}

static int patch_hook2(struct klp_object *obj)
{
	note(obj, 'i');
	return 0;
}

static int unpatch_hook(struct klp_object *obj)
{
	note(obj, 'u');
	return 0;
}

static int unpatch_hook2(struct klp_object *obj)
{
	note(obj, 'v');
	return 0;
}

static struct klp_hook patch_hooks[] = { { patch_hook }, { patch_hook2 }, { } };
static struct klp_hook unpatch_hooks[] = { { unpatch_hook }, { unpatch_hook2 }, { } };

#define FAULTS_OBJECT(object, list)			\
{							\
	.name = (object),				\
	.funcs = (list),				\
	.callbacks = {					\
		.pre_patch = pre_patch,			\
		.post_patch = post_patch,		\
		.pre_unpatch = pre_unpatch,		\
		.post_unpatch = post_unpatch,		\
	},						\
	.patch_hooks = patch_hooks,			\
	.unpatch_hooks = unpatch_hooks,			\
}

/* Both livepatches have FAULTS_KEPT. FAULTS_BOUND is a state of faults_target. */
enum { FAULTS_KEPT = 1, FAULTS_BOUND };

static void note_state(struct klp_state *state, char step)
{
	faults_note(KBUILD_MODNAME, state->id == FAULTS_KEPT ? "kept" : "bound", step);
}

/* Allocate before the note: a state that is not introduced has no step. */
static int state_pre_patch(struct klp_patch *patch, struct klp_state *state)
{
	if (state->is_shadow && !klp_shadow_alloc(state, state->id, sizeof(long), GFP_KERNEL,
						  NULL, NULL))
		return -ENOMEM;
	note_state(state, 'p');
	return 0;
}

static void state_post_patch(struct klp_patch *patch, struct klp_state *state)
{
	note_state(state, 'L');
}

static void state_pre_unpatch(struct klp_patch *patch, struct klp_state *state)
{
	note_state(state, 'w');
}

static void state_post_unpatch(struct klp_patch *patch, struct klp_state *state)
{
	note_state(state, 'q');
}

static void state_shadow_dtor(void *state, void *data)
{
	might_sleep();
	note_state(state, 'd');
}

#define FAULTS_STATE					\
	.version = 1,					\
	.callbacks = {					\
		.pre_patch = state_pre_patch,		\
		.post_patch = state_post_patch,		\
		.pre_unpatch = state_pre_unpatch,	\
		.post_unpatch = state_post_unpatch,	\
		.shadow_dtor = state_shadow_dtor,	\
	}

static int new_cmdline(struct seq_file *m, void *v)
{
	seq_printf(m, KBUILD_MODNAME " %s\n", saved_command_line_ref);
	return 0;
}

static int new_value(void)
{
	return FAULTS_NUMBER + target_secret_ref;
}

/* Defined by the .c file. */
static struct klp_patch patch;

static int __init faults_init(void)
{
	patch.replace = replace;
	patch.persistent = persistent;
	return klp_enable_patch(&patch);
}

static void __exit faults_exit(void)
{
}

module_init(faults_init);
module_exit(faults_exit);

MODULE_LICENSE("GPL");
MODULE_INFO(livepatch, "Y");
