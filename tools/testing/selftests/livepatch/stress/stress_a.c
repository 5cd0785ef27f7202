// SPDX-License-Identifier: GPL-2.0
/* The first target. */
#define TARGET		0
#define TARGET_FUNC(n)	stress_a_##n
#include "target.h"

/* A second name of the address of the first function. */
static void __alias(stress_a_0) __used stress_a_alias(struct stress_run *run);
