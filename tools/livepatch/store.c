// SPDX-License-Identifier: GPL-2.0
/*
 * The livepatches that are loaded at boot, in /var/lib/livepatch/<release>.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include "klpctl.h"

/**
 * struct installed - an installed livepatch
 * @name:      name of the module
 * @file:      name of the file
 * @size:      bytes
 * @installed: time of the installation. The patches are loaded in this order
 */
struct installed {
	char *name;
	char *file;
	off_t size;
	struct timespec installed;
};

struct installed_list {
	struct installed *list;
	size_t nr;
};

const char *store_directory(void)
{
	return in_root("/var/lib/livepatch/%s", kernel_release());
}

/* Return the length of a module's name in the name of its file, 0 if it is no module. */
static size_t name_length(const char *file)
{
	const char *suffix = strstr(file, ".ko");

	if (file[0] == '.' || !suffix || (suffix[3] && suffix[3] != '.'))
		return 0;
	return suffix - file;
}

static void add_installed(struct installed_list *all, int dir, const char *file)
{
	size_t n = name_length(file);
	struct installed *one;
	struct stat st;

	if (!n || fstatat(dir, file, &st, 0) || !S_ISREG(st.st_mode))
		return;
	all->list = grow(all->list, all->nr, sizeof(*all->list));
	one = &all->list[all->nr++];
	one->name = copy_string(file);
	one->name[n] = '\0';
	normalize_name(one->name);
	one->file = copy_string(file);
	one->size = st.st_size;
	one->installed = st.st_mtim;
}

static int compare_installed(const void *a, const void *b)
{
	const struct installed *i = a, *j = b;

	if (i->installed.tv_sec != j->installed.tv_sec)
		return i->installed.tv_sec < j->installed.tv_sec ? -1 : 1;
	if (i->installed.tv_nsec != j->installed.tv_nsec)
		return i->installed.tv_nsec < j->installed.tv_nsec ? -1 : 1;
	return strcmp(i->name, j->name);
}

static void read_store(struct installed_list *all)
{
	DIR *dir = opendir(store_directory());
	struct dirent *entry;

	*all = (struct installed_list) {};
	if (!dir) {
		note_unseen("installed livepatches", store_directory(), errno);
		return;
	}
	while ((entry = readdir(dir)))
		add_installed(all, dirfd(dir), entry->d_name);
	closedir(dir);
	if (all->nr)
		qsort(all->list, all->nr, sizeof(*all->list), compare_installed);
}

static void free_store(struct installed_list *all)
{
	while (all->nr) {
		all->nr--;
		free(all->list[all->nr].name);
		free(all->list[all->nr].file);
	}
	free(all->list);
}

static struct installed *find_installed(struct installed_list *all, const char *name)
{
	size_t i;

	for (i = 0; i < all->nr; i++) {
		if (!strcmp(all->list[i].name, name))
			return &all->list[i];
	}
	return NULL;
}

/* Find the file of an installed livepatch. */
bool store_find(const char *name, char *path, size_t size)
{
	char *normalized = copy_string(name);
	struct installed_list all;
	struct installed *one;

	normalize_name(normalized);
	read_store(&all);
	one = find_installed(&all, normalized);
	if (one)
		snprintf(path, size, "%s/%s", store_directory(), one->file);
	free_store(&all);
	free(normalized);
	return one;
}

static int load_installed(const struct installed *one)
{
	struct module_file *module;
	char path[PATH_MAX];
	int code;

	if (file_exists(in_root("/sys/module/%s/refcnt", one->name))) {
		printf("%s: already loaded\n", one->name);
		return DONE;
	}
	snprintf(path, sizeof(path), "%s/%s", store_directory(), one->file);
	module = module_open(path);
	if (!module) {
		warn("'%s'", path);
		return FAILED;
	}
	code = load_module_file(module);
	module_close(module);
	return code;
}

