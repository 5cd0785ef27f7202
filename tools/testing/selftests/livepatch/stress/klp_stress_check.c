// SPDX-License-Identifier: GPL-2.0
/*
 * Conditions at quiet points: sysfs, ftrace, references, calls and tasks are compared with the
 * ledger of callbacks.
 */
#define _GNU_SOURCE
#include <ctype.h>
#include <dirent.h>
#include <sys/ioctl.h>
#include "klp_stress.h"

#define MOST_PAGES	4096

struct page {
	char name[64];
	unsigned long long gen;
	unsigned int funcs, watched, objects, states, unbound, set;
	char flags[8];		/* replace, persistent, forgotten, forced */
	int stages[STRESS_OBJECTS];
	bool in_sysfs, in_modules;
};

static struct {
	int stage, shadows;
} states[STRESS_STATES];

static struct page pages[MOST_PAGES];
static unsigned int nr_pages;
static int running;

const char * const object_names[STRESS_OBJECTS] = { "vmlinux", "stress_a", "stress_b" };

#define STAGE_LIVE	4	/* STRESS_LIVE of modules.h */

static bool read_state(const char *line)
{
	unsigned int number;
	int stage, shadows;

	if (sscanf(line, "state %u %d %d", &number, &stage, &shadows) != 3 ||
	    number >= STRESS_STATES)
		return false;
	states[number].stage = stage;
	states[number].shadows = shadows;
	return true;
}

static bool read_page(const char *line, struct page *page)
{
	int at = 0;

	memset(page, 0, sizeof(*page));
	return sscanf(line, "patch %63s gen %llu funcs %u %u objects %u states %u %u set %u%n",
		      page->name, &page->gen, &page->funcs, &page->watched, &page->objects,
		      &page->states, &page->unbound, &page->set, &at) == 8 &&
	       sscanf(line + at, " flags %7s %d %d %d", page->flags, &page->stages[0],
		      &page->stages[1], &page->stages[2]) == 4;
}

static void read_ledger(void)
{
	FILE *f = fopen("/proc/livepatch_stress", "re");
	char line[512];

	if (!f)
		fail("no ledger");
	nr_pages = 0;
	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, "running %d", &running) == 1 || read_state(line))
			continue;
		if (nr_pages < MOST_PAGES - 1 && read_page(line, &pages[nr_pages]))
			nr_pages++;
	}
	fclose(f);
}

static struct page *find_page(const char *name)
{
	unsigned int i;

	for (i = 0; i < nr_pages; i++)
		if (!strcmp(pages[i].name, name))
			return &pages[i];
	return NULL;
}

static int func_number(const char *name)
{
	if (!strncmp(name, "int_pow", 7))
		return STRESS_VMLINUX;
	if (!strncmp(name, "exit_task_stack_account", 23))
		return STRESS_EXIT;
	if (strncmp(name, "stress_", 7) || name[8] != '_')
		return -1;
	if (!strncmp(name + 9, "alias", 5))
		return (name[7] - 'a') * STRESS_PER_TARGET;
	return isdigit(name[9]) ? (name[7] - 'a') * STRESS_PER_TARGET + name[9] - '0' : -1;
}

/* The condition that does not hold, or NULL. An operation may be about to complete. */
static char problem[512];

static bool holds(bool it_does, const char *fmt, ...)
{
	va_list ap;

	if (it_does)
		return true;
	va_start(ap, fmt);
	vsnprintf(problem, sizeof(problem), fmt, ap);
	va_end(ap);
	return false;
}

static bool object_is_loaded(unsigned int object)
{
	return !object || is_loaded(object_names[object]);
}

static bool check_object(const struct patch *patch, const struct page *page, unsigned int object,
			 unsigned int *funcs)
{
	bool there = object_is_loaded(object) && patch->enabled;
	char dir[256];
	struct dirent *entry;
	int patched;
	DIR *d;

	snprintf(dir, sizeof(dir), "%s/%s", patch->dir, object_names[object]);
	d = opendir(dir);
	if (!holds(!!d == !!(page->objects & 1 << object), "%s is %sthere", dir, d ? "" : "not "))
		goto out;
	if (!d)
		return holds(!page->stages[object], "%s has no object %u, but callbacks of it",
			     patch->name, object);
	while ((entry = readdir(d)))
		if (entry->d_type == DT_DIR && func_number(entry->d_name) >= 0)
			*funcs |= 1 << func_number(entry->d_name);
	closedir(d);
	d = NULL;
	patched = read_number(format("%s/patched", dir));
	return holds(patched == there, "%s/patched is %d, and should be %d", dir, patched, there) &&
	       holds(page->stages[object] == (there ? STAGE_LIVE : 0),
		     "%s: object %u is in stage %d, %s", patch->name, object,
		     page->stages[object], there ? "patched" : "not patched");
out:
	if (d)
		closedir(d);
	return false;
}

