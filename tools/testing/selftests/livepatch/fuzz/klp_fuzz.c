// SPDX-License-Identifier: GPL-2.0
/*
 * klp_fuzz MODULES RELA SEED TIMES SECONDS: use malformed input on the livepatch core, as root
 * in a guest.
 *
 * First TIMES descriptions from seeds (fuzz_patch.h), in three modules that are loaded together
 * while their targets are loaded and unloaded. Then TIMES copies of the livepatch module RELA,
 * each with some bytes changed in the parts that the core reads: names of livepatch symbols and
 * sections, headers of the sections, relocations. Finally SECONDS of malformed writes to the
 * files in sysfs by several processes, while another process without privileges tries all
 * accesses.
 *
 * Each input may be accepted or refused. Accepted ones are disabled and unloaded again, and
 * nothing may be left: no module, no directory in sysfs, no function in the list of ftrace.
 * vm/fuzz.sh checks the console for reports.
 *
 * Prints the numbers of accepted and refused inputs. Any other result ends the program with the
 * seed and status 1.
 */

#define _GNU_SOURCE
#include <dirent.h>
#include <ftw.h>
#include <grp.h>
#include <stdatomic.h>
#include <sys/wait.h>
#include "klp_fuzz.h"

#define ENABLED_FUNCTIONS	"/sys/kernel/tracing/enabled_functions"
#define PATCHES			3	/* modules fuzz_patch_N */
#define UNPRIVILEGED		65534

const char *phase = "start";

static uint64_t seed, state;
static unsigned long attempt;

/* Results of one phase, by errno; 0 is accepted. */
static unsigned long answers[4096];

uint64_t random_number(void)
{
	return next_random(&state);
}

uint64_t below(uint64_t limit)
{
	return (random_number() >> 11) % limit;
}

bool one_in(unsigned int n)
{
	return !below(n);
}

/* Each attempt has its own random state, so it can be repeated alone. */
void begin_attempt(unsigned long number)
{
	attempt = number;
	state = (seed + number) * 0x9e3779b97f4a7c15ULL + 1;
	random_number();
}

noreturn void fail(const char *fmt, ...)
{
	va_list ap;

	printf("FAILED: seed %llu, %s, attempt %lu: ", (unsigned long long)seed, phase, attempt);
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	printf("\n");
	fflush(stdout);
	exit(1);
}

/* Livepatches. */

/* Wait for the end of a transition, which must come. */
void await_transition(const char *patch)
{
	if (!wait_for_transition(patch, PATIENCE))
		fail("the transition of %s does not end", patch);
}

/*
 * Disable a patch and wait. A persistent one stays in sysfs, another one is removed. A state
 * that must stay refuses with EBUSY. Returns true if this call has disabled the patch.
 */
bool disable(const char *patch)
{
	bool disabled = false;
	char enabled[PATH_MAX];
	double start = now();
	int ret;

	snprintf(enabled, sizeof(enabled), SYSFS "/%s/enabled", patch);

	while (is_there(patch)) {
		await_transition(patch);
		if (!read_number(enabled))
			return true;
		ret = write_file(enabled, "0");
		disabled |= !ret;
		if (ret == EBUSY)
			write_file(format("/sys/module/%s/parameters/unblock", patch), "1");
		/* Another patch is in transition, or this one has been replaced. */
		if (ret && ret != EBUSY && ret != ENOENT && ret != ENODEV && ret != EINVAL)
			fail("%s is not disabled: %s", patch, strerror(ret));
		if (now() - start > PATIENCE)
			fail("%s stays enabled", patch);
		pause_for(0.002);
	}
	return disabled;
}

static int read_parameter(const char *module, const char *name)
{
	char *path = format("/sys/module/%s/parameters/%s", module, name);
	char text[32];

	if (!read_file(path, text, sizeof(text)))
		fail("%s: %s", path, strerror(errno));
	return atoi(text);
}

static size_t count_bytes(const char *path)
{
	char data[65536];
	size_t sum = 0;
	ssize_t n;
	int fd;

	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		fail("%s: %s", path, strerror(errno));
	while ((n = read(fd, data, sizeof(data))) > 0)
		sum += n;
	close(fd);
	return sum;
}

