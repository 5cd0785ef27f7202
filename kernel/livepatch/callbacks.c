// SPDX-License-Identifier: GPL-2.0
/*
 * Callbacks and hooks: the state of each object, and the calls that change it.
 *
 *	          prepare             publish
 *	          pre_patch           post_patch
 *	          patch_hooks
 *	    IDLE ----------> PREPARED ----------> LIVE
 *	         <----------          <----------
 *	          release             withdraw
 *	          unpatch_hooks       pre_unpatch
 *	          post_unpatch
 *
 * Each step depends only on the state of the object. A caller may request a step at any time;
 * it runs only if it is due. So a callback runs once for each change of the state, for any
 * order of reversals, forced transitions, and modules that are loaded and unloaded. A missing
 * callback counts as one that has succeeded.
 *
 * This file uses neither the lists of patches nor klp_mutex. The caller ensures that the object
 * is loaded.
 */

#define pr_fmt(fmt) "livepatch: " fmt

#include <kunit/visibility.h>
#include <linux/kallsyms.h>
#include <linux/sched.h>
#include <linux/timekeeping.h>
#include <trace/events/livepatch.h>
#include "callbacks.h"
#include "runtime.h"

/*
 * The task that runs a callback or a hook. It holds klp_mutex, and must not wait for it.
 * Another task that reads this variable finds that it is not its own.
 */
static struct task_struct *klp_callback_task;

/**
 * klp_callback_enter() - mark current as the task that runs a callback
 *
 * Context: process context, klp_mutex held.
 * Return: the time, from ktime_get_ns().
 */
u64 klp_callback_enter(void)
{
	WRITE_ONCE(klp_callback_task, current);
	return ktime_get_ns();
}

/* Undo klp_callback_enter(). */
void klp_callback_leave(void)
{
	WRITE_ONCE(klp_callback_task, NULL);
}

/* A call of a callback or a hook. */
struct klp_call {
	const struct klp_rt_object *obj;
	const char *kind;
	void *function;
	u64 start;
};

static void klp_call_begin(struct klp_call *call, const struct klp_rt_object *obj,
			   const char *kind, void *function)
{
	call->obj = obj;
	call->kind = kind;
	call->function = function;
	call->start = klp_callback_enter();
}

static noinline_for_stack void klp_trace_call(const struct klp_call *call, int ret, u64 duration)
{
	char symbol[KSYM_SYMBOL_LEN];

	/*
	 * Trace the name: the address cannot be resolved after the livepatch has been unloaded.
	 */
	sprint_symbol_no_offset(symbol, (unsigned long)call->function);
	trace_klp_callback(call->obj->patch->name, klp_object_name(call->obj), call->kind, symbol,
			   ret, duration);
}

static void klp_call_end(const struct klp_call *call, int ret)
{
	klp_callback_leave();
	if (trace_klp_callback_enabled())
		klp_trace_call(call, ret, ktime_get_ns() - call->start);
}

static void klp_run_callback(struct klp_rt_object *obj, const char *kind,
			     void (*callback)(struct klp_object *obj))
{
	struct klp_call call;

	if (!callback)
		return;
	klp_call_begin(&call, obj, kind, callback);
	callback(obj->desc);
	klp_call_end(&call, 0);
}

/*
 * Return the result of a callback or hook. A positive value is not an errno, and would look
 * like success in user space: it is logged and replaced by -EINVAL.
 */
static int klp_checked_result(const struct klp_call *call, int ret)
{
	if (klp_is_callback_result(ret))
		return ret;
	pr_warn("patch '%s': %s %ps of object '%s' returned %d, which is not an errno value\n",
		call->obj->patch->name, call->kind, call->function, klp_object_name(call->obj),
		ret);
	return -EINVAL;
}

static int klp_run_pre_patch(struct klp_rt_object *obj)
{
	int (*pre_patch)(struct klp_object *obj) = obj->desc->callbacks.pre_patch;
	struct klp_call call;
	int ret;

	if (!pre_patch)
		return 0;
	klp_call_begin(&call, obj, "pre_patch", pre_patch);
	ret = pre_patch(obj->desc);
	klp_call_end(&call, ret);
	return klp_checked_result(&call, ret);
}

/*
 * Run hooks in order. A failure is logged. It neither stops the other hooks nor refuses the
 * patch.
 */
