/* SPDX-License-Identifier: GPL-2.0 */
#ifndef TEST_KLP_RELA_H
#define TEST_KLP_RELA_H

#include <linux/compiler_attributes.h>

/*
 * klp_mkrela turns klp_ref___OBJECT___SYMBOL___POSITION into the livepatch symbol
 * .klp.sym.OBJECT.SYMBOL,POSITION.  Weak declarations get these past modpost.
 */
extern char *klp_ref___vmlinux___saved_command_line___0 __weak;
extern const char klp_ref___vmlinux___linux_proc_banner___0[] __weak;
extern int klp_ref___test_klp_target___test_klp_target_secret___0 __weak;
extern typeof(int (int)) klp_ref___test_klp_target___test_klp_target_twice___0 __weak;

#define saved_command_line_ref	klp_ref___vmlinux___saved_command_line___0
#define linux_proc_banner_ref	klp_ref___vmlinux___linux_proc_banner___0
#define target_secret_ref	klp_ref___test_klp_target___test_klp_target_secret___0
#define target_twice_ref	klp_ref___test_klp_target___test_klp_target_twice___0

#endif /* TEST_KLP_RELA_H */
