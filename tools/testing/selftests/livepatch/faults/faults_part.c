// SPDX-License-Identifier: GPL-2.0
/*
 * A livepatch that changes a part of what faults_patch changes.
 */

#include "faults_patch.h"

static struct klp_func vmlinux_funcs[] = {
	{ .old_name = "cmdline_proc_show", .new_func = new_cmdline },
	{ }
};

static struct klp_func target_funcs[] = {
	{ .old_name = "faults_target_value", .new_func = new_value },
	{ }
};

static struct klp_object objs[] = {
	FAULTS_OBJECT(NULL, vmlinux_funcs),
	FAULTS_OBJECT("faults_target", target_funcs),
	{ }
};

static struct klp_state states[] = {
	{ .id = FAULTS_KEPT, FAULTS_STATE },
	{ }
};

static struct klp_patch patch = {
	.mod = THIS_MODULE,
	.objs = objs,
	.states = states,
};

MODULE_DESCRIPTION("Livepatch fault tests: a livepatch of less");
