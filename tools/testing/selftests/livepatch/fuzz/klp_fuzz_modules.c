// SPDX-License-Identifier: GPL-2.0
/* Load livepatch modules whose symbols, sections and relocations are malformed. */
#define _GNU_SOURCE
#include "klp_fuzz.h"

#define RELA_MODULE		"test_klp_rela"
#define RELA_TARGET		"test_klp_target"

static struct elf64_shdr *random_klp_section(struct elf *elf)
{
	struct elf64_shdr *section;

	do {
		section = &elf->sections[below(elf->header->e_shnum)];
	} while (!(section->sh_flags & SHF_RELA_LIVEPATCH));
	return section;
}

static struct elf64_sym *random_klp_symbol(struct elf *elf)
{
	struct elf64_sym *symbol;

	do {
		symbol = &elf->symbols[below(elf->nr_symbols)];
	} while (symbol->st_shndx != SHN_LIVEPATCH);
	return symbol;
}

/* Bytes with a meaning in these names are more frequent. */
static void change_name(char *name)
{
	static const char meaning[] = "..,,0019klpsymrelavmlinux%s_";
	size_t length = strlen(name), i;

	if (!length)
		return;
	i = below(length);
	switch (below(4)) {
	case 0:
		name[i] = below(256);
		break;
	case 1:
		name[i] = '\0';
		break;
	case 2:
		memmove(name + i, name + i + 1, length - i);
		break;
	default:
		name[i] = meaning[below(sizeof(meaning) - 1)];
		break;
	}
}

/*
 * Move relocations only to invalid places: one that changes another place in the module breaks
 * code, which the core cannot detect.
 */
static void change_relocation(struct elf *elf)
{
	struct elf64_shdr *section = random_klp_section(elf);
	struct elf64_rela *rela = (void *)(elf->image.data + section->sh_offset);
	uint64_t symbol, type;

	rela += below(section->sh_size / sizeof(*rela) ?: 1);
	symbol = ELF64_R_SYM(rela->r_info);
	type = ELF64_R_TYPE(rela->r_info);
	switch (below(4)) {
	case 0:
		symbol = one_in(2) ? below(elf->nr_symbols) : elf->nr_symbols + below(3);
		break;
	case 1:
		symbol = random_number() & 0xffffffff;
		break;
	case 2:
		type = 40 + below(100);
		break;
	default:
		rela->r_offset = (one_in(2) ? 1ULL << 20 : 0 - 64ULL) + below(64);
		break;
	}
	rela->r_info = symbol << 32 | type;
}

/* Return a section that is not in memory, or an invalid index. */
static uint32_t no_place(struct elf *elf)
{
	uint32_t i;

	if (one_in(3))
		return elf->header->e_shnum + below(1000);
	if (one_in(3))
		return 0;
	do {
		i = below(elf->header->e_shnum);
	} while (elf->sections[i].sh_flags & SHF_ALLOC);
	return i;
}

static void change_section(struct elf *elf)
{
	struct elf64_shdr *section = random_klp_section(elf);

	switch (below(5)) {
	case 0:
		section->sh_size = below(section->sh_size + 1);
		break;
	case 1:
		section->sh_info = no_place(elf);
		break;
	case 2:
		section->sh_flags ^= one_in(2) ? SHF_ALLOC : SHF_RELA_LIVEPATCH;
		break;
	case 3:
		section->sh_link = no_place(elf);
		break;
	default:
		section->sh_entsize = below(100);
		break;
	}
}

static void change_symbol(struct elf *elf)
{
	static const uint16_t places[] = { SHN_UNDEF, SHN_ABS, SHN_COMMON, SHN_LIVEPATCH + 1 };
	struct elf64_sym *symbol = random_klp_symbol(elf);

	if (one_in(2))
		symbol->st_shndx = places[below(4)];
	else
		symbol->st_value = random_number();
}

/*
 * Make one to three changes. RELA has four sections and four symbols of each kind, so that one
 * is always left.
 */
static void mutate(struct elf *elf)
{
	int changes = 1 + below(3);

	while (changes--) {
		switch (below(10)) {
		case 0 ... 3:
			change_name(elf->names + random_klp_symbol(elf)->st_name);
			break;
		case 4:
			change_name(elf->section_names + random_klp_section(elf)->sh_name);
			break;
		case 5:
		case 6:
			change_relocation(elf);
			break;
		case 7:
		case 8:
			change_section(elf);
			break;
		default:
			change_symbol(elf);
			break;
		}
	}
}

static bool has_klp_parts(struct elf *elf)
{
	bool section = false, symbol = false;
	unsigned int i;

	for (i = 0; i < elf->header->e_shnum; i++)
		section |= !!(elf->sections[i].sh_flags & SHF_RELA_LIVEPATCH);
	for (i = 0; i < elf->nr_symbols; i++)
		symbol |= elf->symbols[i].st_shndx == SHN_LIVEPATCH;
	return section && symbol;
}

static void try_module(struct image original, struct image target)
{
	struct image copy = original;
	struct elf elf;
	int ret;

	copy.data = malloc(copy.size);
	if (!copy.data)
		err(1, "memory");
	memcpy(copy.data, original.data, copy.size);
	elf = read_elf(copy);
	if (!has_klp_parts(&elf))
		errx(1, "there are no livepatch relocations in the module");
	mutate(&elf);

	/* In half of the cases the target is loaded before, otherwise afterwards. */
	if (one_in(2) && !is_loaded(RELA_TARGET) && load_image(target, ""))
		fail("the target is refused");
	ret = load_image(copy, one_in(2) ? "unchecked=1" : "unchecked=1 persistent=1");
	count_answer(ret);
	if (!ret) {
		if (!is_loaded(RELA_TARGET))
			count_answer(load_image(target, ""));
		await_transition(RELA_MODULE);
		disable(RELA_MODULE);
		if (one_in(2) && is_there(RELA_MODULE)) {
			write_file(SYSFS "/" RELA_MODULE "/enabled", "1");
			await_transition(RELA_MODULE);
			disable(RELA_MODULE);
		}
		ret = unload(RELA_MODULE, PATIENCE);
		if (ret)
			fail("the module cannot be unloaded: %s", strerror(ret));
	} else if (is_loaded(RELA_MODULE)) {
		fail("refused, but loaded");
	}
	if (is_loaded(RELA_TARGET) && one_in(2) && unload(RELA_TARGET, PATIENCE))
		fail("the target does not go");
	free(copy.data);
}

void try_modules(const char *rela, unsigned long times)
{
	struct image original = read_image(rela);
	struct image target = read_module(RELA_TARGET);
	unsigned long n;

	phase = "modules";
	for (n = 0; n < times; n++) {
		begin_attempt(n);
		try_module(original, target);
		expect_nothing_left();
	}
	if (is_loaded(RELA_TARGET))
		unload(RELA_TARGET, PATIENCE);
	expect_nothing_left();
	tell_answers();
}
