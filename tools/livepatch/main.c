// SPDX-License-Identifier: GPL-2.0
/*
 * klpctl: show, load, change and watch livepatches. klpctl.rst is its manual page.
 */
#define _GNU_SOURCE
#include <err.h>
#include <fcntl.h>
#include <getopt.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "klpctl.h"

#ifndef VERSION
#define VERSION	"unknown"
#endif

struct options options = { .timeout = DEFAULT_TIMEOUT };

/* Options that a command accepts. */
enum {
	OPT_JSON = 1 << 0,
	OPT_WAIT = 1 << 1,	/* --timeout and --on-timeout */
	OPT_NO_WAIT = 1 << 2,
	OPT_ALL = 1 << 3,
	OPT_YES = 1 << 4,
	OPT_VERBOSE = 1 << 5,
	OPT_TEXTFILE = 1 << 6,
	OPT_TIMEOUT = 1 << 7,	/* --timeout alone */
};

static const struct command {
	const char *name;
	const char *args;
	const char *help;
	int min;
	int max;
	unsigned int accepts;
	int (*run)(char **args);
} commands[] = {
	{
		.name = "status", .args = "[PATCH]", .max = 1, .run = cmd_status,
		.help = "show all livepatches, or one with its objects and functions",
		.accepts = OPT_JSON | OPT_VERBOSE,
	}, {
		.name = "load", .args = "FILE|NAME|--all", .max = 1, .run = cmd_load,
		.help = "load a livepatch module and wait",
		.accepts = OPT_WAIT | OPT_NO_WAIT | OPT_ALL | OPT_VERBOSE,
	}, {
		.name = "unload", .args = "PATCH|--all", .max = 1, .run = cmd_unload,
		.help = "disable a patch, wait and unload its module",
		.accepts = OPT_WAIT | OPT_NO_WAIT | OPT_ALL | OPT_VERBOSE,
	}, {
		.name = "enable", .args = "PATCH", .min = 1, .max = 1, .run = cmd_enable,
		.help = "enable a persistent patch and wait",
		.accepts = OPT_WAIT | OPT_NO_WAIT,
	}, {
		.name = "disable", .args = "PATCH", .min = 1, .max = 1, .run = cmd_disable,
		.help = "disable a patch and wait",
		.accepts = OPT_WAIT | OPT_NO_WAIT,
	}, {
		.name = "reverse", .args = "PATCH", .min = 1, .max = 1, .run = cmd_reverse,
		.help = "reverse the transition of a patch and wait",
		.accepts = OPT_WAIT | OPT_NO_WAIT,
	}, {
		.name = "force", .args = "PATCH", .min = 1, .max = 1, .run = cmd_force,
		.help = "end a transition without checking the pending tasks",
		.accepts = OPT_WAIT | OPT_NO_WAIT | OPT_YES,
	}, {
		.name = "wait", .args = "[PATCH]", .max = 1, .run = cmd_wait,
		.help = "wait for the end of a transition",
		.accepts = OPT_WAIT,
	}, {
		.name = "blockers", .args = "[PATCH]", .max = 1, .run = cmd_blockers,
		.help = "show the tasks that hold up a transition",
		.accepts = OPT_JSON | OPT_VERBOSE,
	}, {
		.name = "watch", .args = "", .run = cmd_watch,
		.help = "print events as they happen",
		.accepts = OPT_JSON | OPT_VERBOSE | OPT_TIMEOUT,
	}, {
		.name = "check", .args = "FILE", .min = 1, .max = 1, .run = cmd_check,
		.help = "check a livepatch module before it is loaded",
		.accepts = OPT_JSON,
	}, {
		.name = "metrics", .args = "", .run = cmd_metrics,
		.help = "print metrics for Prometheus",
		.accepts = OPT_TEXTFILE,
	}, {
		.name = "install", .args = "FILE", .min = 1, .max = 1, .run = cmd_install,
		.help = "copy a module to the directory that is loaded at boot",
	}, {
		.name = "uninstall", .args = "NAME", .min = 1, .max = 1, .run = cmd_uninstall,
		.help = "remove a module from that directory",
	}, {
		.name = "list-installed", .args = "", .run = cmd_list_installed,
		.help = "list the modules in that directory",
		.accepts = OPT_JSON,
	},
};

enum {
	LONG_TIMEOUT = 256,
	LONG_ON_TIMEOUT,
	LONG_NO_WAIT,
	LONG_TEXTFILE,
	LONG_JSON,
	LONG_YES,
	LONG_ALL,
	LONG_VERSION,
};

static const struct option long_options[] = {
	{ .name = "json", .val = LONG_JSON },
	{ .name = "timeout", .has_arg = required_argument, .val = LONG_TIMEOUT },
	{ .name = "on-timeout", .has_arg = required_argument, .val = LONG_ON_TIMEOUT },
	{ .name = "no-wait", .val = LONG_NO_WAIT },
	{ .name = "textfile", .has_arg = required_argument, .val = LONG_TEXTFILE },
	{ .name = "all", .val = LONG_ALL },
	{ .name = "yes", .val = LONG_YES },
	{ .name = "verbose", .val = 'v' },
	{ .name = "help", .val = 'h' },
	{ .name = "version", .val = LONG_VERSION },
	{}
};

