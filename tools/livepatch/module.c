// SPDX-License-Identifier: GPL-2.0
/*
 * Modules and their files, by libkmod.
 */
#define _GNU_SOURCE
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <libkmod.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include "klpctl.h"

/**
 * struct module_file - the file of a module
 * @ctx:  the library
 * @mod:  the module
 * @info: the entries of modinfo
 */
struct module_file {
	struct kmod_ctx *ctx;
	struct kmod_module *mod;
	struct kmod_list *info;
};

/* Open the library. Errors are reported by the callers, so the library does not log them. */
static struct kmod_ctx *open_library(void)
{
	const char *directory = NULL;
	struct kmod_ctx *ctx;

	if (has_root_prefix())
		directory = in_root("/lib/modules/%s", kernel_release());
	ctx = kmod_new(directory, NULL);
	if (!ctx)
		errx(FAILED, "libkmod cannot be initialized");
	kmod_set_log_priority(ctx, LOG_CRIT);
	return ctx;
}

void module_close(struct module_file *module)
{
	if (!module)
		return;
	kmod_module_info_free_list(module->info);
	kmod_module_unref(module->mod);
	kmod_unref(module->ctx);
	free(module);
}

/* Read modinfo. On failure close @module and return NULL with errno set. */
static struct module_file *read_info(struct module_file *module)
{
	int ret = -ENOEXEC;

	if (!elf_module_is_damaged(module_path(module)))
		ret = kmod_module_get_info(module->mod, &module->info);
	if (ret >= 0)
		return module;
	/* The library has no section of modinfo in the file. */
	if (ret == -ENOENT && file_exists(module_path(module)))
		ret = -ENOEXEC;
	module_close(module);
	errno = -ret;
	return NULL;
}

/* Open a file. Return NULL with errno set if it is not a module. */
struct module_file *module_open(const char *path)
{
	struct module_file *module = grow(NULL, 0, sizeof(*module));
	int ret;

	module->ctx = open_library();
	ret = kmod_module_new_from_path(module->ctx, path, &module->mod);
	if (ret < 0) {
		module_close(module);
		errno = -ret;
		return NULL;
	}
	return read_info(module);
}

/* Find a module by its name in /lib/modules. Return NULL with errno set if there is none. */
struct module_file *module_find(const char *name)
{
	struct module_file *module = grow(NULL, 0, sizeof(*module));
	int ret;

	module->ctx = open_library();
	ret = kmod_module_new_from_name_lookup(module->ctx, name, &module->mod);
	if (ret < 0 || !module->mod || !kmod_module_get_path(module->mod)) {
		module_close(module);
		errno = ENOENT;
		return NULL;
	}
	return read_info(module);
}

const char *module_name(const struct module_file *module)
{
	return kmod_module_get_name(module->mod);
}

const char *module_path(const struct module_file *module)
{
	return kmod_module_get_path(module->mod);
}

/* Return an entry of modinfo, or NULL. */
const char *module_info(const struct module_file *module, const char *key)
{
	struct kmod_list *entry;

	kmod_list_foreach(entry, module->info) {
		if (!strcmp(kmod_module_info_get_key(entry), key))
			return kmod_module_info_get_value(entry);
	}
	return NULL;
}

/* Load a module and the modules that it depends on. Return 0 or an errno. */
int module_insert(struct module_file *module)
{
	unsigned int flags = KMOD_PROBE_IGNORE_COMMAND | KMOD_PROBE_FAIL_ON_LOADED;

	return -kmod_module_probe_insert_module(module->mod, flags, NULL, NULL, NULL, NULL);
}

/* Unload a module. Return 0 or an errno. */
int module_remove(const char *name)
{
	struct kmod_ctx *ctx = open_library();
	struct kmod_module *mod;
	int ret;

	ret = kmod_module_new_from_name(ctx, name, &mod);
	if (!ret) {
		ret = kmod_module_remove_module(mod, O_NONBLOCK);
		kmod_module_unref(mod);
	}
	kmod_unref(ctx);
	return -ret;
}

static bool copy_vermagic(const char *name, const char *release, char *text, size_t size)
{
	struct module_file *module = module_find(name);
	const char *vermagic;
	size_t n = strlen(release);
	bool found = false;

	if (!module)
		return false;
	vermagic = module_info(module, "vermagic");
	if (vermagic && !strncmp(vermagic, release, n) && vermagic[n] == ' ') {
		snprintf(text, size, "%s", vermagic);
		found = true;
	}
	module_close(module);
	return found;
}

/*
 * Return the version magic of this kernel, from the file of a loaded module in /lib/modules. NULL
 * if there is none.
 */
const char *reference_vermagic(const char *release)
{
	FILE *file = fopen(in_root("/proc/modules"), "re");
	static char vermagic[256];
	bool found = false;
	char line[4096];
	char *space;

	if (!file)
		return NULL;
	while (!found && fgets(line, sizeof(line), file)) {
		space = strchr(line, ' ');
		if (!space)
			continue;
		*space = '\0';
		if (!is_livepatch_module(line))
			found = copy_vermagic(line, release, vermagic, sizeof(vermagic));
	}
	fclose(file);
	return found ? vermagic : NULL;
}
