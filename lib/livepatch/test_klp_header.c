// SPDX-License-Identifier: GPL-2.0
/*
 * A livepatch that uses the whole interface of linux/livepatch.h of Linux 6.12: the iterators,
 * and the fields that the core sets. Init fails if a function of the interface has a wrong
 * result.
 */
#include "test_klp.h"
#include <linux/err.h>

#define STATE_ID	0x6b6c7001UL
#define SHADOW_ID	0x6b6c7003UL

static int new_cmdline(struct seq_file *m, void *v)
{
	seq_puts(m, KBUILD_MODNAME "\n");
	return 0;
}

static struct klp_patch patch;

/* Both kinds of iterators must visit the same entries. */
static void log_fields(void)
{
	struct klp_object *obj, *same_obj = patch.objs;
	struct klp_func *func, *same_func;

	pr_info("enabled %d\n", patch.enabled);
	klp_for_each_object(&patch, obj) {
		WARN_ON(obj != same_obj++);
		same_func = obj->funcs;
		klp_for_each_func(obj, func) {
			WARN_ON(func != same_func++);
			pr_info("%s: patched %d, %s is at %ps\n", obj->name ?: "vmlinux",
				obj->patched, func->old_name, func->old_func);
		}
	}
}

static int header_pre_patch(struct klp_object *obj)
{
	return obj->mod || klp_get_prev_state(STATE_ID) ? -EINVAL : 0;
}

static void header_post_patch(struct klp_object *obj)
{
	log_fields();
}

static void header_pre_unpatch(struct klp_object *obj)
{
}

static void header_post_unpatch(struct klp_object *obj)
{
}

static struct klp_func funcs[] = {
	{ .old_name = "cmdline_proc_show", .new_func = new_cmdline, .old_sympos = 1 },
	{ }
};

static struct klp_object objs[] = {
	{
		.name = NULL,
		.funcs = funcs,
		.callbacks = {
			.pre_patch = header_pre_patch,
			.post_patch = header_post_patch,
			.pre_unpatch = header_pre_unpatch,
			.post_unpatch = header_post_unpatch,
		},
	},
	{ }
};

static struct klp_state states[] = {
	{ .id = STATE_ID, .version = 1, .data = objs },
	{ }
};

static struct klp_patch patch = {
	.mod = THIS_MODULE,
	.objs = objs,
	.states = states,
	.replace = false,
};

static int header_ctor(void *obj, void *data, void *arg)
{
	*(long *)data = (long)arg;
	return 0;
}

static void header_dtor(void *obj, void *data)
{
	*(long *)data = 0;
}

static bool shadow_works(void)
{
	long *data = klp_shadow_alloc(&patch, SHADOW_ID, sizeof(*data), GFP_KERNEL, header_ctor,
				      (void *)7L);
	bool works = data && *data == 7 && klp_shadow_get(&patch, SHADOW_ID) == data &&
		     klp_shadow_get_or_alloc(&patch, SHADOW_ID, sizeof(*data), GFP_KERNEL,
					     header_ctor, NULL) == data;

	klp_shadow_free(&patch, SHADOW_ID, header_dtor);
	klp_shadow_free_all(SHADOW_ID, header_dtor);
	return works && !klp_shadow_get(&patch, SHADOW_ID);
}

static bool states_work(void)
{
	struct klp_state *state = klp_get_state(&patch, STATE_ID);

	return state == states && state->data == objs && state->version == 1;
}

static bool static_iterators_work(void)
{
	struct klp_object *obj;
	struct klp_func *func;
	int nr = 0;

	klp_for_each_object_static(&patch, obj)
		klp_for_each_func_static(obj, func)
			nr++;
	return nr == 1;
}

static int __init header_init(void)
{
	if (!shadow_works() || !states_work() || !static_iterators_work())
		return -EINVAL;
	log_fields();
	return klp_enable_patch(&patch);
}

static void __exit header_exit(void)
{
	log_fields();
}

module_init(header_init);
module_exit(header_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Livepatch selftests: all that Linux 6.12 offers to authors");
MODULE_INFO(livepatch, "Y");
