// SPDX-License-Identifier: GPL-2.0
/*
 * Shadow variables: data that a patch attaches to an object of the kernel when
 * it cannot add a member to its type. A variable is known by the address of the
 * object and a number that patch authors agree upon.
 *
 * Looking one up takes no lock. Constructors and destructors run with
 * klp_shadow_lock held, so that for each variable they run in turn and nobody
 * is handed one that is half made.
 */

#define pr_fmt(fmt) "livepatch: " fmt

#include <linux/hashtable.h>
#include <linux/livepatch.h>
#include <linux/slab.h>

/**
 * struct klp_shadow_var - a shadow variable
 * @node: in klp_shadow_vars, by address of the object
 * @rcu:  to free it when nobody who looked it up can still be at the entry
 * @obj:  the object it is attached to, not dereferenced here
 * @id:   its number
 * @data: the user's
 */
struct klp_shadow_var {
	struct hlist_node node;
	struct rcu_head rcu;
	void *obj;
	unsigned long id;
	char data[] __aligned(__alignof__(unsigned long long));
};

static DEFINE_HASHTABLE(klp_shadow_vars, 12);

/* Taken with interrupts off: shadow variables are used in any context. */
static DEFINE_SPINLOCK(klp_shadow_lock);

/* With rcu_read_lock() or klp_shadow_lock held. */
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
 * @id:  the variable's number
 *
 * Context: any, does not sleep. The caller sees to it that nobody frees the
 * variable while it is used.
 * Return: the variable's data, or NULL when @obj has none of that number.
 * The semantics are those of Linux 6.12.
 */
void *klp_shadow_get(void *obj, unsigned long id)
{
	struct klp_shadow_var *var;

	guard(rcu)();
	var = klp_shadow_find(obj, id);
	return var ? var->data : NULL;
}
EXPORT_SYMBOL_GPL(klp_shadow_get);

/* How a new variable is filled in. */
struct klp_shadow_init {
	klp_shadow_ctor_t ctor;
	void *arg;
};

/* Construct @var and attach it to @obj. */
static bool klp_shadow_attach(struct klp_shadow_var *var, void *obj, unsigned long id,
			      const struct klp_shadow_init *init)
{
	int ret = init->ctor ? init->ctor(obj, var->data, init->arg) : 0;

	if (ret) {
		pr_err("Failed to construct shadow variable <%p, %lx> (%d)\n", obj, id, ret);
		return false;
	}
	var->obj = obj;
	var->id = id;
	hash_add_rcu(klp_shadow_vars, &var->node, (unsigned long)obj);
	return true;
}

/* @spare is for when it is not there yet, and is freed when it is not used. */
static struct klp_shadow_var *klp_shadow_find_or_attach(void *obj, unsigned long id,
							struct klp_shadow_var *spare,
							const struct klp_shadow_init *init,
							bool *found)
{
	struct klp_shadow_var *var;

	scoped_guard(spinlock_irqsave, &klp_shadow_lock) {
		var = klp_shadow_find(obj, id);
		*found = var;
		if (!var && spare && klp_shadow_attach(spare, obj, id, init)) {
			var = spare;
			spare = NULL;
		}
	}
	kfree(spare);
	return var;
}

static struct klp_shadow_var *klp_shadow_make(size_t bytes, gfp_t gfp)
{
	return kzalloc(struct_size_t(struct klp_shadow_var, data, bytes), gfp);
}

/**
 * klp_shadow_alloc() - attach a new shadow variable to an object
 * @obj:   the object
 * @id:	   the variable's number
 * @bytes: how many bytes of data, zeroed
 * @gfp:   how to allocate them
 * @ctor:  called to fill in the data, or NULL. A value other than 0 stops it
 * @arg:   handed to @ctor
 *
 * Context: any that @gfp allow, may sleep if they do. @ctor is called with a
 * spinlock held and interrupts off: it must not sleep, and must not call another
 * function of shadow variables than klp_shadow_get().
 * Return: the variable's data; NULL when there is no memory, when @ctor refuses,
 * logged, and when @obj has a variable of that number already, which is warned
 * of.
 * The semantics are those of Linux 6.12.
 */
