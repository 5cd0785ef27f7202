// SPDX-License-Identifier: GPL-2.0
/*
 * KUnit tests of symbols: malformed names of sections and symbols, and lookups of functions of
 * vmlinux and of this module.
 */

#include <kunit/test.h>
#include <linux/ctype.h>
#include <linux/delay.h>
#include <linux/kallsyms.h>
#include <linux/module.h>
#include <linux/prandom.h>
#include <linux/slab.h>
#include <linux/sort.h>
#include <linux/vmalloc.h>
#include "../runtime.h"
#include "../symbols.h"
#include "symbols_kunit.h"

/* --- names -------------------------------------------------------------------------------- */

#define CANARY		0xa5
#define CANARIES	64

/**
 * struct split - the parts of a name
 * @objname:	      the object
 * @objname_canaries: must not be written
 * @name:	      the symbol
 * @name_canaries:    must not be written
 * @sympos:	      its position
 */
struct split {
	char objname[MODULE_NAME_LEN];
	char objname_canaries[CANARIES];
	char name[KSYM_NAME_LEN];
	char name_canaries[CANARIES];
	unsigned long sympos;
};

/**
 * struct names - buffers for the tests of names
 * @page:     one page, followed by an unmapped one
 * @text:     buffer for building a name
 * @split:    result of the core
 * @expected: expected result
 */
struct names {
	char *page;
	char text[1024];
	struct split split;
	struct split expected;
};

/* Copy the text before @stop or the end. Returns NULL if it is empty or too long. */
static const char *plain_part(const char *from, char stop, char *to, size_t size)
{
	size_t len = 0;

	while (from[len] && from[len] != stop) {
		if (len + 1 < size)
			to[len] = from[len];
		len++;
	}
	if (!len || len + 1 > size)
		return NULL;
	to[len] = '\0';
	return from + len;
}

/* Parse a position, a decimal number. The other forms that kstrtoul() accepts are harmless. */
static bool plain_number(const char *text, unsigned long *value)
{
	const char *digit = text + (*text == '+');
	unsigned long sum = 0;

	if (!isdigit(*digit))
		return false;
	for (; isdigit(*digit); digit++) {
		if (sum > (ULONG_MAX - (*digit - '0')) / 10)
			return false;
		sum = 10 * sum + *digit - '0';
	}
	*value = sum;
	return !*digit || (*digit == '\n' && !digit[1]);
}

static bool plain_prefix(const char **text, const char *prefix)
{
	for (; *prefix; prefix++, (*text)++) {
		if (**text != *prefix)
			return false;
	}
	return true;
}

/* Split .klp.sym.<object>.<symbol>,<position>. */
static bool plain_split_symbol(const char *text, struct split *split)
{
	if (!plain_prefix(&text, ".klp.sym."))
		return false;
	text = plain_part(text, '.', split->objname, sizeof(split->objname));
	if (!text || *text++ != '.')
		return false;
	text = plain_part(text, ',', split->name, sizeof(split->name));
	if (!text || *text++ != ',')
		return false;
	return plain_number(text, &split->sympos);
}

/* Split .klp.rela.<object>.<section>. The section is ignored. */
static bool plain_split_section(const char *text, struct split *split)
{
	return plain_prefix(&text, ".klp.rela.") &&
	       plain_part(text, '.', split->objname, sizeof(split->objname));
}

static void clear_split(struct split *split)
{
	memset(split, CANARY, sizeof(*split));
}

static void check_canaries(struct kunit *test, const struct split *split, const char *text)
{
	KUNIT_ASSERT_NULL_MSG(test, memchr_inv(split->objname_canaries, CANARY, CANARIES), "%s",
			      text);
	KUNIT_ASSERT_NULL_MSG(test, memchr_inv(split->name_canaries, CANARY, CANARIES), "%s", text);
}

