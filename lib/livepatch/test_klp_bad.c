// SPDX-License-Identifier: GPL-2.0
/*
 * Descriptions that klp_enable_patch() has to refuse, one for each value of the parameter case.
 * If possible the mistake follows a valid object or function, to detect a core that does not
 * undo its work on the valid one.
 */
#include "test_klp.h"
#include <linux/kallsyms.h>
#include <linux/string.h>

static char *case_name = "good";
module_param_named(case, case_name, charp, 0444);
MODULE_PARM_DESC(case, "which mistake to make");

static char *symbol = "";
module_param(symbol, charp, 0444);
MODULE_PARM_DESC(symbol, "what the function of vmlinux is called that case=given_symbol patches");

static bool persistent;
module_param(persistent, bool, 0444);
MODULE_PARM_DESC(persistent, "the patch may be enabled again");

static int new_cmdline(struct seq_file *m, void *v)
{
	seq_puts(m, KBUILD_MODNAME "\n");
	return 0;
}

static void new_line(struct seq_file *m)
{
	seq_puts(m, KBUILD_MODNAME "\n");
}

/* The shortest invalid names, and the longest valid ones. */
static char long_object[MODULE_NAME_LEN + 1];
static char longest_object[MODULE_NAME_LEN];
static char long_symbol[KSYM_NAME_LEN + 1];
static char longest_symbol[KSYM_NAME_LEN];

#define GOOD_FUNC	{ .old_name = "cmdline_proc_show", .new_func = new_cmdline }
#define GOOD_OBJECT	{ .funcs = good_funcs }

static struct klp_func good_funcs[] = { GOOD_FUNC, { } };
static struct klp_func line_funcs[] = {
	{ .old_name = "test_klp_target_value", .new_func = new_line },
	{ }
};

static struct klp_object good[] = { GOOD_OBJECT, { } };

static struct klp_object no_functions_array[] = {
	GOOD_OBJECT,
	{ .name = "test_klp_target" },
	{ }
};

static struct klp_object object_name_too_long[] = {
	GOOD_OBJECT,
	{ .name = long_object, .funcs = line_funcs },
	{ }
};

static struct klp_object object_name_longest[] = {
	GOOD_OBJECT,
	{ .name = longest_object, .funcs = line_funcs },
	{ }
};

static struct klp_object object_name_empty[] = {
	GOOD_OBJECT,
	{ .name = "", .funcs = line_funcs },
	{ }
};

/* A file of the patch has this name. */
static struct klp_object object_called_enabled[] = {
	GOOD_OBJECT,
	{ .name = "enabled", .funcs = line_funcs },
	{ }
};

static struct klp_object object_twice[] = {
	GOOD_OBJECT,
	{ .name = "test_klp_target", .funcs = line_funcs },
	{ .name = "test_klp_target", .funcs = line_funcs },
	{ }
};

static struct klp_object object_called_vmlinux[] = {
	{ .name = "vmlinux", .funcs = good_funcs },
	{ }
};

