// SPDX-License-Identifier: GPL-2.0
/* Paths: operations of the core, and the states before and after them. */
#define _GNU_SOURCE
#include "klp_faults.h"

static struct {
	const char *name;
	struct image image;
} images[8];

/* Read each module once: the file system is not part of the test. */
static struct image module_image(const char *name)
{
	unsigned int i = 0;

	while (images[i].name && strcmp(images[i].name, name))
		i++;
	if (!images[i].name) {
		images[i].image = read_module(name);
		images[i].name = name;
	}
	return images[i].image;
}

static int load(const char *name, const char *params)
{
	return load_image(module_image(name), params);
}

void must_load(const char *name, const char *params)
{
	int ret = load(name, params);

	if (ret)
		errx(1, "cannot load %s: %s", name, strerror(ret));
}

static void must_unload(const char *name)
{
	int ret = unload(name, PATIENCE);

	if (ret)
		errx(1, "cannot unload %s: %s", name, strerror(ret));
}

static bool enabled(const char *patch)
{
	return is_there(patch) && must_read_number(patch_file(patch, "enabled"));
}

/* Return the number in a file of a patch, -1 when it is gone. */
static long patch_number(const char *patch, const char *file)
{
	return read_number(patch_file(patch, file));
}

/* The persistent patch. */
static const char *persistent_patch = "";

/* Wait until no transition is running, and all patches that are being removed have left sysfs. */
static void settle(void)
{
	static const char * const patches[] = { PATCH, PART };
	double deadline = now() + PATIENCE;
	unsigned int i;

	for (i = 0; i < 2; i++) {
		while (is_there(patches[i])) {
			bool stays = !strcmp(patches[i], persistent_patch) ||
				     patch_number(patches[i], "enabled") == 1;

			if (stays && !patch_number(patches[i], "transition"))
				break;
			if (now() > deadline)
				errx(1, "%s stays in transition", patches[i]);
			pause_for(0.003);
		}
	}
}

static int set_enabled(const char *patch, const char *value)
{
	int ret = write_file(patch_file(patch, "enabled"), value);

	settle();
	return ret;
}

static void must_set_enabled(const char *patch, const char *value)
{
	int ret = set_enabled(patch, value);

	if (ret)
		errx(1, "cannot write %s to %s/enabled: %s", value, patch, strerror(ret));
}

static int load_patch(const char *patch, const char *params)
{
	int ret = load(patch, params);

	settle();
	return ret;
}

static void must_load_patch(const char *patch, const char *params)
{
	int ret = load_patch(patch, params);

	if (ret)
		errx(1, "cannot load %s: %s", patch, strerror(ret));
}

/* Return to the state in which only the ledger is loaded, from any state. */
void clean_up(void)
{
	static const char * const patches[] = { PART, PATCH };
	unsigned int i;

	settle();
	for (i = 0; i < 2; i++) {
		if (enabled(patches[i]))
			must_set_enabled(patches[i], "0");
		if (is_loaded(patches[i]))
			must_unload(patches[i]);
	}
	if (is_loaded(TARGET))
		must_unload(TARGET);
	if (is_loaded(TARGET2))
		must_unload(TARGET2);
	persistent_patch = "";
}

static void load_targets(void)
{
	must_load(TARGET, "");
	must_load(TARGET2, "");
}

static void setup_enable(void)
{
	load_targets();
}

static int operate_enable(void)
{
	return load_patch(PATCH, "");
}

static void undo_enable(void)
{
	must_set_enabled(PATCH, "0");
	must_unload(PATCH);
}

static void setup_replace(void)
{
	load_targets();
	must_load_patch(PATCH, "");
}

static int operate_replace(void)
{
	return load_patch(PART, "replace=1");
}

static void undo_replace(void)
{
	must_set_enabled(PART, "0");
	must_unload(PART);
	must_unload(PATCH);
	must_load_patch(PATCH, "");
}

static void setup_coming(void)
{
	must_load(TARGET2, "");
	must_load_patch(PATCH, "");
	must_load_patch(PART, "");
}

static int operate_coming(void)
{
	return load(TARGET, "");
}

static void undo_coming(void)
{
	must_unload(TARGET);
}

static void setup_going(void)
{
	load_targets();
	must_load_patch(PATCH, "");
	must_load_patch(PART, "");
}

static int operate_going(void)
{
	return unload(TARGET, PATIENCE);
}

static void undo_going(void)
{
	must_load(TARGET, "");
}

/*
 * The functions of a module that was loaded first are registered with those of vmlinux. When
 * the module is loaded again, mostly at the same address, ftrace must have forgotten the old
 * one.
 */
static void undo_going_shared(void)
{
	must_load(TARGET, "");
	must_unload(TARGET);
	must_set_enabled(PART, "0");
	must_unload(PART);
	must_set_enabled(PATCH, "0");
	must_unload(PATCH);
	must_load(TARGET, "");
	must_load_patch(PATCH, "");
	must_load_patch(PART, "");
}

static int operate_disable(void)
{
	return set_enabled(PATCH, "0");
}

