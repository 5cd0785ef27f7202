// SPDX-License-Identifier: GPL-2.0
/*
 * The lines of "klpctl watch", and the events that are found by comparing two looks.
 */
#define _GNU_SOURCE
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "watch.h"

static void format_now(char *text, size_t size)
{
	struct timespec t;
	struct tm tm;
	char day[32];

	clock_gettime(CLOCK_REALTIME, &t);
	gmtime_r(&t.tv_sec, &tm);
	strftime(day, sizeof(day), "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(text, size, "%s.%03ldZ", day, t.tv_nsec / 1000000);
}

static void print_json(const char *when, const char *source, const char *event,
		       const char *patch, struct json_object *fields)
{
	struct json_object *root = json_query("watch");

	json_object_object_add(root, "time", json_text(when));
	json_object_object_add(root, "source", json_text(source));
	json_object_object_add(root, "event", json_text(event));
	json_object_object_add(root, "patch", json_text(patch));
	json_object_object_foreach(fields, key, value)
		json_object_object_add(root, key, json_object_get(value));
	puts(json_object_to_json_string_ext(root, JSON_C_TO_STRING_PLAIN |
						  JSON_C_TO_STRING_NOSLASHESCAPE));
	json_object_put(root);
}

/**
 * watch_print() - print an event in one line
 * @source: uevent, trace or look
 * @event:  the event in one word
 * @patch:  the patch, or NULL
 * @fields: further fields, which this function frees
 * @fmt:    the text without the patch
 */
void watch_print(const char *source, const char *event, const char *patch,
		 struct json_object *fields, const char *fmt, ...)
{
	char text[1024], when[64];
	va_list ap;

	format_now(when, sizeof(when));
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (options.json)
		print_json(when, source, event, patch, fields);
	else
		printf("%s %s%s%s\n", when, patch ? patch : "", patch ? ": " : "", text);
	json_object_put(fields);
}

static void print_look(const struct patch *patch, const char *event)
{
	struct json_object *fields = json_object_new_object();
	const char *direction = patch->enabled == 1 ? "patching" : "unpatching";

	json_object_object_add(fields, "direction", json_text(direction));
	if (patch->remaining != UNKNOWN && patch->transition == 1)
		json_object_object_add(fields, "remaining", json_number(patch->remaining));
	watch_print("look", event, patch->name, fields, "%s %s", event, direction);
}

/* Compare a patch with its last look, which is NULL for a new patch. */
static void compare_patch(const struct patch *patch, const struct patch *last)
{
	bool was_moving = last && in_transition(last);

	if (!patch->in_sysfs)
		return;
	if (was_moving && last->enabled != patch->enabled)
		print_look(patch, "reverse");
	else if (!was_moving && (!last || !last->in_sysfs || last->enabled != patch->enabled))
		print_look(patch, "start");
	if (!in_transition(patch) &&
	    (was_moving || !last || !last->in_sysfs || last->enabled != patch->enabled))
		print_look(patch, "complete");
}

/* Report a patch that has been removed since the last look: it is disabled or replaced. */
static void compare_removed(const struct patch *last, const struct patches *patches)
{
	const struct patch *patch = find_patch(patches, last->name);
	struct patch gone = *last;

	if (!last->in_sysfs || (patch && patch->in_sysfs))
		return;
	gone.enabled = 0;
	gone.transition = 0;
	if (last->enabled && !in_transition(last))
		print_look(&gone, "start");
	print_look(&gone, "complete");
}

void look_begin(struct looker *looker)
{
	read_patches(&looker->last);
}

/*
 * Print what has changed since the last look. A kernel that has uevents reports the same events,
 * so nothing is printed as soon as a patch shows that the core is not the stock one.
 */
void look(struct looker *looker)
{
	struct patches patches;
	const char *core;
	size_t i;

	read_patches(&patches);
	core = core_word(&patches);
	for (i = 0; i < patches.nr && (!core || !strcmp(core, "stock")); i++)
		compare_patch(&patches.list[i], find_patch(&looker->last, patches.list[i].name));
	for (i = 0; i < looker->last.nr; i++) {
		if (!looker->last.list[i].extended)
			compare_removed(&looker->last.list[i], &patches);
	}
	free_patches(&looker->last);
	looker->last = patches;
}

void look_end(struct looker *looker)
{
	free_patches(&looker->last);
}
