// SPDX-License-Identifier: GPL-2.0
/*
 * Redirection: calls of a function that is patched run its newest version.
 *
 * For each function that is patched there is one struct klp_redirect: its
 * address, and the stack of the versions that patches have given it. The
 * functions that are new to us when a patch is enabled, or when a module comes
 * under it, make up a batch: one ftrace_ops, one filter, one registration, and a
 * hash table in which the handler finds the redirect of the address it was called
 * for. Functions that are patched already only get one more version, ftrace is
 * not bothered.
 *
 * An address is added to the filter of a batch before the batch is registered
 * and never later: it is register_ftrace_function() that makes direct callers,
 * as BPF trampolines are, give way to an ops that changes where a call goes. It
 * also means that an address is in one batch at the most, as ftrace demands of
 * such ops.
 *
 * An address that has no version left is taken out of the filter; when a batch
 * has none of either, it is unregistered. (A filter must not be emptied: an
 * empty one stands for every function there is.)
 */

#define pr_fmt(fmt) "livepatch: " fmt

#include <kunit/visibility.h>
#include <linux/cpu.h>
#include <linux/log2.h>
#include <linux/mm.h>
#include <linux/percpu.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/workqueue.h>
#include <trace/events/livepatch.h>
#include "redirect.h"
#include "redirect_batch.h"
#include "runtime.h"

VISIBLE_IF_KUNIT struct list_head klp_batches = LIST_HEAD_INIT(klp_batches);
EXPORT_SYMBOL_IF_KUNIT(klp_batches);

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
		 * The version and its flag have been seen, then the task's
		 * patch_state must be that of the same transition or later. Pairs
		 * with smp_wmb() in klp_transition_init().
		 */
		smp_rmb();
		if (READ_ONCE(current->patch_state) == KLP_TRANSITION_UNPATCHED) {
			func = rcu_dereference_raw_check(func->older);
			if (!func)
				return;
		}
		/* There are none but while a flag says so. */
		if (func->nop)
			return;
	}
	ftrace_regs_set_instruction_pointer(fregs, (unsigned long)func->new_func);
}

/*
 * Called for each call of a function in the filter of a batch, in whatever
 * context that is. Calls nothing that could be traced, so it needs no guard
 * against recursion; an interrupt that comes in between and calls a patched
 * function finds nothing here that it could disturb.
 *
 * Preemption is disabled from reading the newest version to the last use of
 * what it points to. klp_redirect_synchronize() waits for that. RCU itself
 * would not do, some functions are called where it is not watching.
 */
static void notrace klp_redirect_handler(unsigned long ip, unsigned long parent_ip,
					 struct ftrace_ops *ops, struct ftrace_regs *fregs)
{
	struct klp_redirect_batch *batch = container_of(ops, struct klp_redirect_batch, ops);

	preempt_disable_notrace();
	klp_redirect_call(klp_find_slot(batch, ip), fregs);
	preempt_enable_notrace();
}

/* Likewise for a batch of one address: it is called for no other. */
static void notrace klp_redirect_one_handler(unsigned long ip, unsigned long parent_ip,
					     struct ftrace_ops *ops, struct ftrace_regs *fregs)
{
	struct klp_redirect_batch *batch = container_of(ops, struct klp_redirect_batch, ops);

	preempt_disable_notrace();
	klp_redirect_call(&batch->slots[0], fregs);
	preempt_enable_notrace();
}

static void klp_schedule_once(struct work_struct *work)
{
}

/* There before they are needed: a wait that fails for want of memory would be none. */
static DEFINE_PER_CPU(struct work_struct, klp_synchronize_work);

/**
 * klp_redirect_synchronize() - wait until no handler uses what it has read before
 *
 * Every handler that still runs afterwards has started after the call, and sees
 * what was written before it. So has every other stretch of code that runs with
 * preemption disabled.
 *
 * A CPU that has scheduled is out of the handler. Some handlers run where RCU is
 * not watching; that is why this is not synchronize_rcu().
 *
 * Context: process context, sleeps, klp_mutex held.
 */
