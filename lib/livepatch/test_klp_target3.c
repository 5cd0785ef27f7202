// SPDX-License-Identifier: GPL-2.0
/* Another target module, without the twins, which need a second file. */
#define TARGET_ALONE
#include "target_main.c"
