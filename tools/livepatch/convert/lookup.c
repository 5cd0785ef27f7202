// SPDX-License-Identifier: GPL-2.0
/*
 * Look up the annotated symbols as the kernel will: those of vmlinux in System.map, those of a
 * module in the symbol table of its file.
 */
#define _GNU_SOURCE
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include "klp-convert.h"

/* Programs that decompress modules. */
static const struct {
	const char *suffix;
	const char *program;
} decompressors[] = {
	{ ".ko", NULL },
	{ ".ko.gz", "gzip" },
	{ ".ko.xz", "xz" },
	{ ".ko.zst", "zstd" },
};

/* Return true if @name is that of the annotation with a suffix that a compiler adds. */
static bool is_variant(const char *name, const char *symbol)
{
	static const char * const suffixes[] = {
		".isra.", ".constprop.", ".part.", ".cold", ".llvm."
	};
	size_t i, len = strlen(symbol);

	if (strncmp(name, symbol, len))
		return false;
	for (i = 0; i < sizeof(suffixes) / sizeof(*suffixes); i++) {
		if (!strncmp(name + len, suffixes[i], strlen(suffixes[i])))
			return true;
	}
	return false;
}

/* Return true if @name is the entry of an exported symbol in the table of a module. */
static bool is_export_of(const char *name, const char *alias)
{
	static const char prefix[] = "__ksymtab_";

	return !strncmp(name, prefix, strlen(prefix)) && !strcmp(name + strlen(prefix), alias);
}

/* Compare one symbol of an object with the annotations for this object. */
static void visit_symbol(struct module *module, const char *object, const char *name, bool init)
{
	struct annotation *annotation;
	size_t i;

	for (i = 0; i < module->nr_annotations; i++) {
		annotation = &module->annotations[i];
		if (strcmp(annotation->object, object))
			continue;
		if (is_export_of(name, annotation->alias))
			annotation->exported = true;
		if (strcmp(annotation->symbol, name)) {
			if (!annotation->variant && is_variant(name, annotation->symbol))
				annotation->variant = strdup(name);
			continue;
		}
		annotation->count++;
		annotation->in_init += init;
		if (annotation->count == (annotation->number ?: 1))
			annotation->freed = init;
	}
}

/* --- vmlinux ------------------------------------------------------------------------------- */

/* A line of System.map. Those of modules in /proc/kallsyms have a fourth column. */
static bool parse_line(char *line, unsigned long long *address, char **name)
{
	char *rest, *type;

	*address = strtoull(line, &rest, 16);
	type = strtok(rest, " \t\n");
	*name = strtok(NULL, " \t\n");
	return rest != line && type && *name && !strtok(NULL, " \t\n");
}

static void find_init_range(FILE *map, unsigned long long *begin, unsigned long long *end)
{
	unsigned long long address;
	char *line = NULL, *name;
	size_t size = 0;

	while (getline(&line, &size, map) > 0) {
		if (!parse_line(line, &address, &name))
			continue;
		if (!strcmp(name, "__init_begin"))
			*begin = address;
		else if (!strcmp(name, "__init_end"))
			*end = address;
	}
	free(line);
	rewind(map);
}

static bool visit_vmlinux(struct module *module, const char *path)
{
	unsigned long long address, begin = 0, end = 0;
	char *line = NULL, *name;
	size_t size = 0, nr = 0;
	FILE *map;

	map = fopen(path, "re");
	if (!map) {
		refuse_file(path, "%s", strerror(errno));
		return false;
	}
	find_init_range(map, &begin, &end);
	while (getline(&line, &size, map) > 0) {
		if (!parse_line(line, &address, &name))
			continue;
		nr++;
		visit_symbol(module, "vmlinux", name, address >= begin && address < end);
	}
	free(line);
	fclose(map);
	/* A package may install an empty file in place of the map. */
	if (nr < 2)
		refuse_file(path, "the file contains no symbols");
	return nr >= 2;
}

/* --- modules ------------------------------------------------------------------------------- */

/* Return true if @path is the file of the module. A file may have dashes in its name. */
static bool is_file_of(const char *path, const char *module, size_t *decompressor)
{
	const char *name = strrchr(path, '/') ? strrchr(path, '/') + 1 : path;
	size_t i, len = strlen(module);

	for (i = 0; i < len; i++) {
		if ((name[i] == '-' ? '_' : name[i]) != module[i])
			return false;
	}
	for (i = 0; i < sizeof(decompressors) / sizeof(*decompressors); i++) {
		*decompressor = i;
		if (!strcmp(name + len, decompressors[i].suffix))
			return true;
	}
	return false;
}