static void undo_disable(void)
{
	must_unload(PATCH);
	must_load_patch(PATCH, "");
}

/* The order of patches is part of the state. */
static void undo_disable_below(void)
{
	must_unload(PATCH);
	must_set_enabled(PART, "0");
	must_unload(PART);
	must_load_patch(PATCH, "");
	must_load_patch(PART, "");
}

static void setup_again(void)
{
	load_targets();
	persistent_patch = PATCH;
	must_load_patch(PATCH, "persistent=1");
	must_set_enabled(PATCH, "0");
}

static int operate_again(void)
{
	return set_enabled(PATCH, "1");
}

static void undo_again(void)
{
	must_set_enabled(PATCH, "0");
}

static void setup_replace_again(void)
{
	load_targets();
	persistent_patch = PART;
	must_load_patch(PART, "persistent=1 replace=1");
	must_set_enabled(PART, "0");
	must_load_patch(PATCH, "");
}

static int operate_replace_again(void)
{
	return set_enabled(PART, "1");
}

static void undo_replace_again(void)
{
	must_set_enabled(PART, "0");
	must_unload(PATCH);
	must_load_patch(PATCH, "");
}

static void setup_nothing(void)
{
}

static int operate_shadow(void)
{
	return write_file(LEDGER, "alloc");
}

static int operate_shadow_get(void)
{
	return write_file(LEDGER, "get");
}

static void undo_shadow(void)
{
	must_write(LEDGER, "free");
}

/* The fastest paths come first. */
const struct path paths[] = {
	{
		.name = "shadow alloc",
		.setup = setup_nothing,
		.operate = operate_shadow,
		.undo = undo_shadow,
		.steps = "ctor:1 dtor:0 shadow:1 ",
		.refusable = true,
	},
	{
		.name = "shadow get or alloc",
		.setup = setup_nothing,
		.operate = operate_shadow_get,
		.undo = undo_shadow,
		.steps = "ctor:1 dtor:0 shadow:2 ",
		.refusable = true,
	},
	{
		.name = "going",
		.setup = setup_going,
		.operate = operate_going,
		.undo = undo_going,
		.steps = BOUND ":" STATE_GONE " " PATCH "/" TARGET ":" GONE " "
			 PART "/" TARGET ":" GONE " ",
	},
	{
		.name = "going shared",
		.setup = setup_going,
		.operate = operate_going,
		.undo = undo_going_shared,
		.steps = BOUND ":" STATE_GONE " " PATCH "/" TARGET ":" GONE " "
			 PART "/" TARGET ":" GONE " ",
	},
	{
		.name = "disable",
		.setup = setup_replace,
		.operate = operate_disable,
		.undo = undo_disable,
		.steps = KEPT ":wq " BOUND ":" STATE_GONE " " PATCH "/vmlinux:" GONE " "
			 PATCH "/" TARGET ":" GONE " " PATCH "/" TARGET2 ":" GONE " ",
	},
	{
		.name = "disable below",
		.setup = setup_going,
		.operate = operate_disable,
		.undo = undo_disable_below,
		.steps = BOUND ":" STATE_GONE " " PATCH "/vmlinux:" GONE " "
			 PATCH "/" TARGET ":" GONE " " PATCH "/" TARGET2 ":" GONE " ",
	},
	{
		.name = "coming",
		.setup = setup_coming,
		.operate = operate_coming,
		.undo = undo_coming,
		.steps = BOUND ":" STATE_LIVE " " PATCH "/" TARGET ":" LIVE " "
			 PART "/" TARGET ":" LIVE " ",
		.refusable = true,
	},
	{
		.name = "enable again",
		.setup = setup_again,
		.operate = operate_again,
		.undo = undo_again,
		.steps = KEPT ":" STATE_LIVE " " BOUND ":" STATE_LIVE " "
			 PATCH "/vmlinux:" LIVE " " PATCH "/" TARGET ":" LIVE " "
			 PATCH "/" TARGET2 ":" LIVE " ",
		.refusable = true,
	},
	{
		.name = "replace again",
		.setup = setup_replace_again,
		.operate = operate_replace_again,
		.undo = undo_replace_again,
		.steps = PART "/vmlinux:" LIVE " " PART "/" TARGET ":" LIVE " "
			 BOUND ":" STATE_GONE " ",
		.refusable = true,
	},
	{
		.name = "enable",
		.setup = setup_enable,
		.operate = operate_enable,
		.undo = undo_enable,
		.steps = KEPT ":" STATE_LIVE " " BOUND ":" STATE_LIVE " "
			 PATCH "/vmlinux:" LIVE " " PATCH "/" TARGET ":" LIVE " "
			 PATCH "/" TARGET2 ":" LIVE " ",
		.refusable = true,
	},
	{
		.name = "replace",
		.setup = setup_replace,
		.operate = operate_replace,
		.undo = undo_replace,
		.steps = PART "/vmlinux:" LIVE " " PART "/" TARGET ":" LIVE " "
			 BOUND ":" STATE_GONE " ",
		.refusable = true,
	},
};

const unsigned int nr_paths = ARRAY_SIZE(paths);
