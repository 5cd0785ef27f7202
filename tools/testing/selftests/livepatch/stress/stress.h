/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Shared by the modules and the program in user space: programs of calls, the record of a run,
 * and the rule that checks it.
 */

#ifndef _STRESS_H
#define _STRESS_H

#include <linux/ioctl.h>
#include <linux/types.h>

/*
 * Functions that patches change: four in each of two targets, and two in vmlinux. Programs call all
 * of them but the last, in which tasks exit.
 */
#define STRESS_TARGETS		2
#define STRESS_PER_TARGET	4
#define STRESS_VMLINUX		8
#define STRESS_FUNCS		9
#define STRESS_EXIT		9
#define STRESS_PATCHED		10

/* Objects of a patch: vmlinux, then the targets. */
#define STRESS_OBJECTS		3

/* System states that patches have. The second one is bound to the first target, and so on. */
#define STRESS_STATES		4

/* Replace sets. */
#define STRESS_SETS		2

#define STRESS_STEPS		80
#define STRESS_CALLS		20
#define STRESS_DEPTH		6
#define STRESS_LONGEST_SLEEP	1000	/* milliseconds */
#define STRESS_LONGEST_SPIN	5000	/* microseconds */

/* A step of a function. The function executes steps until it returns. */
enum stress_what {
	STRESS_RETURN,
	STRESS_CALL,	/* a function; that of vmlinux does the one step that follows */
	STRESS_SLEEP,	/* so many milliseconds, or until a signal comes */
	STRESS_DOZE,	/* the same, ignoring signals */
	STRESS_SPIN,	/* so many microseconds */
	STRESS_YIELD,
};

struct stress_step {
	__u16 what;
	__u16 arg;
};

/**
 * struct stress_seen - a recorded call of a function
 * @gen:     sequence number of the patch of the version, 0 for the original
 * @funcs:   bit mask of all functions that this patch changes
 * @watched: bit mask of the functions that it only searches on the stack
 * @func:    the function
 * @caller:  index of the caller in the record, -1 for none
 * @replace: bit mask of the sets whose older patches it has replaced
 * @set:     its set
 * @unused:  0
 */
struct stress_seen {
	__u64 gen;
	__u32 funcs;
	__u32 watched;
	__s16 func;
	__s16 caller;
	__u32 replace;
	__u32 set;
	__u32 unused;
};

/**
 * struct stress_call - a program, and the record of its run
 * @nr_steps: number of steps
 * @nr_seen:  number of recorded calls
 * @excused:  a transition was forced during the run, so it is not checked
 * @unused:   0
 * @steps:    the program
 * @seen:     the calls in their order
 */
struct stress_call {
	__u32 nr_steps;
	__u32 nr_seen;
	__u32 excused;
	__u32 unused;
	struct stress_step steps[STRESS_STEPS];
	struct stress_seen seen[STRESS_CALLS];
};

/*
 * The new versions of some functions jump to another one, which does the rest: nothing of the
 * function is on the stack then.
 */
static inline int stress_is_tail(const struct stress_seen *seen)
{
	return seen->gen && seen->func < STRESS_VMLINUX && seen->func & 1;
}

/*
 * May @g have run while the task was inside @f?  While it is there, no patch that changes @f can
 * come or be replaced, and the one that @f is of cannot go:
 *
 *	- A newer version comes of a patch that leaves @f alone.  One that replaces the set of @f
 *	  would also have waited for a task in a version that it takes away.  Other patches do
 *	  not wait for a task that has jumped out of @f.
 *	- An older version, or the original, is of a function that the patch of @f leaves alone,
 *	  and that patch, if it replaces the set, has left nothing older but the original.
 */
static inline int stress_goes_with(const struct stress_seen *f, const struct stress_seen *g)
{
	if (g->gen == f->gen)
		return 1;
	if (g->gen > f->gen)
		return (!(g->funcs & 1 << f->func) || stress_is_tail(f)) &&
		       !(g->replace & 1 << f->set && f->gen);
	return !(f->funcs & 1 << g->func) && !(f->replace & 1 << g->set && g->gen);
}

static inline int stress_is_in(const struct stress_call *call, int seen, int caller)
{
	while (seen > caller)
		seen = call->seen[seen].caller;
	return seen == caller;
}

