// SPDX-License-Identifier: GPL-2.0
/*
 * The ledger of callbacks: a page for each patch in memory, with the calls of its callbacks. A
 * call that does not follow from the previous ones is a violation. So is a function that runs
 * in contradiction to the callbacks: a version of a patch before pre_patch or after
 * post_unpatch, or an older version between post_patch and pre_unpatch.
 */

#include <linux/random.h>
#include <linux/seq_file.h>
#include <linux/tracepoint.h>
#include "modules.h"

static const struct stress_transit with_hooks[] = {
	[STRESS_ON_PRE_PATCH] = { STRESS_IDLE, STRESS_PRE_PATCH },
	[STRESS_ON_PATCH_HOOK_1] = { STRESS_PRE_PATCH, STRESS_PATCH_HOOK },
	[STRESS_ON_PATCH_HOOK_2] = { STRESS_PATCH_HOOK, STRESS_PREPARED },
	[STRESS_ON_POST_PATCH] = { STRESS_PREPARED, STRESS_LIVE },
	[STRESS_ON_PRE_UNPATCH] = { STRESS_LIVE, STRESS_PREPARED },
	[STRESS_ON_UNPATCH_HOOK_1] = { STRESS_PREPARED, STRESS_UNPATCH_HOOK },
	[STRESS_ON_UNPATCH_HOOK_2] = { STRESS_UNPATCH_HOOK, STRESS_UNHOOKED },
	[STRESS_ON_POST_UNPATCH] = { STRESS_UNHOOKED, STRESS_IDLE },
};

const struct stress_transit stress_without_hooks[ARRAY_SIZE(with_hooks)] = {
	[STRESS_ON_PRE_PATCH] = { STRESS_IDLE, STRESS_PREPARED },
	[STRESS_ON_POST_PATCH] = { STRESS_PREPARED, STRESS_LIVE },
	[STRESS_ON_PRE_UNPATCH] = { STRESS_LIVE, STRESS_PREPARED },
	[STRESS_ON_POST_UNPATCH] = { STRESS_PREPARED, STRESS_IDLE },
};

const char * const stress_event_names[ARRAY_SIZE(with_hooks)] = {
	"pre_patch", "patch_hook 1", "patch_hook 2", "post_patch",
	"pre_unpatch", "unpatch_hook 1", "unpatch_hook 2", "post_unpatch",
};

/* Protects the list of pages. Callbacks are serialized by the core. */
static DEFINE_SPINLOCK(lock);
static LIST_HEAD(pages);
static u64 last_gen;
static unsigned int veto_percent;

/* All tasks run this version of each function, or a newer one. */
static u64 live[STRESS_FUNCS];

static char violation[256];
static unsigned int violations;
static DEFINE_SPINLOCK(violation_lock);

static atomic_long_t transitions, reversed, forced, vetoes, callbacks, exits;
static atomic_long_t switched[7];
static const char * const ways[ARRAY_SIZE(switched)] = {
	"stack", "stopper", "exit", "idle", "cond_resched", "fork", "force",
};

/* Keep the first violation: others may follow from it. */
void stress_violation(const char *fmt, ...)
{
	va_list args;

	guard(spinlock_irqsave)(&violation_lock);
	if (violations++)
		return;
	va_start(args, fmt);
	vscnprintf(violation, sizeof(violation), fmt, args);
	va_end(args);
}

void stress_set_veto(unsigned int percent)
{
	WRITE_ONCE(veto_percent, percent);
}

/* Return true if a replace reverts @old, whose callbacks do not run. */
static bool is_reverted(const struct stress_patch *old)
{
	struct stress_patch *patch;

	list_for_each_entry(patch, &pages, node) {
		if (stress_replaces(patch, old) && patch->stage[0] != STRESS_IDLE)
			return true;
	}
	return false;
}

static void note_live(void)
{
	u64 gens[STRESS_FUNCS] = { };
	struct stress_patch *patch;
	unsigned int func;

	lockdep_assert_held(&lock);
	list_for_each_entry(patch, &pages, node) {
		if (is_reverted(patch))
			continue;
		for (func = 0; func < STRESS_FUNCS; func++)
			if (patch->funcs & BIT(func) &&
			    patch->stage[stress_object(func)] == STRESS_LIVE)
				gens[func] = max(gens[func], patch->gen);
	}
	for (func = 0; func < STRESS_FUNCS; func++)
		WRITE_ONCE(live[func], gens[func]);
}

/* Return true if a pre_patch callback has to fail. */
bool stress_vetoes(void)
{
	if (get_random_u32_below(100) >= READ_ONCE(veto_percent))
		return false;
	atomic_long_inc(&vetoes);
	return true;
}

