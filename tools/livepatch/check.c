// SPDX-License-Identifier: GPL-2.0
/*
 * Checks of a livepatch module before it is loaded.
 */
#define _GNU_SOURCE
#include <err.h>
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include "klpctl.h"

enum verdict { PASS, WARNING, FAIL, SKIPPED, VERDICTS };

static const char * const verdict_words[VERDICTS] = {
	[PASS] = "ok",
	[WARNING] = "warning",
	[FAIL] = "failed",
	[SKIPPED] = "skipped",
};

static const enum color verdict_colors[VERDICTS] = {
	[PASS] = GREEN,
	[WARNING] = YELLOW,
	[FAIL] = RED,
	[SKIPPED] = PLAIN,
};

/**
 * struct subject - a module to be checked
 * @module:   its modinfo
 * @elf:      its ELF file
 * @elf_error: reason for which there is no @elf, empty if there is
 * @patches:  the livepatches of the system
 * @verdict:  result of the present check
 * @text:     details of the present check
 */
struct subject {
	const struct module_file *module;
	struct elf_module elf;
	char elf_error[256];
	struct patches patches;
	enum verdict verdict;
	char text[1024];
};

[[gnu::format(printf, 3, 4)]]
static void conclude(struct subject *subject, enum verdict verdict, const char *fmt, ...)
{
	va_list ap;

	subject->verdict = verdict;
	va_start(ap, fmt);
	vsnprintf(subject->text, sizeof(subject->text), fmt, ap);
	va_end(ap);
}

/* Append to the details of the present check. */
[[gnu::format(printf, 2, 3)]]
static void add_detail(struct subject *subject, const char *fmt, ...)
{
	size_t n = strlen(subject->text);
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(subject->text + n, sizeof(subject->text) - n, fmt, ap);
	va_end(ap);
}

static void check_livepatch(struct subject *subject)
{
	const char *livepatch = module_info(subject->module, "livepatch");

	if (livepatch && !strcmp(livepatch, "Y"))
		conclude(subject, PASS, "the module is marked as a livepatch");
	else
		conclude(subject, FAIL, "the module has no livepatch=Y in modinfo");
}

static void check_vermagic(struct subject *subject)
{
	const char *vermagic = module_info(subject->module, "vermagic");
	const char *release = kernel_release(), *reference;
	size_t n = strlen(release);

	if (!vermagic) {
		conclude(subject, FAIL, "the module has no version magic");
		return;
	}
	if (strncmp(vermagic, release, n) || (vermagic[n] && vermagic[n] != ' ')) {
		conclude(subject, FAIL, "the module is for '%s', the kernel is '%s'", vermagic,
			 release);
		return;
	}
	reference = reference_vermagic(release);
	if (!reference)
		conclude(subject, PASS, "release %s, the flags cannot be compared", release);
	else if (strcmp(vermagic, reference))
		conclude(subject, FAIL, "the module has '%s', the kernel has '%s'", vermagic,
			 reference);
	else
		conclude(subject, PASS, "%s", vermagic);
}

/* Return true if the kernel loads only signed modules. */
static bool requires_signature(void)
{
	char text[128];

	if (read_file(in_root("/sys/module/module/parameters/sig_enforce"), text, sizeof(text)) &&
	    *text == 'Y')
		return true;
	return read_file(in_root("/sys/kernel/security/lockdown"), text, sizeof(text)) &&
	       (strstr(text, "[integrity]") || strstr(text, "[confidentiality]"));
}

static void check_signature(struct subject *subject)
{
	const char *signer = module_info(subject->module, "signer");
	const char *id = module_info(subject->module, "sig_id");

	if (id || subject->elf.is_signed)
		conclude(subject, PASS, "signed%s%s, the key is not checked", signer ? " by " : "",
			 signer ? signer : "");
	else if (requires_signature())
		conclude(subject, FAIL, "the module is not signed, and the kernel requires it");
	else
		conclude(subject, WARNING, "the module is not signed, the kernel may be tainted");
}

static void check_loaded(struct subject *subject)
{
	const char *name = module_name(subject->module);

	if (file_exists(in_root("/sys/module/%s/refcnt", name)))
		conclude(subject, FAIL, "a module with the name %s is loaded", name);
	else if (file_exists(in_root(SYSFS "/%s", name)))
		conclude(subject, FAIL, "a livepatch with the name %s exists", name);
	else
		conclude(subject, PASS, "no module has the name %s", name);
}

