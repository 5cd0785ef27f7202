// SPDX-License-Identifier: GPL-2.0
/* One more module to be patched.  It does without the twins, which need a second file. */
#define TARGET_ALONE
#include "target_main.c"
