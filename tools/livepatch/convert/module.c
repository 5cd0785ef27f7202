// SPDX-License-Identifier: GPL-2.0
/*
 * Read the livepatch module: its annotations, and the undefined symbols that they are for.
 */
#define _GNU_SOURCE
#include <err.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "klp-convert.h"

#define SIGNATURE_MARK	"~Module signature appended~\n"
#define STRINGS		6	/* of one annotation */

static bool is_signed(int fd)
{
	char end[sizeof(SIGNATURE_MARK) - 1];
	off_t size = lseek(fd, 0, SEEK_END);

	return size >= (off_t)sizeof(end) &&
	       pread(fd, end, sizeof(end), size - sizeof(end)) == sizeof(end) &&
	       !memcmp(end, SIGNATURE_MARK, sizeof(end));
}

static Elf_Scn *find_section(const struct module *module, const char *name)
{
	Elf_Scn *scn = NULL;
	GElf_Shdr shdr;

	while ((scn = elf_nextscn(module->elf, scn))) {
		const char *found;

		if (!gelf_getshdr(scn, &shdr))
			continue;
		found = elf_strptr(module->elf, module->names, shdr.sh_name);
		if (found && !strcmp(found, name))
			return scn;
	}
	return NULL;
}

static bool open_symtab(struct module *module)
{
	Elf_Scn *scn = NULL;
	GElf_Shdr shdr;

	while ((scn = elf_nextscn(module->elf, scn))) {
		if (!gelf_getshdr(scn, &shdr) || shdr.sh_type != SHT_SYMTAB)
			continue;
		module->symtab = scn;
		module->strings = shdr.sh_link;
		module->symbols = elf_getdata(scn, NULL);
		if (!module->symbols || shdr.sh_entsize == 0)
			return false;
		module->nr_symbols = shdr.sh_size / shdr.sh_entsize;
		return true;
	}
	return false;
}

/* Takes the descriptor: module_close() closes it, also after an error. */
bool module_open(struct module *module, const char *path, int fd)
{
	GElf_Ehdr ehdr;

	module->path = path;
	module->fd = fd;
	if (is_signed(fd)) {
		refuse_file(path, "the module is signed, convert it before it is signed");
		return false;
	}
	module->elf = elf_begin(fd, ELF_C_READ, NULL);
	if (!module->elf || elf_kind(module->elf) != ELF_K_ELF ||
	    !gelf_getehdr(module->elf, &ehdr) || ehdr.e_type != ET_REL ||
	    ehdr.e_ident[EI_CLASS] != ELFCLASS64) {
		refuse_file(path, "not a 64-bit kernel module");
		return false;
	}
	if (elf_getshdrstrndx(module->elf, &module->names) || !open_symtab(module)) {
		refuse_file(path, "the module has no symbol table");
		return false;
	}
	return true;
}

void module_close(struct module *module)
{
	size_t i;

	for (i = 0; i < module->nr_annotations; i++)
		free(module->annotations[i].variant);
	free(module->annotations);
	free(module->users);
	if (module->elf)
		elf_end(module->elf);
	for (i = 0; i < module->nr_buffers; i++)
		free(module->buffers[i]);
	free(module->buffers);
	close(module->fd);
}

const char *module_symbol_name(const struct module *module, const GElf_Sym *sym)
{
	return elf_strptr(module->elf, module->strings, sym->st_name) ?: "";
}

/* Check the parts of an annotation that need no other file. */
static void check_annotation(struct annotation *annotation)
{
	char *end;

	if (!*annotation->object || strlen(annotation->object) >= MODULE_NAME_SIZE)
		refuse(annotation, "'%s' is not the name of an object", annotation->object);
	else if (strpbrk(annotation->object, "-./ "))
		refuse(annotation,
		       "'%s' is not the name of an object: module names contain '_' only",
		       annotation->object);
	if (!*annotation->symbol || strlen(annotation->symbol) >= SYMBOL_NAME_SIZE ||
	    strpbrk(annotation->symbol, ", "))
		refuse(annotation, "'%s' is not the name of a symbol", annotation->symbol);

	if (!*annotation->position)
		return;
	errno = 0;
	annotation->number = strtoul(annotation->position, &end, 10);
	if (*annotation->position < '0' || *annotation->position > '9' || *end || errno)
		refuse(annotation, "'%s' is not a position, which is a decimal number",
		       annotation->position);
}

