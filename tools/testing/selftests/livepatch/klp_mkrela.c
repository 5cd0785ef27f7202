// SPDX-License-Identifier: GPL-2.0
/*
 * klp_mkrela - give a module klp relocations
 *
 * Undefined symbols called klp_ref___OBJECT___SYMBOL___POSITION become livepatch symbols, and the
 * relocations that use them move to sections of their own: see
 * Documentation/livepatch/module-elf-format.rst.  The options make mistakes on purpose, for the
 * tests of what the kernel says to them.
 *
 * Additions are written to the end of the file, and so is a string table that grows. Relocations
 * that remain move up: some architectures refuse the type 0 that an empty entry would have.
 */
#define _GNU_SOURCE
#include <stddef.h>
#include "klp_util.h"

/* A flag of relocation sections that the kernel does not care about: sh_info is a section. */
#ifndef SHF_INFO_LINK
#define SHF_INFO_LINK		0x40
#endif

#define REF_PREFIX		"klp_ref___"
#define REF_SEPARATOR		"___"
#define THIS_MODULE_SECTION	".gnu.linkonce.this_module"

/* Space for additions, more than the test modules need. */
#define MAX_NEW_SECTIONS	32
#define MAX_OBJECT_NAME		128

struct table {
	char *data;
	size_t size;
};

/* Options, see show_help(). */
static const char *section_object, *section_symbol;
static const char *section_name;
static const char *rename_from, *rename_to;
static const char *module_name;
static const char *without_symbol, *without_place, *without_type;
static const char *not_kept;
static const char *unmarked;

static struct table file;
static struct elf64_shdr *sections;
static unsigned int nr_sections, nr_old_sections;
static struct table section_names;
static size_t nr_symbols;

static void show_help(void)
{
	fputs("usage: klp_mkrela [options] IN.ko OUT.ko\n"
	      "  -r FROM=TO  call the livepatch symbol FROM TO instead\n"
	      "  -o SYMBOL=OBJECT  put klp relocations that use this livepatch symbol in sections\n"
	      "              of this object\n"
	      "  -s NAME     call the sections of klp relocations NAME\n"
	      "  -y OBJECT   let the last relocation of this object's sections refer to a symbol\n"
	      "              past the last\n"
	      "  -p OBJECT   let it be for a place beyond the end of the section it is for\n"
	      "  -t OBJECT   let it be of a type that no architecture knows\n"
	      "  -k OBJECT   do not have this object's sections kept in memory\n"
	      "  -u SYMBOL   leave it undefined: do not mark it as a livepatch symbol\n"
	      "  -m NAME     call the module NAME; make no klp relocations\n", stderr);
	exit(2);
}

static void *grow(struct table *table, const void *data, size_t size)
{
	table->data = realloc(table->data, table->size + size);
	if (!table->data)
		err(1, "realloc");

	memcpy(table->data + table->size, data, size);
	table->size += size;

	return table->data + table->size - size;
}

/* Returns the offset of a new string. */
static size_t grow_strings(struct table *table, const char *text)
{
	size_t offset = table->size;

	grow(table, text, strlen(text) + 1);
	return offset;
}

/* Returns the file offset of data that is put at the end of the file. */
static size_t append(const void *data, size_t size)
{
	static const char zeroes[16];
	size_t offset;

	if (file.size % sizeof(zeroes))
		grow(&file, zeroes, sizeof(zeroes) - file.size % sizeof(zeroes));
	offset = file.size;
	grow(&file, data, size);

	return offset;
}

static const char *name_of(const struct elf64_shdr *section)
{
	return section_names.data + section->sh_name;
}

static struct elf64_shdr *section_called(const char *name)
{
	unsigned int i;

	for (i = 1; i < nr_sections; i++) {
		if (!strcmp(name_of(&sections[i]), name))
			return &sections[i];
	}
	errx(1, "there is no section %s", name);
}

static struct table copy_section(const struct elf64_shdr *section)
{
	struct table table = { 0 };

	grow(&table, file.data + section->sh_offset, section->sh_size);
	return table;
}

