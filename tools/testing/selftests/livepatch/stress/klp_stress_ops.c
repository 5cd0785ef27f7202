// SPDX-License-Identifier: GPL-2.0
/* The operations of the workers. */
#define _GNU_SOURCE
#include <ctype.h>
#include <dirent.h>
#include <pthread.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include "klp_stress.h"

#define CPU1		"/sys/devices/system/cpu/cpu1/online"
#define MOST_LOADED	6	/* patches, enabled or disabled, that are loaded at one time */
#define ALL_PATCHED	((1 << STRESS_PATCHED) - 1)

static struct image patch_image, target_images[STRESS_TARGETS];
static char *patch_name;	/* in its image: each patch is loaded under another one */

void load_images(void)
{
	unsigned int i;

	patch_image = read_module("stress_patch");
	patch_name = writable_name(patch_image, "stress_patch");
	if (!patch_name)
		errx(1, "%s/stress_patch.ko: no name in it", modules_dir);
	for (i = 0; i < STRESS_TARGETS; i++)
		target_images[i] = read_module(object_names[1 + i]);
}

unsigned int list_patches(struct patch *patches, unsigned int most)
{
	unsigned int n = 0;
	struct dirent *entry;
	DIR *dir;

	dir = opendir(SYSFS);
	if (!dir)
		fail("no " SYSFS);
	while (n < most && (entry = readdir(dir))) {
		struct patch *patch = &patches[n];

		if (entry->d_name[0] == '.')
			continue;
		snprintf(patch->name, sizeof(patch->name), "%.63s", entry->d_name);
		snprintf(patch->dir, sizeof(patch->dir), SYSFS "/%s", patch->name);
		patch->enabled = read_number(format("%s/enabled", patch->dir));
		patch->transition = read_number(format("%s/transition", patch->dir));
		n += patch->enabled >= 0 && patch->transition >= 0;
	}
	closedir(dir);
	return n;
}

/* Choose a patch that is (not) enabled and (not) in transition. */
static struct patch *choose_patch(struct patch *patches, unsigned int n, int enabled,
				  int transition)
{
	unsigned int i, start;

	if (!n)
		return NULL;
	start = below(n);
	for (i = 0; i < n; i++) {
		struct patch *patch = &patches[(start + i) % n];

		if ((enabled < 0 || patch->enabled == enabled) && patch->transition == transition)
			return patch;
	}
	return NULL;
}

/* Operations on patches. */

/* With two sets: the functions and states that the patches of each set have. */
static const unsigned int funcs_of_set[STRESS_SETS] = { 0x10f, 0x2f0 };
static const unsigned int states_of_set[STRESS_SETS] = { 0x3, 0xc };

/*
 * Periods with one set alternate with periods with two. In a period of two sets, the patches of
 * the sets are independent. When a period begins, patches of the last one may be in conflict with
 * new ones, which are refused.
 */
static bool two_sets(void)
{
	return (long)(now() - shared->start) / 15 % 2;
}

/* Return the sets that the patch replaces. */
static unsigned int choose_replace(unsigned int set)
{
	if (below(4))
		return 0;
	return set ? 2 : below(3) ? 1 : 3;
}

static void load_patch(void)
{
	unsigned int set = two_sets() && !below(2), replace = choose_replace(set);
	unsigned int all = two_sets() ? funcs_of_set[set] : ALL_PATCHED;
	unsigned int states = two_sets() ? states_of_set[set] : (1 << STRESS_STATES) - 1;
	unsigned int funcs = below(4) ? random32() & all : all, watched = 0;
	bool persistent = !below(3);
	char params[256];
	struct op *op;
	int n;

	if (!below(3))
		watched = random32() & random32() & ~funcs & ((1 << STRESS_VMLINUX) - 1);
	snprintf(patch_name, 32, PREFIX "%u", shared->next_patch++);
	n = snprintf(params, sizeof(params), "set=%u replace=%u funcs=%u watched=%u states=%u",
		     set, replace, funcs, watched, random32() & states);
	snprintf(params + n, sizeof(params) - n,
		 " unbound=%u objects=%u persistent=%d hooks=%d alias=%d",
		 below(3) ? 0 : random32() & states, below(8), persistent, below(2), below(2));
	op = begin(replace ? REPLACE : persistent ? PERSISTENT : LOAD, "%s %s", patch_name, params);
	end(op, load_image(patch_image, params), EBUSY, EUCLEAN, 0);
}

