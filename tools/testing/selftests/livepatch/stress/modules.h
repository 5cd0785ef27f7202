/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the modules share: running a program, and the ledger of the callbacks.
 */

#ifndef _STRESS_MODULES_H
#define _STRESS_MODULES_H

#include <linux/delay.h>
#include <linux/ktime.h>
#include <linux/livepatch.h>
#include <linux/sched.h>
#include "stress.h"

struct stress_run;
struct stress_patch;

typedef void (*stress_func_t)(struct stress_run *run);

/**
 * struct stress_run - a program that is being run, on the stack of nobody
 * @magic:    says so: a function that is called by others, too, looks at it
 * @call:     the program
 * @funcs:    where its functions are, as compiled
 * @pc:	      the next step
 * @seen:     which of @call->seen the task is in, -1: none
 * @epoch:    of forced transitions, when the run began
 * @in_force: one was being forced then
 */
struct stress_run {
	u64 magic;
	struct stress_call *call;
	stress_func_t funcs[STRESS_FUNCS];
	unsigned int pc;
	int seen;
	int epoch;
	bool in_force;
};

#define STRESS_MAGIC	0x7374726573732121ULL

/* A target: where its functions are, and the threads that call them. */
struct stress_target {
	struct module *mod;
	unsigned int index;
	stress_func_t funcs[STRESS_PER_TARGET];
	struct task_struct *threads[2];
};

int stress_add_target(struct stress_target *target);
void stress_remove_target(struct stress_target *target);

/* What has been called last, for an object of a patch. */
enum stress_stage {
	STRESS_IDLE,		/* nothing, or post_unpatch */
	STRESS_PRE_PATCH,
	STRESS_PATCH_HOOK,
	STRESS_PREPARED,	/* the last patch_hook, or pre_unpatch */
	STRESS_LIVE,		/* post_patch */
	STRESS_UNPATCH_HOOK,
	STRESS_UNHOOKED,	/* the last unpatch_hook */
};

enum stress_event {
	STRESS_ON_PRE_PATCH,
	STRESS_ON_PATCH_HOOK_1,
	STRESS_ON_PATCH_HOOK_2,
	STRESS_ON_POST_PATCH,
	STRESS_ON_PRE_UNPATCH,
	STRESS_ON_UNPATCH_HOOK_1,
	STRESS_ON_UNPATCH_HOOK_2,
	STRESS_ON_POST_UNPATCH,
};

/**
 * struct stress_patch - a page of the ledger
 * @node:      in the list of all pages
 * @name:      of the patch
 * @gen:       counts patches as they are enabled, this one has this number
 * @funcs:     what it changes, by bits
 * @objects:   which objects it has, likewise
 * @replace:   as in the description
 * @persistent: likewise
 * @hooks:     its objects have hooks
 * @forgotten: another has taken its place
 * @forced:    its code may be run for ever
 * @stage:     of each object
 * @open:      functions of that object may be run: from pre_patch to post_unpatch
 */
struct stress_patch {
	struct list_head node;
	const char *name;
	u64 gen;
	u32 funcs;
	u32 objects;
	bool replace;
	bool persistent;
	bool hooks;
	bool forgotten;
	bool forced;
	enum stress_stage stage[STRESS_OBJECTS];
	bool open[STRESS_OBJECTS];
};

void stress_add_patch(struct stress_patch *patch);
void stress_remove_patch(struct stress_patch *patch);
int stress_callback(struct stress_patch *patch, unsigned int object, enum stress_event event);

int stress_enter(struct stress_run *run, unsigned int func, const struct stress_patch *patch);
void stress_leave(struct stress_run *run, const struct stress_patch *patch);
struct stress_run *stress_run_of(u64 value);

/* The object that a function is of. */
static inline unsigned int stress_object(unsigned int func)
{
	return func == STRESS_VMLINUX ? 0 : 1 + func / STRESS_PER_TARGET;
}

/* What the two parts of the module stress have of each other. */
__printf(1, 2) void stress_violation(const char *fmt, ...);
bool stress_excused(const struct stress_run *run);
void stress_force_begins(void);
void stress_check_version(const struct stress_run *run, unsigned int func,
			  const struct stress_patch *patch);
void stress_show_ledger(struct seq_file *m);
int stress_ledger_begin(void);
void stress_set_veto(unsigned int percent);

/* Inlined: it is the function of the program that is asleep or spins. */
static __always_inline void stress_do(struct stress_step step)
{
	u64 end;

	switch (step.what) {
	case STRESS_SLEEP:
		schedule_timeout_interruptible(msecs_to_jiffies(step.arg));
		break;
	case STRESS_DOZE:
		schedule_timeout_idle(msecs_to_jiffies(step.arg));
		break;
	case STRESS_SPIN:
		end = ktime_get_ns() + step.arg * NSEC_PER_USEC;
		while (ktime_get_ns() < end)
			cpu_relax();
		break;
	case STRESS_YIELD:
		schedule();
		break;
	}
}

static __always_inline struct stress_step stress_next(struct stress_run *run)
{
	static const struct stress_step end = { .what = STRESS_RETURN };

	return run->pc < run->call->nr_steps ? run->call->steps[run->pc++] : end;
}

static __always_inline void stress_go(struct stress_run *run)
{
	struct stress_step step;

	while ((step = stress_next(run)).what != STRESS_RETURN) {
		if (step.what == STRESS_CALL)
			run->funcs[step.arg](run);
		else
			stress_do(step);
	}
}

/* All that a version does. @patch is NULL for the original. */
static __always_inline void stress_body(struct stress_run *run, unsigned int func,
					const struct stress_patch *patch)
{
	int caller = stress_enter(run, func, patch);

	stress_go(run);
	stress_leave(run, patch);
	run->seen = caller;
}

#endif /* _STRESS_MODULES_H */
