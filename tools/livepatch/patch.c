// SPDX-License-Identifier: GPL-2.0
/*
 * The livepatches of the system, read from sysfs and from the list of modules.
 */
#define _GNU_SOURCE
#include <ctype.h>
#include <dirent.h>
#include <err.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "klpctl.h"

#define SETTLE_TIME	0.2	/* seconds in which the core drops its reference to a module */

const char * const state_words[PATCH_STATES] = {
	[STATE_ENABLED] = "enabled",
	[STATE_ENABLING] = "enabling",
	[STATE_DISABLING] = "disabling",
	[STATE_DISABLED] = "disabled",
	[STATE_FORCED] = "forced",
	[STATE_LEAVING] = "leaving",
};

bool livepatch_available(void)
{
	return file_exists(in_root(SYSFS));
}

typedef void directory_visitor(const char *name, void *data);

/* Call @visit with the name of each subdirectory of a directory. Return false if it is missing. */
static bool visit_directories(const char *path, directory_visitor *visit, void *data)
{
	struct dirent *entry;
	DIR *dir = opendir(path);

	if (!dir)
		return false;
	while ((entry = readdir(dir))) {
		if (entry->d_name[0] != '.' && entry->d_type == DT_DIR)
			visit(entry->d_name, data);
	}
	closedir(dir);
	return true;
}

struct object_visit {
	const struct patch *patch;
	struct object *object;
};

static void add_function(const char *name, void *data)
{
	struct object_visit *visit = data;
	struct object *object = visit->object;
	const char *comma = strrchr(name, ',');
	struct function *function;

	object->functions = grow(object->functions, object->nr_functions,
				 sizeof(*object->functions));
	function = &object->functions[object->nr_functions++];
	function->name = copy_string(name);
	if (comma) {
		function->name[comma - name] = '\0';
		function->position = strtoul(comma + 1, NULL, 10);
	}
	function->stack_only = read_number(in_root(SYSFS "/%s/%s/%s/stack_only",
						   visit->patch->name, object->name, name)) == 1;
}

static int compare_functions(const void *a, const void *b)
{
	const struct function *f = a, *g = b;
	int order = strcmp(f->name, g->name);

	return order ? order : (f->position > g->position) - (f->position < g->position);
}

static int compare_objects(const void *a, const void *b)
{
	return strcmp(((const struct object *)a)->name, ((const struct object *)b)->name);
}

static int compare_states(const void *a, const void *b)
{
	const struct state *s = a, *t = b;

	return (s->id > t->id) - (s->id < t->id);
}

/* Add an object. A directory without the file "patched" is the one of the states. */
static void add_object(const char *name, void *data)
{
	struct patch *patch = data;
	struct object_visit visit = { .patch = patch };
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s", in_root(SYSFS "/%s/%s", patch->name, name));
	if (!strcmp(name, "states") &&
	    !file_exists(in_root(SYSFS "/%s/%s/patched", patch->name, name)))
		return;
	patch->objects = grow(patch->objects, patch->nr_objects, sizeof(*patch->objects));
	visit.object = &patch->objects[patch->nr_objects++];
	visit.object->name = copy_string(name);
	visit.object->patched = read_number(in_root(SYSFS "/%s/%s/patched", patch->name, name));
	visit_directories(path, add_function, &visit);
	if (visit.object->nr_functions)
		qsort(visit.object->functions, visit.object->nr_functions,
		      sizeof(*visit.object->functions), compare_functions);
}

static void add_state(const char *name, void *data)
{
	struct patch *patch = data;
	struct state *state;

	if (!isdigit((unsigned char)name[0]))
		return;
	patch->states = grow(patch->states, patch->nr_states, sizeof(*patch->states));
	state = &patch->states[patch->nr_states++];
	state->id = strtoul(name, NULL, 10);
	state->version = read_number(in_root(SYSFS "/%s/states/%s/version", patch->name, name));
	state->inherited = read_number(in_root(SYSFS "/%s/states/%s/inherited", patch->name,
					       name));
}

static long count_holders(const char *module)
{
	DIR *dir = opendir(in_root("/sys/module/%s/holders", module));
	struct dirent *entry;
	long holders = 0;

	if (!dir)
		return 0;
	while ((entry = readdir(dir)))
		holders += entry->d_name[0] != '.';
	closedir(dir);
	return holders;
}

/* Return the references to a module that are not those of other modules, or UNKNOWN. */
static long read_references(const char *module)
{
	long references = read_number(in_root("/sys/module/%s/refcnt", module));

	return references == UNKNOWN ? UNKNOWN : references - count_holders(module);
}

static long patch_number(const struct patch *patch, const char *file)
{
	return read_number(in_root(SYSFS "/%s/%s", patch->name, file));
}

