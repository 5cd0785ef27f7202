/* SPDX-License-Identifier: GPL-2.0 */
#ifndef KLP_CONVERT_H
#define KLP_CONVERT_H

#include <gelf.h>
#include <stdbool.h>
#include <stddef.h>

/* Limits of the kernel, with the zero byte. */
#define MODULE_NAME_SIZE	(64 - sizeof(uint64_t))
#define SYMBOL_NAME_SIZE	512

#ifndef SHF_RELA_LIVEPATCH
#define SHF_RELA_LIVEPATCH	0x00100000
#endif
#ifndef SHN_LIVEPATCH
#define SHN_LIVEPATCH		0xff20
#endif

/**
 * struct annotation - one use of KLP_RELOC_SYMBOL()
 * @alias:    name of the undefined symbol in the module
 * @object:   vmlinux or the name of a module
 * @symbol:   name of the symbol in the object
 * @position: as text, empty for none
 * @file:     the file of source
 * @line:     the line in it, as text
 * @number:   value of @position
 * @count:    symbols of this name in the object
 * @in_init:  how many of them are in an init section
 * @freed:    the symbol at this position is one of them
 * @exported: the object exports a symbol called @alias
 * @variant:  a symbol of the object with this name and a suffix of the compiler, or NULL
 */
struct annotation {
	const char *alias;
	const char *object;
	const char *symbol;
	const char *position;
	const char *file;
	const char *line;

	unsigned long number;
	unsigned long count;
	unsigned long in_init;
	bool freed;
	bool exported;
	char *variant;
};

/**
 * struct module - the livepatch module that is converted
 * @path:    its file
 * @fd:      the descriptor of its file, or of the copy that is changed
 * @elf:     the open file
 * @names:   index of the section with the names of sections
 * @symtab:  the symbol table
 * @symbols: its contents
 * @nr_symbols: number of symbols
 * @strings: index of the section with the names of symbols
 * @annotations: the symbols to be converted
 * @nr_annotations: number of @annotations
 * @users:   for each symbol its annotation, or NULL
 * @buffers: contents of new sections, which libelf uses until the file is closed
 * @nr_buffers: number of @buffers
 */
struct module {
	const char *path;
	int fd;
	Elf *elf;
	size_t names;
	Elf_Scn *symtab;
	Elf_Data *symbols;
	size_t nr_symbols;
	size_t strings;
	struct annotation *annotations;
	size_t nr_annotations;
	struct annotation **users;
	void **buffers;
	size_t nr_buffers;
};

/**
 * struct places - where the symbols of objects are looked up
 * @map:    System.map of the kernel, or a file of the same form, or NULL
 * @paths:  files of modules, and directories with modules
 * @nr_paths: number of @paths
 */
struct places {
	const char *map;
	const char **paths;
	size_t nr_paths;
};

/* main.c: errors, which are counted. */
[[gnu::format(printf, 2, 3)]]
void refuse(const struct annotation *annotation, const char *fmt, ...);
[[gnu::format(printf, 2, 3)]]
void refuse_file(const char *path, const char *fmt, ...);
unsigned int nr_refused(void);

/* module.c: reading the livepatch module. */
bool module_open(struct module *module, const char *path, int fd);
void module_close(struct module *module);
const char *module_symbol_name(const struct module *module, const GElf_Sym *sym);
bool module_read_annotations(struct module *module);
bool module_find_users(struct module *module);
bool module_is_livepatch(const struct module *module);

/* lookup.c: symbols of the kernel and of modules. */
void lookup_symbols(struct module *module, const struct places *places);

/* sections.c: the sections that use annotated symbols. */
void check_sections(struct module *module);

/* write.c: the converted module. */
bool write_module(struct module *module, const char *output);

/* Names of the sections that KLP_RELOC_SYMBOL() writes. */
#define ANNOTATIONS_SECTION	".comment.klp_reloc"
#define USE_SECTION		".comment.klp_reloc_use"
#define USE_SYMBOL		"klp_reloc_needs_livepatch_mk"

#endif /* KLP_CONVERT_H */
