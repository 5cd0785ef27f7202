// SPDX-License-Identifier: GPL-2.0
/*
 * Write the converted module: to a temporary file, which replaces the output when it is complete.
 */
#define _GNU_SOURCE
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>
#include "klp-convert.h"

/* The copy that is being changed, NULL if there is none. */
static const char *temporary;

static void remove_temporary(void)
{
	if (temporary)
		unlink(temporary);
}

/* End the program if libelf fails: the module is damaged, or there is no memory. */
static void *checked(void *result)
{
	if (result)
		return result;
	remove_temporary();
	errx(1, "libelf: %s", elf_errmsg(-1));
}

static void updated(int done)
{
	checked(done ? &done : NULL);
}

/* Allocate the contents of a section. */
static void *new_buffer(struct module *module, size_t size)
{
	size_t nr = module->nr_buffers;

	module->buffers = checked(reallocarray(module->buffers, nr + 1, sizeof(void *)));
	module->buffers[nr] = checked(malloc(size));
	module->nr_buffers++;
	return module->buffers[nr];
}

static GElf_Shdr get_header(Elf_Scn *scn)
{
	GElf_Shdr shdr;

	checked(gelf_getshdr(checked(scn), &shdr));
	return shdr;
}

/* Append a string to a string table. Returns its offset. */
static size_t add_string(struct module *module, size_t section, const char *text)
{
	Elf_Scn *scn = checked(elf_getscn(module->elf, section));
	GElf_Shdr shdr = get_header(scn);
	size_t offset = shdr.sh_size;
	Elf_Data *data;

	/* A section that is extended is complete only if its contents have been read. */
	checked(elf_getdata(scn, NULL));
	data = checked(elf_newdata(scn));
	data->d_size = strlen(text) + 1;
	data->d_buf = memcpy(new_buffer(module, data->d_size), text, data->d_size);
	data->d_type = ELF_T_BYTE;
	data->d_align = 1;
	data->d_version = EV_CURRENT;
	shdr.sh_size += data->d_size;
	updated(gelf_update_shdr(scn, &shdr));
	return offset;
}

static void convert_symbol(struct module *module, size_t index, GElf_Sym *sym,
			   const struct annotation *annotation)
{
	char *name;

	if (asprintf(&name, ".klp.sym.%s.%s,%lu", annotation->object, annotation->symbol,
		     annotation->number) < 0)
		err(1, "asprintf");
	sym->st_name = add_string(module, module->strings, name);
	sym->st_shndx = SHN_LIVEPATCH;
	updated(gelf_update_sym(module->symbols, index, sym));
	free(name);
}

/* Define the symbol by which an unconverted module is refused. */
static void define_use_symbol(struct module *module, size_t index, GElf_Sym *sym)
{
	sym->st_shndx = SHN_ABS;
	updated(gelf_update_sym(module->symbols, index, sym));
}

static void convert_symbols(struct module *module)
{
	GElf_Sym sym;
	size_t i;

	for (i = 1; i < module->nr_symbols; i++) {
		checked(gelf_getsym(module->symbols, i, &sym));
		if (module->users[i])
			convert_symbol(module, i, &sym, module->users[i]);
		else if (sym.st_shndx == SHN_UNDEF &&
			 !strcmp(module_symbol_name(module, &sym), USE_SYMBOL))
			define_use_symbol(module, i, &sym);
	}
	elf_flagdata(module->symbols, ELF_C_SET, ELF_F_DIRTY);
}

/* The object of the symbol that a relocation uses, NULL if the relocation stays. */
static const char *object_of(const struct module *module, const GElf_Rela *rela)
{
	size_t index = GELF_R_SYM(rela->r_info);
	struct annotation *annotation = index < module->nr_symbols ? module->users[index] : NULL;

	return annotation ? annotation->object : NULL;
}

/* Create .klp.rela.OBJECT.SECTION with the relocations for this object. */
static void add_section(struct module *module, Elf_Data *from, const GElf_Shdr *old,
			const char *object)
{
	size_t size = gelf_fsize(module->elf, ELF_T_RELA, 1, EV_CURRENT);
	GElf_Shdr target = get_header(elf_getscn(module->elf, old->sh_info));
	Elf_Scn *scn = checked(elf_newscn(module->elf));
	Elf_Data *data = checked(elf_newdata(scn));
	GElf_Shdr shdr = *old;
	GElf_Rela rela;
	int i, nr = 0;
	char *name;

	data->d_buf = new_buffer(module, from->d_size);
	data->d_size = from->d_size;
	data->d_type = ELF_T_RELA;
	data->d_align = 8;
	data->d_version = EV_CURRENT;
	for (i = 0; gelf_getrela(from, i, &rela); i++) {
		const char *user = object_of(module, &rela);

		if (user && !strcmp(user, object))
			updated(gelf_update_rela(data, nr++, &rela));
	}
	data->d_size = nr * size;

	if (asprintf(&name, ".klp.rela.%s.%s", object,
		     (char *)checked(elf_strptr(module->elf, module->names, target.sh_name))) < 0)
		err(1, "asprintf");
	shdr.sh_name = add_string(module, module->names, name);
	shdr.sh_flags = SHF_RELA_LIVEPATCH | SHF_ALLOC | SHF_INFO_LINK;
	shdr.sh_size = data->d_size;
	updated(gelf_update_shdr(scn, &shdr));
	free(name);
}

/*
 * Remove the relocations that have been moved. The others move up: some architectures refuse the
 * type 0 of an empty entry.
 */
