/* SPDX-License-Identifier: GPL-2.0 */
/* Common head of all livepatches here. Must be included first. */
#ifndef _TEST_KLP_H
#define _TEST_KLP_H

/* Scripts search the log for the name of the module. */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/seq_file.h>
#include <linux/livepatch.h>

#endif /* _TEST_KLP_H */
