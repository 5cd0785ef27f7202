/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A livepatch whose description is made from a random seed. It may be wrong in all ways that
 * the core can detect: names, positions, counts, missing or repeated parts. Otherwise the new
 * functions fit the old ones, so that an accepted patch works. Modules differ only in their
 * seed.
 */

#include <linux/livepatch.h>
#include <linux/module.h>
#include <linux/prandom.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/string.h>

/* Maximum numbers of parts. */
#define FUZZ_OBJECTS	6
#define FUZZ_FUNCS	8
#define FUZZ_HOOKS	4
#define FUZZ_STATES	4
#define FUZZ_MANY	3000	/* once in a while */

static unsigned long seed;
module_param(seed, ulong, 0444);
MODULE_PARM_DESC(seed, "what the description is made of");

/* Successful pre_patch callbacks whose post_unpatch has not run. */
static int owed;
module_param(owed, int, 0444);
MODULE_PARM_DESC(owed, "callbacks that have not been taken back");

/* Bit 0 stands for fuzz_target, bit 1 for fuzz_other. */
static int described_twice;
module_param(described_twice, int, 0444);
MODULE_PARM_DESC(described_twice, "targets with an address that is described by two names");

static struct rnd_state fuzz_random;
static struct klp_patch *fuzz_patch;
static struct klp_func *fuzz_funcs[FUZZ_OBJECTS];
static struct klp_hook fuzz_hooks[FUZZ_HOOKS + 1];
static struct klp_state fuzz_states[FUZZ_STATES + 1];
static char fuzz_long_name[600];

/* A number below @limit. */
static u32 fuzz_below(u32 limit)
{
	return prandom_u32_state(&fuzz_random) % limit;
}

static bool fuzz_one_in(u32 n)
{
	return !fuzz_below(n);
}

static int fuzz_new_show(struct seq_file *m, void *v)
{
	seq_puts(m, KBUILD_MODNAME "\n");
	return 0;
}

static int fuzz_new_two(void)
{
	return 2;
}

static int fuzz_new_three(void)
{
	return 3;
}

static int __init fuzz_new_in_init(void)
{
	return 4;
}

/* The result of a callback, 0 in most descriptions. */
static int fuzz_answer;

static int fuzz_pre_patch(struct klp_object *obj)
{
	if (!fuzz_answer)
		owed++;
	return fuzz_answer;
}

static void fuzz_callback(struct klp_object *obj)
{
}

static void fuzz_post_unpatch(struct klp_object *obj)
{
	owed--;
}

static int fuzz_hook(struct klp_object *obj)
{
	return 0;
}

/*
 * Callbacks of states. The owners of a state are different modules, which share nothing but its
 * data and a shadow variable of its number: so a callback that is repeated, lost, or gets wrong
 * data is found by the next one, in whichever module that is.
 */
#define FUZZ_SHADOWED		((void *)0x66757a7aUL)
#define FUZZ_DATA(state)	((void *)(0x66757a00UL + (state)->id))

static int fuzz_state_pre_patch(struct klp_patch *patch, struct klp_state *state)
{
	if (fuzz_answer)
		return fuzz_answer;
	WARN_ON_ONCE(state->data);
	WARN_ON_ONCE(!klp_shadow_alloc(FUZZ_SHADOWED, state->id, 1, GFP_KERNEL, NULL, NULL));
	state->data = FUZZ_DATA(state);
	return 0;
}

static void fuzz_state_callback(struct klp_patch *patch, struct klp_state *state)
{
	WARN_ON_ONCE(state->data != FUZZ_DATA(state));
	WARN_ON_ONCE(!klp_shadow_get(FUZZ_SHADOWED, state->id));
}

/* The core frees the variable after this callback if the state has is_shadow. */
static void fuzz_state_post_unpatch(struct klp_patch *patch, struct klp_state *state)
{
	fuzz_state_callback(patch, state);
	if (!state->is_shadow)
		klp_shadow_free(FUZZ_SHADOWED, state->id, NULL);
}

static void __init fuzz_state_callback_in_init(struct klp_patch *patch, struct klp_state *state)
{
}

static void fuzz_shadow_dtor(void *obj, void *data)
{
	might_sleep();
	WARN_ON_ONCE(obj != FUZZ_SHADOWED);
}