void klp_redirect_synchronize(void)
{
	unsigned int cpu;

	lockdep_assert_held(&klp_mutex);

	cpus_read_lock();
	for_each_online_cpu(cpu) {
		struct work_struct *work = per_cpu_ptr(&klp_synchronize_work, cpu);

		INIT_WORK(work, klp_schedule_once);
		schedule_work_on(cpu, work);
	}
	for_each_online_cpu(cpu)
		flush_work(per_cpu_ptr(&klp_synchronize_work, cpu));
	cpus_read_unlock();
}
EXPORT_SYMBOL_IF_KUNIT(klp_redirect_synchronize);

VISIBLE_IF_KUNIT struct klp_redirect_batch *klp_alloc_batch(unsigned int nr)
{
	unsigned int nr_slots = nr > 1 ? 4 * roundup_pow_of_two(nr) : 2;
	struct klp_redirect_batch *batch;

	batch = kvzalloc(struct_size(batch, slots, nr_slots), GFP_KERNEL);
	if (!batch)
		return NULL;
	batch->ips = kvmalloc_array(nr, sizeof(*batch->ips), GFP_KERNEL);
	if (!batch->ips) {
		kvfree(batch);
		return NULL;
	}
	batch->nr_slots = nr_slots;
	batch->shift = nr > 1 ? 32 - ilog2(nr_slots) : 32;
	batch->ops.func = nr > 1 ? klp_redirect_handler : klp_redirect_one_handler;
	batch->ops.flags = FTRACE_OPS_FL_SAVE_ARGS | FTRACE_OPS_FL_IPMODIFY |
			   FTRACE_OPS_FL_PERMANENT | FTRACE_OPS_FL_DYNAMIC;
	return batch;
}
EXPORT_SYMBOL_IF_KUNIT(klp_alloc_batch);

VISIBLE_IF_KUNIT void klp_free_batch(struct klp_redirect_batch *batch)
{
	ftrace_free_filter(&batch->ops);
	kvfree(batch->ips);
	kvfree(batch);
}
EXPORT_SYMBOL_IF_KUNIT(klp_free_batch);

/* The redirect of an address that is in the filter of some batch. */
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

/* The place in a redirected function from which ftrace calls our handler. */
unsigned long klp_redirect_address(const struct klp_rt_func *func)
{
	return func->redirect->ip;
}

VISIBLE_IF_KUNIT void klp_push_version(struct klp_rt_func *func)
{
	struct klp_rt_func __rcu **newest = &func->redirect->newest;

	RCU_INIT_POINTER(func->older, rcu_dereference_protected(*newest, true));
	/* Pairs with the handler, which must find the version complete. */
	rcu_assign_pointer(*newest, func);
}
EXPORT_SYMBOL_IF_KUNIT(klp_push_version);

/* Take a version out, wherever it is in the stack. A handler may still be in it. */
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

/* Set the filter of an ops to @ips and register it. */
static int klp_register_ops(struct ftrace_ops *ops, unsigned long *ips, unsigned int nr,
			    const char **failed)
{
	int ret;

	*failed = "set ftrace filter";
	ret = ftrace_set_filter_ips(ops, ips, nr, 0, 1);
	if (ret)
		return ret;
	*failed = "register ftrace handler";
	return register_ftrace_function(ops);
}

/*
 * A batch could not be registered: which of its addresses is to blame? The last
 * one of the shortest beginning of the list that cannot be registered either.
 * Each try that succeeds has to be undone, so halve the list rather than walk it.
 */
static unsigned int klp_find_culprit(unsigned long *ips, unsigned int nr)
{
	unsigned int good = 0, bad = nr, middle;
	struct klp_redirect_batch *trial;
	const char *failed;

	while (bad - good > 1) {
		middle = good + (bad - good) / 2;
		/* It has no version of anything: calls go where they went before. */
		trial = klp_alloc_batch(middle);
		if (!trial)
			break;
		if (klp_register_ops(&trial->ops, ips, middle, &failed)) {
			bad = middle;
		} else {
			good = middle;
			unregister_ftrace_function(&trial->ops);
		}
		klp_free_batch(trial);
	}
	return bad - 1;
}

/* Register a batch of addresses, all of functions of @obj. */
static int klp_register_batch(struct klp_redirect_batch *batch, struct klp_rt_object *obj)
{
	struct klp_rt_func *func;
	unsigned long culprit;
	const char *failed;
	int ret;

	ret = klp_register_ops(&batch->ops, batch->ips, batch->nr_filtered, &failed);
	if (!ret) {
		list_add_tail(&batch->node, &klp_batches);
		return 0;
	}
	culprit = batch->ips[klp_find_culprit(batch->ips, batch->nr_filtered)];
	klp_for_each_func(func, obj) {
		if (klp_redirect_address(func) != culprit)
			continue;
		pr_err("failed to %s for function '%s' (%d)\n", failed, func->name, ret);
		break;
	}
	return ret;
}

