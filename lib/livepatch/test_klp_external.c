// SPDX-License-Identifier: GPL-2.0
/*
 * A livepatch in the form that klp-build of Linux 6.19 creates. The description is in the sections
 * .init.klp_objects and .init.klp_funcs. The init of the module copies it to memory that the exit
 * frees.
 */
#include "test_klp.h"
#include <linux/slab.h>

static bool replace;
module_param(replace, bool, 0444);
MODULE_PARM_DESC(replace, "replace the patches before this one");

static bool veto;
module_param(veto, bool, 0444);
MODULE_PARM_DESC(veto, "let pre_patch of the target refuse the patch");

static int new_cmdline(struct seq_file *m, void *v)
{
	seq_puts(m, KBUILD_MODNAME "\n");
	return 0;
}

static void new_line(struct seq_file *m)
{
	seq_puts(m, "second: " KBUILD_MODNAME "\n");
}

static const char *object_name(const struct klp_object *obj)
{
	return obj->name ?: "vmlinux";
}

static int log_pre_patch(struct klp_object *obj)
{
	pr_info("pre_patch %s\n", object_name(obj));
	return veto && obj->name ? -ENODEV : 0;
}

static void log_post_patch(struct klp_object *obj)
{
	pr_info("post_patch %s\n", object_name(obj));
}

static void log_pre_unpatch(struct klp_object *obj)
{
	pr_info("pre_unpatch %s\n", object_name(obj));
}

static void log_post_unpatch(struct klp_object *obj)
{
	pr_info("post_unpatch %s\n", object_name(obj));
}

#define CALLBACKS {								\
	.pre_patch = log_pre_patch,						\
	.post_patch = log_post_patch,						\
	.pre_unpatch = log_pre_unpatch,						\
	.post_unpatch = log_post_unpatch,					\
}

/* The functions of all objects are in one array. The second one has a position. */
static struct klp_func_ext funcs[] __used __section(".init.klp_funcs") = {
	{ .old_name = "cmdline_proc_show", .new_func = new_cmdline },
	{ .old_name = "test_klp_target_twin", .new_func = new_line, .sympos = 2 },
};

static struct klp_object_ext objects[] __used __section(".init.klp_objects") = {
	{ .funcs = &funcs[0], .nr_funcs = 1, .callbacks = CALLBACKS },
	{ .name = "test_klp_target", .funcs = &funcs[1], .nr_funcs = 1, .callbacks = CALLBACKS },
};

static struct klp_patch *patch;

static void free_patch(void)
{
	struct klp_object *obj;

	if (patch->objs) {
		klp_for_each_object_static(patch, obj)
			kfree(obj->funcs);
	}
	kfree(patch->objs);
	kfree(patch);
}

static int __init copy_object(struct klp_object *obj, const struct klp_object_ext *ext)
{
	unsigned int i;

	/* The last entry stays empty. */
	obj->funcs = kcalloc(ext->nr_funcs + 1, sizeof(*obj->funcs), GFP_KERNEL);
	if (!obj->funcs)
		return -ENOMEM;
	obj->name = ext->name;
	obj->callbacks = ext->callbacks;
	for (i = 0; i < ext->nr_funcs; i++) {
		obj->funcs[i].old_name = ext->funcs[i].old_name;
		obj->funcs[i].new_func = ext->funcs[i].new_func;
		obj->funcs[i].old_sympos = ext->funcs[i].sympos;
	}
	return 0;
}

static int __init external_init(void)
{
	const struct klp_object_ext *exts;
	size_t size, other, nr, i;
	int ret = -ENOMEM;

	exts = klp_find_section_by_name(THIS_MODULE, ".init.klp_objects", &size);
	nr = size / sizeof(*exts);
	if (exts != objects || nr != ARRAY_SIZE(objects) ||
	    klp_find_section_by_name(THIS_MODULE, ".init.klp_funcs", &other) != funcs ||
	    other != sizeof(funcs)) {
		pr_err("the sections of the description are not found\n");
		return -EINVAL;
	}
	if (klp_find_section_by_name(THIS_MODULE, ".init.klp", &other) || other ||
	    klp_find_section_by_name(THIS_MODULE, ".comment", &other) || other) {
		pr_err("a section that is not in memory is found\n");
		return -EINVAL;
	}

	patch = kzalloc(sizeof(*patch), GFP_KERNEL);
	if (!patch)
		return -ENOMEM;
	patch->mod = THIS_MODULE;
	patch->replace = replace;
	patch->objs = kcalloc(nr + 1, sizeof(*patch->objs), GFP_KERNEL);
	if (!patch->objs)
		goto err;
	for (i = 0; i < nr; i++) {
		ret = copy_object(&patch->objs[i], &exts[i]);
		if (ret)
			goto err;
	}
	ret = klp_enable_patch(patch);
	if (ret)
		goto err;
	return 0;

err:
	free_patch();
	return ret;
}

static void __exit external_exit(void)
{
	free_patch();
}

module_init(external_init);
module_exit(external_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Livepatch selftests: a livepatch in the form that a tool creates");
MODULE_INFO(livepatch, "Y");
