// SPDX-License-Identifier: GPL-2.0
/*
 * A livepatch whose description is a module parameter, so that a script can combine any objects
 * and functions. Each callback logs one line with its name, the object and the state of the
 * module. test_klp_patch2 and others are built from the same file.
 */
#include "test_klp.h"
#include "gate.h"
#include "target.h"
#include <linux/ctype.h>
#include <linux/delay.h>
#include <linux/err.h>
#include <linux/fs.h>
#include <linux/mm_types.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/string.h>

static char *objects = "vmlinux:cmdline,test_klp_target:value";
module_param(objects, charp, 0444);
MODULE_PARM_DESC(objects, "object:function+~function,object... to patch, ~ for stack_only");

static bool replace;
module_param(replace, bool, 0444);
MODULE_PARM_DESC(replace, "take the place of all patches enabled before");

static unsigned int replace_set;
module_param(replace_set, uint, 0444);
MODULE_PARM_DESC(replace_set, "set of the patch");

static unsigned int replace_sets[3];
module_param_array(replace_sets, uint, NULL, 0444);
MODULE_PARM_DESC(replace_sets, "up to 2 further sets that it replaces");

static bool stack_and_new;
module_param(stack_and_new, bool, 0444);
MODULE_PARM_DESC(stack_and_new, "give stack_only functions a replacement, which is refused");

static bool persistent;
module_param(persistent, bool, 0444);
MODULE_PARM_DESC(persistent, "stay when disabled, to be enabled again");

static unsigned int hooks;
module_param(hooks, uint, 0444);
MODULE_PARM_DESC(hooks, "number of patch hooks and of unpatch hooks of each object, up to 3");

static bool empty_hooks;
module_param(empty_hooks, bool, 0444);
MODULE_PARM_DESC(empty_hooks, "give objects without hooks an array of none instead of no array");

static int hook_ret;
module_param(hook_ret, int, 0644);
MODULE_PARM_DESC(hook_ret, "what the first patch hook and the first unpatch hook return");

static unsigned int callbacks = 0xf;
module_param(callbacks, uint, 0444);
MODULE_PARM_DESC(callbacks, "bits: 1 pre_patch, 2 post_patch, 4 pre_unpatch, 8 post_unpatch");

static char veto[MODULE_NAME_LEN];
module_param_string(veto, veto, sizeof(veto), 0644);
MODULE_PARM_DESC(veto, "object whose pre_patch fails");

static int veto_errno = EDOM;
module_param(veto_errno, int, 0644);
MODULE_PARM_DESC(veto_errno, "what it fails with");

static char block[16];
module_param_string(block, block, sizeof(block), 0644);
MODULE_PARM_DESC(block, "callback, or exit, that waits while the parameter blocked is set");

static char nested[16];
module_param_string(nested, nested, sizeof(nested), 0644);
MODULE_PARM_DESC(nested, "callback that enables the patch once more, and should not be able to");

static char nested_file[16];
module_param_string(nested_file, nested_file, sizeof(nested_file), 0644);
MODULE_PARM_DESC(nested_file, "file of the patch in sysfs that it writes 1 to instead");

static unsigned long state_id;
module_param(state_id, ulong, 0444);
MODULE_PARM_DESC(state_id, "system state that the patch says it modifies");

static unsigned int state_version;
module_param(state_version, uint, 0444);
MODULE_PARM_DESC(state_version, "version of that state");

static bool plain_state = true;
module_param(plain_state, bool, 0444);
MODULE_PARM_DESC(plain_state, "set only the fields of Linux 6.12 of that state");

static char *state_object;
module_param(state_object, charp, 0444);
MODULE_PARM_DESC(state_object, "module to which that state is bound");

static bool state_shadow;
module_param(state_shadow, bool, 0444);
MODULE_PARM_DESC(state_shadow, "free the shadow variables of that number with the state");

static bool state_blocks;
module_param(state_blocks, bool, 0444);
MODULE_PARM_DESC(state_blocks, "refuse to remove that state");

static int state_veto;
module_param(state_veto, int, 0644);
MODULE_PARM_DESC(state_veto, "errno that pre_patch of that state fails with");

static unsigned long second_state;
module_param(second_state, ulong, 0444);
MODULE_PARM_DESC(second_state, "number of another state, with callbacks");

static unsigned int shadows;
module_param(shadows, uint, 0444);
MODULE_PARM_DESC(shadows, "number of shadow variables that pre_patch of that state attaches");