/* A forced module stays for good, and so does the directory of a persistent patch. */
struct fate {
	atomic_bool forced;
};

static struct fate *fates;	/* of fuzz_patch_N, shared by all processes */

static int count_patches(void)
{
	struct dirent *entry;
	int patches = 0, i;
	DIR *dir;

	dir = opendir(SYSFS);
	if (!dir)
		fail(SYSFS ": %s", strerror(errno));
	while ((entry = readdir(dir))) {
		if (entry->d_name[0] == '.')
			continue;
		if (sscanf(entry->d_name, "fuzz_patch_%d", &i) != 1 || !fates[i].forced)
			patches++;
	}
	closedir(dir);
	return patches;
}

static size_t functions_before;

/* A worker of the core unregisters functions without a patch. */
void expect_nothing_left(void)
{
	double start = now();
	size_t functions;

	if (count_patches())
		fail("there is something left in " SYSFS);
	while ((functions = count_bytes(ENABLED_FUNCTIONS)) != functions_before) {
		if (now() - start > PATIENCE)
			fail(ENABLED_FUNCTIONS " has %zu bytes, it had %zu", functions,
			     functions_before);
		pause_for(0.002);
	}
}

void count_answer(int ret)
{
	answers[ret < 4096 ? ret : 4095]++;
}

/* A phase that accepts or refuses everything has tested nothing. */
void tell_answers(void)
{
	unsigned long refused = 0;
	size_t i;

	for (i = 1; i < 4096; i++)
		refused += answers[i];
	printf("%s: %lu accepted, %lu refused", phase, answers[0], refused);
	for (i = 1; i < 4096; i++)
		if (answers[i])
			printf(", %s %lu", strerrorname_np(i) ?: "?", answers[i]);
	printf("\n");
	fflush(stdout);
	if (!answers[0] || !refused)
		fail("all or none were accepted");
	memset(answers, 0, sizeof(answers));
}

/* Descriptions. */

static struct image patches[PATCHES], targets[2];
static const char *const target_names[] = { "fuzz_target", "fuzz_other" };

static const char *patch_name(int i)
{
	static const char *const names[PATCHES] = {
		"fuzz_patch_0", "fuzz_patch_1", "fuzz_patch_2",
	};

	return names[i];
}

/* Unload a patch, and check that its callbacks have undone everything. */
static void take_patch_back(int i, bool check)
{
	bool disabled;
	int ret;

	if (!is_loaded(patch_name(i)))
		return;
	/* Callbacks of a patch that was replaced do not run. */
	disabled = disable(patch_name(i));
	ret = read_parameter(patch_name(i), "owed");
	if (check && disabled && ret)
		fail("%s: %d callbacks are still owed", patch_name(i), ret);
	if (fates[i].forced)
		return;
	ret = unload(patch_name(i), PATIENCE);
	if (ret)
		fail("%s cannot be unloaded: %s", patch_name(i), strerror(ret));
}

/* Only one patch may be in transition: wait, or a description would be refused for that. */
static void wait_for_all(void)
{
	int i;

	for (i = 0; i < PATCHES; i++)
		await_transition(patch_name(i));
}

/* The bits of described_twice stand for the targets, see fuzz_patch.h. */
static void expect_no_address_twice(int i)
{
	int t, twice = read_parameter(patch_name(i), "described_twice");

	for (t = 0; t < 2; t++) {
		if (twice & 1 << t && is_loaded(target_names[t]))
			fail("%s is accepted, with two names of one address", patch_name(i));
	}
}