static void check_transition(struct subject *subject)
{
	const struct patch *patch = find_transition(&subject->patches);

	if (!livepatch_available())
		conclude(subject, FAIL, SYSFS " is missing, there is no livepatch support");
	else if (patch)
		conclude(subject, FAIL, "%s is in transition, another patch is refused until then",
			 patch->name);
	else
		conclude(subject, PASS, "no livepatch is in transition");
}

static void check_ftrace(struct subject *subject)
{
	long enabled = read_number(in_root("/proc/sys/kernel/ftrace_enabled"));

	if (enabled == UNKNOWN)
		conclude(subject, SKIPPED, "/proc/sys/kernel/ftrace_enabled cannot be read");
	else if (!enabled)
		conclude(subject, FAIL, "kernel.ftrace_enabled is 0, functions cannot be replaced");
	else
		conclude(subject, PASS, "kernel.ftrace_enabled is 1");
}

static bool is_object_loaded(const char *object)
{
	return !strcmp(object, "vmlinux") || file_exists(in_root("/sys/module/%s/refcnt", object));
}

/* Return true if the core will find the symbol. Position 0 requires that the name is unique. */
static bool is_found(const struct klp_symbol *symbol)
{
	return symbol->position ? symbol->found >= symbol->position : symbol->found == 1;
}

static void check_symbol_list(struct subject *subject)
{
	size_t i, missing = 0, absent = 0;
	const struct klp_symbol *symbol;

	conclude(subject, PASS, "%s", "");
	for (i = 0; i < subject->elf.nr_symbols; i++) {
		symbol = &subject->elf.symbols[i];
		if (!is_object_loaded(symbol->object)) {
			absent++;
		} else if (!is_found(symbol)) {
			add_detail(subject, "%s%s:%s,%lu (%lu found)", missing ? ", " : "missing: ",
				   symbol->object, symbol->name, symbol->position, symbol->found);
			missing++;
		}
	}
	if (missing)
		subject->verdict = FAIL;
	else
		add_detail(subject, "%zu symbols are asked for, none is missing",
			   subject->elf.nr_symbols);
	if (absent)
		add_detail(subject, "; %zu are in modules that are not loaded", absent);
}

static void check_symbols(struct subject *subject)
{
	if (*subject->elf_error)
		conclude(subject, SKIPPED, "%s", subject->elf_error);
	else if (!kallsyms_count(subject->elf.symbols, subject->elf.nr_symbols))
		conclude(subject, SKIPPED, "/proc/kallsyms: %s", strerror(errno));
	else
		check_symbol_list(subject);
}

/* Return the patch that changes a function, or NULL. */
static const struct patch *find_user(const struct patches *patches,
				     const struct changed_function *function)
{
	const struct object *object;
	size_t i, j, k;

	for (i = 0; i < patches->nr; i++) {
		for (j = 0; j < patches->list[i].nr_objects; j++) {
			object = &patches->list[i].objects[j];
			if (strcmp(object->name, function->object))
				continue;
			for (k = 0; k < object->nr_functions; k++) {
				if (!strcmp(object->functions[k].name, function->name))
					return &patches->list[i];
			}
		}
	}
	return NULL;
}

static void check_functions(struct subject *subject)
{
	const struct changed_function *function;
	const struct patch *user;
	size_t i;

	if (*subject->elf_error || !subject->elf.nr_functions) {
		conclude(subject, SKIPPED, "%s", *subject->elf_error ? subject->elf_error :
			 "the functions that the module changes cannot be found in its data");
		return;
	}
	conclude(subject, PASS, "changes ");
	for (i = 0; i < subject->elf.nr_functions; i++) {
		function = &subject->elf.functions[i];
		user = find_user(&subject->patches, function);
		add_detail(subject, "%s%s:%s", i ? ", " : "", function->object, function->name);
		if (!user)
			continue;
		add_detail(subject, " (also changed by %s)", user->name);
		subject->verdict = WARNING;
	}
}

/*
 * Return true if a line of enabled_functions, "FUNCTION (COUNT) FLAGS ...", is about a function
 * with the flag I: one user of ftrace changes the instruction pointer.
 */
static bool has_ipmodify(const char *line, const char *name)
{
	char function[512], flags[64];

	return sscanf(line, "%511s (%*d) %63[A-Z ]", function, flags) == 2 &&
	       !strcmp(function, name) && strchr(flags, 'I');
}

