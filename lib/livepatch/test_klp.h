/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What all livepatches here begin with.  To be included before anything else.
 */
#ifndef _TEST_KLP_H
#define _TEST_KLP_H

/* The scripts look for the name of the module in the log. */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/seq_file.h>
#include <linux/livepatch.h>

#endif /* _TEST_KLP_H */
