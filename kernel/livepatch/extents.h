/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _LIVEPATCH_EXTENTS_H
#define _LIVEPATCH_EXTENTS_H

struct klp_rt_func;
struct klp_rt_object;

int klp_find_extents(struct klp_rt_object *obj);
void klp_forget_extents(struct klp_rt_func *func);

#endif /* _LIVEPATCH_EXTENTS_H */
