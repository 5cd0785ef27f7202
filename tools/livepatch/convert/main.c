// SPDX-License-Identifier: GPL-2.0
/*
 * klp-convert - create the livepatch relocations of a module
 *
 * Convert the undefined symbols that KLP_RELOC_SYMBOL() has annotated to livepatch symbols, and
 * move the relocations that use them to sections of their own. The format is specified by
 * Documentation/livepatch/module-elf-format.rst. All symbols are looked up before. An error names
 * the line of source, and the module is not changed.
 */
#define _GNU_SOURCE
#include <err.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include "klp-convert.h"

static unsigned int refused;

/* Report an error as a compiler does, with the line of the annotation. */
void refuse(const struct annotation *annotation, const char *fmt, ...)
{
	va_list ap;

	fprintf(stderr, "%s:%s: error: ", annotation->file, annotation->line);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	refused++;
}

void refuse_file(const char *path, const char *fmt, ...)
{
	va_list ap;

	fprintf(stderr, "klp-convert: %s: ", path);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	refused++;
}

unsigned int nr_refused(void)
{
	return refused;
}

static void show_help(FILE *to)
{
	fputs("usage: klp-convert [OPTION]... MODULE.ko...\n"
	      "Create the livepatch relocations of modules that use KLP_RELOC_SYMBOL().\n"
	      "A module without annotations is not changed.\n"
	      "\n"
	      "  -s, --system-map=FILE  symbols of the kernel: System.map, or /proc/kallsyms\n"
	      "  -m, --modules=PATH     look for modules here: a file, or a directory with files\n"
	      "                         or with modules.order or modules.dep. May be repeated\n"
	      "  -o, --output=FILE      write the converted module to FILE, for one module\n"
	      "  -h, --help             show this text\n"
	      "\n"
	      "Exit status: 0, or 1 if a module cannot be converted, or 2 for a wrong option.\n",
	      to);
}

/* Check one module and write it. Each error of the module is reported. */
static void convert(const char *path, const char *output, const struct places *places)
{
	struct module module = { 0 };
	unsigned int before = refused;
	int fd;

	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		err(1, "%s", path);
	if (!module_open(&module, path, fd))
		goto out;
	if (!module_read_annotations(&module) || !module_find_users(&module))
		goto out;
	if (!module.nr_annotations && !output)
		goto out;
	if (module.nr_annotations && !module_is_livepatch(&module))
		refuse(module.annotations,
		       "the module is not marked as a livepatch by MODULE_INFO(livepatch, \"Y\")");

	lookup_symbols(&module, places);
	check_sections(&module);
	if (refused == before)
		write_module(&module, output ?: path);
out:
	module_close(&module);
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "system-map", required_argument, NULL, 's' },
		{ "modules", required_argument, NULL, 'm' },
		{ "output", required_argument, NULL, 'o' },
		{ "help", no_argument, NULL, 'h' },
		{ }
	};
	struct places places = { 0 };
	const char *output = NULL;
	int option, i;

	places.paths = calloc(argc, sizeof(*places.paths));
	if (!places.paths)
		err(1, "calloc");
	while ((option = getopt_long(argc, argv, "s:m:o:h", options, NULL)) != -1) {
		switch (option) {
		case 's':
			places.map = optarg;
			break;
		case 'm':
			places.paths[places.nr_paths++] = optarg;
			break;
		case 'o':
			output = optarg;
			break;
		case 'h':
			show_help(stdout);
			return 0;
		default:
			show_help(stderr);
			return 2;
		}
	}
	if (optind == argc || (output && argc - optind != 1)) {
		show_help(stderr);
		return 2;
	}
	if (elf_version(EV_CURRENT) == EV_NONE)
		errx(1, "libelf: %s", elf_errmsg(-1));

	for (i = optind; i < argc; i++)
		convert(argv[i], output, &places);
	free(places.paths);
	return refused ? 1 : 0;
}