static void try_description(void)
{
	int ret, i = below(PATCHES), t = below(2);

	if (one_in(4)) {
		if (is_loaded(target_names[t]))
			ret = unload(target_names[t], PATIENCE);
		else
			ret = load_image(targets[t], "");
		/* A patch may refuse it. */
		if (ret && is_loaded(target_names[t]))
			fail("%s: %s", target_names[t], strerror(ret));
	}
	if (is_loaded(patch_name(i))) {
		if (one_in(3)) {
			/* Disable it. A persistent one may be enabled again. */
			wait_for_all();
			write_file(format(SYSFS "/fuzz_patch_%d/enabled", i),
				   one_in(2) ? "1" : "0");
			return;
		}
		wait_for_all();
		take_patch_back(i, true);
	}
	wait_for_all();
	ret = load_image(patches[i], format("seed=%llu", (unsigned long long)random_number()));
	if (ret == EBADE)
		fail("refused, but callbacks are owed");
	if (ret && is_there(patch_name(i)))
		fail("refused, but still in " SYSFS);
	if (!ret)
		expect_no_address_twice(i);
	count_answer(ret);
	for (t = 0; t < 2; t++)
		if (is_loaded(target_names[t]))
			read_parameter(target_names[t], "call");
	count_bytes("/proc/cmdline");
	count_bytes("/proc/version");
}

static void take_all_back(void)
{
	int i;

	for (i = PATCHES - 1; i >= 0; i--)
		take_patch_back(i, false);
	for (i = 0; i < 2; i++)
		if (is_loaded(target_names[i]))
			unload(target_names[i], PATIENCE);
	expect_nothing_left();
}

static void try_descriptions(unsigned long times)
{
	unsigned long n;
	int i;

	phase = "descriptions";
	for (i = 0; i < PATCHES; i++)
		patches[i] = read_module(patch_name(i));
	for (i = 0; i < 2; i++)
		targets[i] = read_module(target_names[i]);
	for (n = 0; n < times; n++) {
		begin_attempt(n);
		try_description();
		if (n % 50 == 49)
			take_all_back();
	}
	take_all_back();
	tell_answers();
}

/* Files in sysfs. */

static const char *some_path;
static unsigned int paths_seen, chosen;

static int choose_path(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	if (type != FTW_F || paths_seen++ != chosen)
		return 0;
	free((char *)some_path);
	some_path = strdup(path);
	return 1;
}

/* Return a random file below SYSFS, NULL when files were removed meanwhile. */
static const char *random_path(void)
{
	paths_seen = 0;
	chosen = below(24);
	return nftw(SYSFS, choose_path, 8, FTW_PHYS) == 1 ? some_path : NULL;
}

/* Mostly "1" and "0", or a text that begins like them. */
static size_t make_junk(char *junk, size_t limit)
{
	static const char *const words[] = { "0", "1", "0\n", "1\n", "y", "no", "on", "off", "",
					     "\n", "-1", "2", "01", "10", " 1", "\0001", "0x1" };
	size_t length, i;

	if (one_in(2)) {
		i = below(sizeof(words) / sizeof(*words));
		length = strlen(words[i]) + one_in(4);
		memcpy(junk, words[i], length);
		return length;
	}
	length = one_in(4) ? below(limit) : below(64);
	for (i = 0; i < length; i++)
		junk[i] = random_number();
	return length;
}

static bool is_true(const char *text)
{
	return strchr("yYtT1", text[0]) ? text[0] : !strncasecmp(text, "on", 2);
}

/* Return true if the patch whose file "force" is @path replaces older patches. */
static bool replaces(const char *path)
{
	return read_number(format("%.*sreplace", (int)(strlen(path) - strlen("force")), path)) == 1;
}

/*
 * Record which modules a successful write to force may have pinned. They are the module of a
 * patch that was being disabled, or those of the older patches when the patch replaces them.
 */
static void record_forced(const char *path, bool replace)
{
	int forced, i;

	if (sscanf(path, SYSFS "/fuzz_patch_%d/", &forced) != 1)
		return;
	for (i = 0; i < PATCHES; i++)
		if (replace || i == forced)
			fates[i].forced = true;
}

/* A forced patch cannot be changed, so force is written last. */
static void write_junk(double end, double end_of_mercy)
{
	static char junk[3 * 4096];
	const char *path;
	size_t length;
	bool force, replace;
	int fd;

	while (now() < end) {
		path = random_path();
		if (!path)
			continue;
		force = !strcmp(path + strlen(path) - strlen("force"), "force");
		if (force && now() < end_of_mercy)
			continue;
		fd = open(path, (one_in(2) ? O_RDWR : O_WRONLY) | O_CLOEXEC);
		if (fd < 0)
			continue;
		/* Read before the write: the patch may be removed afterwards. */
		replace = force && replaces(path);
		length = make_junk(junk, sizeof(junk));
		if (pwrite(fd, junk, length, one_in(4) ? below(8192) : 0) > 0 &&
		    force && is_true(junk))
			record_forced(path, replace);
		close(fd);
	}
}