static bool is_owed_something(const struct stress_patch *patch)
{
	unsigned int i;

	for (i = 0; i < STRESS_OBJECTS; i++)
		if (patch->stage[i] != STRESS_IDLE)
			return true;
	return false;
}

/* Drop the owed callbacks of the patches that @patch has replaced. */
static void forget_older(struct stress_patch *patch)
{
	struct stress_patch *old;
	unsigned int i;

	list_for_each_entry(old, &pages, node) {
		if (!stress_replaces(patch, old) || !is_owed_something(old))
			continue;
		old->forgotten = true;
		for (i = 0; i < STRESS_OBJECTS; i++) {
			old->stage[i] = STRESS_IDLE;
			WRITE_ONCE(old->open[i], false);
		}
	}
}

/* Functions of an object that patches of two sets change. */
static void check_sets(const struct stress_patch *patch, unsigned int object)
{
	struct stress_patch *other;
	unsigned int func;

	list_for_each_entry(other, &pages, node) {
		if (other->set == patch->set || other->stage[object] != STRESS_LIVE ||
		    stress_replaces(patch, other) || stress_replaces(other, patch))
			continue;
		for (func = 0; func < STRESS_PATCHED; func++)
			if (stress_object(func) == object &&
			    patch->funcs & other->funcs & BIT(func))
				stress_violation("%s and %s of another set change function %u",
						 patch->name, other->name, func);
	}
}

/* Another set must not have a state of @patch. */
void stress_check_state_sets(const struct stress_patch *patch, unsigned int number)
{
	struct stress_patch *other;

	guard(spinlock)(&lock);
	list_for_each_entry(other, &pages, node) {
		if (other->set != patch->set && other->states & BIT(number) &&
		    other->stage[0] == STRESS_LIVE && !(patch->replace & BIT(other->set)))
			stress_violation("%s and %s of another set have state %u", patch->name,
					 other->name, number);
	}
}

static void enter_event(struct stress_patch *patch, unsigned int object, enum stress_event event)
{
	const struct stress_transit *step =
		&(patch->hooks ? with_hooks : stress_without_hooks)[event];

	guard(spinlock)(&lock);
	if (patch->forgotten || patch->stage[object] != step->from || step->from == step->to)
		stress_violation("%s: %s of object %u in stage %d%s", patch->name,
				 stress_event_names[event], object, patch->stage[object],
				 patch->forgotten ? ", replaced" : "");
	patch->stage[object] = step->to;

	switch (event) {
	case STRESS_ON_PRE_PATCH:
		/* vmlinux is always loaded, and is the first object. */
		if (!object)
			patch->gen = ++last_gen;
		WRITE_ONCE(patch->open[object], true);
		break;
	case STRESS_ON_POST_PATCH:
		if (!object && patch->replace)
			forget_older(patch);
		check_sets(patch, object);
		break;
	case STRESS_ON_POST_UNPATCH:
		WRITE_ONCE(patch->open[object], false);
		break;
	default:
		break;
	}
	note_live();
}

/**
 * stress_callback() - record a call of a callback or hook
 * @patch:  the page of its patch
 * @object: the number of its object
 * @event:  the callback or hook
 *
 * Return: the result of the callback or hook.
 */
int stress_callback(struct stress_patch *patch, unsigned int object, enum stress_event event)
{
	atomic_long_inc(&callbacks);
	if (!get_random_u32_below(8))
		msleep(get_random_u32_below(8));
	if (event == STRESS_ON_PRE_PATCH) {
		stress_check_states(patch, object);
		if (stress_vetoes())
			return -EUCLEAN;
	}
	enter_event(patch, object, event);
	return 0;
}
EXPORT_SYMBOL_GPL(stress_callback);

/* The start of the run is unknown, so only a patch that was never forced is checked. */
static void check_open(const struct stress_patch *patch)
{
	if (!READ_ONCE(patch->open[0]) && !READ_ONCE(patch->forced))
		stress_violation("%s: %s exits in it after its post_unpatch", patch->name,
				 current->comm);
}

/**
 * stress_exit() - keep an exiting task in a patch
 * @patch: the patch
 *
 * The task may have left the task list. Some tasks sleep here, some are preempted.
 */
void stress_exit(const struct stress_patch *patch)
{
	atomic_long_inc(&exits);
	check_open(patch);
	switch (get_random_u32_below(4)) {
	case 0:
		schedule_timeout_uninterruptible(1 + get_random_u32_below(8));
		break;
	case 1:
		schedule();
		break;
	}
	check_open(patch);
}
EXPORT_SYMBOL_GPL(stress_exit);

