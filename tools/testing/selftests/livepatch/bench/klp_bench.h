/* SPDX-License-Identifier: GPL-2.0 */
/* Parts of the benchmark that several files use. */
#ifndef KLP_BENCH_H
#define KLP_BENCH_H

#include <stdatomic.h>
#include "../klp_util.h"

/* Print a result. */
void tell(const char *key, int functions, double value);
/* Load bench_NAME, wait for its transition, and print the times. */
void enable(const char *name, int functions);
/* Disable and unload bench_NAME. Return the time of disabling it. */
double disable_time(const char *name);

/* Steps that read a trace. */
void conflict_check(int functions);
void klpctl_returns(int times);

/* Number of sleeping threads. */
extern int threads;

void start_threads(int wanted);

/* A probe is a process that repeats one operation and records its longest time. */
struct probe {
	pid_t pid;
	atomic_bool ready, stop;
	double worst;		/* valid when the process has ended */
};

struct probe *new_probe(void);
void start_probe(struct probe *probe, double (*once)(void));
double stop_probe(struct probe *probe);

#endif /* KLP_BENCH_H */
