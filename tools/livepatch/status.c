// SPDX-License-Identifier: GPL-2.0
/*
 * The state of the livepatches, as text.
 */
#define _GNU_SOURCE
#include <err.h>
#include <stdlib.h>
#include <string.h>
#include "klpctl.h"
#include "show.h"

static const enum color state_colors[PATCH_STATES] = {
	[STATE_ENABLED] = GREEN,
	[STATE_ENABLING] = YELLOW,
	[STATE_DISABLING] = YELLOW,
	[STATE_DISABLED] = PLAIN,
	[STATE_FORCED] = RED,
	[STATE_LEAVING] = YELLOW,
};

/* Return a number as text, "-" for UNKNOWN. The eighth call after this one overwrites the text. */
static const char *number_text(long value)
{
	static char texts[8][24];
	static unsigned int turn;
	char *text = texts[turn++ % 8];

	if (value == UNKNOWN)
		return "-";
	snprintf(text, sizeof(texts[0]), "%ld", value);
	return text;
}

static const char *yes_no(long value)
{
	return value == UNKNOWN ? "-" : value ? "yes" : "no";
}

static void print_kernel(const struct patches *patches)
{
	const struct patch *transition = find_transition(patches);
	const char *core = core_word(patches);

	printf("Kernel %s%s%s%s, %zu livepatch%s", kernel_release(), core ? " (" : "",
	       core ? core : "", core ? " core)" : "", patches->nr, patches->nr == 1 ? "" : "es");
	if (transition)
		printf(", %s is in transition", transition->name);
	putchar('\n');
}

static int name_width(const struct patches *patches)
{
	size_t i, width = strlen("PATCH");

	for (i = 0; i < patches->nr; i++) {
		if (strlen(patches->list[i].name) > width)
			width = strlen(patches->list[i].name);
	}
	return width;
}

static void print_line(const struct patch *patch, int width)
{
	char objects[48] = "-";

	if (patch->in_sysfs)
		snprintf(objects, sizeof(objects), "%zu/%zu", patched_objects(patch),
			 patch->nr_objects);
	printf("%-*s  %s%-15s%s %5s  %5s  %7s  %9s  %s\n", width, patch->name,
	       color_on(state_colors[patch->state]), state_text(patch),
	       color_off(state_colors[patch->state]), number_text(patch->stack_order),
	       number_text(patch->replace_set), objects,
	       patch->in_sysfs ? number_text(function_count(patch)) : "-", age_text(patch->since));
}

static void print_all(const struct patches *patches)
{
	int width = name_width(patches);
	size_t i;

	print_kernel(patches);
	if (!patches->nr)
		return;
	printf("%-*s  %-15s %5s  %5s  %7s  %9s  %s\n", width, "PATCH", "STATE", "ORDER", "SET",
	       "OBJECTS", "FUNCTIONS", "SINCE");
	for (i = 0; i < patches->nr; i++)
		print_line(&patches->list[i], width);
}

static void print_object(const struct object *object)
{
	const struct function *function;
	size_t i;

	printf("  %s: %s\n", object->name, object->patched == 1 ? "patched" : "not patched");
	for (i = 0; i < object->nr_functions; i++) {
		function = &object->functions[i];
		printf("    %s", function->name);
		if (function->position > 1)
			printf(" (symbol %lu of this name)", function->position);
		if (function->stack_only)
			printf(" (only searched on the stacks)");
		putchar('\n');
	}
}

static void print_states(const struct patch *patch)
{
	size_t i;

	if (!patch->nr_states)
		return;
	puts("System states:");
	for (i = 0; i < patch->nr_states; i++)
		printf("  %lu: version %s%s\n", patch->states[i].id,
		       number_text(patch->states[i].version),
		       patch->states[i].inherited == 1 ? ", inherited from an older patch" : "");
}

static void print_patch(const struct patch *patch)
{
	size_t i;

	printf("%s: %s%s%s", patch->name, color_on(state_colors[patch->state]), state_text(patch),
	       color_off(state_colors[patch->state]));
	if (patch->since != UNKNOWN)
		printf(", last request or answer %s ago", age_text(patch->since));
	putchar('\n');
	if (!patch->in_sysfs) {
		puts("  The module is loaded, but changes no function: it has no patch in sysfs.");
		return;
	}
	printf("Order %s, set %s, replaces older patches: %s\n", number_text(patch->stack_order),
	       number_text(patch->replace_set), yes_no(patch->replace));
	printf("Objects (%zu of %zu patched):\n", patched_objects(patch), patch->nr_objects);
	for (i = 0; i < patch->nr_objects; i++)
		print_object(&patch->objects[i]);
	print_states(patch);
	if (in_transition(patch)) {
		puts("Transition:");
		print_blockers(patch);
	}
}

static void status_json(const struct patches *patches, const struct patch *only)
{
	struct json_object *root = json_query("status"), *array = json_object_new_array();
	struct json_object *kernel = json_object_new_object();
	size_t i;

	json_object_object_add(kernel, "release", json_text(kernel_release()));
	json_object_object_add(kernel, "core", json_text(core_word(patches)));
	for (i = 0; i < patches->nr; i++) {
		if (!only || only == &patches->list[i])
			json_object_array_add(array, patch_json(&patches->list[i]));
	}
	json_object_object_add(root, "kernel", kernel);
	json_object_object_add(root, "patches", array);
	json_print(root);
}

static int show_status(const struct patches *patches, char *name)
{
	const struct patch *only = NULL;

	if (name) {
		normalize_name(name);
		only = find_patch(patches, name);
		if (!only) {
			warnx("there is no livepatch '%s'", name);
			return FAILED;
		}
	}
	if (options.json) {
		status_json(patches, only);
		return DONE;
	}
	if (only)
		print_patch(only);
	else
		print_all(patches);
	print_unseen();
	return DONE;
}

int cmd_status(char **args)
{
	struct patches patches;
	int code;

	if (!livepatch_available()) {
		warnx("kernel %s has no livepatch support", kernel_release());
		return FAILED;
	}
	read_patches(&patches);
	code = show_status(&patches, args[0]);
	free_patches(&patches);
	return code;
}
