#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Stacks that the architecture must refuse to walk, and stacks that it must not refuse. A patch of
# a function that is on no stack is completed only if all stacks can be read.

# shellcheck source-path=SCRIPTDIR source=klp-lib.sh
. "$(dirname "$0")/klp-lib.sh"
# shellcheck source-path=SCRIPTDIR source=klp-tasks-lib.sh
. "$(dirname "$0")/klp-tasks-lib.sh"

P=test_klp_patch
S=test_klp_stack

# address SYMBOL: find the symbol, or skip the test. Sets ADDRESS
address()
{
	ADDRESS=$(awk -v name="$1" '$3 == name { print "0x" $1; exit }' /proc/kallsyms)
	[ -n "$ADDRESS" ] || klp_skip "this kernel has no $1"
}

# record [PARAMETER...]: let a thread sleep below such a frame record. Sets KLP_HELD to its
# process id
record()
{
	local said

	[ "$(uname -m)" = aarch64 ] || klp_skip "no test for the frames of $(uname -m)"
	said=$(klp_insmod $S thread=1 hold=1 "$@")
	klp_expect "error of loading $S" "" "$said"
	KLP_HELD=$(< "$(klp_param $S thread_pid)")
	klp_until "the thread sleeps" klp_reads "$(klp_param $S held)" 1
}

# fault WHERE: let a task sleep in a page fault. Sets KLP_HELD to its process id
fault()
{
	klp_load $S hold=1
	klp_tool klp_fault
	"$KLP_TOOL" "$1" /proc/$S > "$KLP_TMP/fault" 2>&1 &
	KLP_HELD=$!
	echo "$KLP_HELD" >> "$KLP_TMP/pids"
	klp_until "the task sleeps" klp_reads "$(klp_param $S held)" 1
}

# expect_refused: check that the task cannot be switched before it has left its position
expect_refused()
{
	watch_tasks
	klp_load $P objects=vmlinux:cmdline
	expect_held $P "$KLP_HELD" 0 - unreliable
	klp_set "$(klp_param $S hold)" 0
	klp_wait_transition $P
}

# expect_walked: check that the task is switched in its position
expect_walked()
{
	klp_load $P objects=vmlinux:cmdline
	klp_wait_transition $P
	klp_expect_file "$(klp_param $S held)" 1
	klp_set "$(klp_param $S hold)" 0
}

# --- frame records --------------------------------------------------------------------------------

t_record()
{
	trap undo EXIT
	record
	expect_walked
}

t_record_missing()
{
	trap undo EXIT
	record fp_mask=0
	expect_refused
}

t_record_misaligned()
{
	trap undo EXIT
	record fp_offset=4
	expect_refused
}

t_record_elsewhere()
{
	trap undo EXIT
	address init_task
	record fp_mask=0 fp_offset="$ADDRESS"
	expect_refused
}

# 2^64 - 16: the record that contains it.
t_record_itself()
{
	trap undo EXIT
	record fp_offset=0xfffffffffffffff0
	expect_refused
}

# 2^64 - 64: a frame of a callee.
t_record_inwards()
{
	trap undo EXIT
	record fp_offset=0xffffffffffffffc0
	expect_refused
}

# --- return addresses -----------------------------------------------------------------------------

# refused_at SYMBOL [OFFSET]: check that a return address there is refused
refused_at()
{
	local at

	address "$1"
	printf -v at '0x%x' $((ADDRESS + ${2:-0}))
	record pc="$at"
	expect_refused
}

t_return_to_data()
{
	trap undo EXIT
	refused_at init_task
}

# A kretprobe that has no instance of this call.
t_return_kretprobe()
{
	trap undo EXIT
	refused_at __kretprobe_trampoline
}

# The function graph tracer has no entry of this call.
t_return_graph()
{
	trap undo EXIT
	refused_at return_to_handler
}

# The entry has been removed, and the caller is missing in the records.
t_return_graph_popped()
{
	trap undo EXIT
	refused_at return_to_handler_popped
}

# The entry code calls C code after an exception in the kernel.
t_return_to_entry()
{
	trap undo EXIT
	refused_at el1h_64_irq 8
}

# --- exceptions -----------------------------------------------------------------------------------

t_fault_of_user()
{
	trap undo EXIT
	fault user
	expect_walked
}

t_fault_in_kernel()
{
	trap undo EXIT
	fault kernel
	case $(uname -m) in
	# ORC has data for each instruction.
	x86_64)	expect_walked ;;
	*)	expect_refused ;;
	esac
}

klp_setup $P $S
klp_main \
	"record a frame record that leads to the next one is walked" \
	"record_missing a frame pointer of 0 is refused" \
	"record_misaligned a misaligned frame pointer is refused" \
	"record_elsewhere a frame record that is not on the stack is refused" \
	"record_itself a frame record that leads to itself is refused" \
	"record_inwards a frame record that leads to a callee is refused" \
	"return_to_data a return address that is not code is refused" \
	"return_kretprobe a return address that a kretprobe has lost is refused" \
	"return_graph a return address that the graph tracer has lost is refused" \
	"return_graph_popped a return address that the graph tracer has removed is refused" \
	"return_to_entry an exception in the kernel is refused" \
	"fault_of_user a task asleep in a page fault of its own is walked" \
	"fault_in_kernel a task asleep in a page fault of the kernel is refused, or walked by ORC"
