// SPDX-License-Identifier: GPL-2.0
/*
 * Record the callbacks of each object of each patch in /proc/faults_ledger. Writing to that
 * file attaches and detaches a shadow variable. Nothing here allocates memory while the
 * livepatch core runs: it would count as an allocation of the core.
 */

#include <linux/livepatch.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/proc_fs.h>
#include <linux/seq_file.h>
#include <linux/string.h>
#include <linux/uaccess.h>
#include "faults.h"

#define SHADOW_ID	0xfa17

struct ledger_line {
	char patch[MODULE_NAME_LEN];
	char object[MODULE_NAME_LEN];
	char steps[32];
};

static DEFINE_MUTEX(ledger_lock);
static struct ledger_line ledger[16];
static unsigned int ledger_lines;
static unsigned int ledger_lost;

static struct ledger_line *ledger_find(const char *patch, const char *object)
{
	struct ledger_line *line;

	for (line = ledger; line < ledger + ledger_lines; line++) {
		if (!strcmp(line->patch, patch) && !strcmp(line->object, object))
			return line;
	}
	if (ledger_lines == ARRAY_SIZE(ledger))
		return NULL;

	ledger_lines++;
	strscpy(line->patch, patch);
	strscpy(line->object, object);
	line->steps[0] = '\0';
	return line;
}

void faults_note(const char *patch, const char *object, char step)
{
	struct ledger_line *line;
	size_t len;

	guard(mutex)(&ledger_lock);

	line = ledger_find(patch, object);
	len = line ? strlen(line->steps) : 0;
	if (!line || len + 1 == sizeof(line->steps)) {
		ledger_lost++;
		return;
	}
	line->steps[len] = step;
	line->steps[len + 1] = '\0';
}
EXPORT_SYMBOL_GPL(faults_note);

/* The object of the shadow variable. */
static int shadow_object;

/* Counts calls under a spinlock, which the ledger cannot record. */
static unsigned int shadow_ctors;
static unsigned int shadow_dtors;

static int shadow_ctor(void *obj, void *data, void *arg)
{
	*(long *)data = (long)arg;
	shadow_ctors++;
	return 0;
}

static void shadow_dtor(void *obj, void *data)
{
	shadow_dtors++;
}

static int ledger_show(struct seq_file *m, void *v)
{
	struct ledger_line *line;
	long *shadow;

	guard(mutex)(&ledger_lock);

	for (line = ledger; line < ledger + ledger_lines; line++)
		seq_printf(m, "%s/%s:%s ", line->patch, line->object, line->steps);
	if (shadow_ctors || shadow_dtors)
		seq_printf(m, "ctor:%u dtor:%u ", shadow_ctors, shadow_dtors);
	shadow = klp_shadow_get(&shadow_object, SHADOW_ID);
	if (shadow)
		seq_printf(m, "shadow:%ld ", *shadow);
	if (ledger_lost)
		seq_printf(m, "lost:%u ", ledger_lost);
	return 0;
}

static int ledger_open(struct inode *inode, struct file *file)
{
	return single_open(file, ledger_show, NULL);
}

static void ledger_clear(void)
{
	guard(mutex)(&ledger_lock);
	ledger_lines = 0;
	ledger_lost = 0;
	shadow_ctors = 0;
	shadow_dtors = 0;
}

static ssize_t ledger_write(struct file *file, const char __user *text, size_t count, loff_t *pos)
{
	void *data = &shadow_object;
	char command;

	if (!count || get_user(command, text))
		return -EFAULT;

	switch (command) {
	case 'c':
		ledger_clear();
		break;
	case 'a':
		data = klp_shadow_alloc(&shadow_object, SHADOW_ID, sizeof(long), GFP_KERNEL,
					shadow_ctor, (void *)1L);
		break;
	case 'g':
		data = klp_shadow_get_or_alloc(&shadow_object, SHADOW_ID, sizeof(long),
					       GFP_KERNEL, shadow_ctor, (void *)2L);
		break;
	case 'f':
		klp_shadow_free(&shadow_object, SHADOW_ID, shadow_dtor);
		break;
	default:
		return -EINVAL;
	}
	return data ? count : -ENOMEM;
}

static const struct proc_ops ledger_ops = {
	.proc_open = ledger_open,
	.proc_read = seq_read,
	.proc_write = ledger_write,
	.proc_lseek = seq_lseek,
	.proc_release = single_release,
};

static int __init ledger_init(void)
{
	return proc_create(KBUILD_MODNAME, 0600, NULL, &ledger_ops) ? 0 : -ENOMEM;
}

static void __exit ledger_exit(void)
{
	remove_proc_entry(KBUILD_MODNAME, NULL);
	klp_shadow_free_all(SHADOW_ID, NULL);
}

module_init(ledger_init);
module_exit(ledger_exit);

MODULE_DESCRIPTION("Livepatch fault tests: what is run, and how often");
MODULE_LICENSE("GPL");
