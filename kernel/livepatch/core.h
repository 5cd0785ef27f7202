/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _LIVEPATCH_CORE_H
#define _LIVEPATCH_CORE_H

struct module;

void klp_withdraw_patch_of(struct module *mod);

#endif /* _LIVEPATCH_CORE_H */
