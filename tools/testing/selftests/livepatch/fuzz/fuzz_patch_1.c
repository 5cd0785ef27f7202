// SPDX-License-Identifier: GPL-2.0
/*
 * fuzz_patch_1: see fuzz_patch.h.
 */

#include "fuzz_patch.h"
