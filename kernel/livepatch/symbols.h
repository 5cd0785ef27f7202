/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _LIVEPATCH_SYMBOLS_H
#define _LIVEPATCH_SYMBOLS_H

#include <linux/kconfig.h>
#include <linux/types.h>

struct klp_rt_object;

int klp_symbols_resolve(struct klp_rt_object *obj);
void klp_symbols_release(struct klp_rt_object *obj);

#if IS_ENABLED(CONFIG_KUNIT)
void klp_locate_func(struct klp_rt_func *func);
int klp_find_symbol(const char *objname, const char *name, unsigned long sympos,
		    unsigned long *addr);
bool klp_split_section_name(const char *secname, char *objname);
bool klp_split_symbol_name(const char *symname, char *objname, char *name,
			   unsigned long *sympos);
#endif

#endif /* _LIVEPATCH_SYMBOLS_H */
