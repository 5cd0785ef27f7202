// SPDX-License-Identifier: GPL-2.0
/*
 * klp_bpf KIND FUNCTION [RESULT]: attach a BPF program to a function of vmlinux, and print
 * "attached". KIND is fentry, fexit, fmod_ret or override. The last two make the function return
 * RESULT, which must not be 0. For each line of stdin print the number of calls that the program
 * has seen since the last one, and for fexit the last result of the function. The program is
 * detached at the end of stdin.
 *
 * The programs are assembled here, so that no compiler for BPF is needed.
 */
#define _GNU_SOURCE
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/bpf.h>
#include <linux/perf_event.h>
#include <sys/ioctl.h>
#include "klp_util.h"

/* The value of the map that the program writes. */
struct seen {
	uint64_t calls;
	int64_t result;
};

static const struct kind {
	const char *name;
	enum bpf_prog_type type;
	enum bpf_attach_type attach;
} kinds[] = {
	{ "fentry", BPF_PROG_TYPE_TRACING, BPF_TRACE_FENTRY },
	{ "fexit", BPF_PROG_TYPE_TRACING, BPF_TRACE_FEXIT },
	{ "fmod_ret", BPF_PROG_TYPE_TRACING, BPF_MODIFY_RETURN },
	{ "override", BPF_PROG_TYPE_KPROBE, BPF_PERF_EVENT },
};

/* An instruction. */
static struct bpf_insn insn(int code, int dst, int src, int off, int imm)
{
	return (struct bpf_insn) {
		.code = code, .dst_reg = dst, .src_reg = src, .off = off, .imm = imm,
	};
}

/*
 * Assemble the program: count the call in the map, store the result of the function in it, which
 * follows the only argument in the context of fexit, and override or return the result.
 */
static size_t assemble(struct bpf_insn *program, const struct kind *kind, int map, int result)
{
	struct bpf_insn *next = program, *jump;

	*next++ = insn(BPF_ALU64 | BPF_MOV | BPF_X, BPF_REG_6, BPF_REG_1, 0, 0);
	*next++ = insn(BPF_ST | BPF_MEM | BPF_W, BPF_REG_10, 0, -4, 0);
	*next++ = insn(BPF_LD | BPF_DW | BPF_IMM, BPF_REG_1, BPF_PSEUDO_MAP_FD, 0, map);
	*next++ = insn(0, 0, 0, 0, 0);
	*next++ = insn(BPF_ALU64 | BPF_MOV | BPF_X, BPF_REG_2, BPF_REG_10, 0, 0);
	*next++ = insn(BPF_ALU64 | BPF_ADD | BPF_K, BPF_REG_2, 0, 0, -4);
	*next++ = insn(BPF_JMP | BPF_CALL, 0, 0, 0, BPF_FUNC_map_lookup_elem);
	jump = next;
	*next++ = insn(BPF_JMP | BPF_JEQ | BPF_K, BPF_REG_0, 0, 0, 0);
	*next++ = insn(BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_1, 0, 0, 1);
	*next++ = insn(BPF_STX | BPF_ATOMIC | BPF_DW, BPF_REG_0, BPF_REG_1,
		       offsetof(struct seen, calls), BPF_ADD);
	if (kind->attach == BPF_TRACE_FEXIT) {
		*next++ = insn(BPF_LDX | BPF_MEM | BPF_DW, BPF_REG_1, BPF_REG_6, 8, 0);
		*next++ = insn(BPF_STX | BPF_MEM | BPF_DW, BPF_REG_0, BPF_REG_1,
			       offsetof(struct seen, result), 0);
	}
	jump->off = next - jump - 1;
	if (kind->type == BPF_PROG_TYPE_KPROBE) {
		*next++ = insn(BPF_ALU64 | BPF_MOV | BPF_X, BPF_REG_1, BPF_REG_6, 0, 0);
		*next++ = insn(BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_2, 0, 0, result);
		*next++ = insn(BPF_JMP | BPF_CALL, 0, 0, 0, BPF_FUNC_override_return);
		result = 0;
	}
	*next++ = insn(BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_0, 0, 0, result);
	*next++ = insn(BPF_JMP | BPF_EXIT, 0, 0, 0, 0);
	return next - program;
}

static int load(const struct kind *kind, const char *function, int map, int result)
{
	LIBBPF_OPTS(bpf_prog_load_opts, opts);
	struct bpf_insn program[32];
	static char log[65536];
	size_t count;
	int fd;

	count = assemble(program, kind, map, result);
	if (kind->type == BPF_PROG_TYPE_TRACING) {
		int id = libbpf_find_vmlinux_btf_id(function, kind->attach);

		if (id < 0)
			errx(2, "no BTF of %s: %s", function, strerror(-id));
		opts.attach_btf_id = id;
		opts.expected_attach_type = kind->attach;
	}
	opts.log_buf = log;
	opts.log_size = sizeof(log);
	fd = bpf_prog_load(kind->type, "klp_bpf", "GPL", program, count, &opts);
	if (fd < 0)
		err(2, "the program is refused: %s", log);
	return fd;
}

/* Open a kprobe at the entry of the function, for the calls of all tasks on all CPUs. */
static int open_kprobe(const char *function)
{
	struct perf_event_attr attr = {
		.type = must_read_number("/sys/bus/event_source/devices/kprobe/type"),
		.size = sizeof(attr),
		.config1 = (unsigned long)function,
	};
	int fd;

	fd = syscall(SYS_perf_event_open, &attr, -1, 0, -1, PERF_FLAG_FD_CLOEXEC);
	if (fd < 0)
		err(2, "no kprobe at %s", function);
	return fd;
}

static int attach(const struct kind *kind, const char *function, int program)
{
	int fd;

	if (kind->type == BPF_PROG_TYPE_TRACING) {
		fd = bpf_link_create(program, 0, kind->attach, NULL);
		if (fd < 0)
			err(2, "%s of %s", kind->name, function);
		return fd;
	}
	fd = open_kprobe(function);
	if (ioctl(fd, PERF_EVENT_IOC_SET_BPF, program) || ioctl(fd, PERF_EVENT_IOC_ENABLE))
		err(2, "%s of %s", kind->name, function);
	return fd;
}

static const struct kind *find_kind(const char *name)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(kinds); i++) {
		if (!strcmp(kinds[i].name, name))
			return &kinds[i];
	}
	errx(2, "%s is no kind of program", name);
}

int main(int argc, char **argv)
{
	const struct kind *kind;
	int map, program, link;
	struct seen seen = { };
	uint32_t key = 0;
	char line[16];

	if (argc < 3)
		errx(2, "usage: klp_bpf KIND FUNCTION [RESULT]");
	setvbuf(stdout, NULL, _IOLBF, 0);
	kind = find_kind(argv[1]);
	map = bpf_map_create(BPF_MAP_TYPE_ARRAY, "klp_bpf", sizeof(key), sizeof(seen), 1, NULL);
	if (map < 0)
		err(2, "no map");
	program = load(kind, argv[2], map, argc > 3 ? atoi(argv[3]) : 0);
	link = attach(kind, argv[2], program);
	printf("attached\n");
	while (fgets(line, sizeof(line), stdin)) {
		if (bpf_map_lookup_elem(map, &key, &seen))
			err(2, "cannot read the map");
		printf("%llu %lld\n", (unsigned long long)seen.calls, (long long)seen.result);
		seen = (struct seen) { };
		if (bpf_map_update_elem(map, &key, &seen, BPF_ANY))
			err(2, "cannot write the map");
	}
	/* The reader of stdout waits for the end of the program. */
	close(link);
	return 0;
}
