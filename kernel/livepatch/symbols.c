// SPDX-License-Identifier: GPL-2.0
/*
 * Symbols: the addresses of the functions of an object, and the relocations of a livepatch
 * module against symbols that are not exported. Documentation/livepatch/module-elf-format.rst
 * specifies the format of the relocations.
 */

#define pr_fmt(fmt) "livepatch: " fmt

#include <kunit/visibility.h>
#include <linux/kstrtox.h>
#include <linux/mm.h>
#include <linux/moduleloader.h>
#include <linux/sort.h>
#include <linux/string.h>
#include <asm/sections.h>
#include "extents.h"
#include "runtime.h"
#include "symbols.h"

/**
 * struct klp_derived_search - search for a symbol that the compiler has derived from a missing one
 * @name:   name of the missing symbol
 * @len:    its length
 * @exists: the symbol is not missing
 * @found:  name of the first derived symbol
 */
struct klp_derived_search {
	const char *name;
	size_t len;
	bool exists;
	char *found;
};

/*
 * Return true if @name is @search->name with a suffix of the compiler: for a copy with other
 * arguments, for a part that is not inlined, for a part that runs rarely, or of LTO.
 */
static bool klp_is_derived(const struct klp_derived_search *search, const char *name)
{
	static const char * const suffixes[] = {
		".isra.", ".constprop.", ".part.", ".cold", ".llvm."
	};
	size_t i;

	if (strncmp(name, search->name, search->len))
		return false;
	for (i = 0; i < ARRAY_SIZE(suffixes); i++) {
		if (str_has_prefix(name + search->len, suffixes[i]))
			return true;
	}
	return false;
}

static int klp_search_derived(void *data, const char *name, unsigned long addr)
{
	struct klp_derived_search *search = data;

	if (!strcmp(name, search->name))
		search->exists = true;
	else if (!*search->found && klp_is_derived(search, name))
		strscpy(search->found, name, KSYM_NAME_LEN);
	return search->exists;
}

/*
 * If an object has no symbol called @name, but one that the compiler has derived from it, log the
 * name of that one. Walks all symbols of the object.
 */
static void klp_report_derived(const char *objname, const char *name)
{
	struct klp_derived_search search = { .name = name, .len = strlen(name) };

	search.found = kzalloc(KSYM_NAME_LEN, GFP_KERNEL);
	if (!search.found)
		return;
	if (strcmp(objname, "vmlinux"))
		module_kallsyms_on_each_symbol(objname, klp_search_derived, &search);
	else
		kallsyms_on_each_symbol(klp_search_derived, &search);
	if (*search.found && !search.exists)
		pr_err("symbol '%s' of object '%s' exists only as '%s', which the compiler has derived from it\n",
		       name, objname, search.found);
	kfree(search.found);
}

/* Check that @count symbols of the name @name identify the one at position @sympos. */
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

/* A lookup of one symbol. */
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
 * A lookup of all functions of an object. Functions of one name are adjacent in the index of
 * the object. The result for a name is stored at the index of the first of them.
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
			klp_rt_set_old_func(search->obj->by_name[i], (void *)addr);
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
	 * The symbols of vmlinux are sorted by name. Those of a module are not: walk them once.
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
		if (!ret)
			continue;
		pr_err("patch '%s': function '%s,%lu' of object '%s' cannot be resolved%s\n",
		       obj->patch->name, func->name, func->sympos, klp_object_name(obj),
		       func->nop ? ", needed to revert an older patch" : "");
		klp_report_derived(klp_object_name(obj), func->name);
	}
	kvfree(search.counts);
	return ret;
}

/* Find the address in the old function that ftrace patches. */
VISIBLE_IF_KUNIT void klp_locate_func(struct klp_rt_func *func)
{
	func->ip = ftrace_location((unsigned long)func->old_func);
}
EXPORT_SYMBOL_IF_KUNIT(klp_locate_func);

/* Order of functions with one address: replacements, nops, functions that are no version. */
static int klp_alias_rank(const struct klp_rt_func *func)
{
	if (func->nop)
		return 1;
	return func->stack_only ? 2 : 0;
}

