/* SPDX-License-Identifier: GPL-2.0 */
/* The parts of klp_fuzz: phases use the random numbers, the checks and the counts of klp_fuzz.c. */
#ifndef KLP_FUZZ_H
#define KLP_FUZZ_H

#include <stdnoreturn.h>
#include "../klp_util.h"

#define PATIENCE	60	/* seconds for a transition, and for a module to be unloaded */

/* Name of the running phase, for messages. */
extern const char *phase;

uint64_t random_number(void);
uint64_t below(uint64_t limit);
bool one_in(unsigned int n);
void begin_attempt(unsigned long number);

noreturn void fail(const char *fmt, ...);
void expect_nothing_left(void);
void count_answer(int ret);
void tell_answers(void);

void await_transition(const char *patch);
bool disable(const char *patch);

void try_modules(const char *rela, unsigned long times);

#endif /* KLP_FUZZ_H */
