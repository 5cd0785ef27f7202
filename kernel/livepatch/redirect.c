// SPDX-License-Identifier: GPL-2.0
/*
 * Redirection makes calls of a patched function run its newest version.
 *
 * Each patched function has one struct klp_redirect: its address, and the stack of the versions
 * that patches have given it. The functions that get their first version when a patch is
 * enabled, or when a module is loaded under it, form a batch: one ftrace_ops, one filter, one
 * registration, and a hash table in which the handler finds the redirect of its address. A
 * function that has versions already only gets one more version, without a call of ftrace.
 *
 * An address is added to the filter of a batch before the batch is registered, because only
 * register_ftrace_function() makes direct callers (such as BPF trampolines) share the address
 * with an IPMODIFY ops. A later change of the filter does not. The addresses of a module that
 * is being loaded have no direct callers yet. They are added to a batch that is registered:
 * thirty modules that are loaded after a patch share one batch, which is unregistered in one
 * step. No address is in two batches, because ftrace allows one IPMODIFY ops per address.
 *
 * An address without a version is removed from the filter. A batch without any address is
 * unregistered. (A filter must not become empty: an empty filter matches every function.) A
 * worker does this, and drops klp_mutex after each batch. Until then the handler sends calls of
 * such an address to the original code, and a patch that needs the address again reuses it. The
 * exception is a module that is unloaded: its addresses are removed before klp_module_going()
 * returns.
 *
 * Life of a batch:
 *
 *	allocated -> registered -> unregistered -> spare -> registered ...
 *
 * A task may be preempted in the trampoline of an unregistered batch. ftrace would wait for
 * such tasks with ftrace_lock held, and no module could be loaded meanwhile: for minutes, when
 * a kthread spins in cond_resched(). Therefore FTRACE_OPS_FL_DYNAMIC is cleared, ftrace does
 * not wait, and the worker waits instead, without a lock and once for all unregistered batches.
 * Only then the table is freed and the batch is reused. The trampoline is never freed: ftrace
 * frees trampolines only of dynamic ops, after its own wait.
 */

#define pr_fmt(fmt) "livepatch: " fmt

#include <kunit/visibility.h>
#include <linux/completion.h>
#include <linux/cpu.h>
#include <linux/delay.h>
#include <linux/ftrace.h>
#include <linux/kprobes.h>
#include <linux/log2.h>
#include <linux/mm.h>
#include <linux/percpu.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/stop_machine.h>
#include <linux/workqueue.h>
#include <trace/events/livepatch.h>
#include "../trace/ftrace_internal.h"
#include "redirect.h"
#include "redirect_batch.h"
#include "runtime.h"

VISIBLE_IF_KUNIT struct list_head klp_batches = LIST_HEAD_INIT(klp_batches);
EXPORT_SYMBOL_IF_KUNIT(klp_batches);

/* Unregistered batches. A task may still be in the trampoline or in the handler. */
static LIST_HEAD(klp_unregistered_batches);

/* Unused batches. No task is in them. Each keeps its trampoline. */
static LIST_HEAD(klp_spare_batches);

/* Time to wait for a BPF trampoline that is being changed, in jiffies. */
#define KLP_REGISTER_PATIENCE	(10 * HZ)

/* Longest pause between two attempts, in milliseconds. */
#define KLP_REGISTER_PAUSE	50

/* Number of addresses in a batch for modules that are being loaded. */
#define KLP_LATE_ADDRESSES	64

/* Delay before addresses are removed again after a failure, in jiffies. */
#define KLP_TRIM_RETRY		HZ

static void klp_trim_fn(struct work_struct *work);
static DECLARE_DELAYED_WORK(klp_trim_work, klp_trim_fn);

/* === Handler =============================================================================== */

static __always_inline void klp_redirect_call(struct klp_redirect *redirect,
					      struct ftrace_regs *fregs)
{
	struct klp_rt_func *func;

	/* Pairs with rcu_assign_pointer() in klp_push_version(). */
	func = rcu_dereference_raw_check(redirect->newest);
	if (unlikely(!func))
		return;

	if (unlikely(READ_ONCE(func->transition))) {
		/*
		 * The patch_state of the task must be that of the transition that has set the
		 * flag, or of a later one. Pairs with smp_wmb() in klp_transition_init().
		 */
		smp_rmb();
		if (READ_ONCE(current->patch_state) == KLP_TRANSITION_UNPATCHED) {
			func = rcu_dereference_raw_check(func->older);
			if (!func)
				return;
		}
		/* Nops exist only while their flag is set. */
		if (func->nop)
			return;
	}
	ftrace_regs_set_instruction_pointer(fregs, (unsigned long)func->new_func);
}

/*
 * Redirect one call of a function that is in the filter of a batch, in any context. The handler
 * calls no traceable function, so it needs no guard against recursion. An interrupt may call a
 * patched function at any point: the handler has no state that the nested call could change.
 *
 * Preemption is disabled from reading the newest version to the last use of the version.
 * klp_redirect_synchronize() waits for that. An RCU read-side section would not suffice: some
 * functions are called where RCU is not watching.
 */