static void shrink_section(struct module *module, Elf_Scn *scn, Elf_Data *data)
{
	size_t size = gelf_fsize(module->elf, ELF_T_RELA, 1, EV_CURRENT);
	GElf_Shdr shdr = get_header(scn);
	GElf_Rela rela;
	int i, left = 0;

	for (i = 0; gelf_getrela(data, i, &rela); i++) {
		if (!object_of(module, &rela))
			updated(gelf_update_rela(data, left++, &rela));
	}
	data->d_size = left * size;
	shdr.sh_size = data->d_size;
	updated(gelf_update_shdr(scn, &shdr));
	elf_flagdata(data, ELF_C_SET, ELF_F_DIRTY);
}

/* Move the relocations of a section that use annotated symbols to new sections. */
static void split_section(struct module *module, Elf_Scn *scn, const GElf_Shdr *shdr)
{
	Elf_Data *data = checked(elf_getdata(scn, NULL));
	const char **objects;
	size_t j, nr = 0;
	GElf_Rela rela;
	int i;

	objects = checked(calloc(module->nr_annotations, sizeof(*objects)));
	for (i = 0; gelf_getrela(data, i, &rela); i++) {
		const char *object = object_of(module, &rela);

		for (j = 0; object && j < nr && strcmp(objects[j], object); j++)
			;
		if (object && j == nr)
			objects[nr++] = object;
	}
	for (j = 0; j < nr; j++)
		add_section(module, data, shdr, objects[j]);
	if (nr)
		shrink_section(module, scn, data);
	free(objects);
}

/* Empty a section that has been evaluated, so that a second run finds no annotations. */
static void empty_section(Elf_Scn *scn)
{
	GElf_Shdr shdr = get_header(scn);
	Elf_Data *data = elf_getdata(scn, NULL);

	if (!data)
		return;
	data->d_size = 0;
	shdr.sh_size = 0;
	updated(gelf_update_shdr(scn, &shdr));
	elf_flagdata(data, ELF_C_SET, ELF_F_DIRTY);
}

static bool is_annotation(struct module *module, const GElf_Shdr *shdr)
{
	const char *name = elf_strptr(module->elf, module->names, shdr->sh_name);

	return name && (!strcmp(name, ANNOTATIONS_SECTION) || !strcmp(name, USE_SECTION));
}

static void convert_sections(struct module *module)
{
	size_t i, nr_sections;

	/* The new sections follow the old ones. */
	updated(!elf_getshdrnum(module->elf, &nr_sections));
	for (i = 1; i < nr_sections; i++) {
		Elf_Scn *scn = elf_getscn(module->elf, i);
		GElf_Shdr shdr = get_header(scn), target;

		if (is_annotation(module, &shdr))
			empty_section(scn);
		if (shdr.sh_type != SHT_RELA)
			continue;
		target = get_header(elf_getscn(module->elf, shdr.sh_info));
		if (is_annotation(module, &target))
			empty_section(scn);
		else if (target.sh_flags & SHF_ALLOC)
			split_section(module, scn, &shdr);
	}
}

/* Copy the input to a temporary file next to the output. */
static int copy_file(int from, char *path)
{
	off_t offset = 0;
	struct stat st;
	int fd;

	fd = mkostemp(path, O_CLOEXEC);
	if (fd < 0)
		return -1;
	if (fstat(from, &st) || fchmod(fd, st.st_mode & 0777))
		goto err;
	while (offset < st.st_size) {
		if (sendfile(fd, from, &offset, st.st_size - offset) <= 0)
			goto err;
	}
	return fd;

err:
	close(fd);
	unlink(path);
	return -1;
}

static bool convert_copy(struct module *module, int fd)
{
	Elf *elf = checked(elf_begin(fd, ELF_C_RDWR, NULL));
	Elf *input = module->elf;
	Elf_Scn *scn = NULL;
	bool written;

	module->elf = elf;
	module->symtab = checked(elf_getscn(elf, elf_ndxscn(module->symtab)));
	module->symbols = checked(elf_getdata(module->symtab, NULL));
	/* All sections may move in the file: read them before it is written. */
	while ((scn = elf_nextscn(elf, scn)))
		elf_getdata(scn, NULL);
	convert_symbols(module);
	convert_sections(module);
	written = elf_update(elf, ELF_C_WRITE) >= 0;
	if (!written)
		refuse_file(module->path, "libelf: %s", elf_errmsg(-1));
	/* Until here the annotations are strings of the input. */
	elf_end(input);
	return written;
}

/**
 * write_module() - write the converted module
 * @module: the module, which has been checked
 * @output: the file to write, which may be that of the module
 *
 * Return: true if the file has been written. Otherwise it is unchanged.
 */
bool write_module(struct module *module, const char *output)
{
	bool written = false;
	char *path;
	int fd;

	if (asprintf(&path, "%s.XXXXXX", output) < 0)
		err(1, "asprintf");
	fd = copy_file(module->fd, path);
	if (fd < 0) {
		refuse_file(path, "%s", strerror(errno));
		goto out;
	}
	temporary = path;
	if (convert_copy(module, fd)) {
		written = !rename(path, output);
		if (!written)
			refuse_file(output, "%s", strerror(errno));
	}
	if (!written)
		remove_temporary();
	temporary = NULL;
	/* libelf reads from the copy until module_close(). */
	close(module->fd);
	module->fd = fd;
out:
	free(path);
	return written;
}
