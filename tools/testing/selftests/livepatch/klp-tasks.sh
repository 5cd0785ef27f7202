#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Tasks in all positions that matter to a transition, and each preemption model.

# shellcheck source-path=SCRIPTDIR source=klp-lib.sh
. "$(dirname "$0")/klp-lib.sh"
# shellcheck source-path=SCRIPTDIR source=klp-tasks-lib.sh
. "$(dirname "$0")/klp-tasks-lib.sh"

P=test_klp_patch
P2=test_klp_patch2
P3=test_klp_patch3
H=test_klp_hold
C=test_klp_chain

BOTH=objects=vmlinux:cmdline,$T:value
CMDLINE=$(< /proc/cmdline)

# --- sleeping tasks -------------------------------------------------------------------------------

O=original

# expect_chain LEAF MIDDLE TOP: check the text that the held task has read, "-" for a missing line
expect_chain()
{
	local name line expected=''

	for name in leaf middle top; do
		line=$1
		shift
		[ "$line" = - ] || expected+="$name: $line"$'\n'
	done
	klp_expect "what the task that slept has read" "${expected%?}" "$KLP_SAID"
}

t_asleep_in()
{
	trap undo EXIT
	klp_load $C
	watch_tasks
	klp_hold $C /proc/$C
	# The check finds the right one of many functions.
	klp_load $P objects=$C:leaf+step+middle+vm_open
	expect_held $P "$KLP_HELD" 0 test_klp_chain_middle
	klp_release $C
	expect_chain $O $O $O
	klp_wait_transition $P

	klp_set "$EVENTS/trace" ''
	klp_hold $P /proc/$C
	klp_set $KLP_SYSFS/$P/enabled 0
	expect_held $P "$KLP_HELD" 1 test_klp_chain_middle
	klp_release $P
	expect_chain - $P $O
	klp_wait_gone $P
}

# Its stack contains an address outside of the function.
t_asleep_cold()
{
	trap undo EXIT
	klp_load $H cold=1
	grep -q ' test_klp_hold_wait\.cold' /proc/kallsyms ||
		klp_skip "the compiler has left the function in one piece"
	watch_tasks
	klp_hold $H
	klp_load $P objects=$H:hold
	expect_held $P "$KLP_HELD" 0 test_klp_hold_wait
	klp_release $H
	klp_expect "what the task that slept has read" original "$KLP_SAID"
	klp_wait_transition $P
}

# The task sleeps in a callee of the function that changes.
t_asleep_below()
{
	trap undo EXIT
	klp_load $C
	watch_tasks
	klp_hold $C /proc/$C
	klp_load $P objects=$C:top
	expect_held $P "$KLP_HELD" 0 test_klp_chain_top
	klp_release $C
	expect_chain $O $O $O
	klp_wait_transition $P

	klp_set "$EVENTS/trace" ''
	klp_hold $P /proc/$C
	klp_set $KLP_SYSFS/$P/enabled 0
	expect_held $P "$KLP_HELD" 1 test_klp_chain_top
	klp_release $P
	expect_chain - - $P
	klp_wait_gone $P
}

# The callee in which the task sleeps is patched already. An architecture may keep the return
# address of such a callee in another place than the stack frame of its caller.
t_asleep_below_patched()
{
	trap undo EXIT
	klp_load $C
	klp_enable $P objects=$C:middle
	watch_tasks
	klp_hold $P /proc/$C
	klp_load $P2 objects=$C:top
	expect_held $P2 "$KLP_HELD" 0 test_klp_chain_top
	klp_release $P
	expect_chain - $P $O
	klp_wait_transition $P2

	# The same when the caller is searched only.
	klp_disable $P2
	klp_unload $P2
	klp_hold $P /proc/$C
	klp_load $P2 objects=$C:leaf+~top
	expect_held $P2 "$KLP_HELD" 0 test_klp_chain_top
	klp_release $P
	expect_chain - $P $O
	klp_wait_transition $P2
}

