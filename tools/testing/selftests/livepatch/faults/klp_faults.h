/* SPDX-License-Identifier: GPL-2.0 */
/* The parts of klp_faults: operations of the core, injected faults, and comparisons. */
#ifndef KLP_FAULTS_H
#define KLP_FAULTS_H

#include "../klp_util.h"

#define DEBUGFS		"/sys/kernel/debug"
#define LEDGER		"/proc/faults_ledger"
#define PATCH		"faults_patch"
#define PART		"faults_part"
#define TARGET		"faults_target"
#define TARGET2		"faults_target2"

#define PATIENCE	120	/* seconds for a transition, and for a module to be unloaded */

/* A text of any length. */
struct text {
	char *data;
	size_t len;
	size_t room;
};

void text_add(struct text *text, const char *data, size_t len);
void text_printf(struct text *text, const char *fmt, ...);
bool text_read(struct text *text, const char *path);
void must_read(struct text *text, const char *path);

/*
 * The compared properties: the files of patches and modules and the results of functions; the
 * functions that ftrace redirects; the symbols of modules and trampolines. Addresses are left
 * out, since modules and trampolines may move.
 */
enum { LOOK_STATE, LOOK_FTRACE, LOOK_SYMBOLS, LOOKS };

struct look {
	struct text part[LOOKS];
};

/*
 * The result of a comparison. After a fault that the core has survived, functions without a
 * version may be left in the filter of a batch: LEFTOVER.
 */
enum verdict { SAME, LEFTOVER, DIFFERENT };

enum verdict look_until(const struct look *wanted);
void look_at_rest(struct look *rest);
void show_difference(const struct look *wanted);

/*
 * failslab and fail_page_alloc fail allocations with the core on the stack. They count all
 * allocations while armed, since boot, and fail when the count is a multiple of their interval.
 * With an interval of the count plus k, the k-th one from now fails.
 */
struct injector {
	const char *dir;
	unsigned long count;
	unsigned long interval;
};

extern struct injector slab, pages;

/* A function that is made to fail. */
struct callee {
	char name[64];
	long value;
	char answers[64];
	unsigned int tried;
};

extern struct callee callees[64];
extern unsigned int nr_callees;

/* Marks a callee that the core calls for each task. The value is not an errno. */
#define EACH_TASK	(-1)

/* Bounds of the text of the core and of the text of kmemleak: start, end, start, end. */
extern char **text_range;

void injector_setup(struct injector *injector, bool verbose);
void injector_arm(struct injector *injector, unsigned int k);
bool injector_disarm(struct injector *injector);
void read_callees(const char *path);
void callee_arm(const struct callee *callee, unsigned int k);
bool callee_disarm(void);
const char *errno_name(int error);
bool is_answer(const char *answers, int error);

/**
 * struct path - an operation of the core
 * @name:      its name
 * @setup:     gets from the state after clean_up() to the state before the operation
 * @operate:   performs the operation, returns 0 or an errno
 * @undo:      gets back to the state before the operation
 * @steps:     the ledger after a successful operation
 * @refusable: -ENOMEM is a valid result when an allocation fails
 */
struct path {
	const char *name;
	void (*setup)(void);
	int (*operate)(void);
	void (*undo)(void);
	const char *steps;
	bool refusable;
};

/* The ledger after each step of an object: enabled, refused, disabled, enabled and disabled. */
#define LIVE		"phiL"
#define UNDONE		"phiuvq"
#define GONE		"wuvq"
#define THERE_AND_BACK	"phiLwuvq"

/* The same for states, of which PATCH has two. The first is never removed without the patch. */
#define KEPT		PATCH "/kept"
#define BOUND		PATCH "/bound"
#define STATE_LIVE	"pL"
#define STATE_GONE	"wqd"

extern const struct path paths[];
extern const unsigned int nr_paths;

void must_load(const char *name, const char *params);
void clean_up(void);

#endif /* KLP_FAULTS_H */
