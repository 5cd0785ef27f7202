// SPDX-License-Identifier: GPL-2.0
/*
 * Parts of the output that all commands have: colors, JSON values, and the files that the user
 * may not read.
 */
#define _GNU_SOURCE
#include <err.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "klpctl.h"

struct unseen {
	char *what;
	char *path;
	int error;
};

static struct unseen *unseen;
static size_t nr_unseen;

/* Return true if stdout can show a line that is rewritten. */
bool stdout_is_terminal(void)
{
	const char *term = getenv("TERM");

	return isatty(STDOUT_FILENO) && (!term || strcmp(term, "dumb"));
}

static bool use_color(enum color color)
{
	const char *no_color = getenv("NO_COLOR");

	return color != PLAIN && (!no_color || !*no_color) && stdout_is_terminal();
}

const char *color_on(enum color color)
{
	static const char * const codes[] = {
		[PLAIN] = "",
		[GREEN] = "\033[32m",
		[YELLOW] = "\033[33m",
		[RED] = "\033[31m",
	};

	return use_color(color) ? codes[color] : "";
}

const char *color_off(enum color color)
{
	return use_color(color) ? "\033[0m" : "";
}

/* Record that @what is missing in the output, because @path cannot be read. Once for each @what. */
void note_unseen(const char *what, const char *path, int error)
{
	size_t i;

	if (error != EACCES && error != EPERM)
		return;
	for (i = 0; i < nr_unseen; i++) {
		if (!strcmp(unseen[i].what, what))
			return;
	}
	unseen = grow(unseen, nr_unseen, sizeof(*unseen));
	unseen[nr_unseen].what = copy_string(what);
	unseen[nr_unseen].path = copy_string(path);
	unseen[nr_unseen++].error = error;
}

static void free_unseen(void)
{
	while (nr_unseen) {
		nr_unseen--;
		free(unseen[nr_unseen].what);
		free(unseen[nr_unseen].path);
	}
	free(unseen);
	unseen = NULL;
}

/* Print the recorded files to stderr and free the records. */
void print_unseen(void)
{
	size_t i;

	fflush(stdout);
	for (i = 0; i < nr_unseen; i++)
		warnx("not visible: %s (%s: %s)", unseen[i].what, unseen[i].path,
		      strerror(unseen[i].error));
	free_unseen();
}

/* Return the recorded files as an array and free the records. */
struct json_object *json_unseen(void)
{
	struct json_object *array = json_object_new_array(), *entry;
	size_t i;

	for (i = 0; i < nr_unseen; i++) {
		entry = json_object_new_object();
		json_object_object_add(entry, "what", json_text(unseen[i].what));
		json_object_object_add(entry, "file", json_text(unseen[i].path));
		json_object_object_add(entry, "errno",
				       json_text(strerrorname_np(unseen[i].error)));
		json_object_array_add(array, entry);
	}
	free_unseen();
	return array;
}

/* Return a number, or null for UNKNOWN. */
struct json_object *json_number(long value)
{
	return value == UNKNOWN ? NULL : json_object_new_int64(value);
}

/* Return a boolean, or null for UNKNOWN. */
struct json_object *json_flag(long value)
{
	return value == UNKNOWN ? NULL : json_object_new_boolean(value);
}

/* Return the number of bytes of the UTF-8 character at @text, 0 if it is none. */
static size_t utf8_length(const unsigned char *text)
{
	size_t n = *text < 0x80 ? 1 : *text < 0xe0 ? 2 : *text < 0xf0 ? 3 : 4, i;

	if ((*text >= 0x80 && *text < 0xc2) || *text > 0xf4)
		return 0;
	for (i = 1; i < n; i++) {
		if ((text[i] & 0xc0) != 0x80)
			return 0;
	}
	/* Encodings that are too long, surrogates, and characters above the last one. */
	if ((*text == 0xe0 && text[1] < 0xa0) || (*text == 0xed && text[1] > 0x9f) ||
	    (*text == 0xf0 && text[1] < 0x90) || (*text == 0xf4 && text[1] > 0x8f))
		return 0;
	return n;
}

static bool is_utf8(const char *text)
{
	size_t n;

	for (; *text; text += n) {
		n = utf8_length((const unsigned char *)text);
		if (!n)
			return false;
	}
	return true;
}

/*
 * Return a string, or null for a NULL or empty one. JSON is UTF-8, the name of a file need not be:
 * such a name is made printable.
 */
struct json_object *json_text(const char *text)
{
	struct json_object *string;
	char *copy;

	if (!text || !*text)
		return NULL;
	if (is_utf8(text))
		return json_object_new_string(text);
	copy = copy_string(text);
	make_printable(copy);
	string = json_object_new_string(copy);
	free(copy);
	return string;
}

/* Create the object that a query prints. */
struct json_object *json_query(const char *query)
{
	struct json_object *root = json_object_new_object();

	json_object_object_add(root, "query", json_text(query));
	json_object_object_add(root, "version", json_object_new_int(SCHEMA_VERSION));
	return root;
}

/* Print an object with the recorded files, and free it. */
void json_print(struct json_object *root)
{
	json_object_object_add(root, "not_visible", json_unseen());
	puts(json_object_to_json_string_ext(root, JSON_C_TO_STRING_PRETTY |
						  JSON_C_TO_STRING_SPACED |
						  JSON_C_TO_STRING_NOSLASHESCAPE));
	json_object_put(root);
}