/* Look for the module in a list of files, relative to @dir: modules.order or modules.dep. */
static char *search_list(const char *dir, const char *list, const char *module)
{
	char *line = NULL, *path, *found = NULL;
	size_t size = 0, decompressor;
	FILE *file;

	if (asprintf(&path, "%s/%s", dir, list) < 0)
		err(1, "asprintf");
	file = fopen(path, "re");
	free(path);
	while (file && !found && getline(&line, &size, file) > 0) {
		size_t len = strcspn(line, ":\n");

		line[len] = '\0';
		/* In a directory where modules are built the list has objects. */
		if (len > 2 && !strcmp(line + len - 2, ".o"))
			memcpy(line + len - 1, "ko", sizeof("ko"));
		if (!is_file_of(line, module, &decompressor))
			continue;
		if (asprintf(&found, "%s%s%s", *line == '/' ? "" : dir, *line == '/' ? "" : "/",
			     line) < 0)
			err(1, "asprintf");
		if (!access(found, R_OK))
			continue;
		free(found);
		found = NULL;
	}
	free(line);
	if (file)
		fclose(file);
	return found;
}

static char *search_names(const char *dir, const char *module)
{
	char *path, *c, *name;
	size_t i;
	int dashes;

	for (dashes = 0; dashes < 2; dashes++) {
		for (i = 0; i < sizeof(decompressors) / sizeof(*decompressors); i++) {
			if (asprintf(&path, "%s/%s%s", dir, module, decompressors[i].suffix) < 0)
				err(1, "asprintf");
			name = path + strlen(dir) + 1;
			for (c = name; dashes && *c; c++)
				*c = *c == '_' ? '-' : *c;
			if (!access(path, R_OK))
				return path;
			free(path);
		}
	}
	return NULL;
}

/* Return the path of the file of a module, or NULL. */
static char *find_module(const struct places *places, const char *module)
{
	size_t i, decompressor;
	struct stat st;
	char *path;

	for (i = 0; i < places->nr_paths; i++) {
		if (stat(places->paths[i], &st))
			continue;
		if (!S_ISDIR(st.st_mode)) {
			if (is_file_of(places->paths[i], module, &decompressor))
				return strdup(places->paths[i]);
			continue;
		}
		path = search_list(places->paths[i], "modules.order", module) ?:
		       search_list(places->paths[i], "modules.dep", module) ?:
		       search_names(places->paths[i], module);
		if (path)
			return path;
	}
	return NULL;
}

/* Start a program that writes the decompressed file to a temporary one. */
static int decompress(const char *path, const char *program)
{
	FILE *file = tmpfile();
	int status, fd;
	pid_t pid;

	if (!file)
		return -1;
	pid = fork();
	if (!pid) {
		if (dup2(fileno(file), STDOUT_FILENO) >= 0)
			execlp(program, program, "-dc", path, (char *)NULL);
		err(127, "%s", program);
	}
	fd = dup(fileno(file));
	fclose(file);
	if (pid < 0 || waitpid(pid, &status, 0) < 0 || status) {
		close(fd);
		errno = EIO;
		return -1;
	}
	return fd;
}

static int open_module(const char *path, const char *module)
{
	size_t decompressor = 0;

	is_file_of(path, module, &decompressor);
	if (decompressors[decompressor].program)
		return decompress(path, decompressors[decompressor].program);
	return open(path, O_RDONLY | O_CLOEXEC);
}

static bool is_init_section(Elf *elf, size_t names, size_t index)
{
	GElf_Shdr shdr;
	const char *name = NULL;

	if (gelf_getshdr(elf_getscn(elf, index), &shdr))
		name = elf_strptr(elf, names, shdr.sh_name);
	return name && !strncmp(name, ".init", 5);
}