static int fuzz_hook_fails(struct klp_object *obj)
{
	return -EIO;
}

static void __init fuzz_callback_in_init(struct klp_object *obj)
{
}

static const char *const fuzz_object_names[] = {
	"fuzz_target", "fuzz_target", "fuzz_other", "fuzz_other", "fuzz_absent",
	"vmlinux", "", "enabled", "force", "a/b", ".", "..", "fuzz-target", " ", "\n", "\xff\xfe",
	"%s%n%p", KBUILD_MODNAME, "fuzz_target\n", "fuzz_targe",
};

static const char *const fuzz_target_names[] = {
	"fuzz_fn_0", "fuzz_fn_0", "fuzz_fn_1", "fuzz_fn_1", "fuzz_fn_2", "fuzz_fn_3",
	"fuzz_alias_0", "fuzz_twin", "fuzz_init_fn", "fuzz_target_init", "fuzz_untraced",
	"fuzz_call_twin", "__this_module", "fuzz_fn_", "", "fuzz_fn_0,1", "a/b",
	"%s%n%p", "..", "\xff", " fuzz_fn_0",
};

static const char *const fuzz_kernel_names[] = {
	"cmdline_proc_show", "cmdline_proc_show", "version_proc_show", "version_proc_show",
	"memcpy", "jiffies", "", "no_such_function", "a/b", "%s%n%p", "cmdline_proc_show,1",
	"Version_proc_show", "..", "start_kernel", "kernel_init_freeable",
};

/* Names that are much too long, too long by one, or valid. */
static const char *fuzz_name_of_length(size_t limit)
{
	size_t length = fuzz_one_in(3) ? sizeof(fuzz_long_name) - 1 : limit - fuzz_below(3);

	return &fuzz_long_name[sizeof(fuzz_long_name) - 1 - length];
}

static const char *fuzz_object_name(void)
{
	if (fuzz_one_in(20))
		return fuzz_name_of_length(MODULE_NAME_LEN);
	/* Mostly one of the first few: otherwise everything would be refused. */
	return fuzz_object_names[fuzz_below(fuzz_one_in(6) ? ARRAY_SIZE(fuzz_object_names) : 5)];
}

static const char *fuzz_function_name(bool vmlinux)
{
	if (fuzz_one_in(60))
		return NULL;
	if (fuzz_one_in(60))
		return fuzz_name_of_length(KSYM_NAME_LEN);
	if (vmlinux)
		return fuzz_kernel_names[fuzz_below(fuzz_one_in(10) ?
						    ARRAY_SIZE(fuzz_kernel_names) : 4)];
	return fuzz_target_names[fuzz_below(fuzz_one_in(10) ? ARRAY_SIZE(fuzz_target_names) : 7)];
}

static unsigned long fuzz_position(void)
{
	if (!fuzz_one_in(4))
		return 0;
	return fuzz_one_in(4) ? ULONG_MAX - fuzz_below(2) : fuzz_below(4);
}

/* A function of the right type, or an invalid one. */
static void *__init fuzz_new_function(bool vmlinux)
{
	if (fuzz_one_in(60))
		return NULL;
	if (fuzz_one_in(60))
		return (void *)(fuzz_one_in(2) ? 8 + fuzz_below(4096) : -1UL);
	if (fuzz_one_in(60))
		return fuzz_new_in_init;
	if (vmlinux)
		return fuzz_new_show;
	return fuzz_one_in(2) ? fuzz_new_two : fuzz_new_three;
}

/* A repeated name is refused: not in each description, or everything would be refused. */
static bool fuzz_name_is_taken(const struct klp_func *funcs, u32 nr)
{
	u32 i;

	for (i = 0; i < nr; i++) {
		if (funcs[i].old_name == funcs[nr].old_name)
			return true;
	}
	return false;
}

static struct klp_func *__init fuzz_make_funcs(bool vmlinux)
{
	u32 nr = fuzz_one_in(80) ? FUZZ_MANY : fuzz_below(FUZZ_FUNCS);
	struct klp_func *funcs;
	u32 i, tries;

