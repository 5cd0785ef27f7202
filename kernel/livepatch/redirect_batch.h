/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The table of a batch, see redirect.c. It stands here for KUnit to look into.
 */
#ifndef _LIVEPATCH_REDIRECT_BATCH_H
#define _LIVEPATCH_REDIRECT_BATCH_H

#include <linux/ftrace.h>
#include <linux/hash.h>
#include <linux/kconfig.h>
#include <linux/list.h>

struct klp_redirect_batch;
struct klp_rt_func;
struct module;

/**
 * struct klp_redirect - an address that is redirected
 * @ip:	    the place in the function that ftrace patches, 0 in an empty slot.
 *	    Stays when the address is given up: others may stand behind it
 * @newest: the version that runs, NULL for the original code
 * @batch:  the batch whose filter has the address, NULL when it is given up
 */
struct klp_redirect {
	unsigned long ip;
	struct klp_rt_func __rcu *newest;
	struct klp_redirect_batch *batch;
};

/**
 * struct klp_redirect_batch - addresses that were registered together
 * @ops:	 how ftrace knows us
 * @node:	 in klp_batches
 * @nr_slots:	 how many slots there are, a power of two
 * @shift:	 brings the hash of an address, of 32 bits, down to the number of a slot
 * @stale:	 an address in the filter may have no version left
 * @nr_filtered: how many addresses are in the filter
 * @ips:	 room for as many, so that giving them up needs no memory of ours
 * @slots:	 hash table by address, at most a quarter full, so that a search ends soon.
 *		 One address alone is in the first slot
 *
 * The handler reads @nr_slots, @shift and the addresses, which do not change after the
 * batch has been registered, and the newest versions, which do.
 */
struct klp_redirect_batch {
	struct ftrace_ops ops;
	struct list_head node;
	unsigned int nr_slots;
	unsigned int shift;
	bool stale;
	unsigned int nr_filtered;
	unsigned long *ips;
	struct klp_redirect slots[];
};

/*
 * The slot of @ip, or the empty one in which the search for it ends. Addresses of
 * one module differ in their lower halves. Most searches end where they begin.
 */
static __always_inline struct klp_redirect *klp_find_slot(struct klp_redirect_batch *batch,
							  unsigned long ip)
{
	u64 hash = (u32)ip * GOLDEN_RATIO_32;
	u64 i = hash >> batch->shift;

	while (unlikely(batch->slots[i].ip != ip) && batch->slots[i].ip)
		i = (i + 1) & (batch->nr_slots - 1);
	return &batch->slots[i];
}

#if IS_ENABLED(CONFIG_KUNIT)
extern struct list_head klp_batches;

struct klp_redirect_batch *klp_alloc_batch(unsigned int nr);
void klp_free_batch(struct klp_redirect_batch *batch);
struct klp_redirect *klp_add_address(struct klp_redirect_batch *batch, unsigned long ip);
void klp_push_version(struct klp_rt_func *func);
void klp_pop_version(struct klp_rt_func *func);
unsigned int klp_list_unused(struct klp_redirect_batch *batch);
void klp_drop_unused(struct klp_redirect_batch *batch, unsigned int nr);
bool klp_batch_has_module(struct klp_redirect_batch *batch, struct module *mod);
#endif

#endif /* _LIVEPATCH_REDIRECT_BATCH_H */
