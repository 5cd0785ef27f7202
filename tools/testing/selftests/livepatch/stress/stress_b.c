// SPDX-License-Identifier: GPL-2.0
/* The second target. */
#define TARGET		1
#define TARGET_FUNC(n)	stress_b_##n
#include "target.h"