	funcs = kvcalloc(nr + 1, sizeof(*funcs), GFP_KERNEL);
	if (!funcs)
		return NULL;
	for (i = 0; i < nr; i++) {
		for (tries = 0; tries < 4; tries++) {
			funcs[i].old_name = fuzz_function_name(vmlinux);
			if (!fuzz_name_is_taken(funcs, i))
				break;
		}
		if (tries == 4 && !fuzz_one_in(10) && nr < FUZZ_MANY)
			break;
		funcs[i].stack_only = fuzz_one_in(8);
		if (!funcs[i].stack_only || fuzz_one_in(20))
			funcs[i].new_func = fuzz_new_function(vmlinux);
		funcs[i].old_sympos = fuzz_position();
	}
	if (i < nr)
		funcs[i].old_name = NULL;
	return funcs;
}

static void __init fuzz_make_callbacks(struct klp_object *obj)
{
	/* Owed callbacks can only be counted if both exist. */
	if (fuzz_one_in(2)) {
		obj->callbacks.pre_patch = fuzz_pre_patch;
		obj->callbacks.post_unpatch = fuzz_post_unpatch;
	}
	if (fuzz_one_in(2))
		obj->callbacks.post_patch = fuzz_callback;
	if (fuzz_one_in(2))
		obj->callbacks.pre_unpatch = fuzz_callback;
	if (fuzz_one_in(60))
		obj->callbacks.post_patch = fuzz_callback_in_init;
	if (fuzz_one_in(4))
		obj->patch_hooks = &fuzz_hooks[fuzz_below(FUZZ_HOOKS + 1)];
	if (fuzz_one_in(4))
		obj->unpatch_hooks = &fuzz_hooks[fuzz_below(FUZZ_HOOKS + 1)];
}

static bool fuzz_object_is_taken(const struct klp_object *objs, u32 nr)
{
	u32 i;

	for (i = 0; i < nr; i++) {
		if (objs[i].name == objs[nr].name)
			return true;
	}
	return false;
}

static int __init fuzz_make_objects(struct klp_patch *patch)
{
	u32 nr = fuzz_one_in(80) ? FUZZ_MANY : fuzz_below(FUZZ_OBJECTS);
	struct klp_object *objs;
	u32 i, tries;

	objs = kvcalloc(nr + 1, sizeof(*objs), GFP_KERNEL);
	if (!objs)
		return -ENOMEM;
	patch->objs = objs;

	for (i = 0; i < nr; i++) {
		for (tries = 0; tries < 4; tries++) {
			objs[i].name = fuzz_one_in(3) ? NULL : fuzz_object_name();
			if (!fuzz_object_is_taken(objs, i))
				break;
		}
		if (tries == 4 && !fuzz_one_in(10) && nr < FUZZ_MANY)
			break;
		/* The array of another object, NULL, or a separate one. */
		if (i && fuzz_one_in(20)) {
			objs[i].funcs = objs[fuzz_below(i)].funcs;
		} else if (!fuzz_one_in(40) && i < FUZZ_OBJECTS) {
			fuzz_funcs[i] = fuzz_make_funcs(!objs[i].name);
			objs[i].funcs = fuzz_funcs[i];
		}
		fuzz_make_callbacks(&objs[i]);
	}
	if (i < nr)
		objs[i].name = NULL;
	return 0;
}

/* States with the first number are plain. All others have callbacks in all patches. */
static void __init fuzz_make_state(struct klp_state *state)
{
	state->id = 1 + fuzz_below(3);
	state->version = fuzz_below(3);
	if (state->id == 1)
		return;
	state->callbacks.pre_patch = fuzz_state_pre_patch;
	state->callbacks.post_patch = fuzz_state_callback;
	state->callbacks.pre_unpatch = fuzz_state_callback;
	state->callbacks.post_unpatch = fuzz_state_post_unpatch;
	state->callbacks.shadow_dtor = fuzz_shadow_dtor;
	state->is_shadow = fuzz_one_in(3);
	if (fuzz_one_in(3))
		state->object = fuzz_object_name();
	if (fuzz_one_in(60))
		state->callbacks.post_patch = fuzz_state_callback_in_init;
	state->block_disable = fuzz_one_in(10);
}

