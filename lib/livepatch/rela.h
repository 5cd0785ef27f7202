/* SPDX-License-Identifier: GPL-2.0 */
#ifndef TEST_KLP_RELA_H
#define TEST_KLP_RELA_H

/*
 * klp_mkrela turns klp_ref___OBJECT___SYMBOL___POSITION into the livepatch symbol
 * .klp.sym.OBJECT.SYMBOL,POSITION.  Weak symbols get these past modpost. The assembler makes them
 * weak: for weak declarations some compilers use a GOT, which modules of arm64 do not have.
 */
extern char *klp_ref___vmlinux___saved_command_line___0;
extern const char klp_ref___vmlinux___linux_proc_banner___0[];
extern int klp_ref___test_klp_target___test_klp_target_secret___0;
extern typeof(int (int)) klp_ref___test_klp_target___test_klp_target_twice___0;

asm("	.weak klp_ref___vmlinux___saved_command_line___0\n"
"	.weak klp_ref___vmlinux___linux_proc_banner___0\n"
"	.weak klp_ref___test_klp_target___test_klp_target_secret___0\n"
"	.weak klp_ref___test_klp_target___test_klp_target_twice___0\n");

#define saved_command_line_ref	klp_ref___vmlinux___saved_command_line___0
#define linux_proc_banner_ref	klp_ref___vmlinux___linux_proc_banner___0
#define target_secret_ref	klp_ref___test_klp_target___test_klp_target_secret___0
#define target_twice_ref	klp_ref___test_klp_target___test_klp_target_twice___0

#endif /* TEST_KLP_RELA_H */