# The task sleeps below two patched functions, one called by the other, and their caller changes.
# The functions of $H and $C are called in one chain: hold_show(), new_hold_chain() of $P, and
# new_top() of $P2.
t_asleep_below_two()
{
	trap undo EXIT
	klp_load $C
	klp_load $H
	klp_enable $P objects=$H:hold_chain
	klp_enable $P2 objects=$C:top
	watch_tasks
	klp_hold $P2
	klp_load $P3 objects=$C:leaf,$H:~hold_show
	expect_held $P3 "$KLP_HELD" 0 hold_show
	klp_set $KLP_SYSFS/$P3/enabled 0
	klp_wait_gone $P3
	klp_unload $P3

	# Only the function between them changes.
	klp_set "$EVENTS/trace" ''
	klp_load $P3 objects=$H:hold
	expect_held $P3 "$KLP_HELD" 0 test_klp_hold_wait
	klp_release $P2
	expect_chain - - $P2
	klp_wait_transition $P3
}

# The task sleeps in a patched function that returns to a function of a livepatch which is being
# disabled.
t_asleep_above_module()
{
	trap undo EXIT
	klp_load $C
	klp_load $H
	klp_enable $P objects=$H:hold_chain
	klp_enable $P2 objects=$C:top
	watch_tasks
	klp_hold $P2
	klp_set $KLP_SYSFS/$P/enabled 0
	expect_held $P "$KLP_HELD" 1 test_klp_hold_wait
	klp_release $P2
	expect_chain - - $P2
	klp_wait_gone $P
	klp_unload $P
}

# stop_passes: keep the core from checking tasks. The pre_patch of $P for $T holds klp_mutex and
# will refuse $T
stop_passes()
{
	klp_set "$(klp_param $P blocked)" 1
	klp_insmod $T > "$KLP_TMP/errno" &
	LOADER=$!
	klp_until "pre_patch waits" klp_reads "$(klp_param $P blocking)" 1
}

go_on_with_passes()
{
	klp_set "$(klp_param $P blocked)" 0
	wait "$LOADER"
	klp_expect "error of loading $T" EDOM "$(< "$KLP_TMP/errno")"
}

# expect_moved FROM MODULE HELD STATE: wake the task that FROM holds. It continues in the function
# of the module that has joined, where it is found. The parameter HELD of MODULE counts it there.
expect_moved()
{
	stop_passes
	klp_set "$(klp_param "$1" hold)" 0
	klp_until "the task sleeps in the module that has joined" \
		klp_reads "$(klp_param "$2" "$3")" 1
	klp_set "$EVENTS/trace" ''
	go_on_with_passes
	expect_held $P "$KLP_HELD" "$4" test_klp_chain_middle
}

# let_moved_go FROM MODULE GATE LINE...: wake the task, and check the text that it has read
let_moved_go()
{
	local file=$KLP_TMP/held.$1

	klp_set "$(klp_param "$2" "$3")" 0
	klp_until "the task has read its file" test -s "$file"
	shift 3
	klp_expect "what the task has read" "$(printf '%s\n' "$@")" "$(< "$file")"
}

# The function belongs to a module that was loaded during the transition. A pending task continues
# there from a function that was known from the beginning.
t_asleep_joined()
{
	trap undo EXIT
	klp_load $H chain=1
	watch_tasks
	klp_hold $H
	klp_load $P "objects=$H:hold,$C:leaf+middle,$T:value" block=pre_patch veto=$T
	expect_held $P "$KLP_HELD" 0 test_klp_hold_wait
	klp_load $C
	klp_set "$(klp_param $C hold)" 1
	expect_moved $H $C held 0
	# All lines are of the old version, although the patch was enabled before the module was
	# loaded.
	let_moved_go $H $C hold $O "leaf: $O" "middle: $O" "top: $O"
	klp_wait_transition $P
	klp_unload $C

	klp_set "$EVENTS/trace" ''
	klp_hold $P
	klp_set $KLP_SYSFS/$P/enabled 0
	expect_held $P "$KLP_HELD" 1 test_klp_hold_wait
	klp_load $C
	klp_set "$(klp_param $P middle_hold)" 1
	expect_moved $P $P middle_held 1
	let_moved_go $P $P middle_hold $P "middle: $P" "top: $O"
	klp_wait_gone $P
	# No task is in the code of the patch.
	klp_unload $P
}

