// SPDX-License-Identifier: GPL-2.0
/*
 * Call functions of bench_target in a loop and measure the time. Also keep tasks in functions
 * that a livepatch can name, so that a transition does not complete.
 */

#include <linux/fs.h>
#include <linux/irqflags.h>
#include <linux/ktime.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/wait.h>
#include "bench.h"
#include "bench_target.h"

static DECLARE_WAIT_QUEUE_HEAD(bench_wait);
static bool bench_go;

/* Interrupts would add instructions to those of the loop. */
#define bench_time_calls(name)					\
({								\
	unsigned long flags;					\
	u64 start;						\
	int i;							\
								\
	local_irq_save(flags);					\
	start = ktime_get_ns();					\
	for (i = 0; i < BENCH_CALLS; i++)			\
		name(i);					\
	start = ktime_get_ns() - start;				\
	local_irq_restore(flags);				\
	start;							\
})

/* Inlined, so that its callers run the same instructions. */
static __always_inline long bench_slowest(unsigned long functions)
{
	u64 slowest;

	slowest = bench_time_calls(bench_fn_0);
	if (functions > 1)
		slowest = max(slowest, bench_time_calls(bench_fn_333));
	if (functions > 2)
		slowest = max(slowest, bench_time_calls(bench_fn_999));
	return slowest;
}

/* Patched by bench_module: a task that waits here is not switched when it calls the functions. */
static noinline long bench_loop(unsigned long functions)
{
	int ret;

	ret = wait_event_killable(bench_wait, READ_ONCE(bench_go));
	if (ret)
		return ret;
	return bench_slowest(functions);
}

/* Patched by bench_module: only a fatal signal ends the wait. */
static noinline long bench_hold(void)
{
	DECLARE_WAIT_QUEUE_HEAD_ONSTACK(never);
	int ret;

	ret = wait_event_killable(never, false);
	barrier();
	return ret;
}

static long bench_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	switch (cmd) {
	case BENCH_TIME:
		return bench_slowest(arg);
	case BENCH_LOOP:
		WRITE_ONCE(bench_go, false);
		return bench_loop(arg);
	case BENCH_GO:
		WRITE_ONCE(bench_go, true);
		wake_up(&bench_wait);
		return 0;
	case BENCH_HOLD:
		return bench_hold();
	default:
		return -ENOTTY;
	}
}

static const struct file_operations bench_fops = {
	.owner = THIS_MODULE,
	.unlocked_ioctl = bench_ioctl,
};

static struct miscdevice bench_device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "livepatch-bench",
	.fops = &bench_fops,
};

module_misc_device(bench_device);

MODULE_DESCRIPTION("Livepatch benchmark: calls");
MODULE_LICENSE("GPL");
