// SPDX-License-Identifier: GPL-2.0
/* The first target. */
#define TARGET		0
#define TARGET_FUNC(n)	stress_a_##n
#include "target.h"