# The task sleeps in a function that will call the one that changes.
t_asleep_above()
{
	local other caller

	trap undo EXIT
	klp_load $C
	klp_load $H
	watch_tasks
	klp_hold $C /proc/$C
	caller=$KLP_HELD
	# Another task blocks the transition, so that the state can be read.
	klp_hold $H
	other=$KLP_HELD
	klp_load $P objects=$C:leaf,$H:hold
	expect_held $P "$other" 0 test_klp_hold_wait
	klp_expect_file "/proc/$caller/patch_state" 1
	klp_expect "what happened to the caller" "switched stack" "$(fates "$caller")"
	klp_release $H
	klp_wait_transition $P
	klp_expect_file "$(klp_param $C held)" 1
	klp_release $C
	expect_chain $P $O $O

	klp_set "$EVENTS/trace" ''
	klp_hold $C /proc/$C
	caller=$KLP_HELD
	klp_hold $P
	other=$KLP_HELD
	klp_set $KLP_SYSFS/$P/enabled 0
	expect_held $P "$other" 1 test_klp_hold_wait
	klp_expect_file "/proc/$caller/patch_state" 0
	klp_expect "what happened to the caller" "switched stack" "$(fates "$caller")"
	klp_release $P
	klp_wait_gone $P
	klp_expect_file "$(klp_param $C held)" 1
	klp_release $C
	expect_chain $O $O $O
}

# --- preempted tasks ------------------------------------------------------------------------------

# preempt_setup: prepare a CPU without other tasks, and a task there that calls
# test_klp_chain_step() in a loop
preempt_setup()
{
	local server

	[ -r /proc/self/stack ] || klp_skip "no /proc/self/stack: CONFIG_STACKTRACE=y is needed"
	CPU=$(($(getconf _NPROCESSORS_ONLN) - 1))
	[ $CPU -gt 0 ] || klp_skip "one CPU is too few"
	klp_tool klp_hog
	set_model full

	# Otherwise tasks that are not real-time would get a share of the CPU.
	server=$SCHED/fair_server/cpu$CPU/runtime
	if [ -e "$server" ]; then
		FAIR="$server $(< "$server")"
		klp_set "$server" 0
	fi
	taskset -pc 0 $BASHPID > /dev/null || klp_skip "no taskset"

	klp_load $C spin=1
	watch_tasks
}

# preempt [HANDLER]: preempt a task that enters test_klp_chain_step(), in this handler or in
# the one that calls the list of handlers
preempt()
{
	cat /proc/test_klp_spin > /dev/null &
	VICTIM=$!
	echo $VICTIM >> "$KLP_TMP/pids"
	klp_until "the task calls the function" stepping $VICTIM
	: > "$KLP_TMP/hog"
	"$KLP_TOOL" "$CPU" $VICTIM "${1:-klp_redirect_(one_)?handler}|arch_ftrace_ops_list_func" \
		'test_klp_chain_step\+' > "$KLP_TMP/hog" 2>&1 &
	HOG=$!
	echo $HOG >> "$KLP_TMP/pids"
	klp_until "the task is preempted on its way" test -s "$KLP_TMP/hog"
	STACK=$(< "$KLP_TMP/hog")
	[[ $STACK = '[<'* ]] || klp_fail "$STACK"
	klp_set "$EVENTS/trace" ''
}

stepping()
{
	grep -q test_klp_chain_step "/proc/$1/stack" && ! klp_reads "$(klp_param $C steps)" 0
}

# expect_preempted PATCH STATE: check that the preempted task is not switched
expect_preempted()
{
	local function=test_klp_chain_step reason=sleeping

	# Without data for each instruction, the walk cannot continue behind an interrupt. Behind a
	# call of the scheduler it can.
	if [ "$(uname -m)" != x86_64 ]; then
		klp_until "a pass has looked at task $VICTIM" met_with 1 "$VICTIM"
		case $(fates "$VICTIM" | sort -u) in
		unreliable*)	function=- reason=unreliable ;;
		esac
	fi
	expect_held "$1" "$VICTIM" "$2" $function $reason
	klp_expect "stack of the preempted task" "$STACK" "$(< /proc/"$VICTIM"/stack)"
}