/* Check the modes: force cannot be read, and held only by root. */
static int look_as_user(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	const char *name = path + ftw->base;
	bool readable = strcmp(name, "force") && strcmp(name, "held");
	int fd;

	if (type == FTW_D || type == FTW_DP) {
		if (!mkdir(format("%s/mine", path), 0777) || errno == EEXIST)
			fail("user 65534 makes a directory in %s", path);
		return 0;
	}
	if (type != FTW_F)
		return 0;
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd >= 0)
		fail("user 65534 may write to %s", path);
	if (errno != EACCES && errno != ENOENT)
		fail("user 65534, writing to %s: %s", path, strerror(errno));
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0 && !readable)
		fail("user 65534 may read %s", path);
	if (fd < 0 && readable && errno != ENOENT)
		fail("user 65534 may not read %s: %s", path, strerror(errno));
	if (fd >= 0) {
		char text[8];

		if (read(fd, text, sizeof(text)) <= 0 && errno != ENODEV)
			fail("user 65534 reads nothing in %s: %s", path, strerror(errno));
		close(fd);
	}
	if (unlink(path) == 0 || chmod(path, 0666) == 0)
		fail("user 65534 changes %s", path);
	return 0;
}

static void try_as_user(double end)
{
	unsigned long looks = 0;

	if (setgroups(0, NULL) || setgid(UNPRIVILEGED) || setuid(UNPRIVILEGED))
		err(1, "user 65534");
	while (now() < end) {
		/* nftw() ends early when a directory is removed. */
		nftw(SYSFS, look_as_user, 8, FTW_PHYS);
		looks++;
		pause_for(0.01);
	}
	if (!looks)
		fail("user 65534 has read no file");
}

static void load_patch(int i)
{
	unsigned long long number = random_number();

	count_answer(load_image(patches[i], format("seed=%llu", number)));
}

static void try_files(int seconds)
{
	double end = now() + seconds;
	pid_t children[5];
	unsigned long n;
	int i, status;

	phase = "files";
	fflush(stdout);
	for (i = 0; i < 5; i++) {
		children[i] = fork();
		if (children[i] < 0)
			err(1, "fork");
		if (children[i])
			continue;
		begin_attempt(i);
		if (i == 4)
			try_as_user(end);
		else
			write_junk(end, end - seconds / 5.0);
		exit(0);
	}
	/* Patches that are removed are replaced by new ones, so that there are files. */
	for (n = 0; now() < end; n++) {
		begin_attempt(n);
		i = below(PATCHES);
		if (is_loaded(patch_name(i)) && !is_there(patch_name(i)) && !fates[i].forced)
			unload(patch_name(i), PATIENCE);
		if (!is_loaded(patch_name(i)))
			load_patch(i);
		else
			pause_for(0.05);
	}
	for (i = 0; i < 5; i++)
		if (waitpid(children[i], &status, 0) != children[i] || status)
			fail("a process ended with status %#x", status);
	take_all_back();
	tell_answers();
}

int main(int argc, char **argv)
{
	double start = now();

	if (argc != 6)
		errx(1, "usage: klp_fuzz MODULES RELA SEED TIMES SECONDS");
	modules_dir = argv[1];
	seed = strtoull(argv[3], NULL, 0);
	fates = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (fates == MAP_FAILED)
		err(1, "memory");
	functions_before = count_bytes(ENABLED_FUNCTIONS);

	try_descriptions(strtoul(argv[4], NULL, 0));
	try_modules(argv[2], strtoul(argv[4], NULL, 0));
	try_files(atoi(argv[5]));
	printf("nothing was left behind, seed %llu, %.0f seconds\n", (unsigned long long)seed,
	       now() - start);
	return 0;
}
