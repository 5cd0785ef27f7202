// SPDX-License-Identifier: GPL-2.0
/*
 * Shadow variables are data that a patch attaches to an object of the kernel when it cannot add
 * a member to the type of the object. A variable is identified by the address of the object and
 * a number that the authors of patches agree upon.
 *
 * A lookup takes no lock. Constructors and destructors run under klp_shadow_lock: they are
 * serialized for each variable, and a lookup never returns a variable that is not constructed.
 * The exception is the destructor of a state, which runs after the lock has been dropped.
 * Nothing else is called under the lock: memory is allocated before and freed afterwards, and
 * errors are logged afterwards. The functions that print and allocate may be patched, and may
 * use shadow variables themselves.
 */

#define pr_fmt(fmt) "livepatch: " fmt

#include <linux/hashtable.h>
#include <linux/livepatch.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include "shadow.h"

/**
 * struct klp_shadow_var - a shadow variable
 * @node: in klp_shadow_vars, by address of the object
 * @rcu:  for freeing it when no lookup can use the entry
 * @next: the next detached variable that has to be freed
 * @obj:  the object it is attached to, never dereferenced here
 * @id:   its number
 * @data: the data of the user
 */
struct klp_shadow_var {
	struct hlist_node node;
	union {
		struct rcu_head rcu;
		struct klp_shadow_var *next;
	};
	void *obj;
	unsigned long id;
	char data[] __aligned(__alignof__(unsigned long long));
};

static DEFINE_HASHTABLE(klp_shadow_vars, 12);

/* Taken with interrupts disabled: shadow variables are used in any context. */
static DEFINE_SPINLOCK(klp_shadow_lock);

/* Find a variable. The caller holds rcu_read_lock() or klp_shadow_lock. */
static struct klp_shadow_var *klp_shadow_find(void *obj, unsigned long id)
{
	struct klp_shadow_var *var;

	hash_for_each_possible_rcu(klp_shadow_vars, var, node, (unsigned long)obj,
				   lockdep_is_held(&klp_shadow_lock)) {
		if (var->id == id && var->obj == obj)
			return var;
	}
	return NULL;
}

/**
 * klp_shadow_get() - look up a shadow variable
 * @obj: the object
 * @id:  number of the variable
 *
 * The semantics are those of Linux 6.12.
 *
 * Context: any, does not sleep. The caller ensures that the variable is not freed while it is
 * used.
 * Return: the data of the variable, or NULL when @obj has no variable of this number.
 */
void *klp_shadow_get(void *obj, unsigned long id)
{
	struct klp_shadow_var *var;

	guard(rcu)();
	var = klp_shadow_find(obj, id);
	return var ? var->data : NULL;
}
EXPORT_SYMBOL_GPL(klp_shadow_get);

/*
 * A request for a variable. @ret is the result of the constructor, @found tells that the
 * variable existed.
 */
struct klp_shadow_request {
	void *obj;
	unsigned long id;
	klp_shadow_ctor_t ctor;
	void *arg;
	int ret;
	bool found;
};

/* Construct @var and attach it to the object. */
static bool klp_shadow_attach(struct klp_shadow_var *var, struct klp_shadow_request *request)
{
	if (request->ctor)
		request->ret = request->ctor(request->obj, var->data, request->arg);
	if (request->ret)
		return false;
	var->obj = request->obj;
	var->id = request->id;
	hash_add_rcu(klp_shadow_vars, &var->node, (unsigned long)var->obj);
	return true;
}

/* Find a variable, or attach @spare as a new one. An unused @spare is freed. */
static struct klp_shadow_var *klp_shadow_find_or_attach(struct klp_shadow_request *request,
							struct klp_shadow_var *spare)
{
	struct klp_shadow_var *var;

	scoped_guard(spinlock_irqsave, &klp_shadow_lock) {
		var = klp_shadow_find(request->obj, request->id);
		request->found = var;
		if (!var && spare && klp_shadow_attach(spare, request)) {
			var = spare;
			spare = NULL;
		}
	}
	kfree(spare);
	if (request->ret)
		pr_err("Failed to construct shadow variable <%p, %lx> (%d)\n", request->obj,
		       request->id, request->ret);
	return var;
}

static struct klp_shadow_var *klp_shadow_make(size_t bytes, gfp_t gfp)
{
	return kzalloc(struct_size_t(struct klp_shadow_var, data, bytes), gfp);
}

/**
 * klp_shadow_alloc() - attach a new shadow variable to an object
 * @obj:   the object
 * @id:	   number of the variable
 * @bytes: size of its data in bytes, zeroed
 * @gfp:   flags for the allocation
 * @ctor:  constructor of the data, or NULL. A nonzero result refuses the variable
 * @arg:   passed to @ctor
 *
 * The semantics are those of Linux 6.12.
 *
 * Context: any that @gfp allows, may sleep if @gfp allows it. @ctor runs under a spinlock with
 * interrupts disabled: it must not sleep, and must not call a function of shadow variables
 * except klp_shadow_get().
 * Return: the data of the variable. NULL without memory, when @ctor has failed (logged), and
 * when @obj has a variable of this number already (WARN).
 */
