// SPDX-License-Identifier: GPL-2.0
/*
 * Extents are the addresses that are code of a function: the function itself, from its symbol
 * to the next one, and its parts (see struct klp_code_part), which the compiler has moved to
 * symbols of their own.
 *
 * kallsyms finds the size of one function of a module by a walk over all symbols of the module.
 * For an object this would grow with the square of the number of its functions. So the symbols
 * of a module are walked once for all functions, and kallsyms is asked only for vmlinux.
 */

#define pr_fmt(fmt) "livepatch: " fmt

#include <linux/kallsyms.h>
#include <linux/mm.h>
#include <linux/module_symbol.h>
#include <linux/moduleloader.h>
#include <linux/slab.h>
#include <linux/sort.h>
#include <linux/string.h>
#include <linux/stringhash.h>
#include "extents.h"
#include "runtime.h"

/* A function whose parts are searched, by its name. */
struct klp_whole {
	const char *name;
	struct klp_rt_func *func;
};

/*
 * Code in a module, from its address to the next symbol or the end of the text. The name of the
 * first symbol at its address is stored in @whole, unless that is NULL.
 */
struct klp_extent {
	unsigned long start;
	unsigned long end;
	unsigned long *size;
	struct klp_whole *whole;
};

/* A search for the extents of code in one module, sorted by address. */
struct klp_extent_search {
	struct module *mod;
	struct klp_extent *extents;
	unsigned int nr;
};

static int klp_cmp_extents(const void *a, const void *b)
{
	const struct klp_extent *one = a, *other = b;

	return one->start < other->start ? -1 : one->start > other->start;
}

static void klp_search_extent(struct klp_extent_search *search, unsigned long start,
			      unsigned long *size, struct klp_whole *whole)
{
	const struct module_memory *text = &search->mod->mem[MOD_TEXT];

	if (!within_module_mem_type(start, search->mod, MOD_TEXT))
		return;
	search->extents[search->nr++] = (struct klp_extent) {
		.start = start,
		.end = (unsigned long)text->base + text->size,
		.size = size,
		.whole = whole,
	};
}

/* End the nearest extent before @addr there, and name the extents that start at @addr. */
static int klp_match_symbol(void *data, const char *name, unsigned long addr)
{
	struct klp_extent_search *search = data;
	unsigned int low = 0, high = search->nr;
	struct klp_extent *extent;

	/* kallsyms skips these symbols as well. */
	if (!*name || is_mapping_symbol(name))
		return 0;

	while (low < high) {
		unsigned int mid = low + (high - low) / 2;

		if (search->extents[mid].start < addr)
			low = mid + 1;
		else
			high = mid;
	}
	if (low) {
		extent = &search->extents[low - 1];
		extent->end = min(extent->end, addr);
	}
	for (; low < search->nr && search->extents[low].start == addr; low++) {
		extent = &search->extents[low];
		if (extent->whole && !extent->whole->name)
			extent->whole->name = name;
	}
	return 0;
}

static void klp_walk_symbols(struct klp_extent_search *search)
{
	struct klp_extent *extents = search->extents;
	unsigned int i;

	if (!search->nr)
		return;

	sort(extents, search->nr, sizeof(*extents), klp_cmp_extents, NULL);
	module_kallsyms_on_each_symbol(search->mod->name, klp_match_symbol, search);

	/* An extent ends at the start of the next one, unless a symbol has ended it before. */
	for (i = search->nr; i--;) {
		if (i + 1 < search->nr)
			extents[i].end = min(extents[i].end, extents[i + 1].end);
		*extents[i].size = extents[i].end - extents[i].start;
	}
	search->nr = 0;
}

/* Return true if a name that ends with @suffix is the name of a part. */
static bool klp_is_part_suffix(const char *suffix)
{
	size_t cold = str_has_prefix(suffix, ".cold");

	if (cold)
		return !suffix[cold] || suffix[cold] == '.';
	return str_has_prefix(suffix, ".part.");
}

static int klp_add_part(struct klp_rt_func *func, bool of_new, unsigned long addr)
{
	struct klp_code_part *part;

	part = kzalloc(sizeof(*part), GFP_KERNEL);
	if (!part)
		return -ENOMEM;
	part->of_new = of_new;
	part->start = addr;
	list_add_tail(&part->node, &func->parts);
	return 0;
}

