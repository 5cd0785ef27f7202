// SPDX-License-Identifier: GPL-2.0
/* A livepatch that changes everything that the driver checks: vmlinux and two modules. */

#include "faults_patch.h"

static int new_extra(void)
{
	return 2 * FAULTS_NUMBER;
}

static int new_value2(void)
{
	return 3 * FAULTS_NUMBER;
}

static int new_version(struct seq_file *m, void *v)
{
	seq_puts(m, KBUILD_MODNAME "\n");
	return 0;
}

static struct klp_func vmlinux_funcs[] = {
	{ .old_name = "cmdline_proc_show", .new_func = new_cmdline },
	{ .old_name = "version_proc_show", .new_func = new_version },
	{ .old_name = "meminfo_proc_show", .stack_only = true },
	{ }
};

static struct klp_func target_funcs[] = {
	{ .old_name = "faults_target_value", .new_func = new_value },
	{ .old_name = "faults_target_extra", .new_func = new_extra },
	{ }
};

static struct klp_func target2_funcs[] = {
	{ .old_name = "faults_target2_value", .new_func = new_value2 },
	{ }
};

static struct klp_object objs[] = {
	FAULTS_OBJECT(NULL, vmlinux_funcs),
	FAULTS_OBJECT("faults_target", target_funcs),
	FAULTS_OBJECT("faults_target2", target2_funcs),
	{ }
};

static struct klp_state states[] = {
	{ .id = FAULTS_KEPT, FAULTS_STATE },
	{ .id = FAULTS_BOUND, .object = "faults_target", .is_shadow = true, FAULTS_STATE },
	{ }
};

static struct klp_patch patch = {
	.mod = THIS_MODULE,
	.objs = objs,
	.states = states,
};

MODULE_DESCRIPTION("Livepatch fault tests: a livepatch");