static void notrace klp_redirect_handler(unsigned long ip, unsigned long parent_ip,
					 struct ftrace_ops *ops, struct ftrace_regs *fregs)
{
	struct klp_redirect_batch *batch = container_of(ops, struct klp_redirect_batch, ops);

	preempt_disable_notrace();
	klp_redirect_call(klp_find_slot(batch, ip), fregs);
	preempt_enable_notrace();
}

/* Redirect one call, for a batch of one address. The handler is called for no other address. */
static void notrace klp_redirect_one_handler(unsigned long ip, unsigned long parent_ip,
					     struct ftrace_ops *ops, struct ftrace_regs *fregs)
{
	struct klp_redirect_batch *batch = container_of(ops, struct klp_redirect_batch, ops);

	preempt_disable_notrace();
	klp_redirect_call(&batch->one[0], fregs);
	preempt_enable_notrace();
}

/* CPUs that have not scheduled yet, and the completion of the wait for them. */
struct klp_cpu_wait {
	atomic_t nr_left;
	struct completion all_scheduled;
};

static DEFINE_PER_CPU(struct cpu_stop_work, klp_cpu_wait_work);

static void klp_count_cpu(struct klp_cpu_wait *wait)
{
	if (atomic_dec_and_test(&wait->nr_left))
		complete(&wait->all_scheduled);
}

static int klp_cpu_scheduled(void *wait)
{
	klp_count_cpu(wait);
	return 0;
}

/**
 * klp_redirect_synchronize() - wait for all handlers that are running
 *
 * A handler that runs after this call has started after it, and reads what was written before
 * it. The same holds for every other section of code with preemption disabled.
 *
 * A CPU that has scheduled is not in a handler any longer. synchronize_rcu() does not suffice,
 * because some handlers run where RCU is not watching. Stopper threads run before every other
 * task, so a SCHED_FIFO task that occupies a CPU does not delay them, as it would a worker.
 *
 * Context: process context, sleeps, klp_mutex held.
 */
void klp_redirect_synchronize(void)
{
	struct klp_cpu_wait wait = { .nr_left = ATOMIC_INIT(1) };
	unsigned int cpu;

	lockdep_assert_held(&klp_mutex);

	init_completion(&wait.all_scheduled);
	cpus_read_lock();
	for_each_online_cpu(cpu) {
		atomic_inc(&wait.nr_left);
		if (!stop_one_cpu_nowait(cpu, klp_cpu_scheduled, &wait,
					 per_cpu_ptr(&klp_cpu_wait_work, cpu)))
			klp_count_cpu(&wait);
	}
	klp_count_cpu(&wait);
	wait_for_completion(&wait.all_scheduled);
	cpus_read_unlock();
}
EXPORT_SYMBOL_IF_KUNIT(klp_redirect_synchronize);

/* === Batches and versions ================================================================== */

/* Return a batch without a table: a spare one, or a new one. NULL without memory. */
static struct klp_redirect_batch *klp_take_batch(void)
{
	struct klp_redirect_batch *batch;

	batch = list_first_entry_or_null(&klp_spare_batches, struct klp_redirect_batch, node);
	if (!batch)
		return kzalloc(sizeof(*batch), GFP_KERNEL);
	list_del(&batch->node);
	return batch;
}

VISIBLE_IF_KUNIT void klp_free_batch(struct klp_redirect_batch *batch)
{
	ftrace_free_filter(&batch->ops);
	/*
	 * Clear the pointers to memory that ftrace has freed. ftrace leaves them, as no other
	 * ops is registered twice.
	 */
	RCU_INIT_POINTER(batch->ops.local_hash.filter_hash, NULL);
	RCU_INIT_POINTER(batch->ops.local_hash.notrace_hash, NULL);
	if (batch->slots != batch->one)
		kvfree(batch->slots);
	kvfree(batch->ips);
	batch->slots = NULL;
	batch->ips = NULL;
	if (batch->ops.trampoline)
		list_add(&batch->node, &klp_spare_batches);
	else
		kfree(batch);
}
EXPORT_SYMBOL_IF_KUNIT(klp_free_batch);

/* Return an empty batch with space for @nr addresses or more. NULL without memory. */
VISIBLE_IF_KUNIT struct klp_redirect_batch *klp_alloc_batch(unsigned int nr)
{
	struct klp_redirect_batch *batch;

	batch = klp_take_batch();
	if (!batch)
		return NULL;
	INIT_LIST_HEAD(&batch->node);
	memset(batch->one, 0, sizeof(batch->one));
	batch->joinable = false;
	batch->stale = false;
	batch->untrimmed = false;
	batch->nr_filtered = 0;
	batch->nr_slots = nr > 1 ? 4 * roundup_pow_of_two(nr) : ARRAY_SIZE(batch->one);
	batch->shift = nr > 1 ? 32 - ilog2(batch->nr_slots) : 32;
	batch->slots = nr > 1 ? kvcalloc(batch->nr_slots, sizeof(*batch->slots), GFP_KERNEL) :
				batch->one;
	batch->ips = kvmalloc_array(max(nr, batch->nr_slots / 4), sizeof(*batch->ips), GFP_KERNEL);
	if (!batch->slots || !batch->ips) {
		klp_free_batch(batch);
		return NULL;
	}
	batch->ops.func = nr > 1 ? klp_redirect_handler : klp_redirect_one_handler;
	batch->ops.flags |= FTRACE_OPS_FL_SAVE_ARGS | FTRACE_OPS_FL_IPMODIFY |
			    FTRACE_OPS_FL_PERMANENT;
	return batch;
}
EXPORT_SYMBOL_IF_KUNIT(klp_alloc_batch);

