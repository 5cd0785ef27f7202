// SPDX-License-Identifier: GPL-2.0
/*
 * Loading and unloading livepatch modules.
 */
#define _GNU_SOURCE
#include <err.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "klpctl.h"

#define REMOVE_TIME	5.0	/* seconds in which the core drops its references to a module */
#define REMOVE_INTERVAL	0.01
#define EVENT_TIME	2.0	/* seconds in which the event of a completed transition comes */

/* Refuse to change the running kernel when the paths are those of another directory. */
static bool may_change_modules(void)
{
	if (has_root_prefix()) {
		warnx("modules are neither loaded nor unloaded while KLPCTL_ROOT is set");
		return false;
	}
	if (geteuid()) {
		warnx("root is required to load or unload modules");
		return false;
	}
	return true;
}

/* Unload a module. Retry while the core drops its references to it. */
static int remove_module(const char *name)
{
	double start = now();
	int ret, tries = 0;

	kernel_log_mark();
	do {
		if (tries++)
			sleep_or_poll(NULL, 0, REMOVE_INTERVAL);
		ret = module_remove(name);
	} while ((ret == EAGAIN || ret == EBUSY) && now() - start < REMOVE_TIME);
	if (ret == ENOENT) {
		printf("%s: unloaded by another program\n", name);
		return DONE;
	}
	if (!ret) {
		printf("%s: unloaded", name);
		if (options.verbose)
			printf(" at try %d", tries);
		putchar('\n');
		return DONE;
	}
	fflush(stdout);
	warnx("'%s': the kernel refuses to unload the module: %s", name, errno_text(ret));
	if (ret == EAGAIN || ret == EBUSY)
		warnx("'%s': the module is in use, after a forced transition for good", name);
	kernel_log_print();
	return REFUSED;
}

/*
 * Wait for the transition of a loaded patch. Unload the module if the transition was reversed. The
 * directory of the patch may still exist then: the core removes it after the end of the transition.
 */
static int wait_for_load(const char *name)
{
	int code = wait_and_report(name, 1);

	if (code == REVERSED && read_number(in_root(SYSFS "/%s/enabled", name)) != 1)
		remove_module(name);
	return code;
}

/* Load a module, then wait unless --no-wait is set. Return an exit code. */
int load_module_file(struct module_file *module)
{
	const char *livepatch = module_info(module, "livepatch");
	const char *name = module_name(module);
	int ret;

	if (!livepatch || strcmp(livepatch, "Y")) {
		warnx("'%s': the module is not a livepatch", name);
		return FAILED;
	}
	if (file_exists(in_root("/sys/module/%s/refcnt", name))) {
		warnx("'%s': the module is already loaded", name);
		return FAILED;
	}
	if (!may_change_modules())
		return FAILED;
	kernel_log_mark();
	ret = module_insert(module);
	if (ret)
		return report_refusal(name, "load", ret);
	if (!file_exists(in_root(SYSFS "/%s", name))) {
		warnx("'%s': the module is loaded, but it has not enabled a patch", name);
		return FAILED;
	}
	if (options.no_wait) {
		printf("%s: enabling\n", name);
		return DONE;
	}
	return wait_for_load(name);
}

static bool is_path(const char *name)
{
	const char *suffix = strstr(name, ".ko");

	return strchr(name, '/') || (suffix && (!suffix[3] || suffix[3] == '.'));
}

/* Open a file, an installed patch, or a module of /lib/modules, in this order. */
static struct module_file *open_module(const char *name)
{
	struct module_file *module;
	char path[PATH_MAX];

	if (is_path(name))
		module = module_open(name);
	else if (store_find(name, path, sizeof(path)))
		module = module_open(path);
	else
		module = module_find(name);
	if (!module)
		warnx("'%s': there is no such module: %s", name, strerror(errno));
	return module;
}

int cmd_load(char **args)
{
	struct module_file *module;
	int code;

	if (options.all && args[0]) {
		warnx("load --all has no argument");
		return USAGE;
	}
	if (options.all)
		return load_all();
	if (!args[0]) {
		warnx("load requires a FILE, a NAME or --all");
		return USAGE;
	}
	module = open_module(args[0]);
	if (!module)
		return FAILED;
	code = load_module_file(module);
	module_close(module);
	return code;
}

