/* SPDX-License-Identifier: GPL-2.0 */
/* Processes that run during the measured operations: sleeping threads, and probes. */
#ifndef KLP_BENCH_H
#define KLP_BENCH_H

#include <stdatomic.h>
#include "../klp_util.h"

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