static void read_input(const char *path)
{
	struct image image = read_image(path);
	struct elf64_hdr *header;

	grow(&file, image.data, image.size);
	munmap(image.data, image.size);

	header = (struct elf64_hdr *)file.data;
	if (file.size < sizeof(*header) || memcmp(header->e_ident, ELFMAG, SELFMAG) ||
	    header->e_ident[EI_CLASS] != ELFCLASS64 || header->e_type != ET_REL)
		errx(1, "%s: not a 64-bit kernel module", path);
	if (file.size < header->e_shoff + header->e_shnum * sizeof(*sections))
		errx(1, "%s: cut off", path);

	nr_old_sections = header->e_shnum;
	nr_sections = nr_old_sections;
	sections = calloc(nr_sections + MAX_NEW_SECTIONS, sizeof(*sections));
	if (!sections)
		err(1, "calloc");
	memcpy(sections, file.data + header->e_shoff, nr_sections * sizeof(*sections));
	section_names = copy_section(&sections[header->e_shstrndx]);
}

static void write_output(const char *path)
{
	struct elf64_hdr *header = (struct elf64_hdr *)file.data;
	struct elf64_shdr *names = &sections[header->e_shstrndx];
	size_t offset;
	FILE *out;

	names->sh_offset = append(section_names.data, section_names.size);
	names->sh_size = section_names.size;
	offset = append(sections, nr_sections * sizeof(*sections));

	/* The file may have moved in memory. */
	header = (struct elf64_hdr *)file.data;
	header->e_shoff = offset;
	header->e_shnum = nr_sections;

	out = fopen(path, "wb");
	if (!out)
		err(1, "%s", path);
	if (fwrite(file.data, file.size, 1, out) != 1 || fclose(out))
		err(1, "%s", path);
}

/*
 * The name lies in the middle of struct module, whose layout depends on the kernel's
 * configuration; but it is the only text in there.
 */
static void rename_module(const char *name)
{
	struct elf64_shdr *section = section_called(THIS_MODULE_SECTION);
	char *start = file.data + section->sh_offset;
	size_t i;

	for (i = 0; i < section->sh_size && !start[i]; i++)
		;
	if (i + strlen(name) >= section->sh_size || strlen(name) > strlen(start + i))
		errx(1, "no room for the name %s", name);

	memset(start + i, 0, strlen(start + i));
	memcpy(start + i, name, strlen(name));
}

/*
 * Makes a livepatch symbol of a reference and stores the name of its object; returns false for
 * any other symbol.
 */
static bool convert_symbol(struct elf64_sym *symbol, struct table *strings, char *object)
{
	char text[1024], *symbol_name, *position;
	const char *name = strings->data + symbol->st_name;

	if (symbol->st_shndx != SHN_UNDEF || strncmp(name, REF_PREFIX, strlen(REF_PREFIX)))
		return false;
	if (strlen(name) >= sizeof(text) / 2)
		errx(1, "%s: too long", name);

	snprintf(object, MAX_OBJECT_NAME, "%s", name + strlen(REF_PREFIX));
	symbol_name = strstr(object, REF_SEPARATOR);
	position = symbol_name ? strstr(symbol_name + 1, REF_SEPARATOR) : NULL;
	if (!position)
		errx(1, "%s: not " REF_PREFIX "OBJECT___SYMBOL___POSITION", name);
	*symbol_name = '\0';
	symbol_name += strlen(REF_SEPARATOR);
	*position = '\0';
	position += strlen(REF_SEPARATOR);

	snprintf(text, sizeof(text), ".klp.sym.%s.%s,%s", object, symbol_name, position);
	if (rename_from && !strcmp(text, rename_from))
		snprintf(text, sizeof(text), "%s", rename_to);

	symbol->st_name = grow_strings(strings, text);
	if (!unmarked || strcmp(text, unmarked))
		symbol->st_shndx = SHN_LIVEPATCH;
	if (section_symbol && !strcmp(text, section_symbol))
		snprintf(object, MAX_OBJECT_NAME, "%s", section_object);

	return true;
}

static void add_section(const char *object, const struct elf64_shdr *from,
			const struct table *relas)
{
	const char *base = name_of(&sections[from->sh_info]);
	struct elf64_shdr *section;
	char text[1024];

	if (section_name)
		snprintf(text, sizeof(text), "%s", section_name);
	else
		snprintf(text, sizeof(text), ".klp.rela.%s%s%s", object,
			 *base == '.' ? "" : ".", base);

	section = &sections[nr_sections++];
	*section = *from;
	section->sh_name = grow_strings(&section_names, text);
	section->sh_flags = SHF_INFO_LINK | SHF_RELA_LIVEPATCH;
	if (!not_kept || strcmp(object, not_kept))
		section->sh_flags |= SHF_ALLOC;
	section->sh_offset = append(relas->data, relas->size);
	section->sh_size = relas->size;
}