/*
 * Return true if @a and @b may both have run while the task was inside a function that the patch
 * of @a searches on the stack: that patch was neither enabled, nor disabled, nor replaced between
 * the two.
 */
static inline int stress_go_together(const struct stress_seen *a, const struct stress_seen *b)
{
	if (b->gen < a->gen)
		return !(a->funcs & 1 << b->func);
	return b->gen == a->gen || !(b->replace & 1 << a->set);
}

/* Return a call that is inconsistent with @a, inside a function that its patch searches. */
static inline int stress_check_watched(const struct stress_call *call, int a)
{
	unsigned int i;
	int f;

	for (f = call->seen[a].caller; f >= 0; f = call->seen[f].caller) {
		if (!(call->seen[a].watched & 1 << call->seen[f].func) ||
		    stress_is_tail(&call->seen[f]))
			continue;
		for (i = f + 1; i < call->nr_seen; i++)
			if (stress_is_in(call, i, f) &&
			    !stress_go_together(&call->seen[a], &call->seen[i]))
				return i;
	}
	return -1;
}

/*
 * Return the first call that is inconsistent with one of its callers, direct or indirect, or with
 * another call of one of them.
 */
static inline int stress_check(const struct stress_call *call, int *other)
{
	unsigned int i;
	int j, bad;

	for (i = 0; i < call->nr_seen; i++) {
		for (j = call->seen[i].caller; j >= 0; j = call->seen[j].caller)
			if (!stress_goes_with(&call->seen[j], &call->seen[i])) {
				*other = j;
				return i;
			}
		bad = stress_check_watched(call, i);
		if (bad >= 0) {
			*other = i;
			return bad;
		}
	}
	return -1;
}

/*
 * Make a program that calls some of @funcs, with numbers from @random.  Mostly it takes
 * some milliseconds, and now and then so long that cond_resched() is changed to switch tasks, which
 * in an emulated guest takes seconds.
 */
static inline void stress_make(struct stress_call *call, __u32 funcs, __u32 (*random)(void *),
			       void *state)
{
	unsigned int i, depth = 0, calls = 0, nr = 3 + random(state) % 16;
	unsigned int slow = random(state) % 1000 ? 3 : 200;
	struct stress_step *step = call->steps;
	__u32 r;

	for (i = 0; i < nr; i++, step++) {
		r = random(state);
		step->what = r & 16 ? STRESS_SLEEP : STRESS_DOZE;
		step->arg = 1 + (r >> 16) % slow;
		if (i && step[-1].what == STRESS_CALL && step[-1].arg == STRESS_VMLINUX)
			continue;
		switch (r % 16) {
		case 0 ... 2:
			step->what = depth ? STRESS_RETURN : STRESS_YIELD;
			depth -= depth > 0;
			break;
		case 3 ... 5:
			break;
		case 6:
			step->what = STRESS_SPIN;
			step->arg *= 10;
			break;
		default:
			step->what = STRESS_CALL;
			step->arg = (r >> 16) % STRESS_FUNCS;
			if (calls < STRESS_CALLS && depth < STRESS_DEPTH &&
			    funcs & 1 << step->arg) {
				calls++;
				depth += step->arg != STRESS_VMLINUX;
				break;
			}
			step->what = STRESS_YIELD;
			break;
		}
	}
	call->nr_steps = nr;
	call->nr_seen = 0;
	call->excused = 0;
}

/*
 * /dev/livepatch-stress:
 *
 *	RUN	run a struct stress_call; ENODEV when a target is needed that is not there
 *	FORCED	after each write that has forced a transition
 *	VETO	so many of a hundred pre_patch callbacks say no, with EUCLEAN
 *	PAUSE	1: the threads of the targets stay out of their functions
 *	CLOSE	bit mask of targets that tasks must not enter, so that they can be unloaded
 *	RIVAL	1: another IPMODIFY ops is on the function in vmlinux
 */
#define STRESS_RUN	_IOWR('L', 16, struct stress_call)
#define STRESS_FORCED	_IO('L', 17)
#define STRESS_VETO	_IO('L', 18)
#define STRESS_PAUSE	_IO('L', 19)
#define STRESS_CLOSE	_IO('L', 20)
#define STRESS_RIVAL	_IO('L', 21)

#endif /* _STRESS_H */