static unsigned int inits;
module_param(inits, uint, 0444);
MODULE_PARM_DESC(inits, "how often init has run (read only)");

static unsigned int exits;
module_param(exits, uint, 0444);
MODULE_PARM_DESC(exits, "how often exit has run (read only)");

static struct gate hold_gate;
module_param_cb(hold, &gate_closed_ops, &hold_gate, 0644);
MODULE_PARM_DESC(hold, "keep tasks asleep in all new functions that can be slept in");
module_param_cb(held, &gate_waiting_ops, &hold_gate, 0444);
MODULE_PARM_DESC(held, "number of tasks asleep there now");

static struct gate middle_gate;
module_param_cb(middle_hold, &gate_closed_ops, &middle_gate, 0644);
MODULE_PARM_DESC(middle_hold, "keep tasks asleep in the new test_klp_chain_middle()");
module_param_cb(middle_held, &gate_waiting_ops, &middle_gate, 0444);
MODULE_PARM_DESC(middle_held, "number of tasks asleep there now");

static struct gate block_gate;
module_param_cb(blocked, &gate_closed_ops, &block_gate, 0644);
MODULE_PARM_DESC(blocked, "keep the callback named by block waiting");
module_param_cb(blocking, &gate_waiting_ops, &block_gate, 0444);
MODULE_PARM_DESC(blocking, "1 while it waits");

static int new_cmdline(struct seq_file *m, void *v)
{
	seq_puts(m, KBUILD_MODNAME "\n");
	return 0;
}

static int new_version(struct seq_file *m, void *v)
{
	seq_puts(m, KBUILD_MODNAME "\n");
	return 0;
}

/* 1, 2 or 3. The name of the first module has no number. */
static int module_number(void)
{
	const char last = KBUILD_MODNAME[sizeof(KBUILD_MODNAME) - 2];

	return isdigit(last) ? last - '0' : 1;
}

/* Replaces a system call whose result is a small number. */
static long new_priority(const struct pt_regs *regs)
{
	return 1000 + module_number();
}

static int new_part(void)
{
	return 0;
}

static void new_value(struct seq_file *m)
{
	seq_puts(m, "value: " KBUILD_MODNAME "\n");
}

static void new_extra(struct seq_file *m)
{
	seq_puts(m, "extra: " KBUILD_MODNAME "\n");
}

static void new_first(struct seq_file *m)
{
	seq_puts(m, "first: " KBUILD_MODNAME "\n");
}

static void new_second(struct seq_file *m)
{
	seq_puts(m, "second: " KBUILD_MODNAME "\n");
}

static int new_hold(struct seq_file *m)
{
	int ret;

	ret = gate_pass(&hold_gate);
	if (ret)
		return ret;

	seq_puts(m, KBUILD_MODNAME "\n");
	return 0;
}

static noinline __noclone int hold_in_helper(struct seq_file *m)
{
	int ret;

	ret = gate_pass(&hold_gate);
	if (ret)
		return ret;

	seq_puts(m, KBUILD_MODNAME "\n");
	return 0;
}

/* Compiled to a jump: this function is not on the stack of a task that sleeps in the helper. */
static int new_hold_tail(struct seq_file *m)
{
	return hold_in_helper(m);
}

/*
 * Continue in test_klp_chain, which has to be loaded. test_klp_chain_show() is compiled to a
 * jump to test_klp_chain_top(), so that function returns to this one.
 */
static int new_hold_chain(struct seq_file *m)
{
	int (*show)(struct seq_file *m);
	int ret;

	show = symbol_get(test_klp_chain_show);
	if (!show)
		return -ENOENT;

	ret = show(m);
	symbol_put(test_klp_chain_show);
	return ret;
}

static void new_nap(void)
{
	schedule_timeout_idle(1);
	barrier();
}

static void new_leaf(struct seq_file *m)
{
	seq_puts(m, "leaf: " KBUILD_MODNAME "\n");
}

static int new_middle(struct seq_file *m)
{
	int ret;

	ret = gate_pass(&hold_gate);
	if (ret)
		return ret;
	ret = gate_pass(&middle_gate);
	if (ret)
		return ret;

	seq_puts(m, "middle: " KBUILD_MODNAME "\n");
	return 0;
}

/* Called by a new function. Not a new function itself. */
static noinline int wait_below(void)
{
	return gate_pass(&hold_gate);
}

static int new_top(struct seq_file *m)
{
	int ret;

	ret = wait_below();
	if (ret)
		return ret;

	seq_puts(m, "top: " KBUILD_MODNAME "\n");
	return 0;
}