static bool check_patch(const struct patch *patch, struct page *page)
{
	unsigned int i, older = 0, funcs = 0;
	int order = read_number(format("%s/stack_order", patch->dir));

	if (!holds(page, "there is no page of %s", patch->name))
		return false;
	page->in_sysfs = true;
	for (i = 0; i < nr_pages; i++)
		older += pages[i].gen <= page->gen && pages[i].stages[0] == STAGE_LIVE &&
			 pages[i].set == page->set;
	for (i = 0; i < STRESS_OBJECTS; i++)
		if (!check_object(patch, page, i, &funcs))
			return false;
	return holds(!patch->transition, "%s is in transition", patch->name) &&
	       holds(patch->enabled || page->flags[1] == '1', "%s is disabled and stays",
		     patch->name) &&
	       holds(page->flags[2] == '0', "%s has been replaced and stays", patch->name) &&
	       holds(order == (patch->enabled ? (int)older : 0), "%s: order %d, should be %u",
		     patch->name, order, older) &&
	       holds(read_number(format("%s/replace", patch->dir)) == page->flags[0] - '0',
		     "%s: wrong replace", patch->name) &&
	       holds(read_number(format("%s/replace_set", patch->dir)) == page->set,
		     "%s: wrong set", patch->name) &&
	       holds(funcs == (page->funcs | page->watched),
		     "%s shows functions %#x, has %#x and %#x", patch->name, funcs, page->funcs,
		     page->watched);
}

/* No callback is owed to patches that are not in sysfs. */
static bool check_patches(void)
{
	struct patch patches[MOST_PATCHES];
	unsigned int i, n = list_patches(patches, MOST_PATCHES);

	for (i = 0; i < n; i++)
		if (!check_patch(&patches[i], find_page(patches[i].name)))
			return false;
	for (i = 0; i < nr_pages; i++)
		if (!pages[i].in_sysfs &&
		    !holds(!pages[i].stages[0] && !pages[i].stages[1] && !pages[i].stages[2],
			   "%s is gone, stages %d %d %d", pages[i].name,
			   pages[i].stages[0], pages[i].stages[1], pages[i].stages[2]))
			return false;
	return true;
}

/* Return true if an enabled patch has the state, and its module, if there is one, is loaded. */
static bool in_force(unsigned int state)
{
	bool module_is_loaded = object_is_loaded(state % STRESS_OBJECTS);
	unsigned int i;

	for (i = 0; i < nr_pages; i++)
		if (pages[i].stages[0] == STAGE_LIVE && pages[i].states & 1 << state &&
		    (module_is_loaded || pages[i].unbound & 1 << state))
			return true;
	return false;
}

static bool check_states(void)
{
	unsigned int i;

	for (i = 0; i < STRESS_STATES; i++) {
		int stage = in_force(i) ? STAGE_LIVE : 0, shadows = in_force(i) && i & 1;

		if (!holds(states[i].stage == stage, "state %u is in stage %d, should be in %d",
			   i, states[i].stage, stage) ||
		    !holds(states[i].shadows == shadows,
			   "state %u has %d shadow variables, should have %d", i,
			   states[i].shadows, shadows))
			return false;
	}
	return true;
}

/* An enabled patch and a forced one hold one reference to their modules. */
static bool check_references(void)
{
	FILE *f = fopen("/proc/modules", "re");
	char line[512], name[64];
	unsigned int used, should, i;
	struct page *page;
	bool ok = true;

	while (ok && f && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%63s %*u %u", name, &used) != 2)
			continue;
		should = 0;
		if (!strncmp(name, PREFIX, strlen(PREFIX))) {
			page = find_page(name);
			ok = holds(page, "module %s has no page", name);
			if (!ok)
				break;
			page->in_modules = true;
			should = (page->stages[0] == STAGE_LIVE) + (page->flags[3] == '1');
		} else if (strcmp(name, "stress_a") && strcmp(name, "stress_b")) {
			continue;
		}
		ok = holds(used == should, "module %s has %u references, should have %u", name,
			   used, should);
	}
	if (f)
		fclose(f);
	for (i = 0; ok && i < nr_pages; i++)
		ok = holds(pages[i].in_modules, "module %s is not there", pages[i].name);
	return ok;
}

/* Return the version that should run, 0 for the original. */
static unsigned long long newest(unsigned int func)
{
	unsigned long long gen = 0;
	unsigned int i;

	for (i = 0; i < nr_pages; i++)
		if (pages[i].stages[0] == STAGE_LIVE && pages[i].funcs & 1 << func &&
		    pages[i].gen > gen)
			gen = pages[i].gen;
	return gen;
}

static unsigned int object_of(unsigned int func)
{
	return func >= STRESS_VMLINUX ? 0 : 1 + func / STRESS_PER_TARGET;
}