static void print_help(void)
{
	char usage[64];
	size_t i;

	puts("Usage: klpctl [COMMAND] [OPTIONS]\n\nCommands:");
	for (i = 0; i < ARRAY_SIZE(commands); i++) {
		snprintf(usage, sizeof(usage), "%s %s", commands[i].name, commands[i].args);
		printf("  %-22s %s\n", usage, commands[i].help);
	}
	puts("\nOptions:\n"
	     "  --json                 print JSON (status, blockers, watch, check, list-installed)\n"
	     "  --timeout S            wait at most S seconds (default 60, 0: no limit)\n"
	     "  --on-timeout=keep|reverse\n"
	     "                         what to do with a transition that is not complete then\n"
	     "  --no-wait              do not wait for the end of the transition\n"
	     "  --all                  load all installed patches, or unload all patches\n"
	     "  --yes                  force without a question\n"
	     "  --textfile FILE        replace FILE by the metrics\n"
	     "  -v, --verbose          show more: kernel stacks of blockers, events of tasks\n"
	     "  -h, --help             print this help\n"
	     "  --version              print the version\n\n"
	     "Exit codes: 0 done, 1 failed, 2 usage, 3 timed out, 4 refused by the kernel,\n"
	     "5 reversed.");
}

[[gnu::format(printf, 1, 2)]]
static int usage_error(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vwarnx(fmt, ap);
	va_end(ap);
	fputs("Try 'klpctl --help'.\n", stderr);
	return USAGE;
}

static bool parse_timeout(const char *text)
{
	char *end;

	options.timeout = strtod(text, &end);
	options.timeout_set = true;
	return end != text && !*end && isfinite(options.timeout) && options.timeout >= 0 &&
	       options.timeout < 1e9;
}

static bool parse_on_timeout(const char *text)
{
	options.reverse_on_timeout = !strcmp(text, "reverse");
	return options.reverse_on_timeout || !strcmp(text, "keep");
}

/* Store an option. Return the bits of which a command must accept one, or -1 for a bad value. */
static int parse_option(int option)
{
	switch (option) {
	case LONG_JSON:
		options.json = true;
		return OPT_JSON;
	case LONG_TIMEOUT:
		return parse_timeout(optarg) ? OPT_WAIT | OPT_TIMEOUT : -1;
	case LONG_ON_TIMEOUT:
		return parse_on_timeout(optarg) ? OPT_WAIT : -1;
	case LONG_NO_WAIT:
		options.no_wait = true;
		return OPT_NO_WAIT;
	case LONG_TEXTFILE:
		options.textfile = optarg;
		return OPT_TEXTFILE;
	case LONG_ALL:
		options.all = true;
		return OPT_ALL;
	case LONG_YES:
		options.yes = true;
		return OPT_YES;
	case 'v':
		options.verbose = true;
		return OPT_VERBOSE;
	default:
		return -1;
	}
}

static const struct command *find_command(const char *name)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(commands); i++) {
		if (!strcmp(commands[i].name, name))
			return &commands[i];
	}
	return NULL;
}

/* The options of the command line: the bits of each and its name. */
struct given {
	int bits[32];
	const char *names[32];
	size_t nr;
};

static const char *option_name(int option)
{
	size_t i;

	for (i = 0; long_options[i].name; i++) {
		if (long_options[i].val == option)
			return long_options[i].name;
	}
	return "";
}

/* Parse all options. Return -1 to continue, or an exit code. */
static int parse_options(int argc, char **argv, struct given *given)
{
	int option, bits;

	while ((option = getopt_long(argc, argv, "hv", long_options, NULL)) != -1) {
		if (option == 'h') {
			print_help();
			return DONE;
		}
		if (option == LONG_VERSION) {
			puts("klpctl " VERSION);
			return DONE;
		}
		if (option == '?')
			return usage_error("unknown option or missing value");
		bits = parse_option(option);
		if (bits < 0)
			return usage_error("--%s: bad value '%s'", option_name(option), optarg);
		if (given->nr == ARRAY_SIZE(given->bits))
			return usage_error("too many options");
		given->bits[given->nr] = bits;
		given->names[given->nr++] = option_name(option);
	}
	return -1;
}

static int run_command(const struct command *command, int nr, char **args,
		       const struct given *given)
{
	size_t i;

	for (i = 0; i < given->nr; i++) {
		if (!(command->accepts & given->bits[i]))
			return usage_error("%s does not accept --%s", command->name,
					   given->names[i]);
	}
	if (nr < command->min || nr > command->max)
		return usage_error("usage: klpctl %s %s", command->name, command->args);
	return command->run(args);
}

/*
 * Open the standard files that the caller has closed, so that no file of sysfs gets their number.
 * Output to a closed file stays an error: the files are opened for reading.
 */
static bool open_standard_files(void)
{
	int fd;

	do {
		fd = open("/dev/null", O_RDONLY);
	} while (fd >= 0 && fd <= STDERR_FILENO);
	return fd >= 0 && !close(fd);
}

int main(int argc, char **argv)
{
	const struct command *command = &commands[0];
	struct given given = {};
	int code;

	if (!open_standard_files())
		return FAILED;
	code = parse_options(argc, argv, &given);
	if (code >= 0)
		return code;
	argc -= optind;
	argv += optind;
	if (argc) {
		command = find_command(argv[0]);
		if (!command)
			return usage_error("unknown command '%s'", argv[0]);
		argc--;
		argv++;
	}
	code = run_command(command, argc, argv, &given);
	if (fflush(stdout) || ferror(stdout)) {
		warn("the output cannot be written");
		return code ? code : FAILED;
	}
	return code;
}