static void klp_run_hooks(struct klp_rt_object *obj, const char *kind, struct klp_hook *hooks)
{
	struct klp_call call;
	int ret;

	for (; hooks && hooks->hook; hooks++) {
		klp_call_begin(&call, obj, kind, hooks->hook);
		ret = hooks->hook(obj->desc);
		klp_call_end(&call, ret);
		ret = klp_checked_result(&call, ret);
		if (ret)
			pr_warn("patch '%s': %s %ps of object '%s' returned %d\n",
				obj->patch->name, kind, call.function, klp_object_name(obj), ret);
	}
}

/**
 * klp_callback_is_caller() - find out whether the caller is a callback or a hook
 *
 * Context: any task.
 * Return: true when current runs a callback or a hook, and so holds klp_mutex.
 */
bool klp_callback_is_caller(void)
{
	return READ_ONCE(klp_callback_task) == current;
}
EXPORT_SYMBOL_IF_KUNIT(klp_callback_is_caller);

/**
 * klp_callbacks_prepare() - run the callbacks before an object is redirected
 * @obj: the object
 *
 * Runs pre_patch, then patch_hooks unless pre_patch has failed.
 *
 * Context: process context, klp_mutex held. Callbacks and hooks may sleep.
 * Return: 0, or the errno of pre_patch. No callback is owed to the object after an error.
 */
int klp_callbacks_prepare(struct klp_rt_object *obj)
{
	int ret;

	if (obj->state != KLP_OBJECT_IDLE)
		return 0;
	if (obj->desc) {
		ret = klp_run_pre_patch(obj);
		if (ret)
			return ret;
		klp_run_hooks(obj, "patch_hook", obj->desc->patch_hooks);
	}
	obj->state = KLP_OBJECT_PREPARED;
	return 0;
}
EXPORT_SYMBOL_IF_KUNIT(klp_callbacks_prepare);

/**
 * klp_callbacks_publish() - run post_patch: every task runs the new functions of an object
 * @obj: the object
 *
 * Context: process context, klp_mutex held. The callback may sleep.
 */
void klp_callbacks_publish(struct klp_rt_object *obj)
{
	if (obj->state != KLP_OBJECT_PREPARED)
		return;
	obj->state = KLP_OBJECT_LIVE;
	if (obj->desc)
		klp_run_callback(obj, "post_patch", obj->desc->callbacks.post_patch);
}
EXPORT_SYMBOL_IF_KUNIT(klp_callbacks_publish);

/**
 * klp_callbacks_withdraw() - run pre_unpatch: an object is about to be reverted
 * @obj: the object
 *
 * Context: process context, klp_mutex held. The callback may sleep.
 */
void klp_callbacks_withdraw(struct klp_rt_object *obj)
{
	if (obj->state != KLP_OBJECT_LIVE)
		return;
	obj->state = KLP_OBJECT_PREPARED;
	if (obj->desc)
		klp_run_callback(obj, "pre_unpatch", obj->desc->callbacks.pre_unpatch);
}
EXPORT_SYMBOL_IF_KUNIT(klp_callbacks_withdraw);

/**
 * klp_callbacks_release() - run the callbacks after an object has been reverted
 * @obj: the object. No task runs its new functions any longer
 *
 * Runs unpatch_hooks, then post_unpatch.
 *
 * Context: process context, klp_mutex held. Callbacks and hooks may sleep.
 */
void klp_callbacks_release(struct klp_rt_object *obj)
{
	if (obj->state != KLP_OBJECT_PREPARED)
		return;
	obj->state = KLP_OBJECT_IDLE;
	if (!obj->desc)
		return;
	klp_run_hooks(obj, "unpatch_hook", obj->desc->unpatch_hooks);
	klp_run_callback(obj, "post_unpatch", obj->desc->callbacks.post_unpatch);
}
EXPORT_SYMBOL_IF_KUNIT(klp_callbacks_release);

/**
 * klp_callbacks_forget() - drop the callbacks that are owed to an object of a replaced patch
 * @obj: the object
 *
 * No callback runs. The newer patch knows what the older one has changed. The older one cannot
 * know how the newer one uses these changes.
 *
 * Context: process context, klp_mutex held.
 */
void klp_callbacks_forget(struct klp_rt_object *obj)
{
	obj->state = KLP_OBJECT_IDLE;
}
EXPORT_SYMBOL_IF_KUNIT(klp_callbacks_forget);
