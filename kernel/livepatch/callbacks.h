/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _LIVEPATCH_CALLBACKS_H
#define _LIVEPATCH_CALLBACKS_H

#include <linux/err.h>
#include <linux/types.h>

struct klp_rt_object;

/* Return true if a callback may return @ret. A positive value would look like success. */
static inline bool klp_is_callback_result(int ret)
{
	return ret <= 0 && ret >= -MAX_ERRNO;
}

bool klp_callback_is_caller(void);
u64 klp_callback_enter(void);
void klp_callback_leave(void);

int klp_callbacks_prepare(struct klp_rt_object *obj);
void klp_callbacks_publish(struct klp_rt_object *obj);
void klp_callbacks_withdraw(struct klp_rt_object *obj);
void klp_callbacks_release(struct klp_rt_object *obj);
void klp_callbacks_forget(struct klp_rt_object *obj);

#endif /* _LIVEPATCH_CALLBACKS_H */
