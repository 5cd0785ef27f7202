/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What test_klp_direct.c has in C and is called by assembler, and the other way round.
 */
#ifndef TEST_KLP_DIRECT_H
#define TEST_KLP_DIRECT_H

void test_klp_direct_hit(void);
void test_klp_direct_trampoline(void);

#endif /* TEST_KLP_DIRECT_H */
