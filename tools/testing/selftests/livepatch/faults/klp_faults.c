// SPDX-License-Identifier: GPL-2.0
/*
 * klp_faults: fail each allocation and each fallible call of the core, one at a time.
 *
 * A path (klp_faults_paths.c) is an operation of the livepatch core, with the states before and
 * after it. The operation is repeated. The k-th run fails the k-th allocation, or the k-th call
 * of a function, until there is no k-th one. After each run
 *
 *	- user space has got the right errno, or no error,
 *	- the ledger has the callbacks that were owed, once, and no others,
 *	- the state is the one before the operation if that was refused, otherwise the one after it,
 *	- the operation succeeds when nothing fails.
 *
 * vm/faults.sh finds the addresses that are the arguments, see show_usage().
 */
#define _GNU_SOURCE
#include "klp_faults.h"

#define MAX_FAILURES	5	/* reports until the run ends */
#define NEVER_MORE	5000	/* points of one kind on one path */
#define QUICK_TASKS	3	/* tried calls of a function that is called for each task */

static bool quick;
static unsigned int failures;

/* Counts of one path, or of all. */
struct tally {
	unsigned int slab;
	unsigned int pages;
	unsigned int calls;
	unsigned int refused;
	unsigned int survived;
	unsigned int leftovers;
};

static struct tally total;

/* A kind of fault on a path. */
struct point {
	const struct path *path;
	struct injector *injector;
	const struct callee *callee;
	unsigned int k;
};

static void fail(const struct point *point, const char *fmt, ...)
{
	va_list args;

	printf("  FAILED: %s, %s %u: ", point->path->name,
	       point->callee ? point->callee->name : point->injector->dir + strlen(DEBUGFS "/"),
	       point->k);
	va_start(args, fmt);
	vprintf(fmt, args);
	va_end(args);
	printf("\n");
	failures++;
}

/* Return true if @done, the steps of @what, are those of what was prepared and released. */
static bool undone(const char *what, const char *done)
{
	if (!strcmp(what, KEPT) || !strcmp(what, PART "/kept"))
		return !strcmp(done, "pq");
	if (!strcmp(what, BOUND))
		return !strcmp(done, "pqd");
	return !strcmp(done, UNDONE);
}

/*
 * Return true if @done, the steps of @what, are those of a part of PATCH that was applied to
 * TARGET, before TARGET was refused because of PART.
 */
static bool applied_and_reverted(const char *what, const char *done)
{
	return (!strcmp(what, PATCH "/" TARGET) && !strcmp(done, THERE_AND_BACK)) ||
	       (!strcmp(what, BOUND) && !strcmp(done, STATE_LIVE STATE_GONE));
}

/*
 * Check the ledger of a refused operation: what had been prepared was released. For a refused
 * module all parts of PATCH, or none, had become live.
 */
static bool refused_steps_right(char *steps)
{
	unsigned int nr_live = 0;
	bool others_undone = false;
	char *word;

	while ((word = strsep(&steps, " "))) {
		char *done = strchr(word, ':');

		if (!done)
			continue;
		*done++ = '\0';
		if (applied_and_reverted(word, done))
			nr_live++;
		else if (undone(word, done))
			others_undone |= strcmp(word, PART "/" TARGET);
		else
			return false;
	}
	return !nr_live || (nr_live == 2 && !others_undone);
}

static void check_steps(const struct point *point, int error)
{
	struct text ledger = {};
	char *copy;

	must_read(&ledger, LEDGER);
	copy = strdup(ledger.data);
	if (error ? !refused_steps_right(copy) : strcmp(ledger.data, point->path->steps))
		fail(point, "%s, and the ledger shows %s", errno_name(error), ledger.data);
	free(copy);
	free(ledger.data);
}

static bool check_look(const struct point *point, const struct look *wanted, const char *when)
{
	if (look_until(wanted) == SAME)
		return true;
	fail(point, "%s it does not look right", when);
	show_difference(wanted);
	return false;
}

static int operate(const struct point *point)
{
	int error;

	must_write(LEDGER, "clear");
	error = point->path->operate();
	check_steps(point, error);
	return error;
}

/* Run the operation without a fault, which must succeed. */
static bool operate_well(const struct point *point, const struct look *after, const char *when)
{
	int error = operate(point);

	if (error) {
		fail(point, "%s the operation fails with %s", when, errno_name(error));
		return false;
	}
	return check_look(point, after, when);
}

static bool answer_right(const struct point *point, int error)
{
	if (point->callee)
		return is_answer(point->callee->answers, error);
	return !error || (error == ENOMEM && point->path->refusable);
}

static void arm(const struct point *point)
{
	if (point->callee)
		callee_arm(point->callee, point->k);
	else
		injector_arm(point->injector, point->k);
}

static bool disarm(const struct point *point)
{
	return point->callee ? callee_disarm() : injector_disarm(point->injector);
}

/* Run a point. Returns false if nothing has failed. */
static bool try_point(const struct point *point, const struct look *before,
		      const struct look *after, struct tally *tally)
{
	enum verdict verdict;
	bool fired;
	int error;

	arm(point);
	error = operate(point);
	fired = disarm(point);

	if (!fired && error) {
		fail(point, "nothing was failed, yet it says %s", errno_name(error));
		return false;
	}
	if (fired && !answer_right(point, error))
		fail(point, "the answer is %s", errno_name(error));

	if (error) {
		tally->refused++;
		check_look(point, before, "after the refusal");
		if (!operate_well(point, after, "after the refusal, without a fault,"))
			return true;
		point->path->undo();
		check_look(point, before, "after undoing it");
		return true;
	}

	verdict = look_until(after);
	if (verdict == DIFFERENT) {
		fail(point, "it says all is well and does not look so");
		show_difference(after);
	}
	tally->survived += fired;
	point->path->undo();
	check_look(point, before, "after undoing it");
	if (verdict == LEFTOVER) {
		tally->leftovers++;
		if (operate_well(point, after, "once more"))
			point->path->undo();
	}
	return fired;
}

