/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Common functions of the programs here and in the directories below: time, random numbers,
 * small files, and modules that are loaded from memory. Each program includes it once.
 */
#ifndef KLP_GUEST_H
#define KLP_GUEST_H

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

#define SYSFS	"/sys/kernel/livepatch"

/* Seconds since the boot. */
static inline double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

static inline void pause_for(double seconds)
{
	struct timespec t = { .tv_sec = seconds };

	t.tv_nsec = (seconds - t.tv_sec) * 1e9;
	while (nanosleep(&t, &t))
		;
}

/* xorshift64*, so that a seed means the same everywhere.  The upper bits are the better ones. */
static inline uint64_t next_random(uint64_t *state)
{
	*state ^= *state >> 12;
	*state ^= *state << 25;
	*state ^= *state >> 27;
	return *state * 0x2545f4914f6cdd1dULL;
}

/* Format a temporary text. The fourth call in this thread overwrites it. */
static inline char *format(const char *fmt, ...)
{
	static __thread char text[4][PATH_MAX];
	static __thread int turn;
	va_list ap;

	turn = (turn + 1) % 4;
	va_start(ap, fmt);
	vsnprintf(text[turn], sizeof(text[turn]), fmt, ap);
	va_end(ap);
	return text[turn];
}

/*
 * Read the beginning of a file as a string. Returns false if it is missing, empty or
 * unreadable.
 */
static inline bool read_file(const char *path, char *text, size_t size)
{
	ssize_t n;
	int fd;

	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	n = read(fd, text, size - 1);
	close(fd);
	text[n > 0 ? n : 0] = '\0';
	return n > 0;
}

/* Return the number in a file, -1 if read_file() fails. */
static inline long read_number(const char *path)
{
	char text[32];

	return read_file(path, text, sizeof(text)) ? strtol(text, NULL, 10) : -1;
}

/* Write to a file. Returns 0 or an errno, as the functions below. */
static inline int write_file(const char *path, const char *text)
{
	int fd, ret = 0;

	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return errno;
	if (write(fd, text, strlen(text)) < 0)
		ret = errno;
	close(fd);
	return ret;
}

/* A module's file in memory, so that loading it does not read it. */
struct image {
	char *data;
	size_t size;
};

/*
 * Map a file for reading. Exits if the file cannot be read. munmap() frees all memory of the
 * mapping, which klp_bench needs when it counts pages.
 */
static inline struct image read_image(const char *path)
{
	struct image image;
	struct stat st;
	int fd;

	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st))
		err(1, "%s", path);
	image.size = st.st_size;
	image.data = mmap(NULL, image.size, PROT_READ, MAP_PRIVATE | MAP_POPULATE, fd, 0);
	if (image.data == MAP_FAILED)
		err(1, "%s", path);
	close(fd);
	return image;
}

static inline int load_image(struct image image, const char *params)
{
	return syscall(SYS_init_module, image.data, image.size, params) ? errno : 0;
}

/*
 * Return the name of a module in its image, which may be changed afterwards. It has the size of
 * a name in struct module. NULL if it is not @name.
 */
static inline char *writable_name(struct image image, const char *name)
{
	struct elf64_hdr *elf = (struct elf64_hdr *)image.data;
	struct elf64_shdr *sections = (struct elf64_shdr *)(image.data + elf->e_shoff), *section;
	char *names = image.data + sections[elf->e_shstrndx].sh_offset, *found = NULL;
	int i;

	for (i = 0; i < elf->e_shnum; i++) {
		section = &sections[i];
		if (!strcmp(names + section->sh_name, ".gnu.linkonce.this_module"))
			found = memmem(image.data + section->sh_offset, section->sh_size, name,
				       strlen(name) + 1);
	}
	if (found && mprotect(image.data, image.size, PROT_READ | PROT_WRITE))
		err(1, "%s", name);
	return found;
}

/* Unload a module. The caller decides about another attempt. */
static inline int remove_module(const char *name)
{
	return syscall(SYS_delete_module, name, O_NONBLOCK) ? errno : 0;
}

static inline bool is_loaded(const char *module)
{
	return !access(format("/sys/module/%s", module), F_OK);
}

/* Return true if a livepatch is in sysfs. */
static inline bool is_there(const char *patch)
{
	return !access(format(SYSFS "/%s", patch), F_OK);
}

#endif /* KLP_GUEST_H */
