// SPDX-License-Identifier: GPL-2.0
/*
 * Read the ELF file of a livepatch module: the symbols that the livepatch core has to find, the
 * functions that the module changes, and the signature.
 */
#define _GNU_SOURCE
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/elf.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "klpctl.h"

#define SHN_LIVEPATCH	0xff20
#define SIGNATURE_MARK	"~Module signature appended~\n"
#define POINTER_SIZE	8
#define FLAG_ALLOC	2	/* SHF_ALLOC and SHF_EXECINSTR */
#define FLAG_CODE	4

/* An address in the file: a section and an offset in it. */
struct place {
	size_t section;
	uint64_t offset;
};

/* A pointer in the data of the module, which a relocation sets. */
struct pointer {
	struct place at;
	struct place target;
};

struct reader {
	char *data;
	size_t size;
	struct elf64_hdr header;
	struct pointer *pointers;
	size_t nr_pointers;
};

/* Copy from the file. The file may be damaged: each access is checked and need not be aligned. */
static bool get(const struct reader *reader, uint64_t offset, void *to, size_t size)
{
	if (offset > reader->size || size > reader->size - offset)
		return false;
	memcpy(to, reader->data + offset, size);
	return true;
}

static bool get_section(const struct reader *reader, size_t index, struct elf64_shdr *section)
{
	uint64_t offset = index * sizeof(*section);

	if (index >= reader->header.e_shnum || reader->header.e_shoff > reader->size)
		return false;
	return get(reader, reader->header.e_shoff + offset, section, sizeof(*section));
}

/* Copy an entry of a table. */
static bool get_entry(const struct reader *reader, const struct elf64_shdr *section, size_t index,
		      void *to, size_t size)
{
	if (section->sh_type == SHT_NOBITS || section->sh_offset > reader->size ||
	    index >= section->sh_size / size || index > reader->size / size)
		return false;
	return get(reader, section->sh_offset + index * size, to, size);
}

/* Return the text at a place, NULL if it is not a string that ends in its section. */
static const char *text_at(const struct reader *reader, size_t index, uint64_t offset)
{
	struct elf64_shdr section;
	const char *text;
	size_t size;

	if (!get_section(reader, index, &section) || section.sh_type == SHT_NOBITS ||
	    section.sh_offset > reader->size)
		return NULL;
	size = reader->size - section.sh_offset;
	if (section.sh_size < size)
		size = section.sh_size;
	if (offset >= size)
		return NULL;
	text = reader->data + section.sh_offset + offset;
	return memchr(text, '\0', size - offset) ? text : NULL;
}

/* Return true if a signature is appended to the file. */
static bool has_signature(const struct reader *reader)
{
	const size_t n = strlen(SIGNATURE_MARK);

	return reader->size > n && !memcmp(reader->data + reader->size - n, SIGNATURE_MARK, n);
}

/* Parse ".klp.sym.OBJECT.SYMBOL,POSITION". The symbol may contain dots, the object does not. */
static bool parse_klp_symbol(const char *name, struct klp_symbol *symbol)
{
	*symbol = (struct klp_symbol) {};
	return sscanf(name, ".klp.sym.%63[^.].%511[^,],%lu", symbol->object, symbol->name,
		      &symbol->position) == 3;
}

static void read_symbols(const struct reader *reader, const struct elf64_shdr *section,
			 struct elf_module *module)
{
	struct klp_symbol symbol;
	struct elf64_sym sym;
	const char *name;
	size_t i;

	for (i = 0; get_entry(reader, section, i, &sym, sizeof(sym)); i++) {
		if (sym.st_shndx != SHN_LIVEPATCH)
			continue;
		name = text_at(reader, section->sh_link, sym.st_name);
		if (!name || !parse_klp_symbol(name, &symbol))
			continue;
		module->symbols = grow(module->symbols, module->nr_symbols, sizeof(symbol));
		module->symbols[module->nr_symbols++] = symbol;
	}
}

/* Return true if the text can be the name of a function. */
static bool is_symbol_name(const char *text)
{
	if (!text || (!isalpha((unsigned char)*text) && *text != '_'))
		return false;
	for (; *text; text++) {
		if (!isalnum((unsigned char)*text) && *text != '_' && *text != '.')
			return false;
	}
	return true;
}

/* Return true if a section has data, but neither code nor what only the loader reads. */
static bool is_data(const struct reader *reader, size_t index)
{
	struct elf64_shdr section;
	const char *name;

	if (!get_section(reader, index, &section) || !(section.sh_flags & FLAG_ALLOC) ||
	    (section.sh_flags & FLAG_CODE) || section.sh_type != SHT_PROGBITS)
		return false;
	name = text_at(reader, reader->header.e_shstrndx, section.sh_name);
	return name && (!strncmp(name, ".data", 5) || !strncmp(name, ".rodata", 7) ||
			!strncmp(name, ".init.data", 10));
}