static void new_step(int *version)
{
	WRITE_ONCE(*version, module_number());
}

static void new_vm_open(struct vm_area_struct *vma)
{
}

/* Names of system calls in kallsyms. */
#if defined(CONFIG_X86_64)
#define SYSCALL_PREFIX	"__x64_"
#elif defined(CONFIG_S390)
#define SYSCALL_PREFIX	"__s390x_"
#elif defined(CONFIG_ARM64)
#define SYSCALL_PREFIX	"__arm64_"
#else
#define SYSCALL_PREFIX	""
#endif

/* A function by its name in the parameter objects, and its entry for the core. */
static const struct {
	const char *key;
	struct klp_func func;
} known_funcs[] = {
	{ "cmdline", { .old_name = "cmdline_proc_show", .new_func = new_cmdline } },
	{ "version", { .old_name = "version_proc_show", .new_func = new_version } },
	{ "priority", { .old_name = SYSCALL_PREFIX "sys_sched_get_priority_max",
			.new_func = new_priority } },
	{ "value", { .old_name = "test_klp_target_value", .new_func = new_value } },
	{ "extra", { .old_name = "test_klp_target_extra", .new_func = new_extra } },
	{ "first", { .old_name = "test_klp_target_twin", .new_func = new_first,
		     .old_sympos = 1 } },
	{ "second", { .old_name = "test_klp_target_twin", .new_func = new_second,
		      .old_sympos = 2 } },
	{ "hold", { .old_name = "test_klp_hold_wait", .new_func = new_hold } },
	{ "hold_tail", { .old_name = "test_klp_hold_wait", .new_func = new_hold_tail } },
	{ "hold_chain", { .old_name = "test_klp_hold_wait", .new_func = new_hold_chain } },
	/* Without a replacement: only for stack_only. */
	{ "hold_show", { .old_name = "hold_show" } },
	{ "alias", { .old_name = "test_klp_target_alias", .new_func = new_value } },
	{ "leaf", { .old_name = "test_klp_chain_leaf", .new_func = new_leaf } },
	{ "middle", { .old_name = "test_klp_chain_middle", .new_func = new_middle } },
	{ "top", { .old_name = "test_klp_chain_top", .new_func = new_top } },
	{ "step", { .old_name = "test_klp_chain_step", .new_func = new_step } },
	{ "vm_open", { .old_name = "test_klp_chain_vm_open", .new_func = new_vm_open } },
	{ "nap", { .old_name = "test_klp_hold_nap", .new_func = new_nap } },
};

/* All functions of test_klp_batch, "parts" in the parameter objects. */
#define PART(nr)	{ .old_name = "test_klp_batch_part" #nr, .new_func = new_part },
static const struct klp_func parts[] = {
#include "parts.h"
};

/* Contains the names of the objects. */
static char *names;
static struct klp_state states[3];

static int get_state_data(char *buffer, const struct kernel_param *param)
{
	return sysfs_emit(buffer, "%lu\n", (unsigned long)states[0].data);
}

static const struct kernel_param_ops state_data_ops = { .get = get_state_data };
module_param_cb(state_data, &state_data_ops, NULL, 0444);
MODULE_PARM_DESC(state_data, "data of the state (read only)");

static struct klp_patch patch = {
	.mod = THIS_MODULE,
	.states = states,
};

static const char *module_state(const struct module *mod)
{
	switch (mod->state) {
	case MODULE_STATE_COMING:
		return "coming";
	case MODULE_STATE_LIVE:
		return "live";
	case MODULE_STATE_GOING:
		return "going";
	default:
		return "in no state to be patched";
	}
}

/*
 * Write to a file of sysfs from a callback. The only requirement for the task is a mounted
 * /sys. The callback may run in a write to sysfs itself. lockdep warns about a write to a file
 * system in another one, because of file systems that can be frozen.
 */
static int write_nested_file(void)
{
	struct file *file;
	ssize_t ret;
	char *path;

	path = kasprintf(GFP_KERNEL, "/sys/kernel/livepatch/%s/%s", KBUILD_MODNAME,
			 strim(nested_file));
	if (!path)
		return -ENOMEM;
	lockdep_off();
	file = filp_open(path, O_WRONLY, 0);
	kfree(path);
	if (IS_ERR(file)) {
		ret = PTR_ERR(file);
		goto out;
	}

	ret = kernel_write(file, "1", 1, NULL);
	filp_close(file, NULL);
out:
	lockdep_on();
	return ret < 0 ? ret : 0;
}

