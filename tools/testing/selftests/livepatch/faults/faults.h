/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the modules here share.
 */

#ifndef _FAULTS_H
#define _FAULTS_H

/* Write down, in a module that stays loaded, that a patch has taken a step with an object. */
void faults_note(const char *patch, const char *object, char step);

/*
 * References that klp_mkrela, in the folder above, turns into livepatch symbols. Weak declarations
 * get them past modpost.
 */
extern char *klp_ref___vmlinux___saved_command_line___0 __weak;
extern int klp_ref___faults_target___faults_target_secret___0 __weak;

#define saved_command_line_ref	klp_ref___vmlinux___saved_command_line___0
#define target_secret_ref	klp_ref___faults_target___faults_target_secret___0

#endif /* _FAULTS_H */
