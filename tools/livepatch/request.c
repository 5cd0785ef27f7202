// SPDX-License-Identifier: GPL-2.0
/*
 * Requests: writes to the files of a patch, and the report of their result.
 */
#define _GNU_SOURCE
#include <err.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "klpctl.h"

#define SHOWN_HOLDERS	5

/* Report an errno of the kernel, with the messages that it has logged. */
int report_refusal(const char *name, const char *action, int error)
{
	fflush(stdout);
	warnx("'%s': the kernel refuses to %s the patch: %s", name, action, errno_text(error));
	kernel_log_print();
	return REFUSED;
}

/**
 * write_request() - write to a file of a patch
 * @name:  the patch
 * @file:  enabled or force
 * @value: the text
 *
 * Return: an exit code. A failure has been reported.
 */
int write_request(const char *name, const char *file, const char *value)
{
	const char *action = *value == '1' ? "enable" : "disable";
	int ret;

	if (!strcmp(file, "force"))
		action = "force";
	kernel_log_mark();
	ret = write_file(in_root(SYSFS "/%s/%s", name, file), value);
	if (!ret)
		return DONE;
	if (ret < 0)
		return report_refusal(name, action, -ret);
	if (ret == ENOENT && is_livepatch_module(name))
		warnx("'%s': the module is loaded, but its patch is not enabled", name);
	else if (ret == ENOENT)
		warnx("there is no livepatch '%s'", name);
	else
		warnx("'%s': cannot %s the patch: %s%s", name, action, errno_text(ret),
		      geteuid() ? ", root is required" : "");
	return FAILED;
}

/* Print the tasks that are left. */
static void print_holders(const char *name)
{
	struct patches patches;
	struct held_list held;
	struct patch *patch;
	size_t i;

	read_patches(&patches);
	patch = find_patch(&patches, name);
	if (patch && in_transition(patch)) {
		read_held(patch, &held, SHOWN_HOLDERS);
		if (held.total != UNKNOWN)
			warnx("'%s': %ld of %ld tasks left", name, held.total, patch->tasks);
		for (i = 0; i < held.nr; i++)
			warnx("  %s[%d] %s%s%s", held.list[i].comm, held.list[i].tid,
			      held.list[i].reason, *held.list[i].function ? " in " : "",
			      held.list[i].function);
		free_held(&held);
	}
	free_patches(&patches);
}

/* Reverse a transition to @target that has taken too long. */
static int reverse_late(const char *name, long target)
{
	int code;

	warnx("'%s': reversing the transition", name);
	code = write_request(name, "enabled", target ? "0" : "1");
	if (code != DONE)
		return code;
	switch (wait_transition(name, !target, options.timeout, true)) {
	case WAIT_DONE:
		warnx("'%s': the transition has been reversed, the patch is %s", name,
		      target ? "disabled" : "enabled");
		return REVERSED;
	case WAIT_REVERSED:
		warnx("'%s': the reversal has been reversed", name);
		return FAILED;
	default:
		warnx("'%s': the reversal is not complete", name);
		return TIMED_OUT;
	}
}

static int report_timeout(const char *name, long target)
{
	fflush(stdout);
	warnx("'%s': the transition is not complete after %g s", name, options.timeout);
	print_holders(name);
	if (options.reverse_on_timeout)
		return reverse_late(name, target);
	warnx("'%s': the transition continues, see 'klpctl blockers %s'", name, name);
	return TIMED_OUT;
}

/**
 * wait_and_report() - wait for the end of a transition and print the result
 * @name:   the patch
 * @target: value of "enabled" that has been requested
 *
 * Return: an exit code.
 */
int wait_and_report(const char *name, long target)
{
	double start = now();

	switch (wait_transition(name, target, options.timeout, true)) {
	case WAIT_DONE:
		printf("%s: %s after %.2f s\n", name, target ? "enabled" : "disabled",
		       now() - start);
		return DONE;
	case WAIT_REVERSED:
		fflush(stdout);
		warnx("'%s': the transition has been reversed, the patch is %s", name,
		      target ? "disabled" : "enabled");
		return REVERSED;
	case WAIT_TIMED_OUT:
		return report_timeout(name, target);
	default:
		warnx("'%s': interrupted, the transition continues", name);
		return FAILED;
	}
}

/* Write to "enabled", then wait unless --no-wait is set. */
static int change(char *name, long target)
{
	int code;

	if (!accept_patch_name(name))
		return FAILED;
	code = write_request(name, "enabled", target ? "1" : "0");
	if (code != DONE)
		return code;
	if (options.no_wait) {
		printf("%s: %s\n", name, target ? "enabling" : "disabling");
		return DONE;
	}
	return wait_and_report(name, target);
}

int cmd_enable(char **args)
{
	return change(args[0], 1);
}

int cmd_disable(char **args)
{
	return change(args[0], 0);
}

/* Read a patch that must be in transition. Print the reason if it is not. */
static bool read_transition(char *name, long *enabled)
{
	if (!accept_patch_name(name))
		return false;
	*enabled = read_number(in_root(SYSFS "/%s/enabled", name));
	if (*enabled == UNKNOWN) {
		warnx("there is no livepatch '%s' in sysfs", name);
		return false;
	}
	if (read_number(in_root(SYSFS "/%s/transition", name)) == 1)
		return true;
	warnx("'%s' is not in transition", name);
	return false;
}

int cmd_reverse(char **args)
{
	long enabled;

	if (!read_transition(args[0], &enabled))
		return FAILED;
	return change(args[0], !enabled);
}

static void print_cost_of_force(const char *name, long enabled)
{
	printf("Forcing the transition of '%s' marks all pending tasks as switched, without\n"
	       "checking their stacks.\n"
	       "- A pending task continues in the old code until it returns from it, and calls\n"
	       "  new functions afterwards. Only the author of the patch can tell whether the\n"
	       "  patch allows that. Locks may stay held, and data may be misinterpreted.\n"
	       "- Modules whose code such a task may run stay in memory until the next boot.\n"
	       "- Forcing cannot be undone. 'klpctl reverse %s' ends the transition safely:\n"
	       "  it %s the patch.\n", name, name, enabled ? "disables" : "enables");
	fflush(stdout);
}

static bool confirm(void)
{
	char answer[16];

	printf("Force the transition? Type yes to continue: ");
	fflush(stdout);
	return fgets(answer, sizeof(answer), stdin) && !strcmp(answer, "yes\n");
}

int cmd_force(char **args)
{
	long enabled;
	int code;

	if (!read_transition(args[0], &enabled))
		return FAILED;
	print_cost_of_force(args[0], enabled);
	print_holders(args[0]);
	if (!options.yes && !isatty(STDIN_FILENO)) {
		warnx("--yes is required without a terminal");
		return USAGE;
	}
	if (!options.yes && !confirm()) {
		warnx("'%s' has not been forced", args[0]);
		return FAILED;
	}
	code = write_request(args[0], "force", "1");
	if (code != DONE || options.no_wait)
		return code;
	return wait_and_report(args[0], enabled);
}