/* A search for parts of functions in the symbols of one module. @wholes is sorted by name. */
struct klp_part_search {
	struct klp_whole *wholes;
	unsigned int nr;
	bool of_new;
	unsigned int nr_found;
};

static int klp_cmp_wholes(const void *a, const void *b)
{
	const struct klp_whole *one = a, *other = b;

	return strcmp(one->name, other->name);
}

/* Compare the first @len characters of @name with a whole name. */
static int klp_cmp_prefix(const char *name, size_t len, const char *whole)
{
	int ret = strncmp(name, whole, len);

	if (ret)
		return ret;
	return whole[len] ? -1 : 0;
}

/* Add the symbol at @addr as a part of the functions whose name is the first @len characters. */
static int klp_add_part_of(struct klp_part_search *search, const char *name, size_t len,
			   unsigned long addr)
{
	unsigned int low = 0, high = search->nr;
	int ret;

	while (low < high) {
		unsigned int mid = low + (high - low) / 2;

		if (klp_cmp_prefix(name, len, search->wholes[mid].name) > 0)
			low = mid + 1;
		else
			high = mid;
	}
	/*
	 * Functions of one name may each have a part of the same name. The part is added to all
	 * of them.
	 */
	for (; low < search->nr && !klp_cmp_prefix(name, len, search->wholes[low].name); low++) {
		ret = klp_add_part(search->wholes[low].func, search->of_new, addr);
		if (ret)
			return ret;
		search->nr_found++;
	}
	return 0;
}

static int klp_match_part(void *data, const char *name, unsigned long addr)
{
	const char *suffix;
	int ret;

	for (suffix = strchr(name, '.'); suffix; suffix = strchr(suffix + 1, '.')) {
		if (!klp_is_part_suffix(suffix))
			continue;
		ret = klp_add_part_of(data, name, suffix - name, addr);
		if (ret)
			return ret;
	}
	return 0;
}

/*
 * The parts of functions in vmlinux, by the hash of the name of the function. Built for the
 * first patch that changes vmlinux, and kept: a walk over all symbols takes as long as all
 * other lookups of a small patch.
 */
struct klp_vmlinux_part {
	u32 hash;
	unsigned long addr;
};

static struct klp_vmlinux_part *klp_vmlinux_parts;
static size_t klp_nr_vmlinux_parts;
static size_t klp_max_vmlinux_parts;
static bool klp_vmlinux_parts_known;

static u32 klp_hash_name(const char *name, size_t len)
{
	return full_name_hash(NULL, name, len);
}

static int klp_append_vmlinux_part(u32 hash, unsigned long addr)
{
	size_t max = max_t(size_t, 2 * klp_max_vmlinux_parts, 256);
	struct klp_vmlinux_part *parts;

	if (klp_nr_vmlinux_parts == klp_max_vmlinux_parts) {
		parts = kvrealloc(klp_vmlinux_parts, array_size(max, sizeof(*parts)), GFP_KERNEL);
		if (!parts)
			return -ENOMEM;
		klp_vmlinux_parts = parts;
		klp_max_vmlinux_parts = max;
	}
	klp_vmlinux_parts[klp_nr_vmlinux_parts++] = (struct klp_vmlinux_part) { hash, addr };
	return 0;
}

static int klp_match_vmlinux_part(void *data, const char *name, unsigned long addr)
{
	const char *suffix;
	int ret;

	for (suffix = strchr(name, '.'); suffix; suffix = strchr(suffix + 1, '.')) {
		if (!klp_is_part_suffix(suffix))
			continue;
		ret = klp_append_vmlinux_part(klp_hash_name(name, suffix - name), addr);
		if (ret)
			return ret;
	}
	return 0;
}

static int klp_cmp_vmlinux_parts(const void *a, const void *b)
{
	const struct klp_vmlinux_part *one = a, *other = b;

	return one->hash < other->hash ? -1 : one->hash > other->hash;
}

