/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _LIVEPATCH_SHADOW_H
#define _LIVEPATCH_SHADOW_H

#include <linux/livepatch.h>

void klp_shadow_destroy_all(unsigned long id, klp_shadow_dtor_t dtor);

#endif /* _LIVEPATCH_SHADOW_H */
