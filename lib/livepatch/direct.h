/* SPDX-License-Identifier: GPL-2.0 */
/* Symbols of test_klp_direct.c that C and assembler share. */
#ifndef TEST_KLP_DIRECT_H
#define TEST_KLP_DIRECT_H

void test_klp_direct_hit(void);
void test_klp_direct_trampoline(void);

#endif /* TEST_KLP_DIRECT_H */
