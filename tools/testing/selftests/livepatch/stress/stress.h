/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the modules and the program in user space share: programs of calls, what was seen while one
 * ran, and the rule by which it is judged.
 */

#ifndef _STRESS_H
#define _STRESS_H

#include <linux/ioctl.h>
#include <linux/types.h>

/* Functions that patches change: four in each of two targets, the last one in vmlinux. */
#define STRESS_TARGETS		2
#define STRESS_PER_TARGET	4
#define STRESS_VMLINUX		8
#define STRESS_FUNCS		9

/* Objects of a patch: vmlinux, then the targets. */
#define STRESS_OBJECTS		3

#define STRESS_STEPS		80
#define STRESS_CALLS		20
#define STRESS_DEPTH		6
#define STRESS_LONGEST_SLEEP	1000	/* milliseconds */
#define STRESS_LONGEST_SPIN	5000	/* microseconds */

/* What a function does next; it does so until it returns. */
enum stress_what {
	STRESS_RETURN,
	STRESS_CALL,	/* a function; that of vmlinux does the one step that follows */
	STRESS_SLEEP,	/* so many milliseconds, or until a signal comes */
	STRESS_DOZE,	/* the same, whatever comes */
	STRESS_SPIN,	/* so many microseconds */
	STRESS_YIELD,
};

struct stress_step {
	__u16 what;
	__u16 arg;
};

/**
 * struct stress_seen - a function has been called, and this version of it ran
 * @gen:     when the patch it is of was enabled: the higher, the newer. 0: the original
 * @funcs:   all functions that this patch changes, by their bits
 * @func:    the function
 * @caller:  which of those seen has called it, -1: none
 * @replace: the patch has taken the place of those before it
 * @unused:  0
 */
struct stress_seen {
	__u64 gen;
	__u32 funcs;
	__s16 func;
	__s16 caller;
	__u32 replace;
	__u32 unused;
};

/**
 * struct stress_call - a program, and what was seen while it ran
 * @nr_steps: its length
 * @nr_seen:  how many functions it has called
 * @excused:  a transition was forced meanwhile, nothing is promised
 * @unused:   0
 * @steps:    the program
 * @seen:     in the order in which they were called
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
 * May @g have run while the task was inside @f?  While it is there, no patch that changes @f can
 * come or be replaced, and the one that @f is of cannot go:
 *
 *	- A newer version comes of a patch that leaves @f alone.  One that replaces others would
 *	  also have waited for a task in a version that it takes away.
 *	- An older version, or the original, is of a function that the patch of @f leaves alone,
 *	  and that patch, if it replaces others, has left nothing older but the original.
 */
static inline int stress_goes_with(const struct stress_seen *f, const struct stress_seen *g)
{
	if (g->gen == f->gen)
		return 1;
	if (g->gen > f->gen)
		return !(g->funcs & 1 << f->func) && !(g->replace && f->gen);
	return !(f->funcs & 1 << g->func) && !(f->replace && g->gen);
}

/* The first in @call that does not go with one that it was called from, through others or not. */
static inline int stress_check(const struct stress_call *call, int *caller)
{
	unsigned int i;
	int j;

	for (i = 0; i < call->nr_seen; i++)
		for (j = call->seen[i].caller; j >= 0; j = call->seen[j].caller)
			if (!stress_goes_with(&call->seen[j], &call->seen[i])) {
				*caller = j;
				return i;
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
 *	CLOSE	bit by bit: the targets that nobody is to enter, so that they can be removed
 *	RIVAL	1: somebody else may say where calls of the function in vmlinux go
 */
#define STRESS_RUN	_IOWR('L', 16, struct stress_call)
#define STRESS_FORCED	_IO('L', 17)
#define STRESS_VETO	_IO('L', 18)
#define STRESS_PAUSE	_IO('L', 19)
#define STRESS_CLOSE	_IO('L', 20)
#define STRESS_RIVAL	_IO('L', 21)

#endif /* _STRESS_H */
