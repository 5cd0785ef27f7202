// SPDX-License-Identifier: GPL-2.0
/*
 * Make calls of the livepatch core fail. The named functions are probed, and the selected call
 * returns immediately with the selected value. A call counts if it returns to the text of the
 * core.
 */

#include <linux/atomic.h>
#include <linux/kprobes.h>
#include <linux/module.h>
#include <linux/ptrace.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/sysfs.h>

#define MAX_CALLEES	64

static unsigned long start;
module_param(start, ulong, 0400);
MODULE_PARM_DESC(start, "where the text of the core begins");

static unsigned long end;
module_param(end, ulong, 0400);
MODULE_PARM_DESC(end, "and where it ends");

static char *callees[MAX_CALLEES];
static int nr_callees;
module_param_array(callees, charp, &nr_callees, 0400);
MODULE_PARM_DESC(callees, "functions whose calls may be made to fail");

static struct kprobe probes[MAX_CALLEES];

/* The selected call. */
static struct kprobe *armed;
static long armed_value;
static atomic_t calls_left = ATOMIC_INIT(0);

/* Replacement for a call that fails. It keeps the register of the returned value. */
static noinline notrace void faults_return(void)
{
}

static int calls_pre_handler(struct kprobe *probe, struct pt_regs *regs)
{
	unsigned long caller = *(unsigned long *)kernel_stack_pointer(regs);

	/* Pairs with arm_set(). */
	if (likely(smp_load_acquire(&armed) != probe))
		return 0;
	if (caller < start || caller >= end)
		return 0;
	if (atomic_dec_return(&calls_left))
		return 0;

	regs_set_return_value(regs, armed_value);
	instruction_pointer_set(regs, (unsigned long)faults_return);
	return 1;
}

NOKPROBE_SYMBOL(calls_pre_handler);

/* A probe with a post_handler is neither optimized nor placed on a redirected function. */
static void calls_post_handler(struct kprobe *probe, struct pt_regs *regs, unsigned long flags)
{
}

NOKPROBE_SYMBOL(calls_post_handler);

/*
 * Parse "NAME NUMBER VALUE": this call of the function returns the value. An empty text
 * disarms.
 */
static int arm_set(const char *val, const struct kernel_param *kp)
{
	char name[KSYM_NAME_LEN];
	unsigned int number;
	long value;
	int i;

	WRITE_ONCE(armed, NULL);
	if (sscanf(val, "%127s %u %ld", name, &number, &value) != 3)
		return 0;

	for (i = 0; i < nr_callees; i++) {
		if (strcmp(name, callees[i]))
			continue;
		armed_value = value;
		atomic_set(&calls_left, number);
		/*
		 * Pairs with calls_pre_handler(): a reader of the probe reads the other values.
		 */
		smp_store_release(&armed, &probes[i]);
		return 0;
	}
	return -ENOENT;
}

/* Print the number of calls before the one that fails, 0 or less after it. */
static int arm_get(char *buf, const struct kernel_param *kp)
{
	return sysfs_emit(buf, "%d\n", atomic_read(&calls_left));
}

static const struct kernel_param_ops arm_ops = {
	.set = arm_set,
	.get = arm_get,
};

module_param_cb(arm, &arm_ops, NULL, 0600);
MODULE_PARM_DESC(arm, "which call fails, and how");

static int __init calls_init(void)
{
	int i, ret;

	for (i = 0; i < nr_callees; i++) {
		probes[i].symbol_name = callees[i];
		probes[i].pre_handler = calls_pre_handler;
		probes[i].post_handler = calls_post_handler;
		ret = register_kprobe(&probes[i]);
		if (ret) {
			pr_err("%s cannot be probed (%d)\n", callees[i], ret);
			goto undo;
		}
	}
	return 0;

undo:
	while (i--)
		unregister_kprobe(&probes[i]);
	return ret;
}

static void __exit calls_exit(void)
{
	int i;

	for (i = 0; i < nr_callees; i++)
		unregister_kprobe(&probes[i]);
}

module_init(calls_init);
module_exit(calls_exit);

MODULE_DESCRIPTION("Livepatch fault tests: calls that fail");
MODULE_LICENSE("GPL");