/* Check the result for a name, and that nothing outside of the buffers is read or written. */
static void check_name(struct kunit *test, struct names *names, const char *text)
{
	struct split *split = &names->split, *expected = &names->expected;
	size_t size = strlen(text) + 1;
	char *at_end = names->page + PAGE_SIZE - size;
	bool right;

	memcpy(at_end, text, size);

	clear_split(split);
	right = plain_split_symbol(text, expected);
	KUNIT_ASSERT_EQ_MSG(test, klp_split_symbol_name(at_end, split->objname, split->name,
							&split->sympos), right, "%s", text);
	if (right) {
		KUNIT_ASSERT_STREQ(test, split->objname, expected->objname);
		KUNIT_ASSERT_STREQ(test, split->name, expected->name);
		KUNIT_ASSERT_EQ_MSG(test, split->sympos, expected->sympos, "%s", text);
	}
	check_canaries(test, split, text);

	clear_split(split);
	right = plain_split_section(text, expected);
	KUNIT_ASSERT_EQ_MSG(test, klp_split_section_name(at_end, split->objname), right, "%s",
			    text);
	if (right)
		KUNIT_ASSERT_STREQ(test, split->objname, expected->objname);
	check_canaries(test, split, text);
}

static void free_page_of_names(void *page)
{
	vfree(page);
}

static struct names *make_names(struct kunit *test)
{
	struct names *names = kunit_kzalloc(test, sizeof(*names), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, names);
	names->page = vmalloc(PAGE_SIZE);
	KUNIT_ASSERT_NOT_NULL(test, names->page);
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, free_page_of_names, names->page), 0);
	return names;
}

/* Append to a name; returns its end. */
static char *append(char *end, const char *text)
{
	size_t len = strlen(text);

	memcpy(end, text, len + 1);
	return end + len;
}

/* Append one character @nr times. Returns the end of the name. */
static char *append_many(char *end, char c, size_t nr)
{
	memset(end, c, nr);
	end[nr] = '\0';
	return end + nr;
}

static const char * const prefixes[] = {
	".klp.sym.", ".klp.rela.", ".klp.sym", ".klp.rela", "klp.sym.", "", ".KLP.SYM.",
};

static const char * const positions[] = {
	",0", ",1", ",2", ",00000000000000000000001", ",18446744073709551615",
	",18446744073709551616", ",99999999999999999999999999999999", ",-1", ",+1", ",++1", ", 1",
	",1 ", ",1\n", ",1\n\n", ",0x1", ",1x", ",1,1", ",,1", ",", "", ".1", ",%s", ",\xff",
};

/* The longest valid length, one more, and short ones. */
static const unsigned int object_lengths[] = {
	0, 1, MODULE_NAME_LEN - 1, MODULE_NAME_LEN, MODULE_NAME_LEN + 1,
};

static const unsigned int symbol_lengths[] = {
	0, 1, KSYM_NAME_LEN - 1, KSYM_NAME_LEN, KSYM_NAME_LEN + 1,
};

static const char * const separators[] = { ".", "", "..", "," };

/* Return one of @nr_choices choices, from the quotient that is left of *@number. */
static unsigned int choose(unsigned int *number, unsigned int nr_choices)
{
	unsigned int choice = *number % nr_choices;

	*number /= nr_choices;
	return choice;
}

static bool make_name(char *text, unsigned int number)
{
	char *end;

	end = append(text, prefixes[choose(&number, ARRAY_SIZE(prefixes))]);
	end = append_many(end, 'o', object_lengths[choose(&number, ARRAY_SIZE(object_lengths))]);
	end = append(end, separators[choose(&number, ARRAY_SIZE(separators))]);
	end = append_many(end, 's', symbol_lengths[choose(&number, ARRAY_SIZE(symbol_lengths))]);
	append(end, positions[choose(&number, ARRAY_SIZE(positions))]);
	return !number;
}

static void every_length(struct kunit *test)
{
	struct names *names = make_names(test);
	unsigned int number;

	for (number = 0; make_name(names->text, number); number++)
		check_name(test, names, names->text);
}