/* The redirect of @ip in a batch that is not registered yet, a new one if need be. */
VISIBLE_IF_KUNIT struct klp_redirect *klp_add_address(struct klp_redirect_batch *batch,
						      unsigned long ip)
{
	struct klp_redirect *redirect = klp_find_slot(batch, ip);

	/* It is there already when one function has two names. */
	if (!redirect->ip) {
		redirect->ip = ip;
		redirect->batch = batch;
		batch->ips[batch->nr_filtered++] = ip;
	}
	return redirect;
}
EXPORT_SYMBOL_IF_KUNIT(klp_add_address);

/* A redirect for @func, of those there are or a new one in @batch. NULL: untraceable. */
static struct klp_redirect *klp_plan_redirect(struct klp_redirect_batch *batch,
					      struct klp_rt_func *func)
{
	unsigned long ip = ftrace_location((unsigned long)func->old_func);
	struct klp_redirect *redirect;

	if (!ip)
		return NULL;
	redirect = klp_find_redirect(ip);
	return redirect ?: klp_add_address(batch, ip);
}

/**
 * klp_redirect_prepare() - register the functions of several objects together
 * @patch: the patch, about to be enabled, symbols of what is loaded resolved
 *
 * Each registration walks all that ftrace knows, and each removal waits for a
 * grace period: one for all objects is enough. Calls go on as before, until
 * klp_redirect_object() gives the addresses a version; those that get none are
 * given up by klp_redirect_trim().
 *
 * When this fails nothing has happened. klp_redirect_object() then registers what
 * it needs itself, and fails where and when it has to.
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

	klp_for_each_object(obj, patch) {
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

	klp_for_each_object(obj, patch) {
		if (!klp_object_loaded(obj))
			continue;
		klp_for_each_func(func, obj) {
			if (!klp_plan_redirect(batch, func))
				goto free;
		}
	}
	if (!batch->nr_filtered ||
	    klp_register_ops(&batch->ops, batch->ips, batch->nr_filtered, &failed))
		goto free;
	batch->stale = true;
	list_add_tail(&batch->node, &klp_batches);
	return;

free:
	klp_free_batch(batch);
}
EXPORT_SYMBOL_IF_KUNIT(klp_redirect_prepare);

static int klp_redirect_funcs(struct klp_rt_object *obj)
{
	struct klp_redirect_batch *batch;
	struct klp_rt_func *func;
	int ret = 0;

	batch = klp_alloc_batch(obj->nr_funcs);
	if (!batch)
		return -ENOMEM;

	klp_for_each_func(func, obj) {
		func->redirect = klp_plan_redirect(batch, func);
		if (!func->redirect) {
			pr_err("failed to find location for function '%s'\n", func->name);
			ret = -EINVAL;
			goto free;
		}
	}
	if (batch->nr_filtered) {
		ret = klp_register_batch(batch, obj);
		if (ret)
			goto free;
	}

	/*
	 * Until a new redirect has a version, the handler leaves calls alone:
	 * tasks are to run the original code when the patch is in transition, and
	 * when it is not the object is a module that nobody runs yet.
	 */
	klp_for_each_func(func, obj)
		klp_push_version(func);
	if (batch->nr_filtered)
		return 0;
free:
	if (ret) {
		klp_for_each_func(func, obj)
			func->redirect = NULL;
	}
	klp_free_batch(batch);
	return ret;
}

/**
 * klp_redirect_object() - send calls of an object's functions to the new ones
 * @obj: the object, loaded, its symbols resolved
 *
 * While the patch is in transition, see &klp_rt_func.transition, a call goes to
 * the version that the calling task is to see, and to the new one otherwise.
 *
 * Context: process context, klp_mutex held.
 * Return: 0; -EINVAL when a function cannot be traced; an errno of ftrace, -EBUSY
 * when another ops that changes where a call goes is on a function already, or
 * when kernel.ftrace_enabled is 0: the function at fault is logged. -ENOMEM.
 * Nothing is redirected then.
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
	WRITE_ONCE(obj->patched, true);
	trace_klp_object_patched(obj->patch->name, klp_object_name(obj), obj->nr_funcs);
	return 0;
}
EXPORT_SYMBOL_IF_KUNIT(klp_redirect_object);

/* Collect in @ips of the batch which addresses in its filter have no version. */
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