static int klp_cmp_funcs_by_ip(const void *a, const void *b)
{
	const struct klp_rt_func *one = *(struct klp_rt_func * const *)a;
	const struct klp_rt_func *other = *(struct klp_rt_func * const *)b;

	if (one->ip != other->ip)
		return one->ip < other->ip ? -1 : 1;
	return klp_alias_rank(one) - klp_alias_rank(other);
}

/*
 * Find functions of an object that are two names of one address. The handler gets an address,
 * not a name: the second function would become a newer version of the first. A description may
 * replace only one of them. A nop for another name, which an older patch has used, is redundant.
 */
static int klp_find_aliases(struct klp_rt_object *obj)
{
	struct klp_rt_func **by_ip, *func;
	unsigned int i = 0;
	int ret = 0;

	if (!obj->nr_funcs)
		return 0;

	by_ip = kvmalloc_array(obj->nr_funcs, sizeof(*by_ip), GFP_KERNEL);
	if (!by_ip)
		return -ENOMEM;

	klp_rt_for_each_func(func, obj) {
		klp_locate_func(func);
		func->redundant = false;
		by_ip[i++] = func;
	}
	sort(by_ip, obj->nr_funcs, sizeof(*by_ip), klp_cmp_funcs_by_ip, NULL);

	for (i = 1; i < obj->nr_funcs; i++) {
		func = by_ip[i];
		if (!func->ip || func->ip != by_ip[i - 1]->ip)
			continue;
		if (klp_func_has_replacement(func)) {
			pr_err("functions '%s' and '%s' of object '%s' have the same address\n",
			       by_ip[i - 1]->name, func->name, klp_object_name(obj));
			ret = -EEXIST;
			break;
		}
		func->redundant = func->nop;
	}
	kvfree(by_ip);
	return ret;
}

/* Refuse functions in init sections, which are freed when the object has been initialized. */
static int klp_check_lasting(struct klp_rt_object *obj)
{
	struct klp_rt_func *func;

	klp_rt_for_each_func(func, obj) {
		if (obj->mod ? !within_module_init((unsigned long)func->old_func, obj->mod) :
			       !init_section_contains(func->old_func, 1))
			continue;
		pr_err("function '%s' of object '%s' is in an init section\n", func->name,
		       klp_object_name(obj));
		return -EINVAL;
	}
	return 0;
}

/* Copy the part of @from up to @end to @to. Returns false if it is missing or too long. */
static bool klp_copy_part(char *to, size_t size, const char *from, const char *end)
{
	if (!end || end == from || end - from >= size)
		return false;
	memcpy(to, from, end - from);
	to[end - from] = '\0';
	return true;
}

/* Split .klp.rela.<object>.<section>. @objname has space for MODULE_NAME_LEN bytes. */
VISIBLE_IF_KUNIT bool klp_split_section_name(const char *secname, char *objname)
{
	size_t prefix = str_has_prefix(secname, KLP_RELOC_SEC_PREFIX);

	secname += prefix;
	return prefix && klp_copy_part(objname, MODULE_NAME_LEN, secname, strchrnul(secname, '.'));
}
EXPORT_SYMBOL_IF_KUNIT(klp_split_section_name);

/*
 * Split .klp.sym.<object>.<symbol>,<position>. The symbol may contain dots. @objname has space
 * for MODULE_NAME_LEN bytes, @name for KSYM_NAME_LEN.
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

/* Look up the symbol of a relocation of @patch. Log the patch and the object of a failure. */
static int klp_find_rela_symbol(const char *patch, const char *objname, const char *name,
				unsigned long sympos, unsigned long *addr)
{
	int ret = klp_find_symbol(objname, name, sympos, addr);

	if (!ret)
		return 0;
	pr_err("patch '%s': symbol '%s,%lu' of object '%s' cannot be resolved, needed by a relocation\n",
	       patch, name, sympos, objname);
	klp_report_derived(objname, name);
	return ret;
}