/* Test names that consist of parts of valid and other names. */
static void random_names(struct kunit *test)
{
	static const char * const pieces[] = {
		".klp.sym.", ".klp.rela.", ".klp.", "vmlinux", "nf_tables", ".", ".", ",", ",",
		"printk", "foo.isra.0", ".text", "0", "1", "010", "0x10", "4294967296",
		"18446744073709551615", "18446744073709551616", "-", "+", "\n", " ", "\t",
		"%n%s%p", "\x80\xff", "/../",
	};
	struct names *names = make_names(test);
	struct rnd_state rnd;
	unsigned int i, j, nr;
	char *end;

	prandom_seed_state(&rnd, 612);
	for (i = 0; i < 20000; i++) {
		end = append(names->text, prandom_u32_state(&rnd) % 2 ? ".klp.sym." :
			     prandom_u32_state(&rnd) % 2 ? ".klp.rela." : "");
		nr = prandom_u32_state(&rnd) % 8;
		for (j = 0; j < nr; j++)
			end = append(end, pieces[prandom_u32_state(&rnd) % ARRAY_SIZE(pieces)]);
		check_name(test, names, names->text);
	}
}

/* --- look-ups ----------------------------------------------------------------------------- */

/* Another file of this module has a function of the same name. It is linked after this one. */
static noinline int klp_kunit_twin(int value)
{
	return value + 1;
}

static noinline int klp_kunit_single(int value)
{
	int i, sum = 0;

	for (i = 0; i < value; i++)
		sum = 3 * sum + READ_ONCE(value);
	return sum;
}

/* A second name of its address. */
static int __alias(klp_kunit_single) __used klp_kunit_alias(int value);

/* The compiler moves code that calls this to klp_kunit_replacement.cold. */
static noinline __attribute((__cold__)) void klp_kunit_is_cold(int value)
{
	pr_info("klp_kunit_replacement(%d)\n", value);
}

static noinline int klp_kunit_replacement(int value)
{
	if (unlikely(value < 0)) {
		klp_kunit_is_cold(value);
		return value;
	}
	return READ_ONCE(value) % 7;
}

/* Return the name of the object that contains the functions of this module. */
static const char *own_object(void)
{
	return IS_MODULE(CONFIG_KLP_KUNIT_TEST) ? KBUILD_MODNAME : "vmlinux";
}

static unsigned long find(const char *objname, const char *name, unsigned long sympos)
{
	unsigned long addr = 0;
	int ret = klp_find_symbol(objname, name, sympos, &addr);

	return ret ? (unsigned long)ret : addr;
}

static void one_symbol(struct kunit *test)
{
	const char *own = own_object();

	KUNIT_ASSERT_EQ(test, find(own, "klp_kunit_single", 0), (unsigned long)klp_kunit_single);
	KUNIT_ASSERT_EQ(test, find(own, "klp_kunit_single", 1), (unsigned long)klp_kunit_single);
	KUNIT_ASSERT_EQ(test, find(own, "klp_kunit_single", 2), -EINVAL);
	KUNIT_ASSERT_EQ(test, find(own, "klp_kunit_twin", 0), -EINVAL);
	KUNIT_ASSERT_EQ(test, find(own, "klp_kunit_twin", 1), (unsigned long)klp_kunit_twin);
	KUNIT_ASSERT_EQ(test, find(own, "klp_kunit_twin", 2),
			(unsigned long)klp_kunit_second_twin());
	KUNIT_ASSERT_EQ(test, find(own, "klp_kunit_twin", 3), -EINVAL);
	KUNIT_ASSERT_EQ(test, find(own, "klp_kunit_twin", ULONG_MAX), -EINVAL);
	KUNIT_ASSERT_EQ(test, find(own, "klp_kunit_missing", 0), -EINVAL);
	KUNIT_ASSERT_EQ(test, find(own, "", 0), -EINVAL);
	KUNIT_ASSERT_EQ(test, find("vmlinux", "msleep", 0), (unsigned long)msleep);
	KUNIT_ASSERT_EQ(test, find("klp_kunit_absent", "msleep", 0), -EINVAL);
	KUNIT_ASSERT_EQ(test, klp_kunit_twin(1) + 1, klp_kunit_second_twin()(1));
}