static void check_ipmodify_line(struct subject *subject, const char *line)
{
	const struct changed_function *function;
	size_t i;

	for (i = 0; i < subject->elf.nr_functions; i++) {
		function = &subject->elf.functions[i];
		if (!has_ipmodify(line, function->name) || find_user(&subject->patches, function))
			continue;
		add_detail(subject, "%s%s", subject->verdict == FAIL ? ", " :
			   "in use by another user of ftrace: ", function->name);
		subject->verdict = FAIL;
	}
}

static void check_ipmodify(struct subject *subject)
{
	const char *path = in_root("/sys/kernel/tracing/enabled_functions");
	char line[4096];
	FILE *file;

	if (!subject->elf.nr_functions) {
		conclude(subject, SKIPPED, "the functions are not known");
		return;
	}
	file = fopen(path, "re");
	if (!file) {
		conclude(subject, SKIPPED, "%s: %s", path, strerror(errno));
		note_unseen("other users of the functions", path, errno);
		return;
	}
	conclude(subject, PASS, "%s", "");
	while (fgets(line, sizeof(line), file))
		check_ipmodify_line(subject, line);
	fclose(file);
	if (subject->verdict == PASS)
		add_detail(subject, "no other user of ftrace, such as a kprobe, redirects them");
}

static const struct {
	const char *name;
	void (*run)(struct subject *subject);
} checks[] = {
	{ .name = "livepatch", .run = check_livepatch },
	{ .name = "vermagic", .run = check_vermagic },
	{ .name = "signature", .run = check_signature },
	{ .name = "loaded", .run = check_loaded },
	{ .name = "transition", .run = check_transition },
	{ .name = "ftrace", .run = check_ftrace },
	{ .name = "symbols", .run = check_symbols },
	{ .name = "functions", .run = check_functions },
	{ .name = "redirection", .run = check_ipmodify },
};

static struct json_object *result_json(size_t check, const struct subject *subject)
{
	struct json_object *entry = json_object_new_object();

	json_object_object_add(entry, "name", json_text(checks[check].name));
	json_object_object_add(entry, "result", json_text(verdict_words[subject->verdict]));
	json_object_object_add(entry, "text", json_object_new_string(subject->text));
	return entry;
}

static struct json_object *functions_json(const struct elf_module *elf)
{
	struct json_object *array = json_object_new_array(), *entry;
	size_t i;

	for (i = 0; i < elf->nr_functions; i++) {
		entry = json_object_new_object();
		json_object_object_add(entry, "object", json_text(elf->functions[i].object));
		json_object_object_add(entry, "name", json_text(elf->functions[i].name));
		json_object_array_add(array, entry);
	}
	return array;
}

static void print_result(size_t check, const struct subject *subject)
{
	enum color color = verdict_colors[subject->verdict];

	printf("%-12s %s%-8s%s %s\n", checks[check].name, color_on(color),
	       verdict_words[subject->verdict], color_off(color), subject->text);
}

/* Run all checks. Return the number of failures. */
static int run_checks(struct subject *subject, struct json_object *results)
{
	int failures = 0;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(checks); i++) {
		subject->text[0] = '\0';
		checks[i].run(subject);
		make_printable(subject->text);
		failures += subject->verdict == FAIL;
		if (results)
			json_object_array_add(results, result_json(i, subject));
		else
			print_result(i, subject);
	}
	return failures;
}

static int check_module(struct subject *subject, const char *path)
{
	struct json_object *root, *results;
	int failures;

	if (!options.json) {
		failures = run_checks(subject, NULL);
		print_unseen();
		return failures ? FAILED : DONE;
	}
	root = json_query("check");
	results = json_object_new_array();
	failures = run_checks(subject, results);
	json_object_object_add(root, "file", json_text(path));
	json_object_object_add(root, "name", json_text(module_name(subject->module)));
	json_object_object_add(root, "ok", json_object_new_boolean(!failures));
	json_object_object_add(root, "checks", results);
	json_object_object_add(root, "functions", functions_json(&subject->elf));
	json_print(root);
	return failures ? FAILED : DONE;
}

int cmd_check(char **args)
{
	struct module_file *module = module_open(args[0]);
	struct subject subject = { .module = module };
	int code;

	if (!module) {
		warnx("'%s' is not a module: %s", args[0], strerror(errno));
		return FAILED;
	}
	elf_module_read(args[0], &subject.elf, subject.elf_error, sizeof(subject.elf_error));
	read_patches(&subject.patches);
	code = check_module(&subject, args[0]);
	free_patches(&subject.patches);
	elf_module_free(&subject.elf);
	module_close(module);
	return code;
}
