/* SPDX-License-Identifier: GPL-2.0 */
/* Shared by the modules: running a program, and the ledger of callbacks. */

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
 * struct stress_run - a running program
 * @magic:    marks the structure for a function that has other callers
 * @call:     the program
 * @funcs:    addresses of its functions, as compiled
 * @pc:	      the next step
 * @seen:     the entry of @call->seen in which the task is, -1 for none
 * @epoch:    number of forced transitions at the start of the run
 * @in_force: a transition was being forced at the start
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

/* A target: the addresses of its functions, and the threads that call them. */
struct stress_target {
	struct module *mod;
	unsigned int index;
	stress_func_t funcs[STRESS_PER_TARGET];
	struct task_struct *threads[2];
};

int stress_add_target(struct stress_target *target);
void stress_remove_target(struct stress_target *target);

/* The last callback that was called, for an object of a patch. */
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
 * @name:      name of the patch
 * @desc:      its description
 * @gen:       sequence number of enabling the patch
 * @funcs:     bit mask of the functions that it changes
 * @watched:   bit mask of the functions with stack_only
 * @objects:   bit mask of its objects
 * @states:    bit mask of its states
 * @unbound:   bit mask of those of its states that it does not bind to a module
 * @set:       its replace set
 * @replace:   bit mask of the sets that it replaces
 * @persistent: as in the description
 * @hooks:     its objects have hooks
 * @forgotten: another patch has replaced it
 * @forced:    its code may run for ever
 * @stage:     of each object
 * @open:      functions of that object may run: from pre_patch to post_unpatch
 */
struct stress_patch {
	struct list_head node;
	const char *name;
	const struct klp_patch *desc;
	u64 gen;
	u32 funcs;
	u32 watched;
	u32 objects;
	u32 states;
	u32 unbound;
	u32 set;
	u32 replace;
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
void stress_exit(const struct stress_patch *patch);
int stress_state_callback(const struct stress_patch *patch, struct klp_state *state,
			  enum stress_event event);
void stress_shadow_dtor(void *obj, void *data);

int stress_enter(struct stress_run *run, unsigned int func, const struct stress_patch *patch);
void stress_leave(struct stress_run *run, const struct stress_patch *patch);
struct stress_run *stress_run_of(u64 value);

/* Return the object of a function. */
static inline unsigned int stress_object(unsigned int func)
{
	return func >= STRESS_VMLINUX ? 0 : 1 + func / STRESS_PER_TARGET;
}

/* Numbers of states. */
#define STRESS_STATE_ID		0x57a7e500

/* Return the object to which a patch binds a state, 0 for none. */
static inline unsigned int stress_object_of_state(const struct stress_patch *patch,
						  unsigned int number)
{
	return patch->unbound & BIT(number) ? 0 : number % STRESS_OBJECTS;
}

/* Return true if @patch reverts @old or has replaced it. */
static inline bool stress_replaces(const struct stress_patch *patch, const struct stress_patch *old)
{
	return patch->replace & BIT(old->set) && old->gen < patch->gen;
}

/* An event leads from one stage to another. */
struct stress_transit {
	enum stress_stage from;
	enum stress_stage to;
};

/* Functions and tables that the files of the module stress share. */
extern const struct stress_transit stress_without_hooks[STRESS_ON_POST_UNPATCH + 1];
extern const char * const stress_event_names[STRESS_ON_POST_UNPATCH + 1];

bool stress_vetoes(void);
void stress_check_states(const struct stress_patch *patch, unsigned int object);
void stress_check_state_sets(const struct stress_patch *patch, unsigned int number);
void stress_show_states(struct seq_file *m);
__printf(1, 2) void stress_violation(const char *fmt, ...);
bool stress_excused(const struct stress_run *run);
void stress_force_begins(void);
void stress_check_version(const struct stress_run *run, unsigned int func,
			  const struct stress_patch *patch);
void stress_show_ledger(struct seq_file *m);
int stress_ledger_begin(void);
void stress_set_veto(unsigned int percent);

/*
 * Execute a step. Inlined, so that the function of the program is the one that sleeps or spins.
 */
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

/* Execute a version. @patch is NULL for the original. */
static __always_inline void stress_body(struct stress_run *run, unsigned int func,
					const struct stress_patch *patch)
{
	int caller = stress_enter(run, func, patch);

	stress_go(run);
	stress_leave(run, patch);
	run->seen = caller;
}

/* Return what stress_enter() has returned, in a function that was reached by a jump. */
static inline int stress_caller(const struct stress_run *run)
{
	return run->call->seen[run->seen].caller;
}

#endif /* _STRESS_MODULES_H */
