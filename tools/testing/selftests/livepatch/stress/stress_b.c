// SPDX-License-Identifier: GPL-2.0
/* The second target. */
#define TARGET		1
#define TARGET_FUNC(n)	stress_b_##n
#include "target.h"

/* A second name of the address of the first function. */
static void __alias(stress_b_0) __used stress_b_alias(struct stress_run *run);
