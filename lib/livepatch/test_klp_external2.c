// SPDX-License-Identifier: GPL-2.0
/* The same under another name, to replace the first one. */
#include "test_klp_external.c"
