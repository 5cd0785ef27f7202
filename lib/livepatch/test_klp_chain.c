// SPDX-License-Identifier: GPL-2.0
/*
 * A target module for tasks in all positions relative to a function that changes:
 *
 * - A reader of /proc/test_klp_chain runs test_klp_chain_top(), _middle() and _leaf(), and sleeps
 *   in the middle one while the parameter hold is set.
 * - A reader of /proc/test_klp_spin calls test_klp_chain_step() in a loop while the parameter spin
 *   is set, so it is mostly preempted on the way into that function.
 * - A task that maps /proc/test_klp_chain and forks sleeps in test_klp_chain_vm_open(), in the
 *   middle of the fork, while the parameter fork_hold is set.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include "gate.h"
#include "target.h"
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/proc_fs.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>

/* Number of calls before a spinning task does anything else. */
#define CALLS_PER_REST	4096

static struct gate gate;
module_param_cb(hold, &gate_closed_ops, &gate, 0644);
MODULE_PARM_DESC(hold, "keep readers of /proc/test_klp_chain asleep in the middle");
module_param_cb(held, &gate_waiting_ops, &gate, 0444);
MODULE_PARM_DESC(held, "number of readers asleep there now");

static struct gate fork_gate;
module_param_cb(fork_hold, &gate_closed_ops, &fork_gate, 0644);
MODULE_PARM_DESC(fork_hold, "keep those asleep who fork with the file mapped");
module_param_cb(fork_held, &gate_waiting_ops, &fork_gate, 0444);
MODULE_PARM_DESC(fork_held, "number of those asleep there now");

static bool spin;
module_param(spin, bool, 0644);
MODULE_PARM_DESC(spin, "keep readers of /proc/test_klp_spin calling test_klp_chain_step()");

static unsigned long steps;
module_param(steps, ulong, 0444);
MODULE_PARM_DESC(steps, "how many calls have returned (read only)");

static int stepped;
module_param(stepped, int, 0444);
MODULE_PARM_DESC(stepped, "which version the last of them ran, 0 for the original (read only)");

static noinline __noclone void test_klp_chain_leaf(struct seq_file *m)
{
	seq_puts(m, "leaf: original\n");
}

static noinline __noclone int test_klp_chain_middle(struct seq_file *m)
{
	int ret;

	ret = gate_pass(&gate);
	if (ret)
		return ret;

	test_klp_chain_leaf(m);
	seq_puts(m, "middle: original\n");
	return 0;
}

static noinline __noclone int test_klp_chain_top(struct seq_file *m)
{
	int ret;

	ret = test_klp_chain_middle(m);
	if (ret)
		return ret;

	seq_puts(m, "top: original\n");
	return 0;
}

int test_klp_chain_show(struct seq_file *m)
{
	return test_klp_chain_top(m);
}
EXPORT_SYMBOL_GPL(test_klp_chain_show);

static int chain_show(struct seq_file *m, void *v)
{
	return test_klp_chain_show(m);
}

static int chain_open(struct inode *inode, struct file *file)
{
	return single_open(file, chain_show, NULL);
}

/* Called by fork for the mapping of the child, which is not on the task list yet. */
static noinline __noclone void test_klp_chain_vm_open(struct vm_area_struct *vma)
{
	if (gate_pass(&fork_gate))
		pr_info("a fork was not held to the end\n");
}

static void chain_vm_open(struct vm_area_struct *vma)
{
	test_klp_chain_vm_open(vma);
	/* Prevents a tail call: only the inner function may be patched. */
	barrier();
}

static const struct vm_operations_struct chain_vm_ops = {
	.open = chain_vm_open,
};

/* The mapping has no pages: an access gets a signal. */
static int chain_mmap(struct file *file, struct vm_area_struct *vma)
{
	vma->vm_ops = &chain_vm_ops;
	return 0;
}

static const struct proc_ops chain_proc_ops = {
	.proc_open = chain_open,
	.proc_read = seq_read,
	.proc_lseek = seq_lseek,
	.proc_mmap = chain_mmap,
	.proc_release = single_release,
};

static noinline __noclone void test_klp_chain_step(int *version)
{
	WRITE_ONCE(*version, 0);
}

static int spin_show(struct seq_file *m, void *v)
{
	/* The livepatch core signals tasks too: only react to fatal signals. */
	while (READ_ONCE(spin) && !fatal_signal_pending(current)) {
		test_klp_chain_step(&stepped);
		WRITE_ONCE(steps, steps + 1);
		if (steps % CALLS_PER_REST)
			continue;
		/* Lets an emulator run another CPU, and ftrace free unused memory. */
		cpu_relax();
		cond_resched_tasks_rcu_qs();
	}

	return 0;
}

static int __init chain_init(void)
{
	if (!proc_create(KBUILD_MODNAME, 0444, NULL, &chain_proc_ops))
		return -ENOMEM;
	if (!proc_create_single("test_klp_spin", 0444, NULL, spin_show)) {
		remove_proc_entry(KBUILD_MODNAME, NULL);
		return -ENOMEM;
	}

	return 0;
}

static void __exit chain_exit(void)
{
	remove_proc_entry("test_klp_spin", NULL);
	remove_proc_entry(KBUILD_MODNAME, NULL);
}

module_init(chain_init);
module_exit(chain_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Livepatch selftests: tasks in, above, below and on the way into functions");