/* Return the redirect of an address that is in the filter of a batch, or NULL. */
static struct klp_redirect *klp_find_redirect(unsigned long ip)
{
	struct klp_redirect_batch *batch;
	struct klp_redirect *redirect;

	list_for_each_entry(batch, &klp_batches, node) {
		redirect = klp_find_slot(batch, ip);
		if (redirect->ip == ip && redirect->batch)
			return redirect;
	}
	return NULL;
}

/**
 * klp_redirect_newest() - find the newest version of an address
 * @ip: the address that ftrace patches, or 0
 *
 * Context: process context, klp_mutex held.
 * Return: the version, or NULL when calls run the original code.
 */
struct klp_rt_func *klp_redirect_newest(unsigned long ip)
{
	struct klp_redirect *redirect = klp_find_redirect(ip);

	if (!redirect)
		return NULL;
	return rcu_dereference_protected(redirect->newest, lockdep_is_held(&klp_mutex));
}

VISIBLE_IF_KUNIT void klp_push_version(struct klp_rt_func *func)
{
	struct klp_rt_func __rcu **newest = &func->redirect->newest;

	RCU_INIT_POINTER(func->older, rcu_dereference_protected(*newest, true));
	/* Pairs with the handler, which must read an initialized version. */
	rcu_assign_pointer(*newest, func);
}
EXPORT_SYMBOL_IF_KUNIT(klp_push_version);

/* Remove a version from its stack, at any depth. A handler may still use it. */
VISIBLE_IF_KUNIT void klp_pop_version(struct klp_rt_func *func)
{
	struct klp_redirect *redirect = func->redirect;
	struct klp_rt_func __rcu **link = &redirect->newest;
	struct klp_rt_func *version;

	while ((version = rcu_dereference_protected(*link, true)) != func)
		link = &version->older;
	rcu_assign_pointer(*link, rcu_dereference_protected(func->older, true));

	func->redirect = NULL;
	if (!rcu_access_pointer(redirect->newest))
		redirect->batch->stale = true;
}
EXPORT_SYMBOL_IF_KUNIT(klp_pop_version);

/* === Registration with ftrace ============================================================== */

/*
 * Register @ops. ftrace makes the BPF trampolines on its addresses share them. A trampoline
 * that is being attached or detached returns -EAGAIN: its lock is held by a task that waits for
 * direct_mutex, which the registration holds. Retry for @patience jiffies, each time after a
 * pause, in which that task can take direct_mutex.
 */
static int klp_register_patiently(struct ftrace_ops *ops, unsigned long patience)
{
	unsigned long deadline = jiffies + patience;
	unsigned int pause = 1;
	int ret;

	for (;;) {
		ret = register_ftrace_function(ops);
		if (ret != -EAGAIN || time_after(jiffies, deadline))
			return ret;
		msleep(pause);
		pause = min(2 * pause, KLP_REGISTER_PAUSE);
	}
}

/* Set the filter of an ops to @ips and register it, with attempts for @patience jiffies. */
static int klp_register_ops(struct ftrace_ops *ops, unsigned long *ips, unsigned int nr,
			    unsigned long patience, const char **failed)
{
	int ret;

	*failed = "set ftrace filter";
	ret = ftrace_set_filter_ips(ops, ips, nr, 0, 1);
	if (ret)
		return ret;
	*failed = "register ftrace handler";
	ret = klp_register_patiently(ops, patience);
	/* The ops is never freed, so ftrace need not wait when it is unregistered. */
	ops->flags &= ~FTRACE_OPS_FL_DYNAMIC;
	return ret;
}

/*
 * Unregister a batch that is in no list. An error means that ftrace has shut itself down, and
 * may use the batch for good.
 */
static int klp_unregister_batch(struct klp_redirect_batch *batch)
{
	int ret = unregister_ftrace_function(&batch->ops);

	if (!ret)
		list_add_tail(&batch->node, &klp_unregistered_batches);
	return ret;
}

/*
 * Register @ips and unregister them, without an effect on calls. Attempts are made for @patience
 * jiffies. Each trial has a batch of its own: a registration that fails frees the trampoline of
 * its ops, and a task may be in it since an earlier trial.
 */
static int klp_try_registration(unsigned long *ips, unsigned int nr, unsigned long patience)
{
	struct klp_redirect_batch *trial;
	const char *failed;
	int ret;

	/* The batch has no versions, so calls are not redirected. */
	trial = klp_alloc_batch(nr);
	if (!trial)
		return -ENOMEM;
	ret = klp_register_ops(&trial->ops, ips, nr, patience, &failed);
	if (ret) {
		klp_free_batch(trial);
		return ret;
	}
	klp_unregister_batch(trial);
	klp_redirect_retire();
	return 0;
}

