// SPDX-License-Identifier: GPL-2.0
/*
 * Run programs of calls, for users of /dev/livepatch-stress and in threads of the targets. The
 * file /proc/livepatch_stress shows the ledger and the counts.
 */

#include <linux/kthread.h>
#include <linux/math.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/proc_fs.h>
#include <linux/random.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include "modules.h"

static DEFINE_SPINLOCK(targets_lock);
static struct stress_target *targets[STRESS_TARGETS];
static unsigned int closed;
static bool paused;

/* Number of forced transitions, and of those that are being forced. */
static atomic_t epoch, forcing;

static atomic_long_t runs, thread_runs, thread_calls, excused;
static atomic_t running;

bool stress_excused(const struct stress_run *run)
{
	return run->in_force || run->epoch != atomic_read(&epoch);
}

static void note_call(struct stress_run *run, unsigned int func, const struct stress_patch *patch)
{
	struct stress_call *call = run->call;
	struct stress_seen *seen = &call->seen[call->nr_seen];

	seen->gen = patch ? patch->gen : 0;
	seen->funcs = patch ? patch->funcs : 0;
	seen->watched = patch ? patch->watched : 0;
	seen->func = func;
	seen->caller = run->seen;
	seen->replace = patch ? patch->replace : 0;
	seen->set = patch ? patch->set : 0;
	run->seen = call->nr_seen++;
}

/**
 * stress_enter() - record the start of a function
 * @run:   the program
 * @func:  the function
 * @patch: the patch of the version, NULL for the original
 *
 * Return: the previous position of the program, which the end of the function restores.
 */
int stress_enter(struct stress_run *run, unsigned int func, const struct stress_patch *patch)
{
	int caller = run->seen;

	note_call(run, func, patch);
	stress_check_version(run, func, patch);
	return caller;
}
EXPORT_SYMBOL_GPL(stress_enter);

/* Record the end of a function. A version of a patch must still be allowed to run. */
void stress_leave(struct stress_run *run, const struct stress_patch *patch)
{
	unsigned int func = run->call->seen[run->seen].func;

	if (patch && !READ_ONCE(patch->open[stress_object(func)]) && !stress_excused(run))
		stress_violation("%s: function %u ends after its post_unpatch", patch->name, func);
}
EXPORT_SYMBOL_GPL(stress_leave);

/* Return the running program, or NULL. Other callers of int_pow() pass no address. */
struct stress_run *stress_run_of(u64 value)
{
	struct stress_run *run = (struct stress_run *)(unsigned long)value;

	return (s64)value < 0 && run->magic == STRESS_MAGIC ? run : NULL;
}
EXPORT_SYMBOL_GPL(stress_run_of);

/* The original does not record its call. Record the attempt, which cannot be checked. */
static void call_vmlinux(struct stress_run *run)
{
	unsigned int nr_seen = run->call->nr_seen;
	int caller = run->seen;

	int_pow((unsigned long)run, 0);
	if (run->call->nr_seen != nr_seen)
		return;
	note_call(run, STRESS_VMLINUX, NULL);
	stress_do(stress_next(run));
	run->seen = caller;
}

static void begin_run(struct stress_run *run, struct stress_call *call)
{
	run->magic = STRESS_MAGIC;
	run->call = call;
	run->funcs[STRESS_VMLINUX] = call_vmlinux;
	run->seen = -1;
	run->epoch = atomic_read(&epoch);
	/* Pairs with stress_force_begins(), which writes them the other way round. */
	smp_rmb();
	run->in_force = atomic_read(&forcing);
}

static void add_funcs(struct stress_run *run, const struct stress_target *target)
{
	stress_func_t *funcs = &run->funcs[target->index * STRESS_PER_TARGET];

	memcpy(funcs, target->funcs, sizeof(target->funcs));
}

static void run_program(struct stress_run *run)
{
	while (run->pc < run->call->nr_steps)
		stress_go(run);
	run->call->excused = stress_excused(run);
	if (run->call->excused)
		atomic_long_inc(&excused);
}