# let_go VERSION: let the task run. The transition ends, and the task calls this version
let_go()
{
	kill "$HOG"
	klp_until "the last task is switched" only_unswitched "[01]" ""
	klp_until "the task calls version $1" klp_reads "$(klp_param $C stepped)" "$1"
	klp_set "$(klp_param $C spin)" 0
	wait "$VICTIM"
}

t_preempted_unpatching()
{
	trap undo EXIT
	preempt_setup
	klp_enable $P objects=$C:step
	preempt
	klp_set $KLP_SYSFS/$P/enabled 0
	expect_preempted $P 1
	let_go 0
	klp_wait_gone $P
}

t_preempted_patching()
{
	trap undo EXIT
	preempt_setup
	klp_enable $P objects=$C:step
	preempt
	klp_load $P2 objects=$C:step
	expect_preempted $P2 0
	let_go 2
	klp_wait_transition $P2
}

t_preempted_replaced()
{
	trap undo EXIT
	preempt_setup
	klp_enable $P objects=$C:step
	preempt
	klp_load $P2 objects=$C:step replace=1
	expect_preempted $P2 0
	let_go 2
	klp_wait_transition $P2
	klp_wait_gone $P
	klp_unload $P
}

# The new patch does not change the function: the task calls the original.
t_preempted_dropped()
{
	trap undo EXIT
	preempt_setup
	klp_enable $P objects=$C:step
	preempt
	klp_load $P2 objects=vmlinux:cmdline replace=1
	expect_preempted $P2 0
	let_go 0
	klp_wait_transition $P2
	klp_wait_gone $P
	klp_unload $P
}

# Before a patch no task is in the handler of livepatch, but one may be in the handler of a
# tracer.
t_preempted_in_tracer()
{
	trap undo EXIT
	preempt_setup
	instance tracer
	klp_write "$INSTANCE/set_ftrace_filter" test_klp_chain_step > /dev/null
	klp_set "$INSTANCE/current_tracer" function
	preempt function_trace_call
	klp_load $P objects=$C:step
	expect_preempted $P 0
	let_go 1
	klp_wait_transition $P
}

# --- forks ----------------------------------------------------------------------------------------

# fork_start: start a task that forks and sleeps in the middle of the fork
fork_start()
{
	klp_tool klp_fork
	klp_set "$(klp_param $C fork_hold)" 1
	"$KLP_TOOL" /proc/$C /proc/cmdline > "$KLP_TMP/fork" 2>&1 &
	PARENT=$!
	echo $PARENT >> "$KLP_TMP/pids"
	klp_until "a task sleeps in fork" klp_reads "$(klp_param $C fork_held)" 1
}

both_have_read()
{
	[ "$(wc -l < "$KLP_TMP/fork")" -ge 2 ]
}

# fork_end TEXT: check that parent and child have read this. Sets CHILD to the pid of the child
fork_end()
{
	klp_set "$(klp_param $C fork_hold)" 0
	klp_until "parent and child have read the file" both_have_read
	CHILD=$(sed -n 's/^child \([0-9]*\):.*/\1/p' "$KLP_TMP/fork")
	klp_expect "what parent and child have read" "\
child $CHILD: $1
parent $PARENT: $1" "$(sort "$KLP_TMP/fork")"
}

# The child copied its parent before the transition, and the parent was switched afterwards.
t_fork_switched()
{
	trap undo EXIT
	klp_load $C
	klp_load $H
	watch_tasks
	klp_hold $H
	fork_start
	klp_load $P objects=vmlinux:cmdline,$H:hold
	klp_until "the parent is switched" klp_reads /proc/$PARENT/patch_state 1
	klp_expect "what happened to the parent" "switched stack" "$(fates $PARENT)"
	fork_end $P
	klp_expect_file "/proc/$CHILD/patch_state" 1
	klp_expect "what happened to the child" "switched fork" "$(fates "$CHILD")"
	klp_expect_file $KLP_SYSFS/$P/transition 1
	klp_release $H
	klp_wait_transition $P
	klp_expect_file "/proc/$CHILD/patch_state" -1
}