/* Another worker may have written before. */
static void write_enabled(enum kind kind, struct patch *patch, const char *text)
{
	struct op *op = begin(kind, "%s %s", patch->name, text);

	end(op, write_file(format("%s/enabled", patch->dir), text), EBUSY, EINVAL, ENODEV, ENOENT,
	    EUCLEAN, 0);
}

static void force_patch(struct patch *patch)
{
	struct op *op = begin(FORCE, "%s", patch->name);
	int ret;

	ret = write_file(format("%s/force", patch->dir), "1");
	if (!ret)
		ioctl(device, STRESS_FORCED);
	end(op, ret, EINVAL, ENODEV, ENOENT, 0);
}

static void write_junk(struct patch *patch)
{
	static const char * const junk[] = { "2x", "-1", "", "please" };
	const char *text = junk[below(4)];
	struct op *op = begin(JUNK, "%s '%s'", patch->name, text);
	int ret = write_file(format("%s/%s", patch->dir, below(2) ? "enabled" : "force"), text);

	end(op, ret, EINVAL, ENODEV, ENOENT, 0);
}

/* Unload a patch that seems unused. */
static void remove_patch(void)
{
	char line[512], name[64], chosen[64] = "";
	unsigned int used, n = 0;
	struct op *op;
	FILE *f;

	f = fopen("/proc/modules", "re");
	if (!f)
		fail("no /proc/modules");
	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%63s %*u %u", name, &used) != 2 ||
		    strncmp(name, PREFIX, strlen(PREFIX)))
			continue;
		if (!(used && below(8)) && !below(++n))
			memcpy(chosen, name, sizeof(chosen));
	}
	fclose(f);
	if (!*chosen)
		return;
	op = begin(REMOVE, "%s", chosen);
	end(op, remove_module(chosen), EAGAIN, EBUSY, ENOENT, 0);
}

/* Mostly one operation at a time: others would be refused. */
void operate(void)
{
	struct patch patches[MOST_PATCHES], *patch;
	unsigned int n = list_patches(patches, MOST_PATCHES);

	patch = choose_patch(patches, n, -1, 1);
	if (patch && below(4)) {
		if (!below(3))
			write_enabled(REVERSE, patch, patch->enabled ? "0" : "1");
		else if (!below(25))
			force_patch(patch);
		pause_for(below(50) / 1000.0);
		return;
	}
	switch (below(16)) {
	case 0 ... 4:
		if (n < MOST_LOADED) {
			load_patch();
			break;
		}
		__attribute__((fallthrough));
	case 5 ... 8:
		patch = choose_patch(patches, n, 1, 0);
		if (patch)
			write_enabled(DISABLE, patch, "0");
		break;
	case 9 ... 10:
		patch = choose_patch(patches, n, 0, 0);
		if (patch)
			write_enabled(ENABLE, patch, "1");
		break;
	case 11:
		patch = choose_patch(patches, n, -1, below(2));
		if (patch && !below(4))
			write_junk(patch);
		break;
	default:
		remove_patch();
		break;
	}
	pause_for(below(8) ? below(20) / 1000.0 : below(300) / 1000.0);
}

/*
 * Linux 6.12 forgets a kprobe in a module that is being loaded and then refused: it stays at an
 * address where other code may be loaded. So no kprobe is set while a target is being loaded.
 */
static void begin_loading(void)
{
	bool expected = false;

	while (!atomic_compare_exchange_strong(&shared->loading, &expected, true)) {
		expected = false;
		pause_for(0.002);
	}
}