static void log_callback(const char *which, struct klp_object *obj)
{
	if (!obj->name)
		pr_info("%s vmlinux\n", which);
	else if (!obj->mod)
		pr_info("%s %s (not loaded)\n", which, obj->name);
	else
		pr_info("%s %s (%s)\n", which, obj->mod->name, module_state(obj->mod));

	if (sysfs_streq(block, which))
		gate_pass_unsignalled(&block_gate);
	if (!sysfs_streq(nested, which))
		return;
	if (*nested_file)
		pr_info("writing to a file of the patch returns %d\n", write_nested_file());
	else
		pr_info("klp_enable_patch() returns %d\n", klp_enable_patch(&patch));
}

/* Adopt the state of the enabled patch: its data counts the owners. */
static void adopt_state(void)
{
	struct klp_state *state, *prev;

	state = klp_get_state(&patch, state_id);
	prev = klp_get_prev_state(state_id);
	if (!state) {
		pr_err("state %lu is not found\n", state_id);
		return;
	}

	state->data = (void *)(prev ? (unsigned long)prev->data + 1 : 1);
	if (prev)
		pr_info("state %lu version %u after %u, owner %lu\n", state->id, state->version,
			prev->version, (unsigned long)state->data);
	else
		pr_info("state %lu version %u, owner %lu\n", state->id, state->version,
			(unsigned long)state->data);
}

/* The data counts the introductions of the state: each owner must find the same number. */
static void log_state_callback(const char *which, const struct klp_state *state)
{
	pr_info("state %lu %s, data %lu\n", state->id, which, (unsigned long)state->data);
}

static int state_pre_patch(struct klp_patch *changed, struct klp_state *state)
{
	static unsigned long introductions;
	unsigned int i;

	log_state_callback("pre_patch", state);
	if (state == states && state_veto)
		return -state_veto;
	if (!state->data)
		state->data = (void *)(state_version * 100 + ++introductions);
	for (i = 0; i < shadows; i++) {
		if (!klp_shadow_alloc(states + i, state->id, sizeof(long), GFP_KERNEL, NULL, NULL))
			return -ENOMEM;
	}
	return 0;
}

static void state_post_patch(struct klp_patch *changed, struct klp_state *state)
{
	log_state_callback("post_patch", state);
}

static void state_pre_unpatch(struct klp_patch *changed, struct klp_state *state)
{
	log_state_callback("pre_unpatch", state);
}

static void state_post_unpatch(struct klp_patch *changed, struct klp_state *state)
{
	log_state_callback("post_unpatch", state);
}

static void state_shadow_dtor(void *obj, void *data)
{
	might_sleep();
	msleep(20);
	pr_info("a shadow variable is destroyed\n");
}

static const struct klp_state_callbacks state_callbacks = {
	.pre_patch = state_pre_patch,
	.post_patch = state_post_patch,
	.pre_unpatch = state_pre_unpatch,
	.post_unpatch = state_post_unpatch,
	.shadow_dtor = state_shadow_dtor,
};

static void describe_states(void)
{
	states[0].id = state_id;
	states[0].version = state_version;
	if (plain_state)
		return;
	states[0].callbacks = state_callbacks;
	states[0].object = state_object;
	states[0].is_shadow = state_shadow;
	states[0].block_disable = state_blocks;
	states[1].id = second_state;
	states[1].callbacks = state_callbacks;
}

static int pre_patch(struct klp_object *obj)
{
	log_callback("pre_patch", obj);
	if (sysfs_streq(veto, obj->name ?: "vmlinux"))
		return -veto_errno;

	if (!obj->name && state_id && plain_state)
		adopt_state();

	return 0;
}

static void post_patch(struct klp_object *obj)
{
	log_callback("post_patch", obj);
}

static void pre_unpatch(struct klp_object *obj)
{
	log_callback("pre_unpatch", obj);
}

static void post_unpatch(struct klp_object *obj)
{
	log_callback("post_unpatch", obj);
}

static int patch_hook_1(struct klp_object *obj)
{
	log_callback("patch_hook_1", obj);
	return hook_ret;
}

static int patch_hook_2(struct klp_object *obj)
{
	log_callback("patch_hook_2", obj);
	return 0;
}

static int patch_hook_3(struct klp_object *obj)
{
	log_callback("patch_hook_3", obj);
	return 0;
}

static int unpatch_hook_1(struct klp_object *obj)
{
	log_callback("unpatch_hook_1", obj);
	return hook_ret;
}

