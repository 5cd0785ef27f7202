// SPDX-License-Identifier: GPL-2.0
/*
 * A livepatch whose module is in use in unusual ways: init fails after the patch has been
 * enabled, a thread of the module runs in its text, or tasks exit in its code after they have
 * left the task list.
 */
#include "test_klp.h"
#include "gate.h"
#include <linux/err.h>
#include <linux/kthread.h>
#include <linux/sched.h>
#include <linux/string.h>

static int init_ret;
module_param(init_ret, int, 0444);
MODULE_PARM_DESC(init_ret, "what init returns when the patch has been enabled");

static bool thread;
module_param(thread, bool, 0444);
MODULE_PARM_DESC(thread, "have a kernel thread that sleeps in the module until its exit");

static bool exiting;
module_param(exiting, bool, 0444);
MODULE_PARM_DESC(exiting, "patch what tasks run in do_exit() when they have left the task list");

static bool persistent;
module_param(persistent, bool, 0444);
MODULE_PARM_DESC(persistent, "stay when disabled, to be enabled again");

static bool replace;
module_param(replace, bool, 0444);
MODULE_PARM_DESC(replace, "take the place of all patches enabled before");

static struct gate hold_gate;
module_param_cb(hold, &gate_closed_ops, &hold_gate, 0644);
MODULE_PARM_DESC(hold, "keep readers of /proc/cmdline, and exiting tasks called klp_exit, asleep");
module_param_cb(held, &gate_waiting_ops, &hold_gate, 0444);
MODULE_PARM_DESC(held, "number of tasks asleep there now");

static struct gate init_gate;
module_param_cb(init_hold, &gate_closed_ops, &init_gate, 0644);
MODULE_PARM_DESC(init_hold, "keep init from returning");

static struct task_struct *own_thread;

static int new_cmdline(struct seq_file *m, void *v)
{
	int ret;

	ret = gate_pass(&hold_gate);
	if (ret)
		return ret;

	seq_puts(m, KBUILD_MODNAME "\n");
	return 0;
}

/*
 * The original function accounts memory, which a test does not need. The barrier keeps the
 * compiler from changing the call before it into a jump.
 */
static void new_exit_account(struct task_struct *task)
{
	if (!strcmp(task->comm, "klp_exit"))
		gate_pass_unsignalled(&hold_gate);
	barrier();
}

static int leave_pre_patch(struct klp_object *obj)
{
	pr_info("pre_patch\n");
	return 0;
}

static void leave_post_patch(struct klp_object *obj)
{
	pr_info("post_patch\n");
}

static void leave_pre_unpatch(struct klp_object *obj)
{
	pr_info("pre_unpatch\n");
}

static void leave_post_unpatch(struct klp_object *obj)
{
	pr_info("post_unpatch, %d held\n", atomic_read(&hold_gate.waiting));
}

static struct klp_func cmdline_funcs[] = {
	{ .old_name = "cmdline_proc_show", .new_func = new_cmdline },
	{ }
};

static struct klp_func exit_funcs[] = {
	{ .old_name = "exit_task_stack_account", .new_func = new_exit_account },
	{ }
};

static struct klp_object objs[] = {
	{
		.funcs = cmdline_funcs,
		.callbacks = {
			.pre_patch = leave_pre_patch,
			.post_patch = leave_post_patch,
			.pre_unpatch = leave_pre_unpatch,
			.post_unpatch = leave_post_unpatch,
		},
	},
	{ }
};

static struct klp_patch patch = {
	.mod = THIS_MODULE,
	.objs = objs,
};

static int thread_fn(void *unused)
{
	while (!kthread_should_stop())
		schedule_timeout_interruptible(HZ);
	return 0;
}

static int __init leave_init(void)
{
	int ret;

	if (exiting)
		objs[0].funcs = exit_funcs;
	patch.persistent = persistent;
	patch.replace = replace;
	if (thread) {
		own_thread = kthread_run(thread_fn, NULL, "klp_leave");
		if (IS_ERR(own_thread))
			return PTR_ERR(own_thread);
	}

	ret = klp_enable_patch(&patch);
	if (!ret) {
		gate_pass_unsignalled(&init_gate);
		ret = init_ret;
	}
	if (ret && thread)
		kthread_stop(own_thread);
	return ret;
}

static void __exit leave_exit(void)
{
	if (thread)
		kthread_stop(own_thread);
}

module_init(leave_init);
module_exit(leave_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Livepatch selftests: a livepatch that is hard to let go");
MODULE_INFO(livepatch, "Y");