# The parent is in a function that changes: its child is pending as well.
t_fork_unswitched()
{
	trap undo EXIT
	klp_load $C
	watch_tasks
	fork_start
	klp_load $P objects=vmlinux:cmdline,$C:vm_open
	klp_until "a pass has looked at the parent" met_with 1 $PARENT
	klp_expect "what happened to the parent" "sleeping test_klp_chain_vm_open" \
		"$(fates $PARENT | sort -u)"
	klp_expect_file /proc/$PARENT/patch_state 0
	fork_end $P
	# The value depends on the order of the child and a pass. how=fork would be the target
	# state.
	klp_until "the child is switched" met_with 1 "$CHILD"
	case $(fates "$CHILD" | tail -n 1) in
	'switched exit' | 'switched stack')	;;
	*)	klp_fail "what happened to the child:" "$(fates "$CHILD")" ;;
	esac
	klp_wait_transition $P
	klp_expect_file "/proc/$CHILD/patch_state" -1
}

# The transition is reversed in the middle of the fork.
t_fork_reversed()
{
	trap undo EXIT
	klp_load $C
	klp_load $H
	watch_tasks
	klp_hold $H
	klp_load $P objects=vmlinux:cmdline,$H:hold
	klp_until "this shell is switched" klp_reads /proc/self/patch_state 1
	fork_start
	klp_expect_file /proc/$PARENT/patch_state 1
	# A second task, held in the new version, blocks the reversal as well.
	klp_set "$(klp_param $P hold)" 1
	cat /proc/$H > /dev/null &
	echo $! >> "$KLP_TMP/pids"
	klp_until "a task sleeps in $P" klp_reads "$(klp_param $P held)" 1
	klp_set $KLP_SYSFS/$P/enabled 0
	klp_until "the parent is switched back" klp_reads /proc/$PARENT/patch_state 0
	fork_end "$CMDLINE"
	klp_expect_file "/proc/$CHILD/patch_state" 0
	klp_expect "what happened to the child" "switched fork" "$(fates "$CHILD")"
	klp_set "$(klp_param $P hold)" 0
	klp_wait_gone $P
	klp_expect_file "/proc/$CHILD/patch_state" -1
}

# --- preemption models ----------------------------------------------------------------------------

# try_model MODEL
try_model()
{
	trap undo EXIT
	set_model "$1"
	klp_load $T
	klp_enable $P $BOTH
	expect_versions $P $P
	klp_disable $P
	expect_versions "$CMDLINE" original
	klp_unload $P

	klp_load $H nap=1
	klp_enable $P objects=$H:nap
	klp_disable $P
}

t_model_none()
{
	try_model none
}

t_model_voluntary()
{
	try_model voluntary
}

t_model_full()
{
	try_model full
}

klp_setup $P $P2 $P3 $T $H $C

klp_main \
	"asleep_in a task asleep in the function is not switched" \
	"asleep_cold a task asleep in the cold part of the function is not switched" \
	"asleep_below a task asleep in a callee of the function is not switched" \
	"asleep_below_patched a task asleep in a patched callee of the function is not switched" \
	"asleep_below_two a task asleep below two patched functions, whose caller changes" \
	"asleep_above_module a task that returns from a patched function to a disabled livepatch" \
	"asleep_joined a task asleep in the function of a module that has joined is not switched" \
	"asleep_above a task asleep in a caller of the function is switched" \
	"preempted_unpatching a task preempted in the handler is not switched, unpatching" \
	"preempted_patching a task preempted in the handler is not switched, patching" \
	"preempted_replaced a task preempted in the handler is not switched, replacing" \
	"preempted_dropped a task preempted in the handler is not switched, back to the original" \
	"preempted_in_tracer a task preempted in a tracer's handler is not switched" \
	"fork_switched a child gets the new state of its parent" \
	"fork_unswitched a child of a pending task is pending" \
	"fork_reversed a child is created after the transition has been reversed" \
	"model_none transitions under preempt=none" \
	"model_voluntary transitions under preempt=voluntary" \
	"model_full transitions under preempt=full"
