// SPDX-License-Identifier: GPL-2.0
/*
 * livepatch-persistent - a livepatch that is disabled and enabled again
 *
 * Technique: .persistent. A patch that has been disabled stays in sysfs, and writing 1 to its
 * "enabled" enables it again. Only callbacks and hooks run then, not the init and exit of the
 * module. Values that have to be initialized each time are set in pre_patch, not in init: here
 * the number of refusals. Static variables of the module keep their values: here the number of
 * times it was enabled.
 *
 * While the patch is enabled, sysrq cannot change the log level of the console. Each attempt is
 * refused, logged and counted.
 *
 *	modprobe livepatch-persistent
 *	echo 4 > /proc/sysrq-trigger		# refused: see /proc/sys/kernel/printk
 *	cd /sys/kernel/livepatch/livepatch_persistent
 *	echo 0 > enabled			# sysrq works
 *	echo 1 > enabled			# and is refused again
 *	echo 0 > enabled
 *	rmmod livepatch-persistent
 *
 * An atomic replace removes the patch from sysfs like others, as its unpatch callbacks have not
 * run: the module has to be unloaded and loaded again.
 */
#define pr_fmt(fmt) "livepatch_persistent: " fmt

#include <linux/atomic.h>
#include <linux/livepatch.h>

static atomic_t refused;
static int enablings;

static int refused_get(char *buffer, const struct kernel_param *param)
{
	return sysfs_emit(buffer, "%d\n", atomic_read(&refused));
}

static const struct kernel_param_ops refused_ops = {
	.get = refused_get,
};

module_param_cb(refused, &refused_ops, NULL, 0444);
MODULE_PARM_DESC(refused, "attempts that were refused since the patch was enabled last");
module_param(enablings, int, 0444);
MODULE_PARM_DESC(enablings, "how often the patch was enabled");

/* Runs with interrupts disabled if the key was pressed on a console. */
static void refuse_loglevel(u8 key)
{
	atomic_inc(&refused);
	pr_notice("sysrq %c refused\n", key);
}

static int start_anew(struct klp_object *obj)
{
	atomic_set(&refused, 0);
	enablings++;
	return 0;
}

static void sum_up(struct klp_object *obj)
{
	pr_info("disabled after %d refusals\n", atomic_read(&refused));
}

static struct klp_func loglevel_funcs[] = {
	{ .old_name = "sysrq_handle_loglevel", .new_func = refuse_loglevel },
	{ }
};

static struct klp_object objects[] = {
	{
		.funcs = loglevel_funcs,
		.callbacks = {
			.pre_patch = start_anew,
			.post_unpatch = sum_up,
		},
	},
	{ }
};

static struct klp_patch loglevel_patch = {
	.objs = objects,
	.persistent = true,
	.mod = THIS_MODULE,
};

static int __init persistent_init(void)
{
	pr_info("init\n");
	return klp_enable_patch(&loglevel_patch);
}

/* Runs when the patch is disabled. The core then removes its directory in sysfs. */
static void __exit persistent_exit(void)
{
	pr_info("exit\n");
}

module_init(persistent_init);
module_exit(persistent_exit);
MODULE_INFO(livepatch, "Y");
MODULE_DESCRIPTION("Livepatch sample: switched off and on");
MODULE_LICENSE("GPL");