/* Return true if an IPMODIFY ops is on @ip. */
static bool klp_has_ipmodify(unsigned long ip)
{
	struct ftrace_ops *ops;

	guard(mutex)(&ftrace_lock);
	do_for_each_ftrace_op(ops, ftrace_ops_list) {
		/* The last argument must not be NULL for an ops with FTRACE_OPS_FL_SAVE_REGS. */
		if ((ops->flags & FTRACE_OPS_FL_IPMODIFY) && ftrace_ops_test(ops, ip, ops))
			return true;
	} while_for_each_ftrace_op(ops);
	return false;
}

/* Return true if @ip has a direct caller, and no IPMODIFY ops with which it has to be shared. */
static bool klp_only_direct(unsigned long ip)
{
	return ftrace_find_rec_direct(ip) && !klp_has_ipmodify(ip);
}

/*
 * Tell the direct callers of @ips that they need not share the addresses any longer. The
 * addresses have been removed from a filter, or their registration has failed after ftrace had
 * told the direct callers to share them. ftrace tells the opposite only when an IPMODIFY ops is
 * unregistered, so a temporary one is registered, with attempts for @patience jiffies. Without
 * memory for it the direct callers keep sharing, at the cost of an indirect call.
 */
static void klp_release_direct_callers(const unsigned long *ips, unsigned int nr,
				       unsigned long patience)
{
	unsigned int i, nr_direct = 0;
	unsigned long *direct;

	for (i = 0; i < nr && !klp_only_direct(ips[i]); i++)
		;
	if (i == nr)
		return;
	direct = kvmalloc_array(nr, sizeof(*direct), GFP_KERNEL);
	if (!direct)
		return;
	for (; i < nr; i++) {
		if (klp_only_direct(ips[i]))
			direct[nr_direct++] = ips[i];
	}
	/* An empty filter would match every function. */
	if (nr_direct)
		klp_try_registration(direct, nr_direct, patience);
	kvfree(direct);
}

/*
 * Find the address that makes the registration fail: the last one of the shortest prefix that
 * fails. Each attempt that succeeds has to be undone, so the search is a binary one.
 */
static unsigned int klp_find_culprit(unsigned long *ips, unsigned int nr)
{
	unsigned int good = 0, bad = nr, middle;

	while (bad - good > 1) {
		middle = good + (bad - good) / 2;
		if (klp_try_registration(ips, middle, KLP_REGISTER_PATIENCE))
			bad = middle;
		else
			good = middle;
	}
	return bad - 1;
}

/* Return the function to which @ops redirects calls. */
static void *klp_handler_of(const struct ftrace_ops *ops)
{
#ifdef CONFIG_DYNAMIC_FTRACE_WITH_DIRECT_CALLS
	if (ops->flags & FTRACE_OPS_FL_DIRECT)
		return (void *)ops->direct_call;
#endif
	return ops->saved_func;
}

/* Return the function to which another user of ftrace redirects calls of @ip, or NULL. */
static void *klp_find_other_handler(unsigned long ip)
{
	struct ftrace_ops *ops;
	void *handler = NULL;

	guard(mutex)(&ftrace_lock);
	do_for_each_ftrace_op(ops, ftrace_ops_list) {
		if (!(ops->flags & (FTRACE_OPS_FL_IPMODIFY | FTRACE_OPS_FL_DIRECT)))
			continue;
		/* The last argument must not be NULL for an ops with FTRACE_OPS_FL_SAVE_REGS. */
		if (!ftrace_ops_test(ops, ip, ops))
			continue;
		handler = klp_handler_of(ops);
		/* An IPMODIFY ops always excludes a livepatch, a direct caller rarely does. */
		if (ops->flags & FTRACE_OPS_FL_IPMODIFY)
			break;
	} while_for_each_ftrace_op(ops);
	return handler;
}

static struct klp_rt_func *klp_func_at(struct klp_rt_object *obj, unsigned long ip)
{
	struct klp_rt_func *func;

	klp_rt_for_each_func(func, obj) {
		if (func->ip == ip)
			return func;
	}
	return NULL;
}

#ifdef CONFIG_KPROBES_ON_FTRACE
/* Log a kprobe with a post_handler: its ops is an IPMODIFY ops, that of others is not. */
static void klp_report_kprobe(const char *name, const struct kprobe *probe)
{
	if (probe->post_handler)
		pr_err("function '%s' has a kprobe with post_handler %ps\n", name,
		       probe->post_handler);
}

/* Log the kprobes of a function that is redirected by the common @handler of kprobes. */
static void klp_report_kprobes(const char *name, unsigned long ip, const void *handler)
{
	struct kprobe *probe, *member;

	if (handler != kprobe_ftrace_handler)
		return;
	/* The kprobe may be unregistered, and is freed after a grace period. */
	guard(preempt)();
	probe = get_kprobe((void *)ip);
	if (!probe)
		return;
	/* A kprobe that stands for several ones has a list of them. */
	if (list_empty(&probe->list))
		klp_report_kprobe(name, probe);
	list_for_each_entry_rcu(member, &probe->list, list)
		klp_report_kprobe(name, member);
}
#else
static void klp_report_kprobes(const char *name, unsigned long ip, const void *handler)
{
}
#endif