/* Move relocations that use symbols of one object from a section to a new one. */
static void move_relas(struct elf64_shdr *from, const char *object,
		       char (*objects)[MAX_OBJECT_NAME])
{
	struct elf64_rela *relas = (struct elf64_rela *)(file.data + from->sh_offset);
	size_t i, left = 0, count = from->sh_size / sizeof(*relas);
	struct table moved = { 0 };
	struct elf64_rela *rela;

	for (i = 0; i < count; i++) {
		if (strcmp(objects[ELF64_R_SYM(relas[i].r_info)], object))
			relas[left++] = relas[i];
		else
			grow(&moved, &relas[i], sizeof(*relas));
	}

	if (!moved.size)
		return;
	from->sh_size = left * sizeof(*relas);
	rela = (struct elf64_rela *)(moved.data + moved.size) - 1;
	if (without_symbol && !strcmp(object, without_symbol))
		rela->r_info = (uint64_t)nr_symbols << 32 | (uint32_t)rela->r_info;
	if (without_place && !strcmp(object, without_place))
		rela->r_offset = sections[from->sh_info].sh_size;
	if (without_type && !strcmp(object, without_type))
		rela->r_info |= 0xffffffffULL;
	if (nr_sections == nr_old_sections + MAX_NEW_SECTIONS)
		errx(1, "too many sections");
	add_section(object, from, &moved);
	free(moved.data);
}

static void make_relas(void)
{
	unsigned int i;
	char (*objects)[MAX_OBJECT_NAME];
	struct elf64_shdr *symtab, *strtab;
	struct table strings;
	size_t j, count;
	bool any = false;

	symtab = section_called(".symtab");
	strtab = &sections[symtab->sh_link];
	strings = copy_section(strtab);

	/* Which object each symbol belongs to; nothing for symbols that stay as they are. */
	count = symtab->sh_size / sizeof(struct elf64_sym);
	nr_symbols = count;
	objects = calloc(count, sizeof(*objects));
	if (!objects)
		err(1, "calloc");
	for (j = 0; j < count; j++) {
		struct elf64_sym *symbol = (struct elf64_sym *)(file.data + symtab->sh_offset) + j;

		if (!convert_symbol(symbol, &strings, objects[j]))
			continue;
		any = true;
	}
	if (!any)
		errx(1, "there is no symbol " REF_PREFIX "...");

	for (i = 1; i < nr_old_sections; i++) {
		if (sections[i].sh_type != SHT_RELA)
			continue;
		for (j = 0; j < count; j++) {
			if (*objects[j])
				move_relas(&sections[i], objects[j], objects);
		}
	}

	strtab->sh_offset = append(strings.data, strings.size);
	strtab->sh_size = strings.size;
	free(strings.data);
	free(objects);
}

int main(int argc, char **argv)
{
	int option;

	while ((option = getopt(argc, argv, "r:o:s:y:p:t:k:u:m:")) != -1) {
		switch (option) {
		case 'r':
			rename_from = strtok(optarg, "=");
			rename_to = strtok(NULL, "");
			if (!rename_from || !rename_to)
				show_help();
			break;
		case 'o':
			section_symbol = strtok(optarg, "=");
			section_object = strtok(NULL, "");
			if (!section_symbol || !section_object)
				show_help();
			break;
		case 's':
			section_name = optarg;
			break;
		case 'y':
			without_symbol = optarg;
			break;
		case 'p':
			without_place = optarg;
			break;
		case 't':
			without_type = optarg;
			break;
		case 'k':
			not_kept = optarg;
			break;
		case 'u':
			unmarked = optarg;
			break;
		case 'm':
			module_name = optarg;
			break;
		default:
			show_help();
		}
	}
	if (argc - optind != 2)
		show_help();

	read_input(argv[optind]);
	if (module_name)
		rename_module(module_name);
	else
		make_relas();
	write_output(argv[optind + 1]);

	return 0;
}