/* Those @nr are not in the filter any more. */
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

/*
 * Give up the addresses of a batch that have no version, and the batch with the last.
 * When that fails, for want of memory, nothing has happened.
 */
static int klp_trim_batch(struct klp_redirect_batch *batch)
{
	unsigned int nr = klp_list_unused(batch);
	int ret;

	if (nr == batch->nr_filtered) {
		list_del(&batch->node);
		/* Waits until no task is in our handler or in the trampoline to it. */
		if (!unregister_ftrace_function(&batch->ops))
			klp_free_batch(batch);
		/* Else ftrace has shut itself down, and nobody knows what it still uses. */
		return 0;
	}

	if (nr) {
		ret = ftrace_set_filter_ips(&batch->ops, batch->ips, nr, 1, 0);
		if (ret)
			return ret;
	}

	klp_drop_unused(batch, nr);
	return 0;
}

/**
 * klp_redirect_trim() - give up the addresses that have no version left
 *
 * To be called when all versions that go have been taken out: a batch that is
 * left without any costs a grace period, which is waited for.
 *
 * Context: process context, klp_mutex held.
 */
void klp_redirect_trim(void)
{
	struct klp_redirect_batch *batch, *next;

	lockdep_assert_held(&klp_mutex);

	list_for_each_entry_safe(batch, next, &klp_batches, node) {
		/* Short of memory, they stay and do no harm until the next time. */
		if (batch->stale)
			klp_trim_batch(batch);
	}
}
EXPORT_SYMBOL_IF_KUNIT(klp_redirect_trim);

/**
 * klp_unredirect_object() - take back what klp_redirect_object() has done
 * @obj: the object
 *
 * Calls go to what is below. A handler may be using the functions still, until
 * klp_redirect_synchronize(); ftrace goes on calling it until klp_redirect_trim().
 *
 * Context: process context, klp_mutex held.
 */
void klp_unredirect_object(struct klp_rt_object *obj)
{
	struct klp_rt_func *func;

	lockdep_assert_held(&klp_mutex);

	if (!obj->patched)
		return;
	klp_for_each_func(func, obj)
		klp_pop_version(func);
	WRITE_ONCE(obj->patched, false);
	trace_klp_object_unpatched(obj->patch->name, klp_object_name(obj), obj->nr_funcs);
}
EXPORT_SYMBOL_IF_KUNIT(klp_unredirect_object);

/**
 * klp_unredirect_nops() - likewise for nothing but the nops of an object
 * @obj: the object; one that the core has added goes as a whole
 *
 * Context: process context, klp_mutex held.
 */
void klp_unredirect_nops(struct klp_rt_object *obj)
{
	struct klp_rt_func *func;

	lockdep_assert_held(&klp_mutex);

	if (!obj->desc) {
		klp_unredirect_object(obj);
		return;
	}
	if (!obj->patched)
		return;
	klp_for_each_func(func, obj) {
		if (func->nop)
			klp_pop_version(func);
	}
}
EXPORT_SYMBOL_IF_KUNIT(klp_unredirect_nops);

/* Is an address of @mod in the filter of a batch? */
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

/**
 * klp_redirect_forget_module() - a module goes, and its addresses with it
 * @mod: the module; no patch redirects it any more
 *
 * An address that could not be taken out of a filter has to be now. When another
 * module's function came to stand there, ftrace would call us for it without
 * having been asked to, and refuse to be asked. The module cannot be kept from
 * going, so this waits until there is memory.
 *
 * Context: process context, klp_mutex held.
 */
void klp_redirect_forget_module(struct module *mod)
{
	struct klp_redirect_batch *batch, *next;

	lockdep_assert_held(&klp_mutex);

	list_for_each_entry_safe(batch, next, &klp_batches, node) {
		if (!batch->stale || !klp_batch_has_module(batch, mod))
			continue;
		while (klp_trim_batch(batch) == -ENOMEM)
			schedule_timeout_uninterruptible(1);
	}
}
EXPORT_SYMBOL_IF_KUNIT(klp_redirect_forget_module);
