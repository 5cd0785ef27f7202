// SPDX-License-Identifier: GPL-2.0
/*
 * Symbols: where the functions of an object are, and the relocations of a
 * livepatch module against symbols that are not exported to it. The format of
 * the latter is laid down in Documentation/livepatch/module-elf-format.rst.
 */

#define pr_fmt(fmt) "livepatch: " fmt

#include <kunit/visibility.h>
#include <linux/kstrtox.h>
#include <linux/mm.h>
#include <linux/module_symbol.h>
#include <linux/moduleloader.h>
#include <linux/sort.h>
#include <linux/string.h>
#include "runtime.h"
#include "symbols.h"

#define KLP_RELA_PREFIX	".klp.rela."
#define KLP_SYM_PREFIX	".klp.sym."

/* What @count symbols called @name say about the one at position @sympos. */
static int klp_check_symbol(const char *objname, const char *name, unsigned long sympos,
			    unsigned long count)
{
	if (!count) {
		pr_err("symbol '%s' not found in symbol table\n", name);
		return -EINVAL;
	}
	if (!sympos && count > 1) {
		pr_err("unresolvable ambiguity for symbol '%s' in object '%s'\n", name, objname);
		return -EINVAL;
	}
	if (sympos > count) {
		pr_err("symbol position %lu for symbol '%s' in object '%s' not found\n", sympos,
		       name, objname);
		return -EINVAL;
	}
	return 0;
}

/* A look-up of one symbol. */
struct klp_symbol {
	const char *name;
	unsigned long sympos;
	unsigned long count;
	unsigned long addr;
};

static int klp_count_vmlinux_symbol(void *data, unsigned long addr)
{
	struct klp_symbol *sym = data;

	if (++sym->count == (sym->sympos ?: 1))
		sym->addr = addr;
	return 0;
}

static int klp_count_module_symbol(void *data, const char *name, unsigned long addr)
{
	struct klp_symbol *sym = data;

	if (strcmp(name, sym->name))
		return 0;
	return klp_count_vmlinux_symbol(data, addr);
}

VISIBLE_IF_KUNIT int klp_find_symbol(const char *objname, const char *name,
				     unsigned long sympos, unsigned long *addr)
{
	struct klp_symbol sym = { .name = name, .sympos = sympos };
	int ret;

	if (strcmp(objname, "vmlinux"))
		module_kallsyms_on_each_symbol(objname, klp_count_module_symbol, &sym);
	else
		kallsyms_on_each_match_symbol(klp_count_vmlinux_symbol, name, &sym);

	ret = klp_check_symbol(objname, name, sympos, sym.count);
	if (!ret)
		*addr = sym.addr;
	return ret;
}
EXPORT_SYMBOL_IF_KUNIT(klp_find_symbol);

/*
 * A look-up of all functions of an object. Functions that share a name stand
 * side by side in the object's index; what belongs to a name is kept at the
 * place of the first of them.
 */
struct klp_object_search {
	struct klp_rt_object *obj;
	unsigned long *counts;
	unsigned int first;
};

static bool klp_search_same_name(const struct klp_object_search *search, unsigned int i)
{
	const struct klp_rt_object *obj = search->obj;

	return i < obj->nr_funcs &&
	       !strcmp(obj->by_name[i]->name, obj->by_name[search->first]->name);
}

static int klp_search_match(void *data, unsigned long addr)
{
	struct klp_object_search *search = data;
	unsigned long position = ++search->counts[search->first];
	unsigned int i;

	for (i = search->first; klp_search_same_name(search, i); i++) {
		if (klp_func_position(search->obj->by_name[i]) == position)
			search->obj->by_name[i]->old_func = (void *)addr;
	}
	return 0;
}