/*
 * Disable a patch and wait. The core drops its references to the module before it sends the event,
 * so the module can be unloaded then.
 */
static int disable_for_unload(const struct patch *patch)
{
	int code, fd = uevent_open();

	code = patch->enabled ? write_request(patch->name, "enabled", "0") : DONE;
	if (code == DONE && !options.no_wait)
		code = wait_and_report(patch->name, 0);
	if (code == DONE && !options.no_wait && patch->extended && fd >= 0)
		uevent_wait_disabled(fd, patch->name, EVENT_TIME);
	if (fd >= 0)
		close(fd);
	return code;
}

/* Disable a patch if it is enabled or in transition. */
static int prepare_unload(const struct patch *patch)
{
	if (patch->in_sysfs && (patch->enabled || in_transition(patch)))
		return disable_for_unload(patch);
	return DONE;
}

/* Unload the module of a patch that prepare_unload() has disabled. */
static int complete_unload(const struct patch *patch)
{
	if (options.no_wait && file_exists(in_root(SYSFS "/%s", patch->name))) {
		printf("%s: disabling, the module stays loaded\n", patch->name);
		return DONE;
	}
	return remove_module(patch->name);
}

static int unload_patch(const struct patch *patch)
{
	int code = prepare_unload(patch);

	return code == DONE ? complete_unload(patch) : code;
}

static int compare_load(const void *a, const void *b)
{
	const struct patch *p = a, *q = b;

	return (p->load_rank > q->load_rank) - (p->load_rank < q->load_rank);
}

/*
 * Sort the patches of each set by the order of the core, the newest first. This is not the order
 * of loading, because a persistent patch may have been enabled again. Linux 6.12 has no order.
 */
static int compare_stack(const void *a, const void *b)
{
	const struct patch *p = a, *q = b;

	if (p->replace_set != q->replace_set)
		return p->replace_set < q->replace_set ? -1 : 1;
	if (p->stack_order != q->stack_order)
		return p->stack_order > q->stack_order ? -1 : 1;
	return compare_load(a, b);
}

static void sort_patches(struct patches *patches, int (*compare)(const void *, const void *))
{
	if (patches->nr)
		qsort(patches->list, patches->nr, sizeof(*patches->list), compare);
}

/*
 * Disable all patches, then unload their modules, the last one loaded first: a module may use
 * symbols of those loaded before. A failure does not keep the others, a signal does. Return the
 * first failure.
 */
static int unload_all(struct patches *patches)
{
	int code = DONE, ret;
	struct patch *patch;
	size_t i;

	sort_patches(patches, compare_stack);
	for (i = 0; i < patches->nr && !signals_seen(); i++) {
		patch = &patches->list[i];
		if (!patch->in_sysfs && patch->state == STATE_FORCED) {
			warnx("'%s': a forced transition keeps the module until the next boot",
			      patch->name);
			patch->keeps_module = true;
			continue;
		}
		ret = prepare_unload(patch);
		patch->keeps_module = ret != DONE;
		code = code == DONE ? ret : code;
	}
	sort_patches(patches, compare_load);
	for (i = 0; i < patches->nr && !signals_seen(); i++) {
		if (patches->list[i].keeps_module)
			continue;
		ret = complete_unload(&patches->list[i]);
		code = code == DONE ? ret : code;
	}
	return code;
}

static int unload_one(const struct patches *patches, char *name)
{
	const struct patch *patch;

	normalize_name(name);
	patch = find_patch(patches, name);
	if (patch)
		return unload_patch(patch);
	warnx("there is no livepatch '%s'", name);
	return FAILED;
}

int cmd_unload(char **args)
{
	struct patches patches;
	int code;

	if (options.all == !!args[0]) {
		warnx("unload requires either a PATCH or --all");
		return USAGE;
	}
	if (!may_change_modules())
		return FAILED;
	read_patches(&patches);
	code = options.all ? unload_all(&patches) : unload_one(&patches, args[0]);
	free_patches(&patches);
	return code;
}
