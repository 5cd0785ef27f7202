// SPDX-License-Identifier: GPL-2.0
/*
 * The target of test_klp_fleet_1, _2 and _3, the versions of a cumulative livepatch that `make
 * fleet` rolls out over several machines.
 *
 * /proc/test_klp_fleet shows the version of the livepatch that is in effect, and the version that
 * has introduced its system state. The parameters let a rollout fail on this machine: a reader
 * sleeps in test_klp_fleet_wait(), which version 2 replaces, the livepatch refuses to be enabled,
 * or it panics.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include "gate.h"
#include "test_klp_fleet.h"
#include <linux/errno.h>
#include <linux/module.h>
#include <linux/proc_fs.h>
#include <linux/seq_file.h>

static struct gate gate;
module_param_cb(hold, &gate_closed_ops, &gate, 0644);
MODULE_PARM_DESC(hold, "keep readers of the /proc file asleep");
module_param_cb(held, &gate_waiting_ops, &gate, 0444);
MODULE_PARM_DESC(held, "number of readers asleep now");

struct fleet_policy test_klp_fleet_policy;
EXPORT_SYMBOL_GPL(test_klp_fleet_policy);
module_param_named(veto, test_klp_fleet_policy.veto, int, 0644);
MODULE_PARM_DESC(veto, "version of the livepatch that refuses to be enabled");
module_param_named(panic, test_klp_fleet_policy.panic, int, 0644);
MODULE_PARM_DESC(panic, "version of the livepatch that panics after the tasks have been switched");

/* The functions to be livepatched: they must not be cloned or inlined. */
static noinline __noclone int test_klp_fleet_wait(void)
{
	return gate_pass(&gate);
}

static noinline __noclone void test_klp_fleet_version(struct seq_file *m)
{
	seq_puts(m, "0 0\n");
}

static int fleet_show(struct seq_file *m, void *v)
{
	int ret;

	ret = test_klp_fleet_wait();
	if (ret)
		return ret;
	test_klp_fleet_version(m);
	return 0;
}

static int __init fleet_init(void)
{
	if (!proc_create_single(KBUILD_MODNAME, 0444, NULL, fleet_show))
		return -ENOMEM;
	return 0;
}

static void __exit fleet_exit(void)
{
	remove_proc_entry(KBUILD_MODNAME, NULL);
}

module_init(fleet_init);
module_exit(fleet_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Livepatch selftests: a machine of a fleet");