static bool is_code(const struct reader *reader, size_t index)
{
	struct elf64_shdr section;

	return get_section(reader, index, &section) && (section.sh_flags & FLAG_CODE);
}

/* Collect the pointers in a section, from the relocations for it. */
static void read_pointers(struct reader *reader, const struct elf64_shdr *section)
{
	struct elf64_shdr symbols;
	struct pointer *pointer;
	struct elf64_rela rela;
	struct elf64_sym sym;
	size_t i;

	if (!get_section(reader, section->sh_link, &symbols) || !is_data(reader, section->sh_info))
		return;
	for (i = 0; get_entry(reader, section, i, &rela, sizeof(rela)); i++) {
		if (!get_entry(reader, &symbols, ELF64_R_SYM(rela.r_info), &sym, sizeof(sym)))
			continue;
		reader->pointers = grow(reader->pointers, reader->nr_pointers, sizeof(*pointer));
		pointer = &reader->pointers[reader->nr_pointers++];
		pointer->at = (struct place) { section->sh_info, rela.r_offset };
		pointer->target = (struct place) { sym.st_shndx, sym.st_value + rela.r_addend };
	}
}

static int compare_places(const struct place *a, const struct place *b)
{
	if (a->section != b->section)
		return a->section < b->section ? -1 : 1;
	return (a->offset > b->offset) - (a->offset < b->offset);
}

static int compare_pointers(const void *a, const void *b)
{
	return compare_places(&((const struct pointer *)a)->at, &((const struct pointer *)b)->at);
}

/* Return the pointer at a place, or NULL. */
static const struct pointer *pointer_at(struct reader *reader, size_t section, uint64_t offset)
{
	struct pointer key = { .at = { section, offset } };

	return bsearch(&key, reader->pointers, reader->nr_pointers, sizeof(key), compare_pointers);
}

/* Return true if @name begins a struct klp_func: a name, followed by a pointer to a function. */
static bool is_klp_func(struct reader *reader, const struct pointer *name)
{
	const struct pointer *func;

	func = pointer_at(reader, name->at.section, name->at.offset + POINTER_SIZE);
	return func && is_code(reader, func->target.section) &&
	       !is_code(reader, name->target.section) &&
	       is_symbol_name(text_at(reader, name->target.section, name->target.offset));
}

/*
 * Find the object of a struct klp_func. Pointers to the array of the object precede or equal its
 * address, and the last of them belongs to it. The name of the object precedes this pointer and is
 * NULL for vmlinux. Return NULL if there is no such pointer.
 */
static const char *object_of(struct reader *reader, const struct place *func)
{
	const struct pointer *best = NULL, *pointer, *name;
	const struct pointer *first;
	size_t i;

	for (i = 0; i < reader->nr_pointers; i++) {
		pointer = &reader->pointers[i];
		if (pointer->target.section != func->section ||
		    pointer->target.offset > func->offset)
			continue;
		first = pointer_at(reader, func->section, pointer->target.offset);
		if (!first || !is_klp_func(reader, first))
			continue;
		if (!best || pointer->target.offset > best->target.offset)
			best = pointer;
	}
	if (!best)
		return NULL;
	name = pointer_at(reader, best->at.section, best->at.offset - POINTER_SIZE);
	return name ? text_at(reader, name->target.section, name->target.offset) : "vmlinux";
}

/* List the functions that the structures of the module name. They need no symbols. */
static void read_functions(struct reader *reader, struct elf_module *module)
{
	struct changed_function *function;
	const struct pointer *pointer;
	const char *object;
	size_t i;

	for (i = 0; i < reader->nr_pointers; i++) {
		pointer = &reader->pointers[i];
		if (!is_klp_func(reader, pointer))
			continue;
		object = object_of(reader, &pointer->at);
		if (!object)
			continue;
		module->functions = grow(module->functions, module->nr_functions,
					 sizeof(*function));
		function = &module->functions[module->nr_functions++];
		snprintf(function->object, sizeof(function->object), "%.63s", object);
		snprintf(function->name, sizeof(function->name), "%.511s",
			 text_at(reader, pointer->target.section, pointer->target.offset));
	}
}

static void read_sections(struct reader *reader, struct elf_module *module)
{
	struct elf64_shdr section;
	size_t i;

	for (i = 1; get_section(reader, i, &section); i++) {
		if (section.sh_type == SHT_SYMTAB)
			read_symbols(reader, &section, module);
		else if (section.sh_type == SHT_RELA)
			read_pointers(reader, &section);
	}
	if (!reader->nr_pointers)
		return;
	qsort(reader->pointers, reader->nr_pointers, sizeof(*reader->pointers), compare_pointers);
	read_functions(reader, module);
}