/* Log why the addresses of functions of @obj could not be registered. */
static void klp_report_registration(unsigned long *ips, unsigned int nr,
				    struct klp_rt_object *obj, const char *failed, int ret)
{
	struct klp_rt_func *func;
	unsigned long culprit;
	void *handler;

	/* Only -EBUSY is caused by one address of several. */
	if (ret != -EBUSY && nr > 1) {
		pr_err("failed to %s for %u functions of object '%s' (%d)\n", failed, nr,
		       klp_object_name(obj), ret);
		return;
	}
	culprit = ips[klp_find_culprit(ips, nr)];
	func = klp_func_at(obj, culprit);
	if (!func)
		return;
	pr_err("failed to %s for function '%s' (%d)\n", failed, func->name, ret);
	handler = klp_find_other_handler(culprit);
	if (!handler)
		return;
	pr_err("function '%s' is redirected by %ps\n", func->name, handler);
	klp_report_kprobes(func->name, culprit, handler);
}

static bool klp_batch_registered(const struct klp_redirect_batch *batch)
{
	return !list_empty(&batch->node);
}

/*
 * Register the addresses of @batch from number @first on, which belong to functions of @obj. An
 * unregistered batch is registered with them. A registered one gets them added to its filter.
 */
static int klp_register_addresses(struct klp_redirect_batch *batch, unsigned int first,
				  struct klp_rt_object *obj)
{
	unsigned int nr = batch->nr_filtered - first;
	unsigned long *ips = &batch->ips[first];
	const char *failed = "register ftrace handler";
	int ret;

	if (klp_batch_registered(batch))
		ret = ftrace_set_filter_ips(&batch->ops, ips, nr, 0, 0);
	else
		ret = klp_register_ops(&batch->ops, ips, nr, KLP_REGISTER_PATIENCE, &failed);
	if (ret) {
		klp_report_registration(ips, nr, obj, failed, ret);
		klp_release_direct_callers(ips, nr, 0);
		return ret;
	}
	if (!klp_batch_registered(batch))
		list_add_tail(&batch->node, &klp_batches);
	return 0;
}

/* === Redirecting objects =================================================================== */

/* Return the redirect of @ip in @batch, a new one if there is none. @batch has space for it. */
VISIBLE_IF_KUNIT struct klp_redirect *klp_add_address(struct klp_redirect_batch *batch,
						      unsigned long ip)
{
	struct klp_redirect *redirect = klp_find_slot(batch, ip);

	if (!redirect->batch) {
		/* The handler may read the table for another address at the same time. */
		WRITE_ONCE(redirect->ip, ip);
		redirect->batch = batch;
		batch->ips[batch->nr_filtered++] = ip;
	}
	return redirect;
}
EXPORT_SYMBOL_IF_KUNIT(klp_add_address);

/*
 * Return a redirect for @func, an existing one or a new one in @batch. NULL if the function
 * cannot be traced.
 */
static struct klp_redirect *klp_plan_redirect(struct klp_redirect_batch *batch,
					      struct klp_rt_func *func)
{
	struct klp_redirect *redirect;

	if (!func->ip)
		return NULL;
	redirect = klp_find_redirect(func->ip);
	return redirect ?: klp_add_address(batch, func->ip);
}

/**
 * klp_redirect_prepare() - register the functions of all loaded objects together
 * @patch: the patch that is being enabled, with the symbols of its loaded objects resolved
 *
 * Each registration walks all records of ftrace, and each removal waits for a grace period, so
 * one registration serves all objects. Calls are not redirected until klp_redirect_object()
 * adds a version to the addresses. klp_redirect_trim() removes addresses that get none.
 *
 * A failure has no effect. klp_redirect_object() then registers the functions of its object,
 * and reports the error.
 *
 * Context: process context, klp_mutex held.
 */
void klp_redirect_prepare(struct klp_rt_patch *patch)
{
	unsigned int nr_objs = 0, nr = 0;
	struct klp_redirect_batch *batch;
	struct klp_rt_object *obj;
	struct klp_rt_func *func;
	const char *failed;

	lockdep_assert_held(&klp_mutex);

	klp_rt_for_each_object(obj, patch) {
		if (!klp_object_loaded(obj) || !obj->nr_funcs)
			continue;
		nr += obj->nr_funcs;
		nr_objs++;
	}
	if (nr_objs < 2)
		return;
	batch = klp_alloc_batch(nr);
	if (!batch)
		return;

	klp_rt_for_each_object(obj, patch) {
		if (!klp_object_loaded(obj))
			continue;
		klp_rt_for_each_func(func, obj) {
			if (klp_func_is_version(func) && !klp_plan_redirect(batch, func))
				goto free;
		}
	}
	if (!batch->nr_filtered)
		goto free;
	if (klp_register_ops(&batch->ops, batch->ips, batch->nr_filtered, KLP_REGISTER_PATIENCE,
			     &failed)) {
		klp_release_direct_callers(batch->ips, batch->nr_filtered, 0);
		goto free;
	}
	batch->stale = true;
	list_add_tail(&batch->node, &klp_batches);
	return;

free:
	klp_free_batch(batch);
}
EXPORT_SYMBOL_IF_KUNIT(klp_redirect_prepare);