static int klp_search_module_symbol(void *data, const char *name, unsigned long addr)
{
	struct klp_object_search *search = data;
	struct klp_rt_object *obj = search->obj;
	unsigned int low = 0, high = obj->nr_funcs;

	while (low < high) {
		unsigned int mid = low + (high - low) / 2;

		if (strcmp(obj->by_name[mid]->name, name) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	if (low == obj->nr_funcs || strcmp(obj->by_name[low]->name, name))
		return 0;

	search->first = low;
	return klp_search_match(search, addr);
}

static int klp_find_functions(struct klp_rt_object *obj)
{
	struct klp_object_search search = { .obj = obj };
	unsigned int i;
	int ret = 0;

	if (!obj->nr_funcs)
		return 0;

	search.counts = kvcalloc(obj->nr_funcs, sizeof(*search.counts), GFP_KERNEL);
	if (!search.counts)
		return -ENOMEM;

	/*
	 * The symbols of vmlinux are sorted by name. Those of a module are not,
	 * so they are all looked at, once.
	 */
	if (obj->name)
		module_kallsyms_on_each_symbol(obj->name, klp_search_module_symbol, &search);

	search.first = 0;
	for (i = 0; i < obj->nr_funcs && !ret; i++) {
		struct klp_rt_func *func = obj->by_name[i];

		if (!klp_search_same_name(&search, i) || !i) {
			search.first = i;
			if (!obj->name)
				kallsyms_on_each_match_symbol(klp_search_match, func->name,
							      &search);
		}
		ret = klp_check_symbol(klp_object_name(obj), func->name, func->sympos,
				       search.counts[search.first]);
	}
	kvfree(search.counts);
	return ret;
}

/* A function of a module: from its address to the next symbol or the end of the text. */
struct klp_extent {
	unsigned long start;
	unsigned long end;
	unsigned long *size;
};

/* The functions of one module whose sizes are looked for, sorted by address. */
struct klp_size_search {
	struct module *mod;
	struct klp_extent *extents;
	unsigned int nr;
};

static int klp_cmp_extents(const void *a, const void *b)
{
	const struct klp_extent *one = a, *other = b;

	return one->start < other->start ? -1 : one->start > other->start;
}

static void klp_search_size(struct klp_size_search *search, void *func, unsigned long *size)
{
	const struct module_memory *text = &search->mod->mem[MOD_TEXT];

	if (!within_module_mem_type((unsigned long)func, search->mod, MOD_TEXT))
		return;
	search->extents[search->nr++] = (struct klp_extent) {
		.start = (unsigned long)func,
		.end = (unsigned long)text->base + text->size,
		.size = size,
	};
}

/* The nearest function before @addr may end there. */
static int klp_search_end(void *data, const char *name, unsigned long addr)
{
	struct klp_size_search *search = data;
	unsigned int low = 0, high = search->nr;
	struct klp_extent *extent;

	/* Those are no symbols to kallsyms either. */
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
	return 0;
}

static void klp_search_ends(struct klp_size_search *search)
{
	struct klp_extent *extents = search->extents;
	unsigned int i;

	if (!search->nr)
		return;

	sort(extents, search->nr, sizeof(*extents), klp_cmp_extents, NULL);
	module_kallsyms_on_each_symbol(search->mod->name, klp_search_end, search);

	/* What ends a function ends those before it as well, if nothing else has. */
	for (i = search->nr; i--;) {
		if (i + 1 < search->nr)
			extents[i].end = min(extents[i].end, extents[i + 1].end);
		*extents[i].size = extents[i].end - extents[i].start;
	}
	search->nr = 0;
}

/* For what is not in the text of the module it was looked for in; @what for the log. */
static int klp_lookup_size(struct klp_rt_func *func, void *code, unsigned long *size,
			   const char *what)
{
	unsigned long offset;

	if (*size || kallsyms_lookup_size_offset((unsigned long)code, size, &offset))
		return 0;
	pr_err("kallsyms size lookup failed for '%s'%s\n", func->name, what);
	return -ENOENT;
}

/*
 * kallsyms finds the size of one function of a module by a look at all symbols of
 * the module: for an object that would grow with the square of what it has. So
 * they are looked at once for all functions, and kallsyms is asked for the others,
 * those of vmlinux first of all.
 */
static int klp_find_sizes(struct klp_rt_object *obj)
{
	struct klp_size_search search = {};
	struct klp_rt_func *func;
	int ret;

	if (!obj->nr_funcs)
		return 0;

	search.extents = kvmalloc_array(obj->nr_funcs, sizeof(*search.extents), GFP_KERNEL);
	if (!search.extents)
		return -ENOMEM;
	klp_for_each_func(func, obj) {
		func->old_size = 0;
		func->new_size = 0;
	}
	search.mod = obj->mod;
	if (search.mod) {
		klp_for_each_func(func, obj)
			klp_search_size(&search, func->old_func, &func->old_size);
		klp_search_ends(&search);
	}
	search.mod = obj->patch->mod;
	klp_for_each_func(func, obj) {
		if (!func->nop)
			klp_search_size(&search, func->new_func, &func->new_size);
	}
	klp_search_ends(&search);
	kvfree(search.extents);

	klp_for_each_func(func, obj) {
		ret = klp_lookup_size(func, func->old_func, &func->old_size, "");
		if (ret)
			return ret;
		if (func->nop) {
			func->new_func = func->old_func;
			func->new_size = func->old_size;
		}
		ret = klp_lookup_size(func, func->new_func, &func->new_size, " replacement");
		if (ret)
			return ret;
	}
	return 0;
}

/* Copy the part of @from up to @end to @to; is it there, and short enough? */
static bool klp_copy_part(char *to, size_t size, const char *from, const char *end)
{
	if (!end || end == from || end - from >= size)
		return false;
	memcpy(to, from, end - from);
	to[end - from] = '\0';
	return true;
}

/* .klp.rela.<object>.<section>; @objname has room for MODULE_NAME_LEN. */
VISIBLE_IF_KUNIT bool klp_split_section_name(const char *secname, char *objname)
{
	size_t prefix = str_has_prefix(secname, KLP_RELA_PREFIX);

	secname += prefix;
	return prefix && klp_copy_part(objname, MODULE_NAME_LEN, secname, strchrnul(secname, '.'));
}
EXPORT_SYMBOL_IF_KUNIT(klp_split_section_name);

/*
 * .klp.sym.<object>.<symbol>,<position>; the symbol may have dots of its own.
 * @objname has room for MODULE_NAME_LEN, @name for KSYM_NAME_LEN.
 */
VISIBLE_IF_KUNIT bool klp_split_symbol_name(const char *symname, char *objname, char *name,
					    unsigned long *sympos)
{
	size_t prefix = str_has_prefix(symname, KLP_SYM_PREFIX);
	const char *part, *end;

	if (!prefix)
		return false;
	part = symname + prefix;
	end = strchr(part, '.');
	if (!klp_copy_part(objname, MODULE_NAME_LEN, part, end))
		return false;
	part = end + 1;
	end = strchr(part, ',');
	if (!klp_copy_part(name, KSYM_NAME_LEN, part, end))
		return false;
	return !kstrtoul(end + 1, 10, sympos);
}
EXPORT_SYMBOL_IF_KUNIT(klp_split_symbol_name);

static int klp_resolve_rela_symbol(Elf_Sym *sym, const char *symname, const char *sec_objname,
				   char *namebuf)
{
	char objname[MODULE_NAME_LEN];
	unsigned long sympos, addr;
	int ret;

	if (sym->st_shndx != SHN_LIVEPATCH) {
		pr_err("symbol %s is not marked as a livepatch symbol\n", symname);
		return -EINVAL;
	}
	if (!klp_split_symbol_name(symname, objname, namebuf, &sympos)) {
		pr_err("symbol %s has an incorrectly formatted name\n", symname);
		return -EINVAL;
	}

	/*
	 * The special sections of a livepatch module (jump labels, alternatives)
	 * are processed while it loads. What they may refer to has to be there
	 * by then: a symbol of vmlinux that is filled in when some module comes
	 * would be late.
	 */
	if (!strcmp(objname, "vmlinux") && strcmp(sec_objname, "vmlinux")) {
		pr_err("invalid access to vmlinux symbol '%s' from module-specific livepatch relocation section\n",
		       namebuf);
		return -EINVAL;
	}
	ret = klp_find_symbol(objname, namebuf, sympos, &addr);
	if (!ret)
		sym->st_value = addr;
	return ret;
}

/*
 * Give each symbol that a relocation of @rela_section uses its address. The place to be
 * written has to be in @target: architectures do not look.
 */
static int klp_resolve_section(const Elf_Shdr *rela_section, const Elf_Shdr *target,
			       const Elf_Shdr *symtab_section, const char *symnames,
			       const char *sec_objname)
{
	Elf_Sym *syms = (Elf_Sym *)symtab_section->sh_addr;
	size_t nr_syms = symtab_section->sh_size / sizeof(*syms);
	Elf_Rela *relas = (Elf_Rela *)rela_section->sh_addr;
	size_t nr_relas = rela_section->sh_size / sizeof(*relas);
	size_t i, sym;
	char *namebuf;
	int ret = 0;

	namebuf = kmalloc(KSYM_NAME_LEN, GFP_KERNEL);
	if (!namebuf)
		return -ENOMEM;

	for (i = 0; i < nr_relas && !ret; i++) {
		sym = ELF_R_SYM(relas[i].r_info);
		if (sym >= nr_syms) {
			pr_err("relocation %zu for object '%s' refers to symbol %zu of %zu\n", i,
			       sec_objname, sym, nr_syms);
			ret = -EINVAL;
			break;
		}
		if (relas[i].r_offset >= target->sh_size) {
			pr_err("relocation %zu for object '%s' is outside of its section\n", i,
			       sec_objname);
			ret = -EINVAL;
			break;
		}
		ret = klp_resolve_rela_symbol(&syms[sym], symnames + syms[sym].st_name,
					      sec_objname, namebuf);
	}
	kfree(namebuf);
	return ret;
}

/* For architectures on which a relocation can be written over another. */
void __weak clear_relocate_add(Elf_Shdr *sections, const char *symnames, unsigned int symtab,
			       unsigned int rela_section, struct module *mod)
{
}

/*
 * Check a section and give its symbols their addresses. Returns 1 when it can be
 * written, 0 when it belongs to another object than @objname.
 */
static int klp_resolve_section_of(const Elf_Shdr *sections, const char *secnames,
				  const char *symnames, unsigned int symtab,
				  unsigned int index, const char *objname)
{
	const char *secname = secnames + sections[index].sh_name;
	char sec_objname[MODULE_NAME_LEN];
	int ret;

	if (!klp_split_section_name(secname, sec_objname)) {
		pr_err("section %s has an incorrectly formatted name\n", secname);
		return -EINVAL;
	}

	/* A section that is needed later must not go with the module's file. */
	if (!(sections[index].sh_flags & SHF_ALLOC) && strcmp(sec_objname, "vmlinux")) {
		pr_err("section %s is not kept in memory\n", secname);
		return -EINVAL;
	}
	if (strcmp(sec_objname, objname))
		return 0;

	ret = klp_resolve_section(&sections[index], &sections[sections[index].sh_info],
				  &sections[symtab], symnames, sec_objname);
	return ret ?: 1;
}

/**
 * klp_apply_section_relocs() - write one section of livepatch relocations
 * @mod:      the livepatch module
 * @sections: its section headers
 * @secnames: names of the sections
 * @symnames: names of the symbols
 * @symtab:   index of the symbol table
 * @index:    index of the section, one that is flagged SHF_RELA_LIVEPATCH
 * @objname:  write it if it belongs to this module; NULL for vmlinux
 *
 * The module loader calls this for every such section of a livepatch module
 * before the module is complete, with @objname NULL. The sections of a module
 * are written when that module comes. The format is that of Linux 6.12.
 *
 * Context: process context, may sleep.
 * Return: 0, also when the section belongs to another object; -EINVAL for a
 * malformed section or symbol, and for a symbol that is not there, logged;
 * -ENOMEM; -ENOEXEC when the architecture refuses a relocation.
 */
int klp_apply_section_relocs(struct module *mod, Elf_Shdr *sections, const char *secnames,
			     const char *symnames, unsigned int symtab, unsigned int index,
			     const char *objname)
{
	int ret = klp_resolve_section_of(sections, secnames, symnames, symtab, index,
					 objname ?: "vmlinux");

	return ret > 0 ? apply_relocate_add(sections, symnames, symtab, index, mod) : ret;
}

/*
 * The loader passes over relocations for a section that is not there or not in memory;
 * those of modules it leaves to us. A section of the livepatch's init has been freed when
 * the module comes later.
 */
static bool klp_rela_target_is_kept(const struct module *mod, unsigned int index)
{
	const struct klp_modinfo *elf = mod->klp_info;
	unsigned int target = elf->sechdrs[index].sh_info;

	return target < elf->hdr.e_shnum && within_module(elf->sechdrs[target].sh_addr, mod);
}

/* Nothing has been written when this fails. */
static int klp_resolve_object_relocs(struct klp_rt_object *obj)
{
	struct module *mod = obj->patch->mod;
	struct klp_modinfo *elf = mod->klp_info;
	unsigned int index;
	int ret = 0;

	for (index = 1; index < elf->hdr.e_shnum && ret >= 0; index++) {
		if ((elf->sechdrs[index].sh_flags & SHF_RELA_LIVEPATCH) &&
		    klp_rela_target_is_kept(mod, index))
			ret = klp_resolve_section_of(elf->sechdrs, elf->secstrings,
						     mod->core_kallsyms.strtab, elf->symndx,
						     index, obj->name);
	}
	return min(ret, 0);
}

static bool klp_section_is_for(const struct module *mod, unsigned int index,
			       const char *objname)
{
	const struct klp_modinfo *elf = mod->klp_info;
	const char *name = elf->secstrings + elf->sechdrs[index].sh_name;
	size_t len = strlen(objname);

	if (!(elf->sechdrs[index].sh_flags & SHF_RELA_LIVEPATCH) ||
	    !klp_rela_target_is_kept(mod, index))
		return false;
	name += str_has_prefix(name, KLP_RELA_PREFIX);
	return !strncmp(name, objname, len) && (!name[len] || name[len] == '.');
}

static int klp_write_object_relocs(struct klp_rt_object *obj)
{
	struct module *mod = obj->patch->mod;
	struct klp_modinfo *elf = mod->klp_info;
	unsigned int index;
	int ret = 0;

	for (index = 1; index < elf->hdr.e_shnum && !ret; index++) {
		if (klp_section_is_for(mod, index, obj->name))
			ret = apply_relocate_add(elf->sechdrs, mod->core_kallsyms.strtab,
						 elf->symndx, index, mod);
	}
	return ret;
}

static void klp_clear_object_relocs(struct klp_rt_object *obj)
{
	struct module *mod = obj->patch->mod;
	struct klp_modinfo *elf = mod->klp_info;
	unsigned int index;

	for (index = 1; index < elf->hdr.e_shnum; index++) {
		if (klp_section_is_for(mod, index, obj->name))
			clear_relocate_add(elf->sechdrs, mod->core_kallsyms.strtab, elf->symndx,
					   index, mod);
	}
}

/**
 * klp_symbols_resolve() - find the code of an object that has been loaded
 * @obj: the object
 *
 * Writes the relocations of the patch against this module, if that has not been
 * done since it came, and fills in addresses and sizes of its functions. Those of
 * vmlinux have been written when the livepatch module was loaded.
 *
 * Context: process context, klp_mutex held.
 * Return: 0; -EINVAL when a symbol is missing or ambiguous or a relocation
 * malformed, -ENOENT when a size is unknown, both logged; -ENOMEM; -ENOEXEC from
 * the architecture. Nothing is left to be undone then.
 */
int klp_symbols_resolve(struct klp_rt_object *obj)
{
	int ret;

	lockdep_assert_held(&klp_mutex);

	if (obj->name && !obj->relocated) {
		ret = klp_resolve_object_relocs(obj);
		if (ret)
			goto err;
		/* What has been written in part has to be cleared, too. */
		obj->relocated = true;
		ret = klp_write_object_relocs(obj);
		if (ret)
			goto err;
	}
	ret = klp_find_functions(obj);
	if (ret)
		goto err;
	ret = klp_find_sizes(obj);
	if (ret)
		goto err;
	return 0;

err:
	klp_symbols_release(obj);
	return ret;
}
EXPORT_SYMBOL_IF_KUNIT(klp_symbols_resolve);

/**
 * klp_symbols_release() - forget the code of an object that goes
 * @obj: the object
 *
 * Clears the relocations of the patch against this module: some architectures
 * refuse to write over those of the last time when the module comes again.
 *
 * Context: process context, klp_mutex held.
 */
void klp_symbols_release(struct klp_rt_object *obj)
{
	struct klp_rt_func *func;

	lockdep_assert_held(&klp_mutex);

	if (obj->relocated)
		klp_clear_object_relocs(obj);
	obj->relocated = false;
	klp_for_each_func(func, obj) {
		if (func->nop)
			func->new_func = NULL;
		func->old_func = NULL;
	}
}
EXPORT_SYMBOL_IF_KUNIT(klp_symbols_release);
