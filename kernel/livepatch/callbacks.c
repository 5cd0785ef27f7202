// SPDX-License-Identifier: GPL-2.0
/*
 * Callbacks: what is owed to an object, and running it.
 *
 *	          prepare             publish
 *	          pre_patch           post_patch
 *	    IDLE ----------> PREPARED ----------> LIVE
 *	         <----------          <----------
 *	          release             withdraw
 *	          post_unpatch        pre_unpatch
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

#include "callbacks.h"
#include "runtime.h"

static const struct klp_callbacks *klp_object_callbacks(const struct klp_rt_object *obj)
{
	static const struct klp_callbacks none;

	return obj->desc ? &obj->desc->callbacks : &none;
}

/**
 * klp_callbacks_prepare() - the functions of an object are about to be redirected
 * @obj: the object, idle
 *
 * Context: process context, klp_mutex held; the callback may sleep.
 * Return: 0, or the errno that the author's pre_patch vetoes with; nothing is
 * owed to the object then.
 */
int klp_callbacks_prepare(struct klp_rt_object *obj)
{
	const struct klp_callbacks *callbacks = klp_object_callbacks(obj);
	int ret;

	if (obj->state != KLP_OBJECT_IDLE)
		return 0;
	if (callbacks->pre_patch) {
		ret = callbacks->pre_patch(obj->desc);
		if (ret)
			return ret;
	}
	obj->state = KLP_OBJECT_PREPARED;
	return 0;
}

/**
 * klp_callbacks_publish() - every task runs the new functions of an object
 * @obj: the object
 *
 * Context: process context, klp_mutex held; the callback may sleep.
 */
void klp_callbacks_publish(struct klp_rt_object *obj)
{
	const struct klp_callbacks *callbacks = klp_object_callbacks(obj);

	if (obj->state != KLP_OBJECT_PREPARED)
		return;
	obj->state = KLP_OBJECT_LIVE;
	if (callbacks->post_patch)
		callbacks->post_patch(obj->desc);
}

/**
 * klp_callbacks_withdraw() - the functions of an object are about to go
 * @obj: the object
 *
 * Context: process context, klp_mutex held; the callback may sleep.
 */
void klp_callbacks_withdraw(struct klp_rt_object *obj)
{
	const struct klp_callbacks *callbacks = klp_object_callbacks(obj);

	if (obj->state != KLP_OBJECT_LIVE)
		return;
	obj->state = KLP_OBJECT_PREPARED;
	if (callbacks->pre_unpatch)
		callbacks->pre_unpatch(obj->desc);
}

/**
 * klp_callbacks_release() - no task runs the new functions of an object any more
 * @obj: the object; its functions are not redirected
 *
 * Context: process context, klp_mutex held; the callback may sleep.
 */
void klp_callbacks_release(struct klp_rt_object *obj)
{
	const struct klp_callbacks *callbacks = klp_object_callbacks(obj);

	if (obj->state != KLP_OBJECT_PREPARED)
		return;
	obj->state = KLP_OBJECT_IDLE;
	if (callbacks->post_unpatch)
		callbacks->post_unpatch(obj->desc);
}

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
