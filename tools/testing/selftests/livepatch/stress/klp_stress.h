/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The parts of klp_stress: workers and the supervisor (klp_stress.c), operations
 * (klp_stress_ops.c), and the conditions that are checked while no worker runs
 * (klp_stress_check.c).
 */
#ifndef KLP_STRESS_H
#define KLP_STRESS_H

#include <stdatomic.h>
#include <stdnoreturn.h>
#include "../klp_util.h"
#include "stress.h"

#define TRACING		"/sys/kernel/tracing"
#define INSTANCE	TRACING "/instances/stress"
#define PREFIX		"stress_p"

#define RING		512	/* recorded operations */
#define WORKERS		32
#define MOST_PATCHES	64	/* in sysfs */

/* Kinds of operations, for counts and names. */
enum kind {
	LOAD, REPLACE, PERSISTENT, ENABLE, DISABLE, REVERSE, FORCE, JUNK, REMOVE,
	TARGET, TARGET_FAILS, TARGET_GOES, TRACE, KPROBE, RIVAL, VETO, CPU, FORK, READ,
	KINDS
};

extern const char * const kind_names[KINDS];

struct op {
	double start, end;
	unsigned long number;
	unsigned int worker;
	enum kind kind;
	int result;
	char object[160];
};

struct worker {
	char name[16];
	pid_t pid;
	atomic_bool resting;
	atomic_bool busy;
	char op[192];
};

struct shared {
	uint64_t seed;
	double start;
	atomic_bool pause, stop, done;
	atomic_int failed;
	char failure[2048];
	atomic_uint next_patch;
	atomic_bool loading;
	atomic_uint there;	/* functions of targets that can be called */
	atomic_ulong next_op;
	struct op ring[RING];
	struct worker workers[WORKERS];
	unsigned int nr_workers;
	atomic_ulong kinds[KINDS], refused[KINDS];
	atomic_ulong took[KINDS], longest[KINDS];	/* microseconds */
	atomic_ulong programs, calls, nested, excused, away, quiet;
};

extern struct shared *shared;

/* Seconds. No operation and no transition takes longer. */
extern int limit;

/* /dev/livepatch-stress */
extern int device;

extern __thread struct worker *self;

unsigned int below(unsigned int n);
uint32_t random32(void);
void seed_worker(unsigned int number);

noreturn void fail(const char *fmt, ...);

struct op *begin(enum kind kind, const char *fmt, ...);
int end(struct op *op, int result, ...);

/* A patch in sysfs. */
struct patch {
	char name[64];
	char dir[128];
	int enabled, transition;
};

unsigned int list_patches(struct patch *patches, unsigned int most);

/* Operations. Each call performs one, or a few. */
void load_images(void);
void operate(void);
void move_targets(void);
void call_something(void);
void fork_some(void);
void meddle(void);
void meddle_no_more(void);
void read_all(void);

/* Conditions. */
extern const char * const object_names[STRESS_OBJECTS];

void check_violations(void);
void check_all(void);
void clear_away(void);

#endif /* KLP_STRESS_H */