/* Return the size of a function from kallsyms. */
static unsigned long size_of(const void *code)
{
	char symbol[KSYM_SYMBOL_LEN];
	unsigned long size = 0;
	const char *slash;

	sprint_symbol(symbol, (unsigned long)code);
	slash = strrchr(symbol, '/');
	if (!slash || sscanf(slash, "/0x%lx", &size) != 1)
		return 0;
	return size;
}

#define MAX_FUNCS	5

/* A function to look up, and its expected address. */
struct wanted {
	const char *name;
	unsigned long sympos;
	void *addr;
	bool nop;
};

/* An object with functions to look up. */
struct search {
	struct klp_rt_patch patch;
	struct klp_rt_object obj;
	struct klp_rt_func funcs[MAX_FUNCS];
	struct klp_rt_func *by_name[MAX_FUNCS];
};

static int compare(const void *a, const void *b)
{
	const struct klp_rt_func *x = *(struct klp_rt_func * const *)a;
	const struct klp_rt_func *y = *(struct klp_rt_func * const *)b;

	return strcmp(x->name, y->name) ?: (int)klp_func_position(x) - (int)klp_func_position(y);
}

static struct search *make_search(struct kunit *test, struct module *mod,
				  const struct wanted *wanted, unsigned int nr)
{
	struct search *search = kunit_kzalloc(test, sizeof(*search), GFP_KERNEL);
	struct klp_rt_object *obj;
	unsigned int i;

	KUNIT_ASSERT_NOT_NULL(test, search);
	obj = &search->obj;
	search->patch.mod = THIS_MODULE;
	obj->patch = &search->patch;
	obj->mod = mod;
	obj->name = mod ? own_object() : NULL;
	INIT_LIST_HEAD(&obj->funcs);
	for (i = 0; i < nr; i++) {
		search->funcs[i].obj = obj;
		search->funcs[i].name = wanted[i].name;
		search->funcs[i].sympos = wanted[i].sympos;
		search->funcs[i].nop = wanted[i].nop;
		search->funcs[i].new_func = wanted[i].nop ? NULL : (void *)klp_kunit_replacement;
		INIT_LIST_HEAD(&search->funcs[i].parts);
		search->by_name[i] = &search->funcs[i];
		list_add_tail(&search->funcs[i].node, &obj->funcs);
	}
	obj->by_name = search->by_name;
	obj->nr_funcs = nr;
	sort(search->by_name, nr, sizeof(search->by_name[0]), compare, NULL);
	return search;
}

static int resolve(struct search *search)
{
	guard(mutex)(&klp_mutex);
	return klp_symbols_resolve(&search->obj);
}

static void release(struct search *search)
{
	guard(mutex)(&klp_mutex);
	klp_symbols_release(&search->obj);
}

static void check_search(struct kunit *test, struct module *mod, const struct wanted *wanted,
			 unsigned int nr)
{
	struct search *search = make_search(test, mod, wanted, nr);
	unsigned int i;

	KUNIT_ASSERT_EQ(test, resolve(search), 0);
	for (i = 0; i < nr; i++) {
		const struct klp_rt_func *func = &search->funcs[i];
		void *new_func = wanted[i].nop ? wanted[i].addr : (void *)klp_kunit_replacement;

		KUNIT_ASSERT_PTR_EQ(test, func->old_func, wanted[i].addr);
		KUNIT_ASSERT_PTR_EQ(test, func->new_func, new_func);
		KUNIT_ASSERT_GT(test, func->old_size, 0);
		KUNIT_ASSERT_EQ(test, func->old_size, size_of(wanted[i].addr));
		KUNIT_ASSERT_EQ(test, func->new_size, size_of(new_func));
	}
	release(search);
	for (i = 0; i < nr; i++) {
		KUNIT_ASSERT_NULL(test, search->funcs[i].old_func);
		if (wanted[i].nop)
			KUNIT_ASSERT_NULL(test, search->funcs[i].new_func);
	}
}