/* Lock the store until the file is closed. Return -1 if that is not possible. */
static int lock_store(void)
{
	int fd = open(store_directory(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd >= 0)
		flock(fd, LOCK_EX);
	return fd;
}

/*
 * Load the installed livepatches in the order of their installation. A failure does not keep the
 * others, a signal does. The lock lets a second "load --all" find the modules of the first one
 * loaded. Return the first failure.
 */
int load_all(void)
{
	int fd = lock_store(), code = DONE, ret;
	struct installed_list all;
	size_t i;

	read_store(&all);
	for (i = 0; i < all.nr && !signals_seen(); i++) {
		ret = load_installed(&all.list[i]);
		fflush(stdout);
		if (code == DONE)
			code = ret;
	}
	print_unseen();
	free_store(&all);
	if (fd >= 0)
		close(fd);
	return code;
}

/* Create the directories of the store. */
static bool make_store(void)
{
	static const char * const parents[] = { "/var", "/var/lib", "/var/lib/livepatch" };
	size_t i;

	for (i = 0; i < ARRAY_SIZE(parents); i++) {
		if (mkdir(in_root("%s", parents[i]), 0755) && errno != EEXIST)
			return false;
	}
	return !mkdir(store_directory(), 0755) || errno == EEXIST;
}

static bool copy_data(int from, int to)
{
	ssize_t n;

	while ((n = sendfile(to, from, NULL, 1 << 20)) > 0)
		;
	return !n && !fchmod(to, 0644) && !fsync(to);
}

/* Make a rename in the store permanent. */
static void sync_store(void)
{
	int fd = open(store_directory(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return;
	fsync(fd);
	close(fd);
}

/* Copy a file to @path by a temporary one, so that a crash leaves the old file or the new one. */
static bool copy_file(const char *source, const char *path)
{
	char temporary[PATH_MAX];
	int from, to, error;
	bool done = false;

	from = open(source, O_RDONLY | O_CLOEXEC);
	if (from < 0)
		return false;
	snprintf(temporary, sizeof(temporary), "%s/.new.XXXXXX", store_directory());
	to = mkostemp(temporary, O_CLOEXEC);
	if (to >= 0) {
		done = copy_data(from, to) && !rename(temporary, path);
		error = errno;
		close(to);
		if (done)
			sync_store();
		else
			unlink(temporary);
		errno = error;
	}
	error = errno;
	close(from);
	errno = error;
	return done;
}

/* Return true if a module is a livepatch for the running kernel. Print the reason if it is not. */
static bool may_be_installed(const struct module_file *module)
{
	const char *vermagic = module_info(module, "vermagic");
	const char *livepatch = module_info(module, "livepatch");
	const char *release = kernel_release();
	size_t n = strlen(release);
	char text[256];

	if (!livepatch || strcmp(livepatch, "Y")) {
		warnx("'%s': the module is not a livepatch", module_name(module));
		return false;
	}
	if (!vermagic || strncmp(vermagic, release, n) || (vermagic[n] && vermagic[n] != ' ')) {
		snprintf(text, sizeof(text), "%.255s", vermagic ? vermagic : "");
		make_printable(text);
		warnx("'%s': the module is for kernel '%s', this is '%s'", module_name(module),
		      text, release);
		return false;
	}
	return true;
}

static int install(const struct module_file *module, const char *source)
{
	const char *base = strrchr(source, '/');
	char path[PATH_MAX], old[PATH_MAX];
	bool replaces;
	size_t n;

	base = base ? base + 1 : source;
	n = name_length(base);
	if (!n) {
		warnx("'%s': the name of the file must be NAME.ko", source);
		return FAILED;
	}
	snprintf(path, sizeof(path), "%s/%s%s", store_directory(), module_name(module), base + n);
	replaces = store_find(module_name(module), old, sizeof(old));
	if (!make_store() || !copy_file(source, path)) {
		warn("'%s' cannot be copied to '%s'", source, path);
		return FAILED;
	}
	/* The old file may be compressed in another way. */
	if (replaces && strcmp(old, path))
		unlink(old);
	printf("%s: %s\n", module_name(module), replaces ? "installed again" : "installed");
	return DONE;
}

int cmd_install(char **args)
{
	struct module_file *module = module_open(args[0]);
	int code = FAILED;

	if (!module) {
		warnx("'%s' is not a module: %s", args[0], strerror(errno));
		return FAILED;
	}
	if (may_be_installed(module))
		code = install(module, args[0]);
	module_close(module);
	return code;
}

int cmd_uninstall(char **args)
{
	char path[PATH_MAX];

	if (!store_find(args[0], path, sizeof(path))) {
		warnx("'%s' is not installed for kernel %s", args[0], kernel_release());
		print_unseen();
		return FAILED;
	}
	if (unlink(path)) {
		warn("'%s'", path);
		return FAILED;
	}
	sync_store();
	printf("%s: uninstalled\n", args[0]);
	return DONE;
}

static const char *installed_state(const struct patches *patches, const struct installed *one)
{
	const struct patch *patch = find_patch(patches, one->name);

	return patch ? state_words[patch->state] : "not loaded";
}

static void format_time(const struct timespec *t, char *text, size_t size)
{
	struct tm tm;

	gmtime_r(&t->tv_sec, &tm);
	strftime(text, size, "%Y-%m-%dT%H:%M:%SZ", &tm);
}

static void list_json(const struct installed_list *all, const struct patches *patches)
{
	struct json_object *root = json_query("list-installed");
	struct json_object *array = json_object_new_array(), *entry;
	char when[32];
	size_t i;

	for (i = 0; i < all->nr; i++) {
		entry = json_object_new_object();
		format_time(&all->list[i].installed, when, sizeof(when));
		json_object_object_add(entry, "name", json_text(all->list[i].name));
		json_object_object_add(entry, "file", json_text(all->list[i].file));
		json_object_object_add(entry, "size", json_object_new_int64(all->list[i].size));
		json_object_object_add(entry, "installed", json_text(when));
		json_object_object_add(entry, "state",
				       json_text(installed_state(patches, &all->list[i])));
		json_object_array_add(array, entry);
	}
	json_object_object_add(root, "kernel", json_text(kernel_release()));
	json_object_object_add(root, "directory", json_text(store_directory()));
	json_object_object_add(root, "installed", array);
	json_print(root);
}

static void list_text(const struct installed_list *all, const struct patches *patches)
{
	char when[32];
	size_t i;

	if (!all->nr)
		printf("No livepatch is installed for kernel %s.\n", kernel_release());
	for (i = 0; i < all->nr; i++) {
		format_time(&all->list[i].installed, when, sizeof(when));
		printf("%-32s %s  %s\n", all->list[i].name, when,
		       installed_state(patches, &all->list[i]));
	}
	print_unseen();
}

int cmd_list_installed(char **args)
{
	struct installed_list all;
	struct patches patches;

	(void)args;
	read_store(&all);
	read_patches(&patches);
	if (options.json)
		list_json(&all, &patches);
	else
		list_text(&all, &patches);
	free_patches(&patches);
	free_store(&all);
	return DONE;
}
