/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _LIVEPATCH_REDIRECT_H
#define _LIVEPATCH_REDIRECT_H

struct klp_rt_func;
struct klp_rt_object;
struct klp_rt_patch;
struct module;

struct klp_rt_func *klp_redirect_newest(unsigned long ip);
void klp_redirect_prepare(struct klp_rt_patch *patch);
int klp_redirect_object(struct klp_rt_object *obj);
void klp_unredirect_object(struct klp_rt_object *obj);
void klp_unredirect_nops(struct klp_rt_object *obj);
void klp_redirect_trim(void);
void klp_redirect_retire(void);
void klp_redirect_forget_module(struct module *mod);
void klp_redirect_synchronize(void);

#endif /* _LIVEPATCH_REDIRECT_H */
