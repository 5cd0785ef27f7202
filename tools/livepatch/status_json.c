// SPDX-License-Identifier: GPL-2.0
/*
 * A patch as a JSON object. klpctl.schema.json describes the fields, which keep their names.
 */
#include "klpctl.h"
#include "show.h"

static struct json_object *function_json(const struct function *function)
{
	struct json_object *entry = json_object_new_object();

	json_object_object_add(entry, "name", json_text(function->name));
	json_object_object_add(entry, "sympos", json_object_new_int64(function->position));
	json_object_object_add(entry, "stack_only", json_object_new_boolean(function->stack_only));
	return entry;
}

static struct json_object *objects_json(const struct patch *patch)
{
	struct json_object *array = json_object_new_array(), *entry, *functions;
	size_t i, j;

	for (i = 0; i < patch->nr_objects; i++) {
		entry = json_object_new_object();
		functions = json_object_new_array();
		for (j = 0; j < patch->objects[i].nr_functions; j++)
			json_object_array_add(functions,
					      function_json(&patch->objects[i].functions[j]));
		json_object_object_add(entry, "name", json_text(patch->objects[i].name));
		json_object_object_add(entry, "patched", json_flag(patch->objects[i].patched));
		json_object_object_add(entry, "functions", functions);
		json_object_array_add(array, entry);
	}
	return array;
}

static struct json_object *states_json(const struct patch *patch)
{
	struct json_object *array = json_object_new_array(), *entry;
	size_t i;

	for (i = 0; i < patch->nr_states; i++) {
		entry = json_object_new_object();
		json_object_object_add(entry, "id", json_object_new_uint64(patch->states[i].id));
		json_object_object_add(entry, "state_version",
				       json_number(patch->states[i].version));
		json_object_object_add(entry, "inherited", json_flag(patch->states[i].inherited));
		json_object_array_add(array, entry);
	}
	return array;
}

struct json_object *patch_json(const struct patch *patch)
{
	struct json_object *entry = json_object_new_object();
	bool complete;

	json_object_object_add(entry, "name", json_text(patch->name));
	json_object_object_add(entry, "state", json_text(state_words[patch->state]));
	json_object_object_add(entry, "percent", json_number(percent_done(patch)));
	json_object_object_add(entry, "in_sysfs", json_object_new_boolean(patch->in_sysfs));
	json_object_object_add(entry, "enabled", json_flag(patch->enabled));
	json_object_object_add(entry, "transition", json_flag(patch->transition));
	json_object_object_add(entry, "remaining", json_number(patch->remaining));
	json_object_object_add(entry, "tasks", json_number(patch->tasks));
	json_object_object_add(entry, "since_seconds", json_number(patch->since));
	json_object_object_add(entry, "stack_order", json_number(patch->stack_order));
	json_object_object_add(entry, "replace", json_flag(patch->replace));
	json_object_object_add(entry, "replace_set", json_number(patch->replace_set));
	json_object_object_add(entry, "references", json_number(patch->references));
	json_object_object_add(entry, "objects_patched",
			       json_object_new_int64(patched_objects(patch)));
	json_object_object_add(entry, "objects_declared",
			       json_object_new_int64(patch->nr_objects));
	json_object_object_add(entry, "functions_declared",
			       json_object_new_int64(function_count(patch)));
	json_object_object_add(entry, "objects", objects_json(patch));
	json_object_object_add(entry, "states", states_json(patch));
	json_object_object_add(entry, "blockers", blockers_json(patch, &complete));
	return entry;
}