/* Return the functions that a program calls, or an error. */
static int check_program(const struct stress_call *call)
{
	unsigned int i, calls = 0, depth = 0;
	int funcs = 0;

	if (call->nr_steps > STRESS_STEPS || call->nr_seen)
		return -EINVAL;
	for (i = 0; i < call->nr_steps; i++) {
		const struct stress_step *step = &call->steps[i];

		switch (step->what) {
		case STRESS_RETURN:
			depth -= depth > 0;
			break;
		case STRESS_CALL:
			if (step->arg >= STRESS_FUNCS || ++calls > STRESS_CALLS)
				return -EINVAL;
			funcs |= BIT(step->arg);
			if (step->arg == STRESS_VMLINUX)
				break;
			if (++depth > STRESS_DEPTH)
				return -EINVAL;
			break;
		case STRESS_SLEEP:
		case STRESS_DOZE:
			if (step->arg > STRESS_LONGEST_SLEEP)
				return -EINVAL;
			break;
		case STRESS_SPIN:
			if (step->arg > STRESS_LONGEST_SPIN)
				return -EINVAL;
			break;
		case STRESS_YIELD:
			break;
		default:
			return -EINVAL;
		}
	}
	return funcs;
}

/* Return the target with a reference, or NULL. */
static struct stress_target *get_target(unsigned int index)
{
	struct stress_target *target;

	guard(spinlock)(&targets_lock);
	target = targets[index];
	if (!target || READ_ONCE(closed) & BIT(index) || !try_module_get(target->mod))
		return NULL;
	return target;
}

static int run_with_targets(struct stress_run *run, unsigned int funcs)
{
	struct stress_target *got[STRESS_TARGETS] = { };
	unsigned int i;
	int ret = 0;

	for (i = 0; i < STRESS_TARGETS && !ret; i++) {
		if (!(funcs & GENMASK(STRESS_PER_TARGET - 1, 0) << i * STRESS_PER_TARGET))
			continue;
		got[i] = get_target(i);
		if (got[i])
			add_funcs(run, got[i]);
		else
			ret = -ENODEV;
	}
	if (!ret) {
		run_program(run);
		atomic_long_inc(&runs);
	}
	for (i = 0; i < STRESS_TARGETS; i++)
		if (got[i])
			module_put(got[i]->mod);
	return ret;
}

static int run_for_user(struct stress_call __user *from)
{
	struct stress_call *call __free(kfree) = memdup_user(from, sizeof(*from));
	struct stress_run *run __free(kfree) = kzalloc(sizeof(*run), GFP_KERNEL);
	int ret;

	if (IS_ERR(call))
		return PTR_ERR(call);
	if (!run)
		return -ENOMEM;
	ret = check_program(call);
	if (ret < 0)
		return ret;

	atomic_inc(&running);
	begin_run(run, call);
	ret = run_with_targets(run, ret);
	atomic_dec(&running);
	if (!ret && copy_to_user(from, call, sizeof(*call)))
		ret = -EFAULT;
	return ret;
}

static u32 thread_random(void *unused)
{
	return get_random_u32();
}

static void thread_run(struct stress_target *target, struct stress_run *run,
		       struct stress_call *call)
{
	u32 funcs = GENMASK(STRESS_PER_TARGET - 1, 0) << target->index * STRESS_PER_TARGET;
	int bad, caller;

	memset(run, 0, sizeof(*run));
	stress_make(call, funcs | BIT(STRESS_VMLINUX), thread_random, NULL);
	begin_run(run, call);
	add_funcs(run, target);
	run_program(run);
	atomic_long_inc(&thread_runs);
	atomic_long_add(call->nr_seen, &thread_calls);
	bad = call->excused ? -1 : stress_check(call, &caller);
	if (bad >= 0)
		stress_violation("thread %d: function %d of %llu ran, and function %d of %llu",
				 current->pid, call->seen[caller].func, call->seen[caller].gen,
				 call->seen[bad].func, call->seen[bad].gen);
}

/*
 * If the thread has only slept in the functions for some time, cond_resched() is its only safe
 * point.
 */
static int thread_main(void *arg)
{
	struct stress_call *call __free(kfree) = kzalloc(sizeof(*call), GFP_KERNEL);
	struct stress_run *run __free(kfree) = kzalloc(sizeof(*run), GFP_KERNEL);
	unsigned int busy = 0;

	while (!kthread_should_stop()) {
		if (READ_ONCE(paused) || !call || !run) {
			schedule_timeout_idle(1);
			continue;
		}
		atomic_inc(&running);
		thread_run(arg, run, call);
		atomic_dec(&running);
		if (!get_random_u32_below(4000))
			busy = get_random_u32_below(100);
		if (busy) {
			busy--;
			cond_resched();
		} else {
			schedule_timeout_idle(1 + get_random_u32_below(8));
		}
	}
	return 0;
}