static void need_module(struct kunit *test)
{
	if (!IS_MODULE(CONFIG_KLP_KUNIT_TEST))
		kunit_skip(test, "this is no module");
}

/* Look up all functions of an object in one call, of a module and of vmlinux. */
static void object_symbols(struct kunit *test)
{
	const struct wanted own[] = {
		{ "klp_kunit_twin", 2, klp_kunit_second_twin() },
		{ "klp_kunit_single", 0, klp_kunit_single },
		{ "klp_kunit_twin", 1, klp_kunit_twin },
		{ "klp_kunit_replacement", 1, klp_kunit_replacement, true },
	};
	const struct wanted vmlinux[] = {
		{ "vfree", 0, vfree },
		{ "msleep", 1, msleep },
		{ "kfree", 0, kfree, true },
	};

	need_module(test);
	check_search(test, THIS_MODULE, own, ARRAY_SIZE(own));
	check_search(test, NULL, vmlinux, ARRAY_SIZE(vmlinux));
	check_search(test, NULL, vmlinux, 0);
	KUNIT_ASSERT_NE(test, klp_kunit_single(3), klp_kunit_replacement(3));
}

/* A missing or ambiguous function fails the lookup of the object, at any index. */
static void object_symbols_fail(struct kunit *test)
{
	static const struct wanted wrong[] = {
		{ "klp_kunit_missing" }, { "aaa_klp_kunit_missing" }, { "msleep", 2 },
	};
	struct wanted vmlinux[] = {
		{ "kfree" }, { "vfree" }, { "msleep", 1 }, {},
	};
	struct search *search;
	unsigned int i, j;

	need_module(test);
	for (i = 0; i < ARRAY_SIZE(wrong); i++) {
		vmlinux[3] = wrong[i];
		search = make_search(test, NULL, vmlinux, ARRAY_SIZE(vmlinux));
		KUNIT_ASSERT_EQ(test, resolve(search), -EINVAL);
		for (j = 0; j < ARRAY_SIZE(vmlinux); j++)
			KUNIT_ASSERT_NULL(test, search->funcs[j].old_func);
	}
}

static void expect_redundant(struct kunit *test, const struct wanted *wanted, unsigned int nr,
			     unsigned int redundant)
{
	struct search *search = make_search(test, THIS_MODULE, wanted, nr);
	unsigned int i, found = 0;

	KUNIT_ASSERT_EQ(test, resolve(search), 0);
	for (i = 0; i < nr; i++) {
		KUNIT_ASSERT_NE(test, search->funcs[i].ip, 0);
		if (!search->funcs[i].redundant)
			continue;
		KUNIT_ASSERT_TRUE(test, search->funcs[i].nop);
		found++;
	}
	KUNIT_ASSERT_EQ(test, found, redundant);
	release(search);
}

/*
 * A description may contain one of two names of an address, and the address is redirected once.
 */
static void aliases(struct kunit *test)
{
	const struct wanted both[] = {
		{ "klp_kunit_single" }, { "klp_kunit_twin", 1 }, { "klp_kunit_alias" },
	};
	const struct wanted one_nop[] = {
		{ "klp_kunit_single", .nop = true }, { "klp_kunit_twin", 1 }, { "klp_kunit_alias" },
	};
	const struct wanted other_nop[] = {
		{ "klp_kunit_single" }, { "klp_kunit_alias", .nop = true },
	};
	const struct wanted two_nops[] = {
		{ "klp_kunit_alias", .nop = true }, { "klp_kunit_single", .nop = true },
	};
	struct search *search;

	need_module(test);
	search = make_search(test, THIS_MODULE, both, ARRAY_SIZE(both));
	KUNIT_ASSERT_EQ(test, resolve(search), -EEXIST);
	expect_redundant(test, both, 2, 0);
	expect_redundant(test, one_nop, ARRAY_SIZE(one_nop), 1);
	expect_redundant(test, other_nop, ARRAY_SIZE(other_nop), 1);
	expect_redundant(test, two_nops, ARRAY_SIZE(two_nops), 1);
}