/* Visit the symbols that kallsyms has of the module, in the same order. */
static bool visit_symbols(struct module *module, const char *object, Elf *elf)
{
	size_t names, nr = 0;
	Elf_Scn *scn = NULL;
	GElf_Shdr shdr;
	GElf_Sym sym;

	if (elf_kind(elf) != ELF_K_ELF || elf_getshdrstrndx(elf, &names))
		return false;
	while ((scn = elf_nextscn(elf, scn))) {
		Elf_Data *data = elf_getdata(scn, NULL);
		int i;

		if (!data || !gelf_getshdr(scn, &shdr) || shdr.sh_type != SHT_SYMTAB)
			continue;
		for (i = 1; gelf_getsym(data, i, &sym); i++) {
			const char *name = elf_strptr(elf, shdr.sh_link, sym.st_name);

			if (!name || !*name || sym.st_shndx == SHN_UNDEF)
				continue;
			nr++;
			visit_symbol(module, object, name,
				     is_init_section(elf, names, sym.st_shndx));
		}
	}
	return nr > 0;
}

static bool visit_module(struct module *module, const char *object, const char *path)
{
	bool done = false;
	Elf *elf;
	int fd;

	fd = open_module(path, object);
	if (fd < 0) {
		refuse_file(path, "%s", strerror(errno));
		return false;
	}
	elf = elf_begin(fd, ELF_C_READ, NULL);
	if (elf)
		done = visit_symbols(module, object, elf);
	if (!done)
		refuse_file(path, "not a module, or it has no symbol table");
	if (elf)
		elf_end(elf);
	close(fd);
	return done;
}

/* --- results ------------------------------------------------------------------------------- */

/* Report what the kernel would refuse, in the order of its own checks. */
static void check_result(const struct annotation *annotation, const char *where)
{
	const char *symbol = annotation->symbol, *object = annotation->object;
	unsigned long count = annotation->count;
	bool module = strcmp(object, "vmlinux");

	if (!count && annotation->variant)
		refuse(annotation,
		       "'%s' does not exist in %s, only '%s', which the compiler has derived from it (%s)",
		       symbol, object, annotation->variant, where);
	else if (!count)
		refuse(annotation, "'%s' does not exist in %s (%s)", symbol, object, where);
	else if (!annotation->number && count > 1)
		refuse(annotation, "'%s' exists %lu times in %s, a position is needed (%s)",
		       symbol, count, object, where);
	else if (annotation->number > count)
		refuse(annotation, "'%s' has no position %lu in %s, the last one is %lu (%s)",
		       symbol, annotation->number, object, count, where);
	else if (annotation->freed)
		refuse(annotation, "'%s' of %s is in an init section, which is freed (%s)",
		       symbol, object, where);
	else if (module && annotation->exported)
		/* modpost has found the symbol too, and lists the module in depends=. */
		refuse(annotation,
		       "'%s' is exported by %s, without which the livepatch could not be loaded: use it by KLP_RELOC_ALIAS() (%s)",
		       annotation->alias, object, where);
	else if (module && annotation->in_init)
		/* While the module is loaded, kallsyms has the symbols of init sections too. */
		refuse(annotation,
		       "'%s' of %s has no fixed position: a symbol of this name is in an init section (%s)",
		       symbol, object, where);
}

static bool is_first_of_object(const struct module *module, size_t index)
{
	size_t i;

	for (i = 0; i < index; i++) {
		if (!strcmp(module->annotations[i].object, module->annotations[index].object))
			return false;
	}
	return true;
}

/* Look up all annotations for the object of this one. */
static void lookup_object(struct module *module, const struct annotation *first,
			  const struct places *places)
{
	const char *object = first->object;
	char *path = NULL;
	bool found;
	size_t i;

	if (strcmp(object, "vmlinux"))
		path = find_module(places, object);
	else if (places->map)
		path = strdup(places->map);
	if (!path) {
		refuse(first, "the file with the symbols of %s is not found, see livepatch.mk",
		       object);
		return;
	}

	if (strcmp(object, "vmlinux"))
		found = visit_module(module, object, path);
	else
		found = visit_vmlinux(module, path);
	for (i = 0; found && i < module->nr_annotations; i++) {
		if (!strcmp(module->annotations[i].object, object))
			check_result(&module->annotations[i], path);
	}
	free(path);
}

void lookup_symbols(struct module *module, const struct places *places)
{
	size_t i;

	for (i = 0; i < module->nr_annotations; i++) {
		if (is_first_of_object(module, i))
			lookup_object(module, &module->annotations[i], places);
	}
}