/*
 * Return true if @nr addresses fit: a table is at most a quarter full. Removed addresses count.
 */
static bool klp_batch_has_space(const struct klp_redirect_batch *batch, unsigned int nr)
{
	const struct klp_redirect *redirect, *end = batch->slots + batch->nr_slots;

	for (redirect = batch->slots; redirect < end; redirect++)
		nr += !!redirect->ip;
	return nr <= batch->nr_slots / 4;
}

/*
 * Return true if the addresses of @obj may be added to a registered batch. Only an address
 * without direct callers may, see the top of this file.
 */
static bool klp_may_join(struct klp_rt_object *obj)
{
	struct klp_rt_func *func;

	if (!obj->mod || obj->mod->state != MODULE_STATE_COMING)
		return false;
	klp_rt_for_each_func(func, obj) {
		if (func->ip && ftrace_find_rec_direct(func->ip))
			return false;
	}
	return true;
}

/* Return a batch for the functions of @obj without a redirect: a registered one, or a new one. */
static struct klp_redirect_batch *klp_choose_batch(struct klp_rt_object *obj)
{
	struct klp_redirect_batch *batch;

	if (!klp_may_join(obj))
		return klp_alloc_batch(obj->nr_funcs);
	list_for_each_entry(batch, &klp_batches, node) {
		if (batch->joinable && klp_batch_has_space(batch, obj->nr_funcs))
			return batch;
	}
	batch = klp_alloc_batch(max(obj->nr_funcs, KLP_LATE_ADDRESSES));
	if (batch)
		batch->joinable = true;
	return batch;
}

/* Drop the addresses from number @first on, whose registration has failed. */
static void klp_drop_addresses(struct klp_redirect_batch *batch, unsigned int first)
{
	while (batch->nr_filtered > first)
		klp_find_slot(batch, batch->ips[--batch->nr_filtered])->batch = NULL;
}

/*
 * Return -EBUSY if a patch of another set has a version of the address of @func, by another name
 * than this one.
 */
static int klp_check_address(const struct klp_rt_func *func)
{
	const struct klp_rt_patch *patch = func->obj->patch;
	const struct klp_rt_func *newest;

	newest = rcu_dereference_protected(func->redirect->newest, lockdep_is_held(&klp_mutex));
	if (!newest || !klp_sets_conflict(patch->desc, newest->obj->patch))
		return 0;
	pr_err("patch '%s' of set %u changes function '%s' of object '%s', which patch '%s' of set %u changes as '%s'\n",
	       patch->name, patch->replace_set, func->name, klp_object_name(func->obj),
	       newest->obj->patch->name, newest->obj->patch->replace_set, newest->name);
	return -EBUSY;
}

static int klp_redirect_funcs(struct klp_rt_object *obj)
{
	struct klp_redirect_batch *batch;
	struct klp_rt_func *func;
	unsigned int first;
	int ret = 0;

	batch = klp_choose_batch(obj);
	if (!batch)
		return -ENOMEM;

	first = batch->nr_filtered;
	klp_rt_for_each_func(func, obj) {
		if (!klp_func_is_version(func))
			continue;
		func->redirect = klp_plan_redirect(batch, func);
		if (!func->redirect) {
			pr_err("failed to find location for function '%s'\n", func->name);
			pr_err("patch '%s': function '%s,%lu' of object '%s' exists, but ftrace cannot trace it\n",
			       obj->patch->name, func->name, func->sympos, klp_object_name(obj));
			ret = -EINVAL;
			goto drop;
		}
		ret = klp_check_address(func);
		if (ret)
			goto drop;
	}
	if (batch->nr_filtered > first) {
		ret = klp_register_addresses(batch, first, obj);
		if (ret)
			goto drop;
	}

	/*
	 * A new redirect has no version, so the handler does not redirect its calls yet. This
	 * is right for tasks that must run the original code in a transition. Without a
	 * transition the object is a module whose code does not run yet.
	 */
	klp_rt_for_each_func(func, obj) {
		if (func->redirect)
			klp_push_version(func);
	}
	goto free;

drop:
	klp_rt_for_each_func(func, obj)
		func->redirect = NULL;
	klp_drop_addresses(batch, first);
free:
	if (!klp_batch_registered(batch))
		klp_free_batch(batch);
	return ret;
}

/* Return the number of functions of @obj that are redirected, nops included. */
static unsigned int klp_count_versions(struct klp_rt_object *obj)
{
	struct klp_rt_func *func;
	unsigned int nr = 0;

	klp_rt_for_each_func(func, obj)
		nr += !!func->redirect;
	return nr;
}

