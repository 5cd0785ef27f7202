/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _LIVEPATCH_SYMBOLS_H
#define _LIVEPATCH_SYMBOLS_H

struct klp_rt_object;

int klp_symbols_resolve(struct klp_rt_object *obj);
void klp_symbols_release(struct klp_rt_object *obj);

#endif /* _LIVEPATCH_SYMBOLS_H */