void *klp_shadow_alloc(void *obj, unsigned long id, size_t bytes, gfp_t gfp,
		       klp_shadow_ctor_t ctor, void *arg)
{
	struct klp_shadow_request request = { .obj = obj, .id = id, .ctor = ctor, .arg = arg };
	struct klp_shadow_var *var;

	var = klp_shadow_find_or_attach(&request, klp_shadow_make(bytes, gfp));
	if (WARN(request.found, "Duplicate shadow variable <%p, %lx>\n", obj, id))
		return NULL;
	return var ? var->data : NULL;
}
EXPORT_SYMBOL_GPL(klp_shadow_alloc);

/**
 * klp_shadow_get_or_alloc() - look up a shadow variable or attach a new one
 * @obj:   the object
 * @id:	   number of the variable
 * @bytes: size of the data of a new variable in bytes, zeroed
 * @gfp:   flags for the allocation
 * @ctor:  constructor of the data of a new variable, or NULL
 * @arg:   passed to @ctor
 *
 * Of several concurrent callers one attaches the variable, and all get the same one. The
 * semantics are those of Linux 6.12.
 *
 * Context: as for klp_shadow_alloc().
 * Return: the data of the variable. NULL when there is none and there is no memory, or @ctor
 * has failed (logged).
 */
void *klp_shadow_get_or_alloc(void *obj, unsigned long id, size_t bytes, gfp_t gfp,
			      klp_shadow_ctor_t ctor, void *arg)
{
	struct klp_shadow_request request = { .obj = obj, .id = id, .ctor = ctor, .arg = arg };
	void *data = klp_shadow_get(obj, id);
	struct klp_shadow_var *var;

	if (data)
		return data;
	var = klp_shadow_find_or_attach(&request, klp_shadow_make(bytes, gfp));
	return var ? var->data : NULL;
}
EXPORT_SYMBOL_GPL(klp_shadow_get_or_alloc);

static void klp_shadow_detach(struct klp_shadow_var *var, klp_shadow_dtor_t dtor)
{
	hash_del_rcu(&var->node);
	if (dtor)
		dtor(var->obj, var->data);
}

/**
 * klp_shadow_free() - detach a shadow variable and free it
 * @obj:  the object
 * @id:	  number of the variable
 * @dtor: called before the variable is freed, or NULL
 *
 * Does nothing when there is no such variable. The memory is freed after an RCU grace period,
 * for which the function does not wait. The semantics are those of Linux 6.12.
 *
 * Context: any, does not sleep. @dtor runs under a spinlock with interrupts disabled: it must
 * not sleep, and must not call a function of shadow variables except klp_shadow_get().
 */
void klp_shadow_free(void *obj, unsigned long id, klp_shadow_dtor_t dtor)
{
	struct klp_shadow_var *var;

	scoped_guard(spinlock_irqsave, &klp_shadow_lock) {
		var = klp_shadow_find(obj, id);
		if (var)
			klp_shadow_detach(var, dtor);
	}
	if (var)
		kfree_rcu(var, rcu);
}
EXPORT_SYMBOL_GPL(klp_shadow_free);

/* Detach the variables of one number, with the destructor. Returns the first of their list. */
static struct klp_shadow_var *klp_shadow_detach_all(unsigned long id, klp_shadow_dtor_t dtor)
{
	struct klp_shadow_var *var, *detached = NULL;
	struct hlist_node *next;
	unsigned int bucket;

	scoped_guard(spinlock_irqsave, &klp_shadow_lock) {
		hash_for_each_safe(klp_shadow_vars, bucket, next, var, node) {
			if (var->id != id)
				continue;
			klp_shadow_detach(var, dtor);
			var->next = detached;
			detached = var;
		}
	}
	return detached;
}

/**
 * klp_shadow_free_all() - detach and free the variables of one number from all objects
 * @id:	  number of the variables
 * @dtor: called before each variable is freed, or NULL
 *
 * The time grows with the number of all shadow variables. Interrupts are disabled meanwhile.
 * The semantics are those of Linux 6.12.
 *
 * Context: as for klp_shadow_free().
 */
void klp_shadow_free_all(unsigned long id, klp_shadow_dtor_t dtor)
{
	struct klp_shadow_var *var, *detached = klp_shadow_detach_all(id, dtor);

	while (detached) {
		var = detached;
		detached = var->next;
		kfree_rcu(var, rcu);
	}
}
EXPORT_SYMBOL_GPL(klp_shadow_free_all);

/**
 * klp_shadow_destroy_all() - klp_shadow_free_all() for a state, with a destructor that may sleep
 * @id:	  number of the variables
 * @dtor: called for each variable after all have been detached, or NULL
 *
 * No code that uses the variables runs any longer, so no variable of this number is attached
 * again while a destructor runs.
 *
 * Context: process context, may sleep.
 */
void klp_shadow_destroy_all(unsigned long id, klp_shadow_dtor_t dtor)
{
	struct klp_shadow_var *var, *detached = klp_shadow_detach_all(id, NULL);

	while (detached) {
		var = detached;
		detached = var->next;
		if (dtor)
			dtor(var->obj, var->data);
		kfree_rcu(var, rcu);
		cond_resched();
	}
}