static void stop_threads(struct stress_target *target)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(target->threads); i++)
		if (target->threads[i])
			kthread_stop(target->threads[i]);
}

/* Called by the init of a target. */
int stress_add_target(struct stress_target *target)
{
	struct task_struct *thread;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(target->threads); i++) {
		thread = kthread_run(thread_main, target, "stress_%c%u", 'a' + target->index, i);
		if (IS_ERR(thread)) {
			stop_threads(target);
			return PTR_ERR(thread);
		}
		target->threads[i] = thread;
	}
	guard(spinlock)(&targets_lock);
	targets[target->index] = target;
	return 0;
}
EXPORT_SYMBOL_GPL(stress_add_target);

void stress_remove_target(struct stress_target *target)
{
	scoped_guard(spinlock, &targets_lock)
		targets[target->index] = NULL;
	stop_threads(target);
}
EXPORT_SYMBOL_GPL(stress_remove_target);

/* Another user of ftrace with an IPMODIFY ops, which does not change any call. */
static void rival_handler(unsigned long ip, unsigned long parent_ip, struct ftrace_ops *ops,
			  struct ftrace_regs *fregs)
{
}

static struct ftrace_ops rival_ops = {
	.func = rival_handler,
	.flags = FTRACE_OPS_FL_IPMODIFY | FTRACE_OPS_FL_SAVE_REGS,
};

static bool rival;
static DEFINE_MUTEX(rival_mutex);

static int set_rival(bool wanted)
{
	int ret;

	guard(mutex)(&rival_mutex);
	if (wanted == rival)
		return 0;
	if (wanted) {
		ret = ftrace_set_filter_ip(&rival_ops, (unsigned long)int_pow, 0, 1);
		if (!ret)
			ret = register_ftrace_function(&rival_ops);
	} else {
		ret = unregister_ftrace_function(&rival_ops);
	}
	if (!ret)
		rival = wanted;
	return ret;
}

/*
 * Excuse the programs that run now or start until the request is answered: tasks are marked as
 * switched.
 */
void stress_force_begins(void)
{
	atomic_inc(&forcing);
	/*
	 * Pairs with begin_run(): a run that has not read the first value reads the second one.
	 */
	smp_mb__after_atomic();
	atomic_inc(&epoch);
}

static long stress_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	switch (cmd) {
	case STRESS_RUN:
		return run_for_user((struct stress_call __user *)arg);
	case STRESS_FORCED:
		atomic_dec(&forcing);
		return 0;
	case STRESS_VETO:
		stress_set_veto(arg);
		return 0;
	case STRESS_PAUSE:
		WRITE_ONCE(paused, arg);
		return 0;
	case STRESS_CLOSE:
		WRITE_ONCE(closed, arg);
		return 0;
	case STRESS_RIVAL:
		return set_rival(arg);
	}
	return -ENOTTY;
}

static const struct file_operations stress_fops = {
	.owner = THIS_MODULE,
	.unlocked_ioctl = stress_ioctl,
};

static struct miscdevice stress_device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "livepatch-stress",
	.fops = &stress_fops,
};

static int stress_show(struct seq_file *m, void *unused)
{
	seq_printf(m, "runs %ld\nthread_runs %ld\nthread_calls %ld\nexcused %ld\nrunning %d\n",
		   atomic_long_read(&runs), atomic_long_read(&thread_runs),
		   atomic_long_read(&thread_calls), atomic_long_read(&excused),
		   atomic_read(&running));
	stress_show_ledger(m);
	return 0;
}

static int __init stress_init(void)
{
	int ret;

	ret = stress_ledger_begin();
	if (ret)
		return ret;
	if (!proc_create_single("livepatch_stress", 0444, NULL, stress_show))
		return -ENOMEM;
	return misc_register(&stress_device);
}

module_init(stress_init);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Livepatch stress test: the ledger of callbacks, and programs of calls");