void *klp_shadow_alloc(void *obj, unsigned long id, size_t bytes, gfp_t gfp,
		       klp_shadow_ctor_t ctor, void *arg)
{
	const struct klp_shadow_init init = { ctor, arg };
	struct klp_shadow_var *var;
	bool found;

	var = klp_shadow_find_or_attach(obj, id, klp_shadow_make(bytes, gfp), &init, &found);
	if (WARN(found, "Duplicate shadow variable <%p, %lx>\n", obj, id))
		return NULL;
	return var ? var->data : NULL;
}
EXPORT_SYMBOL_GPL(klp_shadow_alloc);

/**
 * klp_shadow_get_or_alloc() - look up a shadow variable or attach a new one
 * @obj:   the object
 * @id:	   the variable's number
 * @bytes: how many bytes of data, zeroed, if it is new
 * @gfp:   how to allocate them
 * @ctor:  called to fill in the data if it is new, or NULL
 * @arg:   handed to @ctor
 *
 * Of several callers at once, one attaches it and all get the same.
 *
 * Context: as for klp_shadow_alloc().
 * Return: the variable's data; NULL when it is not there and there is no memory
 * or @ctor refuses, logged.
 * The semantics are those of Linux 6.12.
 */
void *klp_shadow_get_or_alloc(void *obj, unsigned long id, size_t bytes, gfp_t gfp,
			      klp_shadow_ctor_t ctor, void *arg)
{
	const struct klp_shadow_init init = { ctor, arg };
	void *data = klp_shadow_get(obj, id);
	struct klp_shadow_var *var;
	bool found;

	if (data)
		return data;
	var = klp_shadow_find_or_attach(obj, id, klp_shadow_make(bytes, gfp), &init, &found);
	return var ? var->data : NULL;
}
EXPORT_SYMBOL_GPL(klp_shadow_get_or_alloc);

static void klp_shadow_detach(struct klp_shadow_var *var, klp_shadow_dtor_t dtor)
{
	hash_del_rcu(&var->node);
	if (dtor)
		dtor(var->obj, var->data);
	kfree_rcu(var, rcu);
}

/**
 * klp_shadow_free() - detach a shadow variable and free it
 * @obj:  the object
 * @id:	  the variable's number
 * @dtor: called before, or NULL
 *
 * Does nothing when there is no such variable. The memory goes after an RCU grace
 * period, which is not waited for.
 *
 * Context: any, does not sleep. @dtor is called with a spinlock held and
 * interrupts off: it must not sleep, and must not call another function of shadow
 * variables than klp_shadow_get().
 * The semantics are those of Linux 6.12.
 */
void klp_shadow_free(void *obj, unsigned long id, klp_shadow_dtor_t dtor)
{
	struct klp_shadow_var *var;

	scoped_guard(spinlock_irqsave, &klp_shadow_lock) {
		var = klp_shadow_find(obj, id);
		if (var)
			klp_shadow_detach(var, dtor);
	}
}
EXPORT_SYMBOL_GPL(klp_shadow_free);

/**
 * klp_shadow_free_all() - detach and free the variables of one number from all objects
 * @id:	  the variables' number
 * @dtor: called for each before, or NULL
 *
 * Takes time that grows with the number of all shadow variables, with interrupts
 * off.
 *
 * Context: as for klp_shadow_free().
 * The semantics are those of Linux 6.12.
 */
void klp_shadow_free_all(unsigned long id, klp_shadow_dtor_t dtor)
{
	struct klp_shadow_var *var;
	struct hlist_node *next;
	unsigned int bucket;

	scoped_guard(spinlock_irqsave, &klp_shadow_lock) {
		hash_for_each_safe(klp_shadow_vars, bucket, next, var, node) {
			if (var->id == id)
				klp_shadow_detach(var, dtor);
		}
	}
}
EXPORT_SYMBOL_GPL(klp_shadow_free_all);