/* Read the strings of all annotations. Padding between the objects of a module is skipped. */
bool module_read_annotations(struct module *module)
{
	unsigned int before = nr_refused();
	struct annotation *annotation;
	const char *text, *end;
	Elf_Data *data;
	Elf_Scn *scn;
	int i;

	scn = find_section(module, ANNOTATIONS_SECTION);
	data = scn ? elf_getdata(scn, NULL) : NULL;
	if (!data || !data->d_size)
		return true;

	text = data->d_buf;
	end = text + data->d_size;
	module->annotations = calloc(data->d_size / STRINGS + 1, sizeof(*module->annotations));
	if (!module->annotations)
		err(1, "calloc");
	while (text < end) {
		const char *strings[STRINGS];

		if (!*text) {
			text++;
			continue;
		}
		for (i = 0; i < STRINGS; i++) {
			const char *next = text < end ? memchr(text, '\0', end - text) : NULL;

			if (!next) {
				refuse_file(module->path, "section %s is damaged",
					    ANNOTATIONS_SECTION);
				return false;
			}
			strings[i] = text;
			text = next + 1;
		}
		annotation = &module->annotations[module->nr_annotations++];
		annotation->alias = strings[0];
		annotation->object = strings[1];
		annotation->symbol = strings[2];
		annotation->position = strings[3];
		annotation->file = strings[4];
		annotation->line = strings[5];
		check_annotation(annotation);
	}
	return nr_refused() == before;
}

static bool is_same(const struct annotation *one, const struct annotation *other)
{
	return !strcmp(one->object, other->object) && !strcmp(one->symbol, other->symbol) &&
	       one->number == other->number;
}

/* Find the annotation of a name. */
static struct annotation *find_annotation(struct module *module, const char *name)
{
	size_t i;

	for (i = 0; i < module->nr_annotations; i++) {
		if (!strcmp(module->annotations[i].alias, name))
			return &module->annotations[i];
	}
	return NULL;
}

/* Several annotations of one name, as by a header, have to be the same. */
static void check_contradictions(struct module *module)
{
	struct annotation *annotation, *first;
	size_t i;

	for (i = 0; i < module->nr_annotations; i++) {
		annotation = &module->annotations[i];
		first = find_annotation(module, annotation->alias);
		if (!is_same(annotation, first))
			refuse(annotation, "'%s' is annotated in another way in %s:%s",
			       annotation->alias, first->file, first->line);
	}
}

/* Assign the annotations to the symbols of the module. */
bool module_find_users(struct module *module)
{
	unsigned int before = nr_refused();
	struct annotation *annotation;
	GElf_Sym sym;
	size_t i;

	check_contradictions(module);
	module->users = calloc(module->nr_symbols, sizeof(*module->users));
	if (!module->users)
		err(1, "calloc");

	for (i = 1; i < module->nr_symbols; i++) {
		if (!gelf_getsym(module->symbols, i, &sym) ||
		    GELF_ST_TYPE(sym.st_info) == STT_FILE ||
		    GELF_ST_TYPE(sym.st_info) == STT_SECTION)
			continue;
		annotation = find_annotation(module, module_symbol_name(module, &sym));
		if (!annotation)
			continue;
		if (sym.st_shndx != SHN_UNDEF)
			refuse(annotation, "'%s' is defined in the livepatch itself",
			       annotation->alias);
		module->users[i] = annotation;
	}
	return nr_refused() == before;
}

bool module_is_livepatch(const struct module *module)
{
	Elf_Scn *scn = find_section(module, ".modinfo");
	Elf_Data *data = scn ? elf_getdata(scn, NULL) : NULL;
	static const char entry[] = "livepatch=Y";

	return data && data->d_size && memmem(data->d_buf, data->d_size, entry, sizeof(entry));
}