/* Try each k until there is no k-th fault. One more is tried, because runs differ. */
static unsigned int try_points(struct point *point, const struct look *before,
			       const struct look *after, struct tally *tally)
{
	unsigned int tried = 0, missed = 0, most = NEVER_MORE;

	if (quick && point->callee && is_answer(point->callee->answers, EACH_TASK))
		most = QUICK_TASKS;
	for (point->k = 1; point->k <= most && missed < 2; point->k++) {
		if (failures >= MAX_FAILURES)
			return tried;
		if (try_point(point, before, after, tally)) {
			tried++;
			missed = 0;
		} else {
			missed++;
		}
		if (point->callee && missed)
			break;
	}
	return tried;
}

static void check_leaks(const struct path *path)
{
	struct text text = {};
	unsigned int i;

	/* kmemleak ignores objects that are younger than five seconds. */
	sleep(6);
	for (i = 0; i < 2; i++)
		must_write(DEBUGFS "/kmemleak", "scan");
	must_read(&text, DEBUGFS "/kmemleak");
	if (text.len) {
		printf("  FAILED: %s: kmemleak says\n%s", path->name, text.data);
		failures++;
	}
	free(text.data);
}

static void try_path(const struct path *path, const char *kinds)
{
	struct look before = {}, after = {};
	struct point point = { .path = path };
	struct tally tally = {};
	unsigned int i, tried;

	must_write(DEBUGFS "/kmemleak", "clear");
	path->setup();
	/* The first run allocates what is allocated only once. */
	if (path->operate())
		errx(1, "%s does not work", path->name);
	path->undo();
	look_at_rest(&before);
	if (operate(&point))
		errx(1, "%s does not work", path->name);
	look_at_rest(&after);
	path->undo();

	point.injector = &slab;
	if (strchr(kinds, 's'))
		tally.slab = try_points(&point, &before, &after, &tally);
	point.injector = &pages;
	if (strchr(kinds, 'p'))
		tally.pages = try_points(&point, &before, &after, &tally);
	point.injector = NULL;
	for (i = 0; i < nr_callees && strchr(kinds, 'c'); i++) {
		point.callee = &callees[i];
		tried = try_points(&point, &before, &after, &tally);
		callees[i].tried += tried;
		tally.calls += tried;
	}
	clean_up();
	check_leaks(path);

	printf("%-20s %4u slab %4u pages %4u calls: %4u refused, %4u survived", path->name,
	       tally.slab, tally.pages, tally.calls, tally.refused, tally.survived);
	printf(" (%u in another way)\n", tally.leftovers);
	total.slab += tally.slab;
	total.pages += tally.pages;
	total.calls += tally.calls;
	total.refused += tally.refused;
	total.survived += tally.survived;
	for (i = 0; i < LOOKS; i++) {
		free(before.part[i].data);
		free(after.part[i].data);
	}
}

static void show_usage(void)
{
	fputs("usage: klp_faults DIR CALLEES START END START END [KINDS [PATH...]]\n"
	      "  DIR      where the modules are\n"
	      "  CALLEES  which calls are made to fail, and how\n"
	      "  START END  the text of the core, then that of kmemleak\n"
	      "  KINDS    s slab, p pages, c calls, v show each fault in the log,\n"
	      "           q of the calls for each task only the first ones\n", stderr);
	exit(2);
}

int main(int argc, char **argv)
{
	const char *kinds = argc > 7 && *argv[7] ? argv[7] : "spc";
	unsigned int i;
	bool all_tried, verbose = strchr(kinds, 'v');
	int arg;

	setlinebuf(stdout);
	if (argc < 7)
		show_usage();
	modules_dir = argv[1];
	read_callees(argv[2]);
	text_range = argv + 3;
	quick = strchr(kinds, 'q');

	injector_setup(&slab, verbose);
	must_write(DEBUGFS "/failslab/cache-filter", "N");
	injector_setup(&pages, verbose);
	must_write(DEBUGFS "/fail_page_alloc/ignore-gfp-highmem", "N");
	must_write(DEBUGFS "/fail_page_alloc/min-order", "0");
	must_load("faults_ledger", "");

	{
		struct text params = {};

		text_printf(&params, "start=%s end=%s callees=", text_range[0], text_range[1]);
		for (i = 0; i < nr_callees; i++)
			text_printf(&params, "%s%s", i ? "," : "", callees[i].name);
		must_load("faults_calls", params.data);
		free(params.data);
	}

	for (i = 0; i < nr_paths; i++) {
		bool wanted = argc <= 8;

		for (arg = 8; arg < argc; arg++)
			wanted |= !strcmp(argv[arg], paths[i].name);
		if (wanted && failures < MAX_FAILURES)
			try_path(&paths[i], kinds);
	}

	/* A function that the core never calls is not tested. */
	all_tried = argc <= 8 && strchr(kinds, 'c') && !failures;
	for (i = 0; i < nr_callees && all_tried; i++) {
		if (callees[i].tried)
			continue;
		printf("FAILED: no path calls %s\n", callees[i].name);
		failures++;
	}

	printf("%u slab, %u pages, %u calls: %u refused, %u survived\n", total.slab, total.pages,
	       total.calls, total.refused, total.survived);
	if (failures) {
		printf("%u things were not as promised\n", failures);
		return 1;
	}
	printf("%u points, all as promised\n", total.slab + total.pages + total.calls);
	return 0;
}