static void end_loading(void)
{
	shared->loading = false;
}

/* Wait for a transition, so that targets are loaded and unloaded during one. */
static void wait_for_any_transition(double seconds)
{
	struct patch patches[MOST_PATCHES];
	double since = now();

	while (now() - since < seconds) {
		if (choose_patch(patches, list_patches(patches, MOST_PATCHES), -1, 1))
			return;
		pause_for(0.005);
	}
}

/* Load and unload targets, in one worker that knows which ones are loaded. */

void move_targets(void)
{
	static bool loaded[STRESS_TARGETS];
	const unsigned int all = (1 << STRESS_PER_TARGET) - 1;
	static const char * const names[] = { "stress_a", "stress_b" };
	unsigned int i = below(STRESS_TARGETS);
	struct op *op;
	double start;
	bool fails;
	int ret;

	if (below(2))
		wait_for_any_transition(0.5);
	if (!loaded[i]) {
		fails = !below(6);
		op = begin(fails ? TARGET_FAILS : TARGET, "%s", names[i]);
		begin_loading();
		ret = load_image(target_images[i], fails ? "fails=1" : "");
		end_loading();
		ret = end(op, ret, EUCLEAN, EBUSY, fails ? EDOM : 0, 0);
		if (fails && !ret)
			fail("%s is there, though its init failed", names[i]);
		loaded[i] = !ret;
		if (!ret)
			shared->there |= all << i * STRESS_PER_TARGET;
	} else {
		op = begin(TARGET_GOES, "%s", names[i]);
		shared->there &= ~(all << i * STRESS_PER_TARGET);
		start = now();
		ioctl(device, STRESS_CLOSE, 1 << i);
		do {
			ret = remove_module(names[i]);
			pause_for(0.005);
		} while (ret == EAGAIN && now() - start < limit);
		ioctl(device, STRESS_CLOSE, 0);
		end(op, ret, 0);
		loaded[i] = false;
	}
	/* Targets are loaded most of the time. */
	pause_for(loaded[i] ? below(1500) / 1000.0 : below(100) / 1000.0);
}

/* Calls. */

static uint32_t random_step(void *unused)
{
	return random32();
}

static void tell_call(const struct stress_call *call, int caller, int bad)
{
	char text[1024] = "";
	unsigned int i;
	int n = 0;

	for (i = 0; i < call->nr_seen && n < (int)sizeof(text) - 64; i++)
		n += snprintf(text + n, sizeof(text) - n, " %u:%d@%llu(%#x%s)<%d", i,
			      call->seen[i].func, (unsigned long long)call->seen[i].gen,
			      call->seen[i].funcs, call->seen[i].replace ? " replace" : "",
			      call->seen[i].caller);
	fail("call %d does not go with call %d. As number:function@generation(funcs)<caller:%s",
	     bad, caller, text);
}

static bool call_once(unsigned int funcs)
{
	struct stress_call call;
	int bad, caller;
	unsigned int i;

	memset(&call, 0, sizeof(call));
	stress_make(&call, funcs, random_step, NULL);
	if (ioctl(device, STRESS_RUN, &call)) {
		if (errno != ENODEV)
			fail("a program of calls: %s", strerror(errno));
		shared->away++;
		return false;
	}
	shared->programs++;
	shared->calls += call.nr_seen;
	if (call.excused) {
		shared->excused++;
		return true;
	}
	for (i = 0; i < call.nr_seen; i++)
		shared->nested += call.seen[i].caller >= 0;
	bad = stress_check(&call, &caller);
	if (bad >= 0)
		tell_call(&call, caller, bad);
	return true;
}

void call_something(void)
{
	if (!call_once(shared->there | 1 << STRESS_VMLINUX))
		pause_for(0.01);
	pause_for(below(20) / 1000.0);
}

/* Forks. Children only report failures. */

#define LONG_LIVED	6

static pid_t long_lived[LONG_LIVED];

