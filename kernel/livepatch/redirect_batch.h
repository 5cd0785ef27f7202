/* SPDX-License-Identifier: GPL-2.0 */
/* The table of a batch, see redirect.c. Declared here for the KUnit tests. */
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
 * struct klp_redirect - a redirected address
 * @ip:	    the address that ftrace patches, 0 in an empty slot. Stays after the address has
 *	    been removed: a search continues past it
 * @newest: the newest version, NULL for the original code
 * @batch:  the batch whose filter has the address, NULL after the removal
 */
struct klp_redirect {
	unsigned long ip;
	struct klp_rt_func __rcu *newest;
	struct klp_redirect_batch *batch;
};

/**
 * struct klp_redirect_batch - addresses that are registered together
 * @ops:	 the ftrace_ops. Its trampoline exists as long as the batch. A batch that has been
 *		 registered is never freed: klp_free_batch() keeps it for the next registration
 * @node:	 in klp_batches while registered, in klp_unregistered_batches until a grace period
 *		 has passed, then in klp_spare_batches. A new batch is in no list
 * @slots:	 hash table by address, at most a quarter full, so that a search is short.
 *		 Points to @one when the batch has one address, which is in the first slot
 * @nr_slots:	 number of slots, a power of two
 * @shift:	 right shift from the hash of an address (32 bits) to the number of a slot
 * @one:	 the table of a batch of one address
 * @joinable:	 addresses of modules that are being loaded may be added after the registration
 * @stale:	 an address in the filter may have no version
 * @untrimmed:	 the last attempt to remove such addresses has failed
 * @nr_filtered: number of addresses in the filter
 * @ips:	 space for as many addresses as @slots may hold, so that a removal need not
 *		 allocate
 *
 * The handler reads @slots, @nr_slots and @shift, which are constant from the registration to
 * the end of the grace period after the unregistration. It also reads the addresses, to which
 * others may be added, and the newest versions, which change.
 */
struct klp_redirect_batch {
	struct ftrace_ops ops;
	struct list_head node;
	struct klp_redirect *slots;
	unsigned int nr_slots;
	unsigned int shift;
	struct klp_redirect one[2];
	bool joinable;
	bool stale;
	bool untrimmed;
	unsigned int nr_filtered;
	unsigned long *ips;
};

/*
 * Return the slot of @ip, or the empty slot that ends the search. The addresses of one module
 * differ in their lower halves. Most searches end at the first slot.
 */
static __always_inline struct klp_redirect *klp_find_slot(struct klp_redirect_batch *batch,
							  unsigned long ip)
{
	u64 hash = (u32)ip * GOLDEN_RATIO_32;
	u64 i = hash >> batch->shift;

	/* Pairs with klp_add_address(): addresses may be added behind the existing ones. */
	while (unlikely(READ_ONCE(batch->slots[i].ip) != ip) && READ_ONCE(batch->slots[i].ip))
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