/* A mistake in a function of vmlinux, after a valid function. */
#define BAD_FUNC(_name, ...)							\
	static struct klp_func _name ## _funcs[] = { GOOD_FUNC, __VA_ARGS__, { } };	\
	static struct klp_object _name[] = { { .funcs = _name ## _funcs }, { } }

BAD_FUNC(no_function_name, { .new_func = new_line });
BAD_FUNC(no_new_function, { .old_name = "version_proc_show" });
BAD_FUNC(function_name_too_long, { .old_name = long_symbol, .new_func = new_line });
BAD_FUNC(function_name_longest, { .old_name = longest_symbol, .new_func = new_line });
BAD_FUNC(no_such_symbol, { .old_name = "test_klp_no_such_symbol", .new_func = new_line });
BAD_FUNC(given_symbol, { .new_func = new_line });
BAD_FUNC(position_past_last,
	 { .old_name = "version_proc_show", .new_func = new_line, .old_sympos = 2 });

/* No position and the first one are the same function. */
BAD_FUNC(function_twice,
	 { .old_name = "cmdline_proc_show", .new_func = new_line, .old_sympos = 1 });

/* A mistake in a function of a module, after a valid object. */
#define BAD_TARGET(_name, ...)							\
	static struct klp_func _name ## _funcs[] = { __VA_ARGS__, { } };	\
	static struct klp_object _name[] = {					\
		GOOD_OBJECT,							\
		{ .name = "test_klp_target", .funcs = _name ## _funcs },	\
		{ }								\
	}

BAD_TARGET(no_such_symbol_in_target,
	   { .old_name = "cmdline_proc_show", .new_func = new_line });
BAD_TARGET(derived, { .old_name = "test_klp_target_split", .new_func = new_line });
BAD_TARGET(ambiguous, { .old_name = "test_klp_target_twin", .new_func = new_line });
BAD_TARGET(position_past_last_in_target,
	   { .old_name = "test_klp_target_twin", .new_func = new_line, .old_sympos = 3 });
BAD_TARGET(untraceable, { .old_name = "test_klp_target_untraced", .new_func = new_line });

BAD_TARGET(function_alias,
	   { .old_name = "test_klp_target_value", .new_func = new_line },
	   { .old_name = "test_klp_target_alias", .new_func = new_line });
BAD_TARGET(target_init, { .old_name = "target_init", .new_func = new_line });

static struct klp_object object_name_dash[] = {
	GOOD_OBJECT,
	{ .name = "test-klp-target", .funcs = line_funcs },
	{ }
};

static struct klp_object object_name_slash[] = {
	GOOD_OBJECT,
	{ .name = "test/target", .funcs = line_funcs },
	{ }
};

static struct klp_object object_name_dot[] = {
	GOOD_OBJECT,
	{ .name = ".", .funcs = line_funcs },
	{ }
};

static struct klp_object object_name_dotdot[] = {
	GOOD_OBJECT,
	{ .name = "..", .funcs = line_funcs },
	{ }
};

/* Parts of a description that are freed after init. */
static int __init new_cmdline_of_init(struct seq_file *m, void *v)
{
	return 0;
}

static int __init callback_of_init(struct klp_object *obj)
{
	return 0;
}

static void __init void_callback_of_init(struct klp_object *obj)
{
}

static struct klp_func funcs_of_init[] __initdata = { GOOD_FUNC, { } };
static struct klp_hook hooks_of_init[] __initdata = { { } };
static struct klp_hook hook_of_init[] __refdata = { { callback_of_init }, { } };

static struct klp_func init_new_func_funcs[] __refdata = {
	{ .old_name = "cmdline_proc_show", .new_func = new_cmdline_of_init },
	{ }
};

static struct klp_object init_new_func[] = { { .funcs = init_new_func_funcs }, { } };
static struct klp_object init_funcs[] __refdata = { { .funcs = funcs_of_init }, { } };
static struct klp_object init_objects[] __initdata = { GOOD_OBJECT, { } };
static struct klp_object init_hook[] = {
	{ .funcs = good_funcs, .patch_hooks = hook_of_init },
	{ }
};

static struct klp_object init_hooks[] __refdata = {
	{ .funcs = good_funcs, .unpatch_hooks = hooks_of_init },
	{ }
};

static struct klp_object init_callback[] __refdata = {
	{ .funcs = good_funcs, .callbacks.post_unpatch = void_callback_of_init },
	{ }
};

static struct klp_object init_pre_patch[] __refdata = {
	{ .funcs = good_funcs, .callbacks.pre_patch = callback_of_init },
	{ }
};

static struct klp_object init_callback_of_module[] __refdata = {
	GOOD_OBJECT,
	{ .name = "test_klp_target", .funcs = line_funcs,
	  .callbacks.pre_patch = callback_of_init },
	{ }
};

static struct klp_patch no_module = { .objs = good };

static struct klp_patch patch = { .mod = THIS_MODULE };

static struct klp_patch patch_of_init __initdata = { .mod = THIS_MODULE, .objs = good };
static struct klp_state states_of_init[] __initdata = { { .id = 1, .version = 1 }, { } };
static const unsigned int sets_of_init[] __initconst = { 1, 0 };

static void __init state_callback_of_init(struct klp_patch *changed, struct klp_state *state)
{
}

static struct klp_state states_with_init[] __refdata = {
	{ .id = 7, .callbacks.post_unpatch = state_callback_of_init },
	{ }
};

static struct klp_state states_of_dash[] = { { .id = 7, .object = "test-klp-target" }, { } };

/*
 * Called after init: the first transition has to be complete, or the call is refused for
 * another reason.
 */
static int again_set(const char *val, const struct kernel_param *kp)
{
	return klp_enable_patch(&patch);
}

static const struct kernel_param_ops again_ops = {
	.set = again_set,
};

module_param_cb(again, &again_ops, NULL, 0200);
MODULE_PARM_DESC(again, "writing enables the patch once more");

#define CASE(_name) { #_name, _name }

static const struct {
	const char *name;
	struct klp_object *objs;
} cases[] __refconst = {
	CASE(good),
	CASE(no_functions_array),
	CASE(object_name_too_long),
	CASE(object_name_longest),
	CASE(object_name_empty),
	CASE(object_called_enabled),
	CASE(object_called_vmlinux),
	CASE(object_twice),
	CASE(no_function_name),
	CASE(no_new_function),
	CASE(function_name_too_long),
	CASE(function_name_longest),
	CASE(function_twice),
	CASE(given_symbol),
	CASE(no_such_symbol),
	CASE(position_past_last),
	CASE(no_such_symbol_in_target),
	CASE(derived),
	CASE(ambiguous),
	CASE(position_past_last_in_target),
	CASE(untraceable),
	CASE(function_alias),
	CASE(target_init),
	CASE(object_name_dash),
	CASE(object_name_slash),
	CASE(object_name_dot),
	CASE(object_name_dotdot),
	CASE(init_new_func),
	CASE(init_funcs),
	CASE(init_objects),
	CASE(init_hook),
	CASE(init_hooks),
	CASE(init_callback),
	CASE(init_pre_patch),
	CASE(init_callback_of_module),
	{ "init_states", good },
	{ "init_state_callback", good },
	{ "init_replace_sets", good },
	{ "state_object_dash", good },
	{ "no_objects", NULL },
};

static int __init bad_init(void)
{
	unsigned int i;

	memset(long_object, 'o', sizeof(long_object) - 1);
	memset(longest_object, 'o', sizeof(longest_object) - 1);
	memset(long_symbol, 's', sizeof(long_symbol) - 1);
	memset(longest_symbol, 's', sizeof(longest_symbol) - 1);
	given_symbol_funcs[1].old_name = symbol;

	if (!strcmp(case_name, "no_patch"))
		return klp_enable_patch(NULL);
	if (!strcmp(case_name, "no_module"))
		return klp_enable_patch(&no_module);
	if (!strcmp(case_name, "init_patch"))
		return klp_enable_patch(&patch_of_init);

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		if (!strcmp(cases[i].name, case_name))
			break;
	}
	if (i == ARRAY_SIZE(cases)) {
		pr_err("there is no case called %s\n", case_name);
		return -ENOENT;
	}

	patch.objs = cases[i].objs;
	patch.persistent = persistent;
	if (!strcmp(case_name, "init_states"))
		patch.states = states_of_init;
	if (!strcmp(case_name, "init_state_callback"))
		patch.states = states_with_init;
	if (!strcmp(case_name, "state_object_dash"))
		patch.states = states_of_dash;
	if (!strcmp(case_name, "init_replace_sets"))
		patch.replace_sets = sets_of_init;
	return klp_enable_patch(&patch);
}

static void __exit bad_exit(void)
{
}

module_init(bad_init);
module_exit(bad_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Livepatch selftests: livepatches that are described wrongly");
MODULE_INFO(livepatch, "Y");
