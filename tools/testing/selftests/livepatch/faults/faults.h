/* SPDX-License-Identifier: GPL-2.0 */
/* Shared by the modules here. */

#ifndef _FAULTS_H
#define _FAULTS_H

/* Record a step of a patch with an object, in a module that stays loaded. */
void faults_note(const char *patch, const char *object, char step);

/*
 * References that ../klp_mkrela changes into livepatch symbols. Weak declarations pass modpost.
 */
extern char *klp_ref___vmlinux___saved_command_line___0 __weak;
extern int klp_ref___faults_target___faults_target_secret___0 __weak;

#define saved_command_line_ref	klp_ref___vmlinux___saved_command_line___0
#define target_secret_ref	klp_ref___faults_target___faults_target_secret___0

#endif /* _FAULTS_H */