static bool has_part(const struct klp_rt_func *func, bool of_new, unsigned long start)
{
	const struct klp_code_part *part;

	list_for_each_entry(part, &func->parts, node) {
		if (part->of_new == of_new && part->start == start)
			return part->size > 0;
	}
	return false;
}

/* Check that a function has its part, unless the compiler has not split the function. */
static bool check_part(struct kunit *test, const char *name, const char *part_name)
{
	const struct wanted wanted = { name };
	unsigned long part = find("vmlinux", part_name, 0);
	struct search *search;

	if (IS_ERR_VALUE(part) || IS_ERR_VALUE(find("vmlinux", name, 0)))
		return false;
	search = make_search(test, NULL, &wanted, 1);
	KUNIT_ASSERT_EQ(test, resolve(search), 0);
	KUNIT_EXPECT_TRUE(test, has_part(&search->funcs[0], false, part));
	release(search);
	return true;
}

/* Code that the compiler has moved out of old functions of vmlinux. */
static void parts_of_vmlinux(struct kunit *test)
{
	unsigned int nr = 0;

	need_module(test);
	nr += check_part(test, "put_pid", "put_pid.part.0");
	nr += check_part(test, "register_kretprobe", "register_kretprobe.part.0");
	nr += check_part(test, "clear_mod_from_hash", "clear_mod_from_hash.part.0");
	nr += check_part(test, "do_exit", "do_exit.cold");
	if (!nr)
		kunit_skip(test, "the compiler has split none of the functions");
}

/* Code that the compiler has moved out of a new function, or out of an old one of a module. */
static void parts_of_module(struct kunit *test)
{
	const struct wanted wanted[] = {
		{ "klp_kunit_replacement" }, { "klp_kunit_single" },
	};
	struct search *search;
	unsigned long part;

	need_module(test);
	part = find(own_object(), "klp_kunit_replacement.cold", 0);
	if (IS_ERR_VALUE(part))
		kunit_skip(test, "the compiler has not split the function");
	search = make_search(test, THIS_MODULE, wanted, ARRAY_SIZE(wanted));
	KUNIT_ASSERT_EQ(test, resolve(search), 0);
	KUNIT_EXPECT_TRUE(test, has_part(&search->funcs[0], false, part));
	KUNIT_EXPECT_TRUE(test, has_part(&search->funcs[0], true, part));
	KUNIT_EXPECT_FALSE(test, has_part(&search->funcs[1], false, part));
	KUNIT_EXPECT_TRUE(test, has_part(&search->funcs[1], true, part));
	release(search);
}

/* The data that the loader keeps for a livepatch. This module has no relocations. */
static struct klp_modinfo no_sections;

static int init_suite(struct kunit_suite *suite)
{
	struct module *mod = THIS_MODULE;

	if (mod)
		mod->klp_info = &no_sections;
	return 0;
}

static void exit_suite(struct kunit_suite *suite)
{
	struct module *mod = THIS_MODULE;

	if (mod)
		mod->klp_info = NULL;
}

static struct kunit_case cases[] = {
	KUNIT_CASE_SLOW(every_length),
	KUNIT_CASE(random_names),
	KUNIT_CASE(one_symbol),
	KUNIT_CASE(object_symbols),
	KUNIT_CASE(object_symbols_fail),
	KUNIT_CASE(aliases),
	KUNIT_CASE(parts_of_vmlinux),
	KUNIT_CASE(parts_of_module),
	{}
};

static struct kunit_suite suite = {
	.name = "klp_symbols",
	.suite_init = init_suite,
	.suite_exit = exit_suite,
	.test_cases = cases,
};

kunit_test_suite(suite);
