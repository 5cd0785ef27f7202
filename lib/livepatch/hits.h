/* SPDX-License-Identifier: GPL-2.0 */
/* Count calls of a handler, for scripts that read the parameter hits. */
#ifndef TEST_KLP_HITS_H
#define TEST_KLP_HITS_H

#include <linux/atomic.h>
#include <linux/moduleparam.h>
#include <linux/sysfs.h>

static atomic_t hits;

static int hits_get(char *buf, const struct kernel_param *kp)
{
	return sysfs_emit(buf, "%d\n", atomic_read(&hits));
}

static const struct kernel_param_ops hits_ops = {
	.get = hits_get,
};

module_param_cb(hits, &hits_ops, NULL, 0444);
MODULE_PARM_DESC(hits, "number of calls of the handler");

#endif /* TEST_KLP_HITS_H */