static int fuzz_unblock(const char *text, const struct kernel_param *param)
{
	int i;

	for (i = 0; i < FUZZ_STATES; i++)
		fuzz_states[i].block_disable = false;
	return 0;
}

static const struct kernel_param_ops unblock_ops = {
	.set = fuzz_unblock,
};

module_param_cb(unblock, &unblock_ops, NULL, 0200);
MODULE_PARM_DESC(unblock, "written to clear block_disable of all states");

static void __init fuzz_make_shared(void)
{
	int i;

	memset(fuzz_long_name, 'n', sizeof(fuzz_long_name) - 1);
	for (i = 0; i < FUZZ_HOOKS; i++)
		fuzz_hooks[i].hook = fuzz_one_in(6) ? fuzz_hook_fails : fuzz_hook;
	for (i = 0; i < FUZZ_STATES; i++)
		fuzz_make_state(&fuzz_states[i]);
	if (fuzz_one_in(10))
		fuzz_answer = fuzz_one_in(3) ? (int)prandom_u32_state(&fuzz_random) : -EBUSY;
}

static const unsigned int fuzz_sets[] = { 1, 2, 0 };
static unsigned int fuzz_sets_in_init[] __initdata = { 1, 0 };

static void __init fuzz_choose_sets(struct klp_patch *patch)
{
	if (fuzz_one_in(2))
		patch->replace_set = fuzz_one_in(20) ? UINT_MAX : fuzz_below(3);
	if (fuzz_one_in(3))
		patch->replace_sets = &fuzz_sets[fuzz_below(3)];
	if (fuzz_one_in(60))
		patch->replace_sets = fuzz_sets_in_init;
}

static int __init fuzz_make_patch(void)
{
	fuzz_patch = kzalloc(sizeof(*fuzz_patch), GFP_KERNEL);
	if (!fuzz_patch)
		return -ENOMEM;
	if (!fuzz_one_in(80))
		fuzz_patch->mod = THIS_MODULE;
	fuzz_patch->replace = fuzz_one_in(4);
	fuzz_patch->persistent = fuzz_one_in(4);
	fuzz_choose_sets(fuzz_patch);
	if (fuzz_one_in(4))
		fuzz_patch->states = &fuzz_states[fuzz_below(FUZZ_STATES + 1)];
	if (fuzz_one_in(80))
		return 0;
	return fuzz_make_objects(fuzz_patch);
}

/* Return true if the object changes the function: one that is only searched may have two names. */
static bool __init fuzz_has_func(const struct klp_object *obj, const char *name)
{
	struct klp_func *func;

	if (!obj->funcs)
		return false;
	klp_for_each_func(obj, func) {
		if (func->new_func && !strcmp(func->old_name, name))
			return true;
	}
	return false;
}

static void __init fuzz_note_described_twice(void)
{
	struct klp_object *obj;

	klp_for_each_object(fuzz_patch, obj) {
		if (!obj->name || !fuzz_has_func(obj, "fuzz_fn_0") ||
		    !fuzz_has_func(obj, "fuzz_alias_0"))
			continue;
		if (!strcmp(obj->name, "fuzz_target"))
			described_twice |= 1;
		if (!strcmp(obj->name, "fuzz_other"))
			described_twice |= 2;
	}
}

static void fuzz_free(void)
{
	u32 i;

	for (i = 0; i < FUZZ_OBJECTS; i++)
		kvfree(fuzz_funcs[i]);
	if (fuzz_patch)
		kvfree(fuzz_patch->objs);
	kfree(fuzz_patch);
}

static int __init fuzz_init(void)
{
	int ret;

	prandom_seed_state(&fuzz_random, seed);
	fuzz_make_shared();
	ret = fuzz_make_patch();
	if (!ret)
		ret = klp_enable_patch(fuzz_patch);
	/* No callback is owed after a refusal. */
	if (ret && owed)
		ret = -EBADE;
	if (ret)
		fuzz_free();
	else
		fuzz_note_described_twice();
	return ret;
}

static void __exit fuzz_exit(void)
{
	fuzz_free();
}

module_init(fuzz_init);
module_exit(fuzz_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Livepatch fuzzer: a livepatch made of a seed");
MODULE_INFO(livepatch, "Y");