/**
 * klp_redirect_object() - redirect the functions of an object
 * @obj: the object, loaded, with its symbols resolved
 *
 * In a transition, see &klp_rt_func.transition, a call runs the version for the state of the
 * calling task. Otherwise it runs the new version. Nothing is redirected after an error.
 *
 * Context: process context, klp_mutex held.
 * Return:
 * * %0 - the functions are redirected
 * * %-EINVAL - a function cannot be traced
 * * %-EBUSY - another IPMODIFY ops is on a function, or a patch of another set changes it,
 *   which is logged, or kernel.ftrace_enabled is 0
 * * %-ENOMEM - no memory
 * * another errno of ftrace
 */
int klp_redirect_object(struct klp_rt_object *obj)
{
	int ret;

	lockdep_assert_held(&klp_mutex);

	if (obj->nr_funcs) {
		ret = klp_redirect_funcs(obj);
		if (ret)
			return ret;
	}
	klp_rt_set_patched(obj, true);
	trace_klp_object_patched(obj->patch->name, klp_object_name(obj), klp_count_versions(obj));
	return 0;
}
EXPORT_SYMBOL_IF_KUNIT(klp_redirect_object);

/* === Removal of addresses ================================================================== */

/* Collect the addresses without a version in batch->ips. Returns their number. */
VISIBLE_IF_KUNIT unsigned int klp_list_unused(struct klp_redirect_batch *batch)
{
	struct klp_redirect *redirect, *end = batch->slots + batch->nr_slots;
	unsigned int nr = 0;

	for (redirect = batch->slots; redirect < end; redirect++) {
		if (redirect->batch && !rcu_access_pointer(redirect->newest))
			batch->ips[nr++] = redirect->ip;
	}
	return nr;
}
EXPORT_SYMBOL_IF_KUNIT(klp_list_unused);

/* Drop the @nr addresses in batch->ips, which have been removed from the filter. */
VISIBLE_IF_KUNIT void klp_drop_unused(struct klp_redirect_batch *batch, unsigned int nr)
{
	struct klp_redirect *redirect, *end = batch->slots + batch->nr_slots;

	for (redirect = batch->slots; redirect < end; redirect++) {
		if (!rcu_access_pointer(redirect->newest))
			redirect->batch = NULL;
	}
	batch->nr_filtered -= nr;
	batch->stale = false;
}
EXPORT_SYMBOL_IF_KUNIT(klp_drop_unused);

/* Remove the addresses that ftrace does not know from @ips. Returns the number of the others. */
static unsigned int klp_keep_known(unsigned long *ips, unsigned int nr)
{
	unsigned int i, kept = 0;

	for (i = 0; i < nr; i++) {
		if (ftrace_location(ips[i]) == ips[i])
			ips[kept++] = ips[i];
	}
	return kept;
}

/*
 * Remove addresses from the filter of a batch. An unknown address would fail the whole removal.
 */
static int klp_remove_addresses(struct klp_redirect_batch *batch, unsigned int nr)
{
	int ret;

	ret = ftrace_set_filter_ips(&batch->ops, batch->ips, nr, 1, 0);
	if (ret != -EINVAL)
		return ret;
	nr = klp_keep_known(batch->ips, nr);
	return nr ? ftrace_set_filter_ips(&batch->ops, batch->ips, nr, 1, 0) : 0;
}

/*
 * Remove the addresses of a batch that have no version, and unregister an empty batch. An error
 * has no effect.
 */
static int klp_trim_batch(struct klp_redirect_batch *batch)
{
	unsigned int nr = klp_list_unused(batch);
	int ret;

	if (nr == batch->nr_filtered) {
		list_del(&batch->node);
		klp_unregister_batch(batch);
		return 0;
	}

	ret = klp_remove_addresses(batch, nr);
	if (ret)
		return ret;
	klp_release_direct_callers(batch->ips, nr, KLP_REGISTER_PATIENCE);
	klp_drop_unused(batch, nr);
	return 0;
}

/* Trim the next batch that needs it. Returns false if there is none. */
static bool klp_trim_next(void)
{
	struct klp_redirect_batch *batch;

	guard(mutex)(&klp_mutex);
	list_for_each_entry(batch, &klp_batches, node) {
		if (!batch->stale || batch->untrimmed)
			continue;
		batch->untrimmed = klp_trim_batch(batch);
		return true;
	}
	return false;
}

/**
 * klp_redirect_trim() - remove the addresses that have no version
 *
 * Unregisters empty batches. The worker of klp_redirect_retire() waits for their handlers and
 * reclaims them.
 *
 * Context: process context, takes klp_mutex for one batch at a time.
 */
void klp_redirect_trim(void)
{
	while (klp_trim_next())
		cond_resched();
}
EXPORT_SYMBOL_IF_KUNIT(klp_redirect_trim);

/**
 * klp_redirect_retire() - queue the removal of the addresses that have no version
 *
 * Call it after the versions have been removed.
 *
 * Context: any.
 */
void klp_redirect_retire(void)
{
	mod_delayed_work(system_unbound_wq, &klp_trim_work, 0);
}

/*
 * Wait until no task is in the trampoline or in the handler of an unregistered batch, and move
 * these batches to the spare ones. The wait is the one of ftrace before it frees an ops: every
 * CPU has scheduled, for handlers where RCU is not watching, and every task that was preempted
 * in a trampoline has left it.
 */