static int klp_index_vmlinux_parts(void)
{
	int ret;

	if (klp_vmlinux_parts_known)
		return 0;
	klp_nr_vmlinux_parts = 0;
	ret = kallsyms_on_each_symbol(klp_match_vmlinux_part, NULL);
	if (ret)
		return ret;
	sort(klp_vmlinux_parts, klp_nr_vmlinux_parts, sizeof(*klp_vmlinux_parts),
	     klp_cmp_vmlinux_parts, NULL);
	klp_vmlinux_parts_known = true;
	return 0;
}

static int klp_find_vmlinux_parts(struct klp_rt_func *func)
{
	u32 hash = klp_hash_name(func->name, strlen(func->name));
	size_t low = 0, high = klp_nr_vmlinux_parts;
	int ret;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (klp_vmlinux_parts[mid].hash < hash)
			low = mid + 1;
		else
			high = mid;
	}
	/*
	 * A part of another function with the same hash is harmless: its range is checked as
	 * well.
	 */
	for (; low < klp_nr_vmlinux_parts && klp_vmlinux_parts[low].hash == hash; low++) {
		ret = klp_add_part(func, false, klp_vmlinux_parts[low].addr);
		if (ret)
			return ret;
	}
	return 0;
}

/* Find the parts of the old functions of an object. */
static int klp_find_old_parts(struct klp_rt_object *obj, struct klp_whole *wholes,
			      unsigned int *nr_parts)
{
	struct klp_part_search search = { .wholes = wholes, .nr = obj->nr_funcs };
	struct klp_rt_func *func;
	unsigned int i;
	int ret;

	if (obj->mod) {
		for (i = 0; i < obj->nr_funcs; i++) {
			wholes[i].name = obj->by_name[i]->name;
			wholes[i].func = obj->by_name[i];
		}
		ret = module_kallsyms_on_each_symbol(obj->mod->name, klp_match_part, &search);
		*nr_parts = search.nr_found;
		return ret;
	}

	ret = klp_index_vmlinux_parts();
	if (ret)
		return ret;
	klp_rt_for_each_func(func, obj) {
		ret = klp_find_vmlinux_parts(func);
		if (ret)
			return ret;
	}
	return 0;
}

/* Find the parts of the new functions that have a name. */
static int klp_find_new_parts(struct klp_rt_object *obj, struct klp_whole *wholes,
			      unsigned int *nr_parts)
{
	struct klp_part_search search = { .wholes = wholes, .of_new = true };
	unsigned int i;
	int ret;

	for (i = 0; i < obj->nr_funcs; i++) {
		if (wholes[i].name)
			wholes[search.nr++] = wholes[i];
	}
	sort(wholes, search.nr, sizeof(*wholes), klp_cmp_wholes, NULL);
	ret = module_kallsyms_on_each_symbol(obj->patch->mod->name, klp_match_part, &search);
	*nr_parts = search.nr_found;
	return ret;
}

static void klp_search_parts(struct klp_extent_search *search, struct klp_rt_object *obj,
			     bool of_new)
{
	struct klp_code_part *part;
	struct klp_rt_func *func;

	klp_rt_for_each_func(func, obj) {
		list_for_each_entry(part, &func->parts, node) {
			if (part->of_new == of_new)
				klp_search_extent(search, part->start, &part->size, NULL);
		}
	}
}

/* Find the old functions of an object and their parts. A missing function keeps size 0. */
static int klp_find_old_extents(struct klp_rt_object *obj, struct klp_whole *wholes)
{
	struct klp_extent_search search = { .mod = obj->mod };
	unsigned int nr_parts = 0;
	struct klp_rt_func *func;
	int ret;

	ret = klp_find_old_parts(obj, wholes, &nr_parts);
	if (ret || !obj->mod)
		return ret;

	search.extents = kvmalloc_array(obj->nr_funcs + nr_parts, sizeof(*search.extents),
					GFP_KERNEL);
	if (!search.extents)
		return -ENOMEM;
	klp_rt_for_each_func(func, obj)
		klp_search_extent(&search, (unsigned long)func->old_func, &func->old_size, NULL);
	klp_search_parts(&search, obj, false);
	klp_walk_symbols(&search);
	kvfree(search.extents);
	return 0;
}