static int klp_resolve_rela_symbol(const char *patch, Elf_Sym *sym, const char *symname,
				   const char *sec_objname, char *namebuf)
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
	 * The special sections of a livepatch module (jump labels, alternatives) are processed
	 * while the module is loaded. A symbol of vmlinux must be resolved by then. In a
	 * section of a module it would be resolved only when that module is loaded.
	 */
	if (!strcmp(objname, "vmlinux") && strcmp(sec_objname, "vmlinux")) {
		pr_err("invalid access to vmlinux symbol '%s' from module-specific livepatch relocation section\n",
		       namebuf);
		return -EINVAL;
	}
	ret = klp_find_rela_symbol(patch, objname, namebuf, sympos, &addr);
	if (!ret)
		sym->st_value = addr;
	return ret;
}

/*
 * Resolve the symbols that the relocations of @rela_section use. Each location must be inside
 * @target: architectures do not check it.
 */
static int klp_resolve_section(const char *patch, const Elf_Shdr *rela_section,
			       const Elf_Shdr *target, const Elf_Shdr *symtab_section,
			       const char *symnames, const char *sec_objname)
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
		ret = klp_resolve_rela_symbol(patch, &syms[sym], symnames + syms[sym].st_name,
					      sec_objname, namebuf);
	}
	kfree(namebuf);
	return ret;
}

/* Default for architectures that can write a relocation over another one. */
void __weak clear_relocate_add(Elf_Shdr *sections, const char *symnames, unsigned int symtab,
			       unsigned int rela_section, struct module *mod)
{
}

/*
 * Check a section and resolve its symbols. Returns 1 when it can be written, 0 when it belongs
 * to another object than @objname.
 */