void stress_add_patch(struct stress_patch *patch)
{
	guard(spinlock)(&lock);
	list_add_tail(&patch->node, &pages);
}
EXPORT_SYMBOL_GPL(stress_add_patch);

void stress_remove_patch(struct stress_patch *patch)
{
	guard(spinlock)(&lock);
	if (is_owed_something(patch))
		stress_violation("%s leaves, and is owed something: stages %d %d %d", patch->name,
				 patch->stage[0], patch->stage[1], patch->stage[2]);
	if (patch->forced)
		stress_violation("%s leaves, though it was forced", patch->name);
	list_del(&patch->node);
	note_live();
}
EXPORT_SYMBOL_GPL(stress_remove_patch);

/*
 * Check a version that runs. Read the excuse of a forced transition last: it is written before
 * the transition changes anything.
 */
void stress_check_version(const struct stress_run *run, unsigned int func,
			  const struct stress_patch *patch)
{
	u64 gen = patch ? patch->gen : 0, newest = READ_ONCE(live[func]);

	if (patch && !READ_ONCE(patch->open[stress_object(func)]) && !stress_excused(run))
		stress_violation("%s: function %u runs, the callbacks have seen to its end",
				 patch->name, func);
	if (gen < newest && !stress_excused(run))
		stress_violation("function %u of generation %llu runs, all should run %llu", func,
				 gen, newest);
}

/* Probes of trace events. Their other arguments are ignored. */

static void on_complete(void *unused)
{
	atomic_long_inc(&transitions);
}

static void on_reverse(void *unused)
{
	atomic_long_inc(&reversed);
}

/* Mark the patches whose code may run for ever: the forced one, or those that it replaces. */
static void on_force(void *unused, const char *name, const char *direction)
{
	bool patching = !strcmp(direction, "patching");
	struct stress_patch *patch, *old;

	atomic_long_inc(&forced);
	stress_force_begins();
	guard(spinlock)(&lock);
	list_for_each_entry(patch, &pages, node) {
		if (strcmp(patch->name, name))
			continue;
		if (!patching)
			patch->forced = true;
		list_for_each_entry(old, &pages, node) {
			if (patching && stress_replaces(patch, old) && is_owed_something(old))
				old->forced = true;
		}
	}
}

static void on_switched(void *unused, struct task_struct *task, const char *how)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(ways); i++)
		if (!strcmp(how, ways[i]))
			atomic_long_inc(&switched[i]);
}

static const struct {
	const char *name;
	void *function;
} probes[] = {
	{ "klp_transition_complete", on_complete },
	{ "klp_transition_reverse", on_reverse },
	{ "klp_transition_force", on_force },
	{ "klp_task_switched", on_switched },
};

static void probe_if_wanted(struct tracepoint *tp, void *count)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(probes); i++)
		if (!strcmp(tp->name, probes[i].name) &&
		    !tracepoint_probe_register(tp, probes[i].function, NULL))
			++*(unsigned int *)count;
}

/* The probes stay: this module is never unloaded. */
int stress_ledger_begin(void)
{
	unsigned int count = 0;

	for_each_kernel_tracepoint(probe_if_wanted, &count);
	return count == ARRAY_SIZE(probes) ? 0 : -ENOENT;
}

/* Print a line for each page, which the program reads with scanf(). */
void stress_show_ledger(struct seq_file *m)
{
	struct stress_patch *patch;
	unsigned int i;

	seq_printf(m, "violations %u\n", READ_ONCE(violations));
	if (READ_ONCE(violations))
		seq_printf(m, "violation %s\n", violation);
	seq_printf(m, "transitions %ld\nreversed %ld\nforced %ld\n", atomic_long_read(&transitions),
		   atomic_long_read(&reversed), atomic_long_read(&forced));
	seq_printf(m, "vetoes %ld\ncallbacks %ld\nexits %ld\n", atomic_long_read(&vetoes),
		   atomic_long_read(&callbacks), atomic_long_read(&exits));
	for (i = 0; i < ARRAY_SIZE(ways); i++)
		seq_printf(m, "switched_%s %ld\n", ways[i], atomic_long_read(&switched[i]));

	stress_show_states(m);

	guard(spinlock)(&lock);
	list_for_each_entry(patch, &pages, node) {
		seq_printf(m, "patch %s gen %llu funcs %u %u objects %u states %u %u set %u",
			   patch->name, patch->gen, patch->funcs, patch->watched, patch->objects,
			   patch->states, patch->unbound, patch->set);
		seq_printf(m, " flags %d%d%d%d %d %d %d\n", !!patch->replace, patch->persistent,
			   patch->forgotten, patch->forced, patch->stage[0], patch->stage[1],
			   patch->stage[2]);
	}
}