/*
 * Read the files of a patch. "enabled" is read last: if the directory is removed while it is read,
 * "enabled" is missing and the patch is treated as one without a directory.
 */
static void read_patch(struct patch *patch)
{
	patch->extended = file_exists(in_root(SYSFS "/%s/remaining", patch->name));
	patch->transition = patch_number(patch, "transition");
	patch->replace = patch_number(patch, "replace");
	patch->replace_set = patch_number(patch, "replace_set");
	patch->stack_order = patch_number(patch, "stack_order");
	patch->since = patch_number(patch, "since");
	patch->remaining = patch_number(patch, "remaining");
	visit_directories(in_root(SYSFS "/%s", patch->name), add_object, patch);
	visit_directories(in_root(SYSFS "/%s/states", patch->name), add_state, patch);
	if (patch->nr_objects)
		qsort(patch->objects, patch->nr_objects, sizeof(*patch->objects),
		      compare_objects);
	if (patch->nr_states)
		qsort(patch->states, patch->nr_states, sizeof(*patch->states), compare_states);
	patch->references = read_references(patch->name);
	patch->enabled = patch_number(patch, "enabled");
	patch->in_sysfs = patch->enabled != UNKNOWN;
	if (patch->transition != 1)
		return;
	patch->tasks = count_tasks();
	if (patch->remaining == UNKNOWN)
		patch->remaining = count_pending(patch->enabled);
}

static struct patch *add_patch(struct patches *patches, const char *name)
{
	struct patch *patch;

	patches->list = grow(patches->list, patches->nr, sizeof(*patches->list));
	patch = &patches->list[patches->nr++];
	*patch = (struct patch) {
		.name = copy_string(name),
		.load_rank = UNKNOWN,
		.references = UNKNOWN,
		.enabled = UNKNOWN,
		.transition = UNKNOWN,
		.replace = UNKNOWN,
		.replace_set = UNKNOWN,
		.stack_order = UNKNOWN,
		.since = UNKNOWN,
		.remaining = UNKNOWN,
		.tasks = UNKNOWN,
	};
	return patch;
}

static void add_sysfs_patch(const char *name, void *data)
{
	read_patch(add_patch(data, name));
}

/* Add the livepatch modules that have no directory, and the order of loading. */
static void add_modules(struct patches *patches)
{
	FILE *file = fopen(in_root("/proc/modules"), "re");
	struct patch *patch;
	char line[4096];
	long rank = 0;
	char *space;

	if (!file) {
		note_unseen("modules without a patch", "/proc/modules", errno);
		return;
	}
	while (fgets(line, sizeof(line), file)) {
		space = strchr(line, ' ');
		if (!space)
			continue;
		*space = '\0';
		patch = find_patch(patches, line);
		if (!patch && is_livepatch_module(line)) {
			patch = add_patch(patches, line);
			patch->references = read_references(line);
		}
		if (patch)
			patch->load_rank = rank;
		rank++;
	}
	fclose(file);
}

/*
 * Return the state of a module whose patch has no directory. The core drops its reference to the
 * module shortly after it has removed the directory. A reference that stays is the one of a forced
 * transition.
 */
static enum patch_state state_without_directory(struct patch *patch)
{
	static bool settled;
	char init_state[32];

	if (read_file(in_root("/sys/module/%s/initstate", patch->name), init_state,
		      sizeof(init_state))) {
		if (!strcmp(init_state, "going"))
			return STATE_LEAVING;
		if (!strcmp(init_state, "coming"))
			return STATE_ENABLING;
	}
	if (patch->references <= 0)
		return STATE_DISABLED;
	/* Once in a program: a forced module must not delay each look of "watch". */
	if (!settled)
		sleep_or_poll(NULL, 0, SETTLE_TIME);
	settled = true;
	patch->references = read_references(patch->name);
	return patch->references > 0 ? STATE_FORCED : STATE_DISABLED;
}

/* Return true if the transition of @newer, which is being enabled, replaces @patch. */
static bool is_replaced_by(const struct patch *patch, const struct patch *newer)
{
	if (newer == patch || newer->transition != 1 || newer->enabled != 1 ||
	    newer->replace != 1)
		return false;
	return newer->replace_set == patch->replace_set &&
	       (patch->stack_order == UNKNOWN || patch->stack_order < newer->stack_order);
}

static enum patch_state find_state(const struct patches *patches, struct patch *patch)
{
	char init_state[32] = "";
	size_t i;