static int klp_resolve_section_of(const struct module *mod, const Elf_Shdr *sections,
				  const char *secnames, const char *symnames,
				  unsigned int symtab, unsigned int index, const char *objname)
{
	const char *secname = secnames + sections[index].sh_name;
	char sec_objname[MODULE_NAME_LEN];
	int ret;

	if (!klp_split_section_name(secname, sec_objname)) {
		pr_err("section %s has an incorrectly formatted name\n", secname);
		return -EINVAL;
	}

	/* A section that is needed later must be in memory: the file of the module is freed. */
	if (!(sections[index].sh_flags & SHF_ALLOC) && strcmp(sec_objname, "vmlinux")) {
		pr_err("section %s is not kept in memory\n", secname);
		return -EINVAL;
	}
	if (strcmp(sec_objname, objname))
		return 0;

	ret = klp_resolve_section(mod->name, &sections[index], &sections[sections[index].sh_info],
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
 * @index:    index of the section, which is flagged SHF_RELA_LIVEPATCH
 * @objname:  object whose sections are written, NULL for vmlinux
 *
 * The module loader calls this function with @objname NULL, for each such section of a
 * livepatch module that it loads. The sections of a target module are written when that module
 * is loaded. The format is that of Linux 6.12.
 *
 * Context: process context, may sleep.
 * Return:
 * * %0 - the section has been written, or belongs to another object
 * * %-EINVAL - a section or a symbol is malformed, or a symbol is missing, which is logged
 * * %-ENOEXEC - the architecture refuses a relocation
 * * %-ENOMEM - no memory
 */
int klp_apply_section_relocs(struct module *mod, Elf_Shdr *sections, const char *secnames,
			     const char *symnames, unsigned int symtab, unsigned int index,
			     const char *objname)
{
	int ret = klp_resolve_section_of(mod, sections, secnames, symnames, symtab, index,
					 objname ?: "vmlinux");

	return ret > 0 ? apply_relocate_add(sections, symnames, symtab, index, mod) : ret;
}

/*
 * Return true if the section that a relocation section applies to is in memory. The loader
 * skips the others in the same way. An init section has been freed when the target module is
 * loaded after the livepatch.
 */
static bool klp_rela_target_is_kept(const struct module *mod, unsigned int index)
{
	const struct klp_modinfo *elf = mod->klp_info;
	unsigned int target = elf->sechdrs[index].sh_info;

	return target < elf->hdr.e_shnum && within_module(elf->sechdrs[target].sh_addr, mod);
}

/* Resolve the symbols of all sections of @obj, before any of them is written. */
static int klp_resolve_object_relocs(struct klp_rt_object *obj)
{
	struct module *mod = obj->patch->mod;
	struct klp_modinfo *elf = mod->klp_info;
	unsigned int index;
	int ret = 0;

	for (index = 1; index < elf->hdr.e_shnum && ret >= 0; index++) {
		if ((elf->sechdrs[index].sh_flags & SHF_RELA_LIVEPATCH) &&
		    klp_rela_target_is_kept(mod, index))
			ret = klp_resolve_section_of(mod, elf->sechdrs, elf->secstrings,
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
	name += str_has_prefix(name, KLP_RELOC_SEC_PREFIX);
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
 * klp_find_section_by_name() - find a section of a livepatch module
 * @mod:      the livepatch module
 * @name:     name of the section
 * @sec_size: is set to the size of the section in bytes, or to 0
 *
 * For a module whose description is in sections that a tool has written, see
 * &struct klp_object_ext. A section whose name begins with .init is freed after the init of the
 * module.
 *
 * Context: process context, while the module is loaded.
 * Return: the address of the first section of this name. NULL if there is none, if it is not
 * in memory, or if @mod is not a livepatch.
 */
void *klp_find_section_by_name(const struct module *mod, const char *name, size_t *sec_size)
{
	/* Only a livepatch has it. */
	const struct klp_modinfo *elf = mod->klp_info;
	unsigned int index;

	*sec_size = 0;
	for (index = 1; elf && index < elf->hdr.e_shnum; index++) {
		const Elf_Shdr *section = &elf->sechdrs[index];

		if (strcmp(elf->secstrings + section->sh_name, name))
			continue;
		if (!(section->sh_flags & SHF_ALLOC))
			return NULL;
		*sec_size = section->sh_size;
		return (void *)section->sh_addr;
	}
	return NULL;
}
EXPORT_SYMBOL_GPL(klp_find_section_by_name);

/**
 * klp_symbols_resolve() - find the code of a loaded object
 * @obj: the object
 *
 * Writes the relocations of the patch against this module, unless they have been written since
 * it was loaded, and sets the addresses and sizes of its functions. The relocations against
 * vmlinux were written when the livepatch module was loaded. An error has no effect.
 *
 * Context: process context, klp_mutex held.
 * Return:
 * * %0 - the code has been found
 * * %-EINVAL - the object is a livepatch module, a symbol is missing or ambiguous, a
 *   relocation is malformed, a function is in an init section, or a size is
 *   unknown, which is logged
 * * %-EEXIST - two described functions have the same address, which is logged
 * * %-ENOEXEC - the architecture refuses a relocation
 * * %-ENOMEM - no memory
 */
int klp_symbols_resolve(struct klp_rt_object *obj)
{
	int ret;

	lockdep_assert_held(&klp_mutex);

	/*
	 * When @obj->mod is disabled, tasks may be left in code with which this patch has
	 * replaced it.
	 */
	if (obj->mod && is_livepatch_module(obj->mod)) {
		pr_err("patch '%s': object '%s' is a livepatch and cannot be patched\n",
		       obj->patch->name, obj->name);
		return -EINVAL;
	}
	if (obj->name && !obj->relocated) {
		ret = klp_resolve_object_relocs(obj);
		if (ret)
			goto err;
		/* Relocations that have been written in part have to be cleared as well. */
		obj->relocated = true;
		ret = klp_write_object_relocs(obj);
		if (ret)
			goto err;
	}
	ret = klp_find_functions(obj);
	if (ret)
		goto err;
	ret = klp_check_lasting(obj);
	if (ret)
		goto err;
	ret = klp_find_aliases(obj);
	if (ret)
		goto err;
	ret = klp_find_extents(obj);
	if (ret)
		goto err;
	return 0;

err:
	klp_symbols_release(obj);
	return ret;
}
EXPORT_SYMBOL_IF_KUNIT(klp_symbols_resolve);

/**
 * klp_symbols_release() - forget the code of an object that is unloaded
 * @obj: the object
 *
 * Clears the relocations of the patch against this module. Some architectures refuse to write a
 * relocation over an old one when the module is loaded again.
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
	klp_rt_for_each_func(func, obj) {
		klp_forget_extents(func);
		if (!klp_func_has_replacement(func))
			func->new_func = NULL;
		klp_rt_set_old_func(func, NULL);
		func->ip = 0;
	}
}
EXPORT_SYMBOL_IF_KUNIT(klp_symbols_release);