static int unpatch_hook_2(struct klp_object *obj)
{
	log_callback("unpatch_hook_2", obj);
	return 0;
}

static int unpatch_hook_3(struct klp_object *obj)
{
	log_callback("unpatch_hook_3", obj);
	return 0;
}

/* The parameter sets the number of entries. */
static struct klp_hook patch_hooks[] = {
	{ patch_hook_1 }, { patch_hook_2 }, { patch_hook_3 }, { }
};

static struct klp_hook unpatch_hooks[] = {
	{ unpatch_hook_1 }, { unpatch_hook_2 }, { unpatch_hook_3 }, { }
};

static unsigned int count_char(const char *text, char wanted)
{
	unsigned int count = 0;

	for (; *text; text++) {
		if (*text == wanted)
			count++;
	}

	return count;
}

/* Parse "cmdline+~version". */
static int describe_funcs(struct klp_object *obj, char *keys)
{
	struct klp_func *func;
	bool stack_only;
	unsigned int i;
	char *key;

	/* The empty entry ends the list, and may be the only one. */
	func = kcalloc(count_char(keys, '+') + 2 + ARRAY_SIZE(parts), sizeof(*func), GFP_KERNEL);
	if (!func)
		return -ENOMEM;

	obj->funcs = func;
	while ((key = strsep(&keys, "+"))) {
		if (!*key)
			continue;
		if (!strcmp(key, "parts")) {
			memcpy(func, parts, sizeof(parts));
			func += ARRAY_SIZE(parts);
			continue;
		}

		stack_only = *key == '~';
		key += stack_only;
		for (i = 0; i < ARRAY_SIZE(known_funcs); i++) {
			if (!strcmp(known_funcs[i].key, key))
				break;
		}
		if (i == ARRAY_SIZE(known_funcs))
			return -ENOENT;

		*func = known_funcs[i].func;
		func->stack_only = stack_only;
		if (stack_only && !stack_and_new)
			func->new_func = NULL;
		func++;
	}

	return 0;
}

/* Parse "vmlinux:cmdline,test_klp_target:value". The names point into @text. */
static int describe_objects(char *text)
{
	struct klp_object *obj;
	char *keys, *name;
	int ret;

	obj = kcalloc(count_char(text, ',') + 2, sizeof(*obj), GFP_KERNEL);
	if (!obj)
		return -ENOMEM;

	patch.objs = obj;
	while ((keys = strsep(&text, ","))) {
		name = strsep(&keys, ":");
		if (strcmp(name, "vmlinux"))
			obj->name = name;

		if (callbacks & 1)
			obj->callbacks.pre_patch = pre_patch;
		if (callbacks & 2)
			obj->callbacks.post_patch = post_patch;
		if (callbacks & 4)
			obj->callbacks.pre_unpatch = pre_unpatch;
		if (callbacks & 8)
			obj->callbacks.post_unpatch = post_unpatch;
		if (hooks || empty_hooks) {
			obj->patch_hooks = patch_hooks;
			obj->unpatch_hooks = unpatch_hooks;
		}

		ret = describe_funcs(obj, keys ?: "");
		if (ret)
			return ret;
		obj++;
	}

	return 0;
}

static void free_description(void)
{
	struct klp_object *obj;

	for (obj = patch.objs; obj && obj->funcs; obj++)
		kfree(obj->funcs);
	kfree(patch.objs);
	kfree(names);
}

static int __init patch_init(void)
{
	int ret;

	inits++;
	if (hooks >= ARRAY_SIZE(patch_hooks))
		return -EINVAL;
	patch_hooks[hooks].hook = NULL;
	unpatch_hooks[hooks].hook = NULL;

	names = kstrdup(objects, GFP_KERNEL);
	if (!names)
		return -ENOMEM;

	ret = describe_objects(names);
	if (ret)
		goto err;

	describe_states();
	patch.replace = replace;
	patch.replace_set = replace_set;
	patch.replace_sets = replace_sets;
	patch.persistent = persistent;

	ret = klp_enable_patch(&patch);
	if (ret)
		goto err;

	return 0;

err:
	free_description();
	return ret;
}

static void __exit patch_exit(void)
{
	exits++;
	if (sysfs_streq(block, "exit"))
		gate_pass_unsignalled(&block_gate);
	free_description();
}

module_init(patch_init);
module_exit(patch_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Livepatch selftests: a livepatch described by its parameters");
MODULE_INFO(livepatch, "Y");
