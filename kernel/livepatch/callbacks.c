// SPDX-License-Identifier: GPL-2.0
/*
 * Callbacks and hooks: what is owed to an object, and running it.
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
 * Each step asks nothing but the state of the object. A caller may ask for a
 * step whenever the occasion for it has come, and the step is taken only when
 * it is due: that is why a callback runs once for each arrival in a state,
 * whatever the order of reversals, forced transitions and modules that come and
 * go. A callback that is absent counts as one that has run and succeeded.
 *
 * The lists of patches and the lock are not known here. The caller sees to it
 * that the object is loaded.
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
 * The task that is in a callback or a hook. It cannot wait for the lock, which it
 * holds; whoever else reads this finds that it is not itself.
 */
static struct task_struct *klp_callback_task;

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
	call->start = ktime_get_ns();
	WRITE_ONCE(klp_callback_task, current);
}

static noinline_for_stack void klp_trace_call(const struct klp_call *call, int ret, u64 duration)
{
	char symbol[KSYM_SYMBOL_LEN];

	/* By name: the address says nothing any more when the livepatch has gone. */
	sprint_symbol_no_offset(symbol, (unsigned long)call->function);
	trace_klp_callback(call->obj->patch->name, klp_object_name(call->obj), call->kind, symbol,
			   ret, duration);
}

static void klp_call_end(const struct klp_call *call, int ret)
{
	WRITE_ONCE(klp_callback_task, NULL);
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
	return ret;
}

/* A hook that fails is heard, but neither stops the others nor refuses anything. */
static void klp_run_hooks(struct klp_rt_object *obj, const char *kind, struct klp_hook *hooks)
{
	struct klp_call call;
	int ret;

	for (; hooks && hooks->hook; hooks++) {
		klp_call_begin(&call, obj, kind, hooks->hook);
		ret = hooks->hook(obj->desc);
		klp_call_end(&call, ret);
		if (ret)
			pr_warn("patch '%s': %s %ps of object '%s' returned %d\n",
				obj->patch->name, kind, call.function, klp_object_name(obj), ret);
	}
}

/**
 * klp_callback_is_caller() - is it a callback or a hook that calls us?
 *
 * Context: any task.
 * Return: true when current runs one, and so holds klp_mutex already.
 */
bool klp_callback_is_caller(void)
{
	return READ_ONCE(klp_callback_task) == current;
}
EXPORT_SYMBOL_IF_KUNIT(klp_callback_is_caller);

/**
 * klp_callbacks_prepare() - the functions of an object are about to be redirected
 * @obj: the object
 *
 * Runs pre_patch, and the patch_hooks when it does not veto.
 *
 * Context: process context, klp_mutex held; callbacks and hooks may sleep.
 * Return: 0, or the errno that the author's pre_patch vetoes with; nothing is
 * owed to the object then.
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
 * klp_callbacks_publish() - every task runs the new functions of an object
 * @obj: the object
 *
 * Context: process context, klp_mutex held; the callback may sleep.
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
 * klp_callbacks_withdraw() - the functions of an object are about to go
 * @obj: the object
 *
 * Context: process context, klp_mutex held; the callback may sleep.
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
 * klp_callbacks_release() - no task runs the new functions of an object any more
 * @obj: the object; its functions are not redirected
 *
 * Runs the unpatch_hooks, then post_unpatch.
 *
 * Context: process context, klp_mutex held; callbacks and hooks may sleep.
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
 * klp_callbacks_forget() - another patch has taken the place of this one
 * @obj: the object
 *
 * The newer patch knows how to go on from what this one has changed, this one
 * cannot know what the newer has made of it. So nothing is run.
 *
 * Context: process context, klp_mutex held.
 */
void klp_callbacks_forget(struct klp_rt_object *obj)
{
	obj->state = KLP_OBJECT_IDLE;
}
EXPORT_SYMBOL_IF_KUNIT(klp_callbacks_forget);