/* Only functions of patches may be redirected, and only by livepatch. */
static bool check_ftrace(void)
{
	FILE *f = fopen(TRACING "/enabled_functions", "re");
	unsigned int redirected = 0, should = 0, i;
	char line[1024];
	bool ok = true;
	int func;

	while (ok && f && fgets(line, sizeof(line), f)) {
		func = func_number(line);
		if (!strstr(line, " I ")) {
			ok = holds(!strstr(line, "klp_redirect"), "not redirected, but ours: %s",
				   line);
			continue;
		}
		ok = holds(func >= 0 && func < STRESS_PATCHED && strstr(line, "klp_redirect"),
			   "redirected: %s", line);
		if (ok)
			redirected |= 1 << func;
	}
	if (f)
		fclose(f);
	for (i = 0; i < STRESS_PATCHED; i++)
		if (newest(i) && object_is_loaded(object_of(i)))
			should |= 1 << i;
	return ok && holds(f && redirected == should, "functions %#x are redirected, should be %#x",
			   redirected, should);
}

static bool check_calls(void)
{
	struct stress_call call;
	unsigned int i;

	for (i = 0; i < STRESS_FUNCS; i++) {
		if (!object_is_loaded(object_of(i)))
			continue;
		memset(&call, 0, sizeof(call));
		call.nr_steps = 2;
		call.steps[0].what = STRESS_CALL;
		call.steps[0].arg = i;
		call.steps[1].what = STRESS_YIELD;
		if (!holds(!ioctl(device, STRESS_RUN, &call), "call of %u: %s", i,
			   strerror(errno)) ||
		    !holds(call.nr_seen == 1 && call.seen[0].gen == newest(i),
			   "call of %u: generation %llu, should be %llu", i,
			   (unsigned long long)call.seen[0].gen, newest(i)))
			return false;
		shared->calls++;
	}
	return true;
}

static bool check_tasks(void)
{
	struct dirent *process, *task;
	DIR *proc = opendir("/proc"), *dir;
	char path[300], text[16];
	bool ok = true;

	while (ok && (process = readdir(proc))) {
		if (!isdigit(process->d_name[0]))
			continue;
		snprintf(path, sizeof(path), "/proc/%s/task", process->d_name);
		dir = opendir(path);
		while (ok && dir && (task = readdir(dir))) {
			if (isdigit(task->d_name[0]) &&
			    read_file(format("%s/%s/patch_state", path, task->d_name), text,
				      sizeof(text)))
				ok = holds(!strcmp(text, "-1\n"), "task %s has patch state %s",
					   task->d_name, text);
		}
		if (dir)
			closedir(dir);
	}
	closedir(proc);
	return ok;
}

/* Report a violation that the module has recorded. */
void check_violations(void)
{
	char text[4096], *what;

	if (!read_file("/proc/livepatch_stress", text, sizeof(text)))
		fail("no ledger");
	what = strstr(text, "\nviolation ");
	if (what)
		fail("%.*s", (int)strcspn(what + 11, "\n"), what + 11);
}

/*
 * Check all conditions. All workers are stopped and no transition is running, so they hold now
 * or soon.
 */
void check_all(void)
{
	double since = now();
	bool ok;

	do {
		read_ledger();
		ok = holds(!running, "%d programs of calls are running", running) &&
		     check_patches() && check_states() && check_references() &&
		     check_ftrace() && check_calls() && check_tasks();
		if (ok)
			break;
		pause_for(0.05);
	} while (now() - since < limit / 2);
	if (!ok)
		fail("at rest: %s", problem);
	check_violations();
	shared->quiet++;
}

/* Disable all patches, and unload all modules except forced ones. Nothing else may be left. */
void clear_away(void)
{
	struct patch patches[MOST_PATCHES];
	double since = now();
	unsigned int i, n;
	bool left = true;

	ioctl(device, STRESS_VETO, 0);
	while (left) {
		left = false;
		n = list_patches(patches, MOST_PATCHES);
		for (i = 0; i < n; i++) {
			left |= patches[i].enabled || patches[i].transition;
			if (patches[i].enabled && !patches[i].transition)
				write_file(format("%s/enabled", patches[i].dir), "0");
		}
		if (now() - since > limit)
			fail("patches cannot be disabled");
		pause_for(0.05);
	}
	check_all();
	for (i = 0; i < nr_pages; i++)
		if (pages[i].flags[3] == '0' && remove_module(pages[i].name))
			fail("%s cannot be removed: %s", pages[i].name, strerror(errno));
	remove_module("stress_a");
	remove_module("stress_b");
	check_all();
	for (i = 0; i < nr_pages; i++)
		if (pages[i].flags[3] == '0')
			fail("%s is still there", pages[i].name);
}