/* Read until @size bytes or the end of the file. Return the number of bytes, -1 on failure. */
static ssize_t read_bytes(int fd, char *data, size_t size)
{
	size_t done = 0;
	ssize_t n;

	do {
		n = read(fd, data + done, size - done);
		if (n > 0)
			done += n;
	} while (n > 0 || (n < 0 && errno == EINTR));
	return n < 0 ? -1 : (ssize_t)done;
}

/*
 * Read a file into memory. A mapped file would end the program by SIGBUS when the file is
 * truncated. The caller frees the result. Return NULL with errno set on failure.
 */
static char *load_file(const char *path, size_t *size)
{
	char *data = NULL;
	struct stat st;
	ssize_t n = -1;
	int fd, error;

	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return NULL;
	if (!fstat(fd, &st)) {
		data = malloc(st.st_size + 1);
		n = data ? read_bytes(fd, data, st.st_size) : -1;
	}
	error = errno;
	close(fd);
	if (n >= 0) {
		*size = n;
		return data;
	}
	free(data);
	errno = error;
	return NULL;
}

/* Return true for a relocatable 64-bit file with the byte order of this machine. */
static bool is_module(struct reader *reader)
{
	const unsigned short one = 1;
	int order = *(const char *)&one ? ELFDATA2LSB : ELFDATA2MSB;
	struct elf64_hdr *header = &reader->header;

	return get(reader, 0, header, sizeof(*header)) &&
	       !memcmp(header->e_ident, ELFMAG, SELFMAG) &&
	       header->e_ident[EI_CLASS] == ELFCLASS64 && header->e_ident[EI_DATA] == order &&
	       header->e_type == ET_REL && header->e_shentsize == sizeof(struct elf64_shdr);
}

/**
 * elf_module_read() - read the ELF file of a module
 * @path:   the file
 * @module: the result, which elf_module_free() frees
 * @error:  the reason of a failure, otherwise empty
 * @size:   size of @error
 *
 * Return: false if the file cannot be read or is no 64-bit relocatable ELF file, as a compressed
 * module is not.
 */
bool elf_module_read(const char *path, struct elf_module *module, char *error, size_t size)
{
	struct reader reader = {};

	*module = (struct elf_module) {};
	*error = '\0';
	reader.data = load_file(path, &reader.size);
	if (!reader.data) {
		snprintf(error, size, "%s", strerror(errno));
		return false;
	}
	module->is_signed = has_signature(&reader);
	if (is_module(&reader))
		read_sections(&reader, module);
	else
		snprintf(error, size, "not an uncompressed 64-bit module");
	free(reader.pointers);
	free(reader.data);
	return !*error;
}

static bool has_section_names(const struct reader *reader)
{
	struct elf64_shdr names;

	return reader->header.e_shstrndx &&
	       get_section(reader, reader->header.e_shstrndx, &names);
}

/*
 * Return true for an ELF file that is not a module of this machine, or has no section with the
 * names of the sections. libkmod aborts the program for the latter.
 */
bool elf_module_is_damaged(const char *path)
{
	struct reader reader = {};
	bool damaged;

	reader.data = load_file(path, &reader.size);
	if (!reader.data)
		return false;
	/* A compressed file is not an ELF file. */
	damaged = reader.size >= SELFMAG && !memcmp(reader.data, ELFMAG, SELFMAG) &&
		  !(is_module(&reader) && has_section_names(&reader));
	free(reader.data);
	return damaged;
}

void elf_module_free(struct elf_module *module)
{
	free(module->symbols);
	free(module->functions);
}

static int compare_symbols(const void *a, const void *b)
{
	return strcmp(((const struct klp_symbol *)a)->name, ((const struct klp_symbol *)b)->name);
}

/* Count a symbol of the kernel for all entries that ask for it. They are sorted by name. */
static void count_symbol(struct klp_symbol *symbols, size_t nr, const char *name,
			 const char *object)
{
	struct klp_symbol key, *found;

	snprintf(key.name, sizeof(key.name), "%.511s", name);
	found = bsearch(&key, symbols, nr, sizeof(key), compare_symbols);
	if (!found)
		return;
	while (found > symbols && !strcmp(found[-1].name, name))
		found--;
	for (; found < symbols + nr && !strcmp(found->name, name); found++)
		found->found += !strcmp(found->object, object);
}

/*
 * Count how often each symbol is in /proc/kallsyms. Sorts the symbols by name. Return false with
 * errno set if the file cannot be read.
 */
bool kallsyms_count(struct klp_symbol *symbols, size_t nr)
{
	FILE *file = fopen(in_root("/proc/kallsyms"), "re");
	char line[1024], name[512], object[64];
	int fields;

	if (!file)
		return false;
	if (nr)
		qsort(symbols, nr, sizeof(*symbols), compare_symbols);
	while (nr && fgets(line, sizeof(line), file)) {
		fields = sscanf(line, "%*x %*c %511s [%63[^]]", name, object);
		if (fields >= 1)
			count_symbol(symbols, nr, name, fields == 2 ? object : "vmlinux");
	}
	fclose(file);
	return true;
}
