/* SPDX-License-Identifier: GPL-2.0 */
#ifndef TEST_KLP_CONVERT_H
#define TEST_KLP_CONVERT_H

struct seq_file;

extern char *saved_command_line;
extern const char linux_proc_banner[];
extern int test_klp_target_secret;
int test_klp_target_twice(int number);

void convert_show_twins(struct seq_file *m);

#endif /* TEST_KLP_CONVERT_H */