/* Find the new functions and their parts. The first walk finds the names as well. */
static int klp_find_new_extents(struct klp_rt_object *obj, struct klp_whole *wholes)
{
	struct klp_extent_search search = { .mod = obj->patch->mod };
	unsigned int i = 0, nr_parts = 0;
	struct klp_extent *extents;
	struct klp_rt_func *func;
	int ret;

	search.extents = kvmalloc_array(obj->nr_funcs, sizeof(*search.extents), GFP_KERNEL);
	if (!search.extents)
		return -ENOMEM;
	memset(wholes, 0, array_size(obj->nr_funcs, sizeof(*wholes)));
	klp_rt_for_each_func(func, obj) {
		wholes[i].func = func;
		if (klp_func_has_replacement(func))
			klp_search_extent(&search, (unsigned long)func->new_func, &func->new_size,
					  &wholes[i]);
		i++;
	}
	klp_walk_symbols(&search);

	ret = klp_find_new_parts(obj, wholes, &nr_parts);
	if (ret || !nr_parts)
		goto free;
	extents = kvmalloc_array(nr_parts, sizeof(*extents), GFP_KERNEL);
	if (!extents) {
		ret = -ENOMEM;
		goto free;
	}
	kvfree(search.extents);
	search.extents = extents;
	klp_search_parts(&search, obj, true);
	klp_walk_symbols(&search);
free:
	kvfree(search.extents);
	return ret;
}

/* Look up the size of @code in kallsyms, unless it is known. */
static bool klp_look_up_size(unsigned long code, unsigned long *size)
{
	unsigned long offset;

	return *size || kallsyms_lookup_size_offset(code, size, &offset);
}

static int klp_look_up_func_size(struct klp_rt_func *func, void *code, unsigned long *size,
				 const char *what)
{
	if (klp_look_up_size((unsigned long)code, size))
		return 0;
	pr_err("kallsyms size lookup failed for '%s'%s\n", func->name, what);
	return -EINVAL;
}

/* Look up the sizes that the walks have not found, such as those in vmlinux. */
static int klp_look_up_sizes(struct klp_rt_func *func)
{
	struct klp_code_part *part;
	int ret;

	ret = klp_look_up_func_size(func, func->old_func, &func->old_size, "");
	if (ret)
		return ret;
	if (!klp_func_has_replacement(func)) {
		func->new_func = func->old_func;
		func->new_size = func->old_size;
	}
	ret = klp_look_up_func_size(func, func->new_func, &func->new_size, " replacement");
	if (ret)
		return ret;
	/* A part without a size was in an init section that has been freed. */
	list_for_each_entry(part, &func->parts, node)
		klp_look_up_size(part->start, &part->size);
	return 0;
}

/**
 * klp_find_extents() - find the code of the functions of an object
 * @obj: the object. The addresses of its functions are known
 *
 * Sets the sizes and the parts of the old and the new functions.
 *
 * Context: process context, klp_mutex held.
 * Return:
 * * %0 - all have been found
 * * %-EINVAL - the size of a function is unknown, which is logged
 * * %-ENOMEM - no memory. klp_forget_extents() frees the parts that have been found
 */
int klp_find_extents(struct klp_rt_object *obj)
{
	struct klp_whole *wholes;
	struct klp_rt_func *func;
	int ret;

	lockdep_assert_held(&klp_mutex);

	if (!obj->nr_funcs)
		return 0;

	wholes = kvmalloc_array(obj->nr_funcs, sizeof(*wholes), GFP_KERNEL);
	if (!wholes)
		return -ENOMEM;
	klp_rt_for_each_func(func, obj) {
		klp_forget_extents(func);
		func->old_size = 0;
		func->new_size = 0;
	}
	ret = klp_find_old_extents(obj, wholes);
	if (!ret)
		ret = klp_find_new_extents(obj, wholes);
	kvfree(wholes);
	if (ret)
		return ret;

	klp_rt_for_each_func(func, obj) {
		ret = klp_look_up_sizes(func);
		if (ret)
			return ret;
	}
	return 0;
}

/**
 * klp_forget_extents() - free what klp_find_extents() has allocated for a function
 * @func: the function
 *
 * Context: process context.
 */
void klp_forget_extents(struct klp_rt_func *func)
{
	struct klp_code_part *part, *next;

	list_for_each_entry_safe(part, next, &func->parts, node) {
		list_del(&part->node);
		kfree(part);
	}
}
