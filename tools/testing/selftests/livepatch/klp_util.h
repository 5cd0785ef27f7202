/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Common functions of the programs here and in the directories below: time, random numbers,
 * small files, modules that are loaded from memory, and the files of livepatches. klp_util.c is
 * linked to each program.
 */
#ifndef KLP_UTIL_H
#define KLP_UTIL_H

#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/elf.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define ARRAY_SIZE(array)	(sizeof(array) / sizeof((array)[0]))

#define SYSFS			"/sys/kernel/livepatch"

/* From the kernel's headers for itself. */
#ifndef SHF_RELA_LIVEPATCH
#define SHF_RELA_LIVEPATCH	0x00100000
#endif
#ifndef SHN_LIVEPATCH
#define SHN_LIVEPATCH		0xff20
#endif

/* Time in seconds since the boot, and a sleep in seconds. */
double now(void);
void pause_for(double seconds);
void pause_between_polls(double since);

uint64_t next_random(uint64_t *state);

char *format(const char *fmt, ...);

/* Small files. */
bool read_file(const char *path, char *text, size_t size);
long read_number(const char *path);
long must_read_number(const char *path);
int write_file(const char *path, const char *text);
void must_write(const char *path, const char *text);

/* A module's file in memory, so that loading it does not read it. */
struct image {
	char *data;
	size_t size;
};

/* Directory of the modules that read_module() reads. */
extern const char *modules_dir;

struct image read_image(const char *path);
struct image read_module(const char *name);
int load_image(struct image image, const char *params);
int remove_module(const char *name);
int unload(const char *name, double seconds);
bool is_loaded(const char *module);

/* An image of a module, and its tables. */
struct elf {
	struct image image;
	struct elf64_hdr *header;
	struct elf64_shdr *sections;
	struct elf64_sym *symbols;
	unsigned int nr_symbols;
	char *names;
	char *section_names;
};

struct elf read_elf(struct image image);
struct elf64_shdr *find_section(const struct elf *elf, const char *name);
char *writable_name(struct image image, const char *name);

/* Livepatches. */
bool is_there(const char *patch);
char *patch_file(const char *patch, const char *file);
bool wait_for_transition(const char *patch, double seconds);

#endif /* KLP_UTIL_H */