	if (!patch->in_sysfs)
		return state_without_directory(patch);
	if (patch->transition == 1)
		return patch->enabled ? STATE_ENABLING : STATE_DISABLING;
	/* The core holds one reference to the module of an enabled patch, the loader until init. */
	read_file(in_root("/sys/module/%s/initstate", patch->name), init_state,
		  sizeof(init_state));
	if (patch->references > (patch->enabled ? 1 : 0) && strcmp(init_state, "coming"))
		return STATE_FORCED;
	if (!patch->enabled)
		return STATE_DISABLED;
	for (i = 0; i < patches->nr; i++) {
		if (is_replaced_by(patch, &patches->list[i]))
			return STATE_LEAVING;
	}
	return STATE_ENABLED;
}

/*
 * Sort by set, then from the oldest patch to the newest one. Disabled patches, which have order 0,
 * and modules without a patch are last.
 */
static int compare_patches(const void *a, const void *b)
{
	const struct patch *p = a, *q = b;

	if (p->in_sysfs != q->in_sysfs)
		return q->in_sysfs - p->in_sysfs;
	if (p->replace_set != q->replace_set)
		return p->replace_set < q->replace_set ? -1 : 1;
	if (!p->stack_order != !q->stack_order)
		return !p->stack_order - !q->stack_order;
	if (p->stack_order != q->stack_order)
		return p->stack_order < q->stack_order ? -1 : 1;
	if (p->load_rank != q->load_rank)
		return p->load_rank > q->load_rank ? -1 : 1;
	return strcmp(p->name, q->name);
}

/* Read all patches and livepatch modules. free_patches() frees them. */
void read_patches(struct patches *patches)
{
	size_t i;

	*patches = (struct patches) {};
	visit_directories(in_root(SYSFS), add_sysfs_patch, patches);
	add_modules(patches);
	for (i = 0; i < patches->nr; i++)
		patches->list[i].state = find_state(patches, &patches->list[i]);
	if (patches->nr)
		qsort(patches->list, patches->nr, sizeof(*patches->list), compare_patches);
}

static void free_patch(struct patch *patch)
{
	struct object *object;
	size_t i;

	while (patch->nr_objects) {
		object = &patch->objects[--patch->nr_objects];
		for (i = 0; i < object->nr_functions; i++)
			free(object->functions[i].name);
		free(object->functions);
		free(object->name);
	}
	free(patch->objects);
	free(patch->states);
	free(patch->name);
}

void free_patches(struct patches *patches)
{
	while (patches->nr)
		free_patch(&patches->list[--patches->nr]);
	free(patches->list);
	patches->list = NULL;
}

struct patch *find_patch(const struct patches *patches, const char *name)
{
	size_t i;

	for (i = 0; i < patches->nr; i++) {
		if (!strcmp(patches->list[i].name, name))
			return &patches->list[i];
	}
	return NULL;
}

/* Return the patch in transition, of which there is at most one, or NULL. */
struct patch *find_transition(const struct patches *patches)
{
	size_t i;

	for (i = 0; i < patches->nr; i++) {
		if (in_transition(&patches->list[i]))
			return &patches->list[i];
	}
	return NULL;
}

size_t patched_objects(const struct patch *patch)
{
	size_t i, nr = 0;

	for (i = 0; i < patch->nr_objects; i++)
		nr += patch->objects[i].patched == 1;
	return nr;
}

size_t function_count(const struct patch *patch)
{
	size_t i, nr = 0;

	for (i = 0; i < patch->nr_objects; i++)
		nr += patch->objects[i].nr_functions;
	return nr;
}

bool in_transition(const struct patch *patch)
{
	return patch->in_sysfs && patch->transition == 1;
}

/* Return the share of tasks that have been switched, at most 99, or UNKNOWN. */
int percent_done(const struct patch *patch)
{
	long done;

	if (!in_transition(patch) || patch->remaining == UNKNOWN || patch->tasks <= 0)
		return UNKNOWN;
	done = 100 * (patch->tasks - patch->remaining) / patch->tasks;
	return done < 0 ? 0 : done > 99 ? 99 : done;
}

/* Return the state with the progress of a transition. The next call overwrites the text. */
const char *state_text(const struct patch *patch)
{
	static char text[32];
	int percent = percent_done(patch);

	if (percent == UNKNOWN)
		return state_words[patch->state];
	snprintf(text, sizeof(text), "%s %d %%", state_words[patch->state], percent);
	return text;
}

/* Return the kind of core, or NULL if there is no patch that shows it. */
const char *core_word(const struct patches *patches)
{
	size_t i;

	for (i = 0; i < patches->nr; i++) {
		if (patches->list[i].in_sysfs)
			return patches->list[i].extended ? "extended" : "stock";
	}
	return file_exists(in_root("/sys/kernel/tracing/events/livepatch")) ? "extended" : NULL;
}
