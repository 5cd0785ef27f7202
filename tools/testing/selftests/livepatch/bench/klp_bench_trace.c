// SPDX-License-Identifier: GPL-2.0
/* Steps that read a trace of the core: they need this core, its functions and trace events. */
#define _GNU_SOURCE
#include <sys/wait.h>
#include "klp_bench.h"

#define TRACING		"/sys/kernel/tracing/"
#define CONFLICT_CHECK	"klp_rt_check_conflicts"
#define COMPLETE	"klp_transition_complete"

/*
 * Return the number that precedes the text @before in the last line of the trace that contains
 * @before.
 */
static double traced_number(const char *before)
{
	FILE *trace = fopen(TRACING "trace", "r");
	bool found = false;
	char line[512], *end;
	double value;

	if (!trace)
		err(1, TRACING "trace");
	while (fgets(line, sizeof(line), trace)) {
		end = strstr(line, before);
		if (line[0] == '#' || !end)
			continue;
		while (end > line && strchr("0123456789.", end[-1]))
			end--;
		if (sscanf(end, "%lf", &value) == 1)
			found = true;
	}
	fclose(trace);
	if (!found)
		errx(1, "the trace has no line with '%s'", before);
	return value;
}

/*
 * Trace the check itself. It is a small part of the time of klp_enable_patch(), which differs
 * by more from one patch to the next.
 */
void conflict_check(int functions)
{
	enable("set_1", functions);
	must_write(TRACING "set_ftrace_filter", CONFLICT_CHECK);
	must_write(TRACING "current_tracer", "function_graph");
	enable("set_2", functions);
	must_write(TRACING "tracing_on", "0");
	tell("conflict_check", functions, traced_number(" us ") / 1e6);
	must_write(TRACING "current_tracer", "nop");
	must_write(TRACING "set_ftrace_filter", "");
	must_write(TRACING "tracing_on", "1");
	disable_time("set_2");
	disable_time("set_1");
}

static void load_by_klpctl(const char *klpctl, const char *module)
{
	int status;
	pid_t pid = fork();

	if (pid < 0)
		err(1, "fork");
	if (!pid) {
		if (!freopen("/dev/null", "w", stdout))
			err(1, "/dev/null");
		execl(klpctl, klpctl, "load", module, NULL);
		err(1, "%s", klpctl);
	}
	if (waitpid(pid, &status, 0) != pid || status)
		errx(1, "klpctl load %s: status %d", module, status);
}

void klpctl_returns(int times)
{
	char *klpctl = strdup(format("%s/klpctl", modules_dir));
	char *module = strdup(format("%s/bench_one.ko", modules_dir));
	double end;

	if (!klpctl || !module)
		err(1, "strdup");
	must_write(TRACING "trace_clock", "mono");
	must_write(TRACING "events/livepatch/" COMPLETE "/enable", "1");
	while (times--) {
		load_by_klpctl(klpctl, module);
		end = now();
		tell("klpctl_returns", 1, end - traced_number(": " COMPLETE));
		disable_time("one");
	}
	must_write(TRACING "events/livepatch/" COMPLETE "/enable", "0");
	must_write(TRACING "trace_clock", "local");
	free(klpctl);
	free(module);
}