static void klp_reclaim_batches(void)
{
	struct klp_redirect_batch *batch, *next;
	LIST_HEAD(unregistered);

	scoped_guard(mutex, &klp_mutex)
		list_splice_init(&klp_unregistered_batches, &unregistered);
	if (list_empty(&unregistered))
		return;

	synchronize_rcu_tasks_rude();
	synchronize_rcu_tasks();

	guard(mutex)(&klp_mutex);
	list_for_each_entry_safe(batch, next, &unregistered, node)
		klp_free_batch(batch);
}

/* Allow another attempt for batches whose trimming has failed. Returns true if there are any. */
static bool klp_clear_untrimmed(void)
{
	struct klp_redirect_batch *batch;
	bool found = false;

	guard(mutex)(&klp_mutex);
	list_for_each_entry(batch, &klp_batches, node) {
		found |= batch->untrimmed;
		batch->untrimmed = false;
	}
	return found;
}

static void klp_trim_fn(struct work_struct *work)
{
	klp_redirect_trim();
	if (klp_clear_untrimmed())
		mod_delayed_work(system_unbound_wq, &klp_trim_work, KLP_TRIM_RETRY);
	klp_reclaim_batches();
}

/* === Reverting objects ===================================================================== */

/**
 * klp_unredirect_object() - undo klp_redirect_object()
 * @obj: the object
 *
 * Calls run the version below. A handler may use the removed versions until
 * klp_redirect_synchronize() returns. ftrace calls the handler until klp_redirect_trim() or the
 * worker of klp_redirect_retire() has run.
 *
 * Context: process context, klp_mutex held.
 */
void klp_unredirect_object(struct klp_rt_object *obj)
{
	struct klp_rt_func *func;
	unsigned int nr;

	lockdep_assert_held(&klp_mutex);

	if (!obj->patched)
		return;
	nr = klp_count_versions(obj);
	klp_rt_for_each_func(func, obj) {
		if (func->redirect)
			klp_pop_version(func);
	}
	klp_rt_set_patched(obj, false);
	trace_klp_object_unpatched(obj->patch->name, klp_object_name(obj), nr);
}
EXPORT_SYMBOL_IF_KUNIT(klp_unredirect_object);

/**
 * klp_unredirect_nops() - undo the redirection of the nops of an object
 * @obj: the object. One that the core has added for nops consists of nops only
 *
 * Context: process context, klp_mutex held.
 */
void klp_unredirect_nops(struct klp_rt_object *obj)
{
	struct klp_rt_func *func;

	lockdep_assert_held(&klp_mutex);

	if (klp_object_has_only_nops(obj)) {
		klp_unredirect_object(obj);
		return;
	}
	if (!obj->patched)
		return;
	klp_rt_for_each_func(func, obj) {
		if (func->nop && func->redirect)
			klp_pop_version(func);
	}
}
EXPORT_SYMBOL_IF_KUNIT(klp_unredirect_nops);

/* Return true if an address of @mod is in the filter of @batch. */
VISIBLE_IF_KUNIT bool klp_batch_has_module(struct klp_redirect_batch *batch, struct module *mod)
{
	struct klp_redirect *redirect, *end = batch->slots + batch->nr_slots;

	for (redirect = batch->slots; redirect < end; redirect++) {
		if (redirect->batch && within_module(redirect->ip, mod))
			return true;
	}
	return false;
}
EXPORT_SYMBOL_IF_KUNIT(klp_batch_has_module);

/* Drop the redirects of @mod here, even if ftrace still has their addresses. */
static void klp_forget_addresses(struct klp_redirect_batch *batch, struct module *mod)
{
	struct klp_redirect *redirect, *end = batch->slots + batch->nr_slots;

	for (redirect = batch->slots; redirect < end; redirect++) {
		if (redirect->batch && within_module(redirect->ip, mod)) {
			redirect->batch = NULL;
			batch->nr_filtered--;
		}
	}
}

/**
 * klp_redirect_forget_module() - remove the addresses of a module that is unloaded
 * @mod: the module, which no patch redirects
 *
 * An address that is still in a filter is removed before this function returns. Otherwise a
 * function of another module at the same address would be traced by our handler, and could not
 * be registered. The module cannot be kept, so this function retries until there is memory.
 * When ftrace has shut itself down, the address stays in the filter and is dropped here: a
 * patch of a function of another module at this address is refused.
 *
 * Context: process context, klp_mutex held.
 */
void klp_redirect_forget_module(struct module *mod)
{
	struct klp_redirect_batch *batch, *next;
	int ret;

	lockdep_assert_held(&klp_mutex);

	list_for_each_entry_safe(batch, next, &klp_batches, node) {
		if (!batch->stale || !klp_batch_has_module(batch, mod))
			continue;
		while ((ret = klp_trim_batch(batch)) == -ENOMEM)
			schedule_timeout_uninterruptible(1);
		if (ret)
			klp_forget_addresses(batch, mod);
		klp_redirect_retire();
	}
}
EXPORT_SYMBOL_IF_KUNIT(klp_redirect_forget_module);
