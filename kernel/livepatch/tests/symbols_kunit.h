/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _LIVEPATCH_SYMBOLS_KUNIT_H
#define _LIVEPATCH_SYMBOLS_KUNIT_H

#include <linux/compiler.h>

int (*klp_kunit_second_twin(void))(int value);

#endif /* _LIVEPATCH_SYMBOLS_KUNIT_H */
