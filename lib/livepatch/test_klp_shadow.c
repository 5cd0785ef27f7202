// SPDX-License-Identifier: GPL-2.0
/*
 * A test of shadow variables. It needs no livepatch, only a module: init runs the checks, logs
 * each one that fails, and returns an error if any did.
 */
#include "test_klp.h"
#include <linux/console.h>

#define ID	0x6b6c7001UL
#define ID2	0x6b6c7002UL

struct ctor_arg {
	int value;
	int ret;
	int calls;
};

static int failures;
static int dtor_calls;
static long dtor_sum;

/* Only the addresses are used. */
static char objects[3];

#define check(_condition)							\
	do {									\
		if (!(_condition)) {						\
			failures++;						\
			pr_err("line %d: not so: %s\n", __LINE__, #_condition);	\
		}								\
	} while (0)

static int ctor(void *obj, void *shadow_data, void *ctor_data)
{
	struct ctor_arg *arg = ctor_data;
	int *value = shadow_data;

	arg->calls++;
	if (arg->ret)
		return arg->ret;

	*value = arg->value;
	return 0;
}

static void dtor(void *obj, void *shadow_data)
{
	int *value = shadow_data;

	dtor_calls++;
	dtor_sum += *value;
}

static void check_alloc(void)
{
	struct ctor_arg arg = { .value = 7 };
	int *value;

	check(!klp_shadow_get(&objects[0], ID));

	value = klp_shadow_alloc(&objects[0], ID, sizeof(*value), GFP_KERNEL, ctor, &arg);
	check(value && *value == 7);
	check(arg.calls == 1);
	check(klp_shadow_get(&objects[0], ID) == value);

	/* Both the address and the number have to match. */
	check(!klp_shadow_get(&objects[1], ID));
	check(!klp_shadow_get(&objects[0], ID2));

	klp_shadow_free(&objects[0], ID, NULL);
	check(!klp_shadow_get(&objects[0], ID));

	/* Without a constructor the memory is zeroed. */
	value = klp_shadow_alloc(&objects[0], ID, sizeof(*value), GFP_KERNEL, NULL, NULL);
	check(value && *value == 0);
	klp_shadow_free(&objects[0], ID, NULL);
}

static void check_get_or_alloc(void)
{
	struct ctor_arg arg = { .value = 8 };
	int *value;

	value = klp_shadow_get_or_alloc(&objects[0], ID, sizeof(*value), GFP_KERNEL, ctor, &arg);
	check(value && *value == 8);

	arg.value = 9;
	check(klp_shadow_get_or_alloc(&objects[0], ID, sizeof(*value), GFP_KERNEL, ctor,
				      &arg) == value);
	check(value && *value == 8);
	check(arg.calls == 1);

	klp_shadow_free(&objects[0], ID, NULL);
}

static void check_failing_ctor(void)
{
	struct ctor_arg arg = { .ret = -EDOM };

	check(!klp_shadow_alloc(&objects[0], ID, sizeof(int), GFP_KERNEL, ctor, &arg));
	check(!klp_shadow_get(&objects[0], ID));
	check(!klp_shadow_get_or_alloc(&objects[0], ID, sizeof(int), GFP_KERNEL, ctor, &arg));
	check(!klp_shadow_get(&objects[0], ID));
	check(arg.calls == 2);
}

static void check_free(void)
{
	struct ctor_arg arg = { };
	unsigned int i;

	dtor_calls = 0;
	dtor_sum = 0;

	/* Without a variable the destructor is not called. */
	klp_shadow_free(&objects[0], ID, dtor);
	klp_shadow_free_all(ID, dtor);
	check(dtor_calls == 0);

	for (i = 0; i < ARRAY_SIZE(objects); i++) {
		arg.value = i + 1;
		check(klp_shadow_alloc(&objects[i], ID, sizeof(int), GFP_KERNEL, ctor, &arg));
		arg.value = 100;
		check(klp_shadow_alloc(&objects[i], ID2, sizeof(int), GFP_KERNEL, ctor, &arg));
	}

	klp_shadow_free(&objects[0], ID, dtor);
	check(dtor_calls == 1 && dtor_sum == 1);

	klp_shadow_free_all(ID, dtor);
	check(dtor_calls == 3 && dtor_sum == 6);
	for (i = 0; i < ARRAY_SIZE(objects); i++) {
		check(!klp_shadow_get(&objects[i], ID));
		check(klp_shadow_get(&objects[i], ID2));
	}

	klp_shadow_free_all(ID2, NULL);
	check(dtor_calls == 3);
	for (i = 0; i < ARRAY_SIZE(objects); i++)
		check(!klp_shadow_get(&objects[i], ID2));
}

static int console_writes;

/* Takes the lock of the shadow variables. A print under that lock would deadlock here. */
static void shadow_console_write(struct console *console, const char *text, unsigned int length)
{
	console_writes++;
	klp_shadow_get_or_alloc(console, ID, sizeof(int), GFP_ATOMIC, NULL, NULL);
	klp_shadow_free(console, ID, NULL);
}

static struct console shadow_console = {
	.name = "klp_shadow",
	.write = shadow_console_write,
	.flags = CON_ENABLED,
	.index = -1,
};

/* Make the core log an error: the constructor fails. */
static void check_console(void)
{
	struct ctor_arg arg = { .ret = -EINVAL };
	int writes;

	register_console(&shadow_console);
	console_lock();
	writes = console_writes;
	console_unlock();

	check(!klp_shadow_alloc(&objects[0], ID2, sizeof(int), GFP_KERNEL, ctor, &arg));
	check(!klp_shadow_get_or_alloc(&objects[0], ID2, sizeof(int), GFP_KERNEL, ctor, &arg));

	/* console_unlock() prints the logged lines. */
	console_lock();
	console_unlock();
	check(console_writes >= writes + 2);
	unregister_console(&shadow_console);
}

static int __init shadow_init(void)
{
	check_alloc();
	check_get_or_alloc();
	check_failing_ctor();
	check_free();
	check_console();

	/* Free the variables that a failed check has left: this module is unloaded. */
	klp_shadow_free_all(ID, NULL);
	klp_shadow_free_all(ID2, NULL);

	if (failures)
		return -EINVAL;

	pr_info("all as it should be\n");
	return 0;
}

static void __exit shadow_exit(void)
{
}

module_init(shadow_init);
module_exit(shadow_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Livepatch selftests: shadow variables");
