// SPDX-License-Identifier: GPL-2.0
/*
 * Refuse annotated symbols in sections where the kernel would misapply their relocations.
 */
#define _GNU_SOURCE
#include <fnmatch.h>
#include <string.h>
#include "klp-convert.h"

/* Tables of places in the code of the module. A symbol of another object has no meaning there. */
static const char * const own_code_sections[] = {
	"__bug_table", "__ex_table", "__mcount_loc", "__patchable_function_entries",
	"__ksymtab*", ".gnu.linkonce.this_module", ".orc_*", NULL
};

/*
 * Sections that the kernel reads, copies or frees while it loads the livepatch. Symbols of vmlinux
 * have been written by then, those of a module have not.
 */
static const char * const load_time_sections[] = {
	/* code that is patched when it is loaded, and what replaces it */
	"__jump_table", ".altinstructions", ".altinstr_*", ".parainstructions", ".smp_locks",
	".static_call_sites", ".retpoline_sites", ".return_sites", ".call_sites", ".ibt_endbr_seal",
	".cfi_sites", ".nospec_*", ".s390_indirect*", ".s390_return*", "__ftr_*", "__fw_ftr_*",
	"__mmu_ftr_*", "__lwsync_fixup", "__rfi_*", "__btb_flush_fixup", "__barrier_nospec_fixup",
	/* tables that are registered */
	"__param", "__tracepoints*", "__bpf_raw_tp*", "_ftrace_*", "__trace_printk_fmt",
	"__dyndbg*", ".kunit_*", "_kprobe_blacklist", "_error_injection_whitelist",
	"___srcu_struct_ptrs",
	/* functions that are called, and what is freed afterwards */
	".ctors*", ".init_array*", ".init*",
	/* copied to each processor */
	".data..percpu*", NULL
};

static bool is_one_of(const char *name, const char * const *patterns)
{
	for (; *patterns; patterns++) {
		if (!fnmatch(*patterns, name, 0))
			return true;
	}
	return false;
}

/*
 * Return true if the architecture cannot write to this section once the livepatch is loaded.
 * powerpc writes data without regard to its protection.
 */
static bool is_protected(const struct module *module, const char *name, const GElf_Shdr *target)
{
	GElf_Ehdr ehdr;

	return gelf_getehdr(module->elf, &ehdr) && ehdr.e_machine == EM_PPC64 &&
	       !(target->sh_flags & SHF_EXECINSTR) &&
	       (!(target->sh_flags & SHF_WRITE) || !strcmp(name, ".data..ro_after_init"));
}

static void check_use(const struct module *module, const struct annotation *annotation,
		      const char *name, const GElf_Shdr *target)
{
	bool late = strcmp(annotation->object, "vmlinux");

	if (is_one_of(name, own_code_sections))
		refuse(annotation,
		       "'%s' is used in section %s, which only describes code of the livepatch itself",
		       annotation->alias, name);
	else if (late && is_one_of(name, load_time_sections))
		refuse(annotation,
		       "'%s' is used in section %s, which the kernel processes before module '%s' may be loaded",
		       annotation->alias, name, annotation->object);
	else if (late && is_protected(module, name, target))
		refuse(annotation,
		       "'%s' is used in section %s, which is read-only when module '%s' is loaded",
		       annotation->alias, name, annotation->object);
}

/* Report each annotation once for a section. */
static void check_section(const struct module *module, Elf_Scn *scn, const char *name,
			  const GElf_Shdr *target)
{
	const struct annotation *last = NULL, *annotation;
	Elf_Data *data = elf_getdata(scn, NULL);
	GElf_Rela rela;
	int i;

	for (i = 0; data && gelf_getrela(data, i, &rela); i++) {
		if (GELF_R_SYM(rela.r_info) >= module->nr_symbols)
			continue;
		annotation = module->users[GELF_R_SYM(rela.r_info)];
		if (!annotation || annotation == last)
			continue;
		check_use(module, annotation, name, target);
		last = annotation;
	}
}

void check_sections(struct module *module)
{
	GElf_Shdr shdr, target;
	Elf_Scn *scn = NULL;
	const char *name;

	while ((scn = elf_nextscn(module->elf, scn))) {
		if (!gelf_getshdr(scn, &shdr) || shdr.sh_type != SHT_RELA ||
		    !gelf_getshdr(elf_getscn(module->elf, shdr.sh_info), &target) ||
		    !(target.sh_flags & SHF_ALLOC))
			continue;
		name = elf_strptr(module->elf, module->names, target.sh_name);
		if (name)
			check_section(module, scn, name, &target);
	}
}