static void *call_in_thread(void *unused)
{
	seed_worker(gettid());
	call_once(shared->there | 1 << STRESS_VMLINUX);
	return NULL;
}

static void live(unsigned int how)
{
	pthread_t threads[3];
	unsigned int i;

	switch (how) {
	case 0:
		call_once(shared->there | 1 << STRESS_VMLINUX);
		break;
	case 1:
		pause_for(below(30) / 1000.0);
		break;
	case 2:
		execl("/bin/true", "true", NULL);
		break;
	case 3:
		for (i = 0; i < 3; i++)
			if (pthread_create(&threads[i], NULL, call_in_thread, NULL))
				fail("no thread");
		for (i = 0; i < 3; i++)
			pthread_join(threads[i], NULL);
		break;
	case 4:
		for (;;)
			pause();
	}
	_exit(0);
}

static pid_t start_child(unsigned int how)
{
	unsigned int seed = random32();
	pid_t pid = fork();

	if (pid < 0)
		fail("fork: %s", strerror(errno));
	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	seed_worker(seed);
	live(how);
	return 0;
}

/* Allocate memory, so that a fork takes longer. */
static void make_big(void)
{
	unsigned int i, page = sysconf(_SC_PAGESIZE);
	char *data;

	data = mmap(NULL, 200 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (data == MAP_FAILED)
		fail("no memory");
	memset(data, 1, 200 * page);
	for (i = 0; i < 200; i += 2)
		mprotect(data + i * page, page, PROT_READ);
}

void fork_some(void)
{
	static bool big;
	unsigned int i, n = 1 + below(4), how = below(4);
	pid_t pids[4];
	struct op *op;

	if (!big)
		make_big();
	big = true;
	op = begin(FORK, "%u, kind %u", n, how);
	for (i = 0; i < n; i++)
		pids[i] = start_child(how);
	if (!below(4))
		kill(pids[0], SIGKILL);
	for (i = 0; i < n; i++)
		waitpid(pids[i], NULL, 0);
	end(op, 0, 0);

	i = below(LONG_LIVED);
	if (!below(4) && long_lived[i]) {
		kill(long_lived[i], SIGKILL);
		waitpid(long_lived[i], NULL, 0);
	}
	if (!long_lived[i] || kill(long_lived[i], 0))
		long_lived[i] = start_child(4);
	pause_for(below(150) / 1000.0);
}

/* Other users of ftrace, and other disturbances. */

static bool kprobed, rival, traced;

static void set_tracer(bool on)
{
	static const char * const filters[] = { "stress_*", "int_pow", "schedule*", "klp_*" };
	/* Tracing all functions is slow. */
	const char *filter = !on ? "off" : below(20) ? filters[below(4)] : "*";
	struct op *op = begin(TRACE, "%s", filter);

	if (on)
		write_file(INSTANCE "/set_ftrace_filter", filter);
	end(op, write_file(INSTANCE "/current_tracer", on ? "function" : "nop"), 0);
	if (!on)
		write_file(INSTANCE "/set_ftrace_filter", "");
	traced = on;
}

/* The function of a target may be missing. */
static void set_kprobe(bool on)
{
	static const char * const functions[] = { "stress_a_0", "stress_b_1", "int_pow" };
	const char *function = functions[below(3)];
	struct op *op = begin(KPROBE, "%s", on ? function : "off");
	char text[64];
	int ret;

	if (on) {
		snprintf(text, sizeof(text), "%c:stress/probe %s", below(2) ? 'p' : 'r', function);
		begin_loading();
		ret = write_file(TRACING "/kprobe_events", text);
		end_loading();
		kprobed = !end(op, ret, ENOENT, EINVAL, 0);
		if (kprobed)
			write_file(INSTANCE "/events/stress/probe/enable", "1");
	} else {
		write_file(INSTANCE "/events/stress/probe/enable", "0");
		end(op, write_file(TRACING "/kprobe_events", "-:stress/probe"), 0);
		kprobed = false;
	}
}

static void set_rival(bool on)
{
	struct op *op = begin(RIVAL, "%s", on ? "on" : "off");

	rival = !end(op, ioctl(device, STRESS_RIVAL, on) ? errno : 0, EBUSY, 0) && on;
}

void meddle(void)
{
	unsigned int percent;
	struct op *op;

	switch (below(8)) {
	case 0 ... 1:
		set_tracer(!traced);
		break;
	case 2 ... 3:
		set_kprobe(!kprobed);
		break;
	case 4:
		set_rival(!rival);
		break;
	case 5:
		percent = below(2) ? 0 : below(30);
		op = begin(VETO, "%u %%", percent);
		end(op, ioctl(device, STRESS_VETO, percent), 0);
		break;
	case 6:
		write_file(INSTANCE "/events/livepatch/enable", below(2) ? "1" : "0");
		break;
	case 7:
		if (below(3) || access(CPU1, W_OK))
			break;
		op = begin(CPU, "off");
		end(op, write_file(CPU1, "0"), EBUSY, 0);
		pause_for(below(200) / 1000.0);
		op = begin(CPU, "on");
		end(op, write_file(CPU1, "1"), 0);
		break;
	}
	pause_for(below(400) / 1000.0);
}

void meddle_no_more(void)
{
	if (traced)
		set_tracer(false);
	if (kprobed)
		set_kprobe(false);
	if (rival)
		set_rival(false);
}

/* Readers of files in sysfs, and a limit for the duration of each transition. */

/*
 * Return true if each line has a number, a reason, a function or module, a number of passes and a
 * name. The file may be empty.
 */
static bool is_held_list(char *text)
{
	char *line, *end;
	unsigned int passes;
	int pid, at;

	for (line = text; *line; line = end + 1) {
		end = strchr(line, '\n');
		if (!end)
			return false;
		*end = '\0';
		at = 0;
		if (sscanf(line, "%d %*s %*s %u %n", &pid, &passes, &at) != 2 || pid < 0 ||
		    !passes || !at)
			return false;
	}
	return true;
}

static bool is_number(const char *text)
{
	return isdigit(text[0]) && text[strlen(text) - 1] == '\n';
}

static void read_tree(const char *dir, unsigned int depth)
{
	char path[PATH_MAX], text[4096 + 1];
	struct dirent *entry;
	DIR *d = opendir(dir);

	while (d && (entry = readdir(d))) {
		if (entry->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "%s/%s", dir, entry->d_name);
		if (entry->d_type == DT_DIR) {
			read_tree(path, depth + 1);
			continue;
		}
		if (!read_file(path, text, sizeof(text)))
			continue;
		if (!strcmp(entry->d_name, "held") ? !is_held_list(text) : !is_number(text))
			fail("%s reads '%s'", path, text);
	}
	if (d)
		closedir(d);
}

static void check_state(const char *text, const char *who)
{
	if (strcmp(text, "-1\n") && strcmp(text, "0\n") && strcmp(text, "1\n"))
		fail("patch state of %s: '%s'", who, text);
}

static void watch_transition(void)
{
	static char name[64];
	static int enabled;
	static double since;
	struct patch patches[MOST_PATCHES], *patch;
	unsigned int n = list_patches(patches, MOST_PATCHES);

	patch = choose_patch(patches, n, -1, 1);
	if (!patch || strcmp(patch->name, name) || patch->enabled != enabled) {
		snprintf(name, sizeof(name), "%s", patch ? patch->name : "");
		enabled = patch ? patch->enabled : 0;
		since = now();
	}
	if (*name && now() - since > limit)
		fail("the transition of %s to %d does not end", name, enabled);
}

void read_all(void)
{
	char text[64];
	pid_t pid;

	shared->kinds[READ]++;
	read_tree(SYSFS, 0);
	watch_transition();
	check_violations();
	pid = 1 + below(1000);
	if (read_file(format("/proc/%d/patch_state", pid), text, sizeof(text)))
		check_state(text, "a process");
	pause_for(below(200) / 1000.0);
}
