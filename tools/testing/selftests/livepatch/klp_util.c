// SPDX-License-Identifier: GPL-2.0
#define _GNU_SOURCE
#include "klp_util.h"

const char *modules_dir = ".";

double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

void pause_for(double seconds)
{
	struct timespec t = { .tv_sec = seconds };

	t.tv_nsec = (seconds - t.tv_sec) * 1e9;
	while (nanosleep(&t, &t))
		;
}

/*
 * Sleep before the next poll of a condition that has been polled since the time @since. Polling
 * must not use much of the CPU that executes the awaited work.
 */
void pause_between_polls(double since)
{
	double t = (now() - since) / 50;

	pause_for(t < 0.0001 ? 0.0001 : t > 0.02 ? 0.02 : t);
}

/* xorshift64*: a seed has the same result on every machine. The upper bits are the better ones. */
uint64_t next_random(uint64_t *state)
{
	*state ^= *state >> 12;
	*state ^= *state << 25;
	*state ^= *state >> 27;
	return *state * 0x2545f4914f6cdd1dULL;
}

/* Format a temporary text. The fourth call in this thread overwrites it. */
char *format(const char *fmt, ...)
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
 * Read the beginning of a file as a string. Returns false if the file is missing, empty or
 * unreadable.
 */
bool read_file(const char *path, char *text, size_t size)
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

/* Return the decimal number in a file, -1 if read_file() fails. */
long read_number(const char *path)
{
	char text[32];

	return read_file(path, text, sizeof(text)) ? strtol(text, NULL, 10) : -1;
}

/* Return the number in a file, which must exist. */
long must_read_number(const char *path)
{
	char text[32];

	if (!read_file(path, text, sizeof(text)))
		err(1, "%s", path);
	return strtol(text, NULL, 0);
}

/* Write to a file. Returns 0 or an errno. */
int write_file(const char *path, const char *text)
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

void must_write(const char *path, const char *text)
{
	int ret = write_file(path, text);

	if (ret)
		errx(1, "%s: cannot write '%s': %s", path, text, strerror(ret));
}

/*
 * Map a file for reading. Exits if the file cannot be read. munmap() frees all memory of the
 * mapping, which klp_bench needs when it counts pages.
 */
struct image read_image(const char *path)
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

/* Map a module of modules_dir. */
struct image read_module(const char *name)
{
	return read_image(format("%s/%s.ko", modules_dir, name));
}

/* Load a module. Returns 0 or an errno. */
int load_image(struct image image, const char *params)
{
	return syscall(SYS_init_module, image.data, image.size, params) ? errno : 0;
}

/* Try to unload a module. Returns 0 or an errno. */
int remove_module(const char *name)
{
	return syscall(SYS_delete_module, name, O_NONBLOCK) ? errno : 0;
}

/*
 * Unload a module. Returns 0 or an errno. Retries for some seconds: a livepatch is in use for a
 * moment after its directory has been removed.
 */
int unload(const char *name, double seconds)
{
	double start = now();
	int ret;

	while ((ret = remove_module(name))) {
		if ((ret != EAGAIN && ret != EBUSY) || now() - start > seconds)
			return ret;
		pause_between_polls(start);
	}
	return 0;
}

bool is_loaded(const char *module)
{
	return !access(format("/sys/module/%s", module), F_OK);
}

/* Find the tables of a module's image. */
struct elf read_elf(struct image image)
{
	struct elf elf = { .image = image, .header = (void *)image.data };
	unsigned int i;

	elf.sections = (void *)(image.data + elf.header->e_shoff);
	elf.section_names = image.data + elf.sections[elf.header->e_shstrndx].sh_offset;
	for (i = 1; i < elf.header->e_shnum; i++) {
		if (elf.sections[i].sh_type != SHT_SYMTAB)
			continue;
		elf.symbols = (void *)(image.data + elf.sections[i].sh_offset);
		elf.nr_symbols = elf.sections[i].sh_size / sizeof(*elf.symbols);
		elf.names = image.data + elf.sections[elf.sections[i].sh_link].sh_offset;
	}
	return elf;
}

struct elf64_shdr *find_section(const struct elf *elf, const char *name)
{
	unsigned int i;

	for (i = 1; i < elf->header->e_shnum; i++) {
		if (!strcmp(elf->section_names + elf->sections[i].sh_name, name))
			return &elf->sections[i];
	}
	errx(1, "there is no section %s", name);
}

/*
 * Return the name of a module in its image, which may be changed afterwards. It has the size of
 * a name in struct module. NULL if it is not @name.
 */
char *writable_name(struct image image, const char *name)
{
	struct elf elf = read_elf(image);
	struct elf64_shdr *section = find_section(&elf, ".gnu.linkonce.this_module");
	char *found;

	found = memmem(image.data + section->sh_offset, section->sh_size, name, strlen(name) + 1);
	if (found && mprotect(image.data, image.size, PROT_READ | PROT_WRITE))
		err(1, "%s", name);
	return found;
}

/* Return true if a livepatch is in sysfs. */
bool is_there(const char *patch)
{
	return !access(format(SYSFS "/%s", patch), F_OK);
}

char *patch_file(const char *patch, const char *file)
{
	return format(SYSFS "/%s/%s", patch, file);
}

/*
 * Wait until a patch is not in transition, or not in sysfs. Returns false if it still is after
 * some seconds.
 */
bool wait_for_transition(const char *patch, double seconds)
{
	double start = now();
	char path[PATH_MAX];

	/* The name may be a result of format(), which later calls overwrite. */
	snprintf(path, sizeof(path), SYSFS "/%s/transition", patch);
	while (read_number(path) == 1) {
		if (now() - start > seconds)
			return false;
		pause_between_polls(start);
	}
	return true;
}
