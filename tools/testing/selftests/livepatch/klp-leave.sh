#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# A livepatch module can be unloaded only when no task can run its code: in a function to which
# the new one has jumped, at the end of an exit, or in a version in which a forced transition has
# left a task. A blocked or failed transition leaves nothing behind.

# shellcheck source-path=SCRIPTDIR source=klp-lib.sh
. "$(dirname "$0")/klp-lib.sh"

P=test_klp_patch
P2=test_klp_patch2
P3=test_klp_patch3
L=test_klp_leave
T=test_klp_target
H=test_klp_hold
K=test_klp_kick

CMDLINE=$(< /proc/cmdline)
RT_RUNTIME=/proc/sys/kernel/sched_rt_runtime_us

# expect_waits PATCH STATE: check that its transition, with STATE in enabled, does not end in half
# a second
expect_waits()
{
	for _ in {1..25}; do
		klp_nap
		klp_expect_file "$KLP_SYSFS/$1/transition" 1
	done
	klp_expect_file "$KLP_SYSFS/$1/enabled" "$2"
}

# --- code that is not in the new function ---------------------------------------------------------

t_tail_disabled()
{
	klp_load $H
	klp_enable $P objects=$H:hold_tail
	klp_hold $P
	klp_set $KLP_SYSFS/$P/enabled 0
	expect_waits $P 0
	rmmod $P 2>&1 | grep -q 'in use' || klp_fail "rmmod does not say that $P is in use"
	klp_release $P
	klp_expect "what the task has read" $P "$KLP_SAID"
	klp_wait_gone $P
	klp_unload $P
}

t_tail_replaced()
{
	klp_load $H
	klp_enable $P objects=$H:hold_tail
	klp_hold $P
	klp_load $P2 objects=vmlinux:cmdline replace=1
	expect_waits $P2 1
	klp_release $P
	klp_wait_transition $P2
	klp_wait_gone $P
	klp_unload $P
	klp_disable $P2
	klp_unload $P2
}

# Code of a patch that stays does not block the transition of another patch.
t_tail_stacked()
{
	klp_load $H
	klp_enable $P objects=$H:hold_tail
	klp_hold $P
	klp_enable $P2 objects=vmlinux:cmdline
	klp_disable $P2
	klp_release $P
	klp_disable $P
}

# The thread cannot leave the text of the module before the exit of the module has run.
t_own_thread()
{
	klp_enable $L thread=1
	klp_disable $L
	klp_unload $L
	klp_enable $L thread=1
	klp_enable $P objects=vmlinux:version replace=1
	klp_wait_gone $L
	klp_unload $L
}

# --- tasks that exit ------------------------------------------------------------------------------

# hold_exiting [NR]: start NR tasks, or one, that sleep at the end of their exit in code of $L
hold_exiting()
{
	klp_tool klp_exit
	klp_set "$(klp_param $L hold)" 1
	"$KLP_TOOL" "${1:-1}" &
	echo $! >> "$KLP_TMP/pids"
	klp_until "${1:-1} tasks sleep at the end of their exit" \
		klp_reads "$(klp_param $L held)" "${1:-1}"
}

enable_exiting()
{
	[ "$(klp_insmod $L exiting=1 "$@")" = '' ] ||
		klp_skip "exit_task_stack_account() cannot be patched"
	klp_wait_transition $L
}

t_exiting_disabled()
{
	enable_exiting
	hold_exiting
	klp_mark
	klp_set $KLP_SYSFS/$L/enabled 0
	expect_waits $L 0
	klp_set "$(klp_param $L hold)" 0
	klp_wait_gone $L
	klp_expect_log <<-END
		$L: pre_unpatch
		livepatch: '$L': starting unpatching transition
		$L: post_unpatch, 0 held
		livepatch: '$L': unpatching complete
	END
	klp_unload $L
}

t_exiting_replaced()
{
	enable_exiting
	hold_exiting
	klp_load $P objects=vmlinux:cmdline replace=1
	expect_waits $P 1
	klp_set "$(klp_param $L hold)" 0
	klp_wait_transition $P
	klp_wait_gone $L
	klp_unload $L
}

t_exiting_reversed()
{
	enable_exiting persistent=1
	hold_exiting
	klp_set $KLP_SYSFS/$L/enabled 0
	expect_waits $L 0
	klp_set $KLP_SYSFS/$L/enabled 1
	klp_wait_transition $L
	klp_set $KLP_SYSFS/$L/enabled 0
	expect_waits $L 0
	klp_set "$(klp_param $L hold)" 0
	klp_wait_transition $L
	klp_unload $L
}

# More than half of the records in the stock of the core.
t_exiting_many()
{
	enable_exiting
	hold_exiting 1200
	klp_set $KLP_SYSFS/$L/enabled 0
	expect_waits $L 0
	klp_set "$(klp_param $L hold)" 0
	klp_wait_gone $L
	klp_unload $L
}

# --- forced transitions ---------------------------------------------------------------------------

# The task is left in the lower of two patches, and both are replaced.
t_forced_replaced()
{
	klp_load $H
	klp_enable $P objects=$H:hold
	klp_hold $P
	klp_load $P2 objects=$H:hold
	expect_waits $P2 1
	klp_set $KLP_SYSFS/$P2/force 1
	klp_wait_transition $P2
	klp_load $P3 objects=$H:hold replace=1
	expect_waits $P3 1
	klp_release $P
	klp_expect "what the task has read" $P "$KLP_SAID"
	klp_wait_transition $P3
	klp_wait_gone $P
	klp_wait_gone $P2
	klp_unload $P
	klp_unload $P2
}

# The task is left in the patch below the one that is disabled.
t_forced_disabled()
{
	klp_load $H
	klp_enable $P objects=$H:hold
	klp_hold $P
	klp_load $P2 objects=$H:hold
	klp_set $KLP_SYSFS/$P2/force 1
	klp_wait_transition $P2
	klp_disable $P2
	klp_set $KLP_SYSFS/$P/enabled 0
	expect_waits $P 0
	klp_release $P
	klp_wait_gone $P
	klp_unload $P
}

# --- init fails -----------------------------------------------------------------------------------

expect_init_failed()
{
	klp_expect_log <<-END
		livepatch: enabling patch '$L'
		$L: pre_patch
		livepatch: '$L': starting patching transition
		$L: post_patch
		livepatch: '$L': patching complete
		livepatch: module '$L' is being unloaded, disabling its patch
		$L: pre_unpatch
		livepatch: '$L': starting unpatching transition
		$L: post_unpatch, 0 held
		livepatch: '$L': unpatching complete
	END
	klp_expect "what is in $KLP_SYSFS" "" "$(klp_list $KLP_SYSFS)"
	klp_expect_file /proc/cmdline "$CMDLINE"
	klp_absent /sys/module/$L || klp_fail "$L is still loaded"
}

# load_held: load $L in the background. Its init waits with the patch enabled
load_held()
{
	insmod "${KLP_KO[$L]}" init_ret=-33 init_hold=1 "$@" > "$KLP_TMP/insmod" 2>&1 &
	KLP_LOADER=$!
	klp_until "$L has been enabled" klp_reads $KLP_SYSFS/$L/enabled 1
	klp_wait_transition $L
}

# expect_load_failed: wait for the load by load_held to fail with the errno of init
expect_load_failed()
{
	wait "$KLP_LOADER"
	klp_expect "error of loading" EDOM "$(klp_errno "$(< "$KLP_TMP/insmod")")"
}

t_init_fails()
{
	klp_mark
	klp_load_fails EDOM $L init_ret=-33
	expect_init_failed
	klp_load_fails EDOM $L init_ret=-33 persistent=1
	expect_init_failed
}

t_init_fails_held()
{
	local pid

	klp_mark
	load_held
	klp_hold $L /proc/cmdline
	pid=$KLP_HELD
	klp_set "$(klp_param $L init_hold)" 0
	klp_until "$L is being disabled" klp_reads $KLP_SYSFS/$L/enabled 0
	expect_waits $L 0
	klp_expect "error of writing 1" ENODEV "$(klp_write $KLP_SYSFS/$L/enabled 1)"
	klp_expect "error of forcing" ENODEV "$(klp_write $KLP_SYSFS/$L/force 1)"
	kill -0 $KLP_LOADER 2>/dev/null || klp_fail "the loader has not waited"
	# The module and its parameters may be removed as soon as the task continues.
	kill "$pid"
	expect_load_failed
	klp_log > /dev/null
	klp_expect "what is in $KLP_SYSFS" "" "$(klp_list $KLP_SYSFS)"
	klp_expect_file /proc/cmdline "$CMDLINE"
}

# The transition is not complete when init fails, so it is reversed.
t_init_fails_reversed()
{
	klp_load $H unreliable=1
	[ -e "$(klp_param $H unreliable)" ] || klp_skip "no stack is unreliable for this unwinder"
	klp_hold $H
	klp_mark
	klp_load_fails EDOM $L init_ret=-33
	klp_expect_log <<-END
		livepatch: enabling patch '$L'
		$L: pre_patch
		livepatch: '$L': starting patching transition
		livepatch: module '$L' is being unloaded, disabling its patch
		livepatch: '$L': starting unpatching transition
		$L: post_unpatch, 0 held
		livepatch: '$L': unpatching complete
	END
	klp_release $H
	klp_expect "what is in $KLP_SYSFS" "" "$(klp_list $KLP_SYSFS)"
	klp_absent /sys/module/$L || klp_fail "$L is still loaded"
}

# Force would leave the task in code that the loader frees. $P is loaded before: insmod reads
# /proc/cmdline.
t_init_fails_forced()
{
	klp_enable $P objects=vmlinux:version replace=1 persistent=1
	klp_disable_persistent $P
	load_held
	klp_hold $L /proc/cmdline
	klp_set $KLP_SYSFS/$L/enabled 0
	expect_waits $L 0
	klp_mark
	klp_expect "error of forcing" EBUSY "$(klp_write $KLP_SYSFS/$L/force 1)"
	klp_expect_log <<-END
		livepatch: patch '$L' cannot be forced: the init of module '$L' has not succeeded
	END
	klp_set $KLP_SYSFS/$L/enabled 1
	klp_wait_transition $L

	klp_set $KLP_SYSFS/$P/enabled 1
	expect_waits $P 1
	klp_expect "error of forcing" EBUSY "$(klp_write $KLP_SYSFS/$P/force 1)"
	klp_set "$(klp_param $L init_hold)" 0
	expect_waits $P 1
	klp_expect "error of forcing" EBUSY "$(klp_write $KLP_SYSFS/$P/force 1)"
	kill -0 $KLP_LOADER 2>/dev/null || klp_fail "the loader has not waited"
	# The module and its parameters may be removed as soon as the task continues.
	klp_set "$(klp_param $L hold)" 0
	expect_load_failed
	klp_wait_transition $P
	klp_expect "what is in $KLP_SYSFS" $P "$(klp_list $KLP_SYSFS)"
}

# Another patch is in transition when init fails.
t_init_fails_busy()
{
	klp_load $H
	klp_hold $H
	load_held
	klp_load $P objects=$H:hold
	expect_waits $P 1
	klp_set "$(klp_param $L init_hold)" 0
	expect_waits $P 1
	kill -0 $KLP_LOADER 2>/dev/null || klp_fail "the loader has not waited"
	klp_release $H
	expect_load_failed
	klp_wait_transition $P
	klp_expect "what is in $KLP_SYSFS" $P "$(klp_list $KLP_SYSFS)"
}

# Another patch that replaces it.
t_init_fails_replaced()
{
	load_held
	klp_enable $P objects=vmlinux:version replace=1
	klp_wait_gone $L
	klp_set "$(klp_param $L init_hold)" 0
	expect_load_failed
	klp_expect "what is in $KLP_SYSFS" $P "$(klp_list $KLP_SYSFS)"
	klp_expect_file /proc/cmdline "$CMDLINE"
}

# --- one function with two names ------------------------------------------------------------------

t_alias_stacked()
{
	klp_load $T
	klp_enable $P objects=$T:value
	klp_enable $P2 objects=$T:alias
	klp_expect_line $T value $P2
	klp_disable $P2
	klp_expect_line $T value $P
	klp_unload $P2
	klp_enable $P2 objects=$T:alias
	klp_disable $P
	klp_expect_line $T value $P2
	klp_disable $P2
	klp_expect_line $T value original
}

# The nop for one name must not be above the new function for the other name.
t_alias_replaced()
{
	klp_load $H
	klp_load $T
	klp_enable $P objects=$T:value,$H:hold
	klp_hold $P
	klp_load $P2 objects=$T:alias replace=1
	expect_waits $P2 1
	klp_expect_line $T value $P2
	klp_set $KLP_SYSFS/$P2/enabled 0
	klp_wait_gone $P2
	klp_expect_line $T value $P
	klp_unload $P2
	klp_load $P2 objects=$T:alias replace=1
	klp_release $P
	klp_wait_transition $P2
	klp_expect_line $T value $P2
	klp_disable $P2
	klp_expect_line $T value original
}

# Two nops of one function become one.
t_alias_nops()
{
	klp_load $T
	klp_enable $P objects=$T:value
	klp_enable $P2 objects=$T:alias
	klp_enable $P3 objects=vmlinux:cmdline replace=1
	klp_expect_line $T value original
	klp_wait_gone $P
	klp_wait_gone $P2
	klp_disable $P3
	klp_until "nothing is redirected" test -z "$(klp_redirected)"
}

# The module of both patches is loaded during the transition.
t_alias_late()
{
	klp_load $H
	klp_enable $P objects=$T:value,$H:hold
	klp_hold $P
	klp_load $P2 objects=$T:alias replace=1
	expect_waits $P2 1
	klp_load $T
	klp_expect_line $T value $P2
	klp_release $P
	klp_wait_transition $P2
	klp_expect_line $T value $P2
}

# --- ftrace ---------------------------------------------------------------------------------------

# Modules that are loaded after the patch. Their addresses are removed, or used again.
t_late_modules()
{
	for _ in {1..4}; do
		klp_enable $P objects=$T:value,${T}2:value,${T}3:value persistent=1
		klp_load $T
		klp_load ${T}2
		klp_load ${T}3
		klp_disable_persistent $P
		klp_enable_again $P
		klp_expect_line $T value $P
		klp_expect_line ${T}3 value $P
		klp_disable_persistent $P
		klp_expect_line $T value original
		klp_unload ${T}2
		klp_unload $T
		klp_unload $P
		klp_unload ${T}3
		klp_expect "redirected" "" "$(klp_redirected)"
	done
}

# --- the machine ----------------------------------------------------------------------------------

# A task that occupies a CPU in user space does not block the work of the core on that CPU.
t_fifo()
{
	local cpu runtime hog

	command -v chrt > /dev/null || klp_skip "there is no chrt"
	[ "$(nproc)" -ge 2 ] || klp_skip "there is one processor"
	runtime=$(< $RT_RUNTIME)
	# shellcheck disable=SC2064 # as it is now
	trap "echo $runtime > $RT_RUNTIME" EXIT
	for cpu in 0 1; do
		echo -1 > $RT_RUNTIME
		taskset -c $cpu chrt -f 50 bash -c 'while :; do :; done' &
		hog=$!
		echo $hog >> "$KLP_TMP/pids"
		klp_until "the task runs" grep -q '^policy.*: *1$' /proc/$hog/sched
		klp_enable $P objects=vmlinux:cmdline
		klp_expect_file /proc/cmdline $P
		klp_set $KLP_SYSFS/$P/enabled 0
		klp_wait_gone $P
		kill $hog
		wait $hog 2>/dev/null
		echo "$runtime" > $RT_RUNTIME
		klp_unload $P
	done
}

# kick_process() warns about a task that is current on an offline CPU. Only a kernel thread can be,
# and kernel threads need no kick. The thread is pending until cond_resched() switches it.
t_kick()
{
	local pid

	KLP_KO[$K]=$(klp_find_module $K)
	[ -f "${KLP_KO[$K]}" ] || klp_skip "no module $K: no kprobes on ftrace"
	klp_load $K
	klp_load $H nap=1
	pid=$(< "$(klp_param $H napper_pid)")
	klp_hold $H
	klp_load $P objects=$H:hold+nap
	klp_until "the kernel thread has switched" klp_reads "/proc/$pid/patch_state" 1
	klp_release $H
	klp_wait_transition $P
	klp_expect "kicked kernel threads" 0 "$(< "$(klp_param $K kthread_kicks)")"
	[ "$(< "$(klp_param $K task_kicks)")" -gt 0 ] || klp_fail "the sleeping task was not kicked"
}

# Tasks are current on a CPU that goes offline: they must not be kicked there.
t_hotplug()
{
	local online=/sys/devices/system/cpu/cpu1/online pid

	[ -w $online ] || klp_skip "no CPU can be switched off"
	(
		for _ in {1..8}; do
			echo 0 > $online
			echo 1 > $online
		done
	) &
	pid=$!
	echo $pid >> "$KLP_TMP/pids"
	klp_load $P objects=vmlinux:cmdline persistent=1
	while kill -0 $pid 2>/dev/null; do
		klp_write $KLP_SYSFS/$P/enabled 0 > /dev/null
		klp_write $KLP_SYSFS/$P/enabled 1 > /dev/null
	done
	wait $pid || klp_fail "a CPU could not be switched"
	klp_wait_transition $P
}

klp_setup $P $P2 $P3 $L $T ${T}2 ${T}3 $H

klp_main \
	"tail_disabled a task asleep in a helper that the new function has jumped to, disabled" \
	"tail_replaced the same, replaced" \
	"tail_stacked the same, and another patch is enabled and disabled" \
	"own_thread a thread of the livepatch does not block its patch" \
	"exiting_disabled a task asleep at the end of its exit, disabled" \
	"exiting_replaced the same, replaced" \
	"exiting_reversed the same, reversed and disabled again" \
	"exiting_many the same, with more tasks than records in stock" \
	"forced_replaced a task in the lower of two patches that are replaced" \
	"forced_disabled a task in the lower of two patches that are disabled" \
	"init_fails init fails when the patch has been enabled" \
	"init_fails_held the same, and a task is asleep in the new function" \
	"init_fails_reversed the same, and the transition is not complete" \
	"init_fails_forced force is refused for a module that is initializing" \
	"init_fails_busy the same, and another patch is in transition" \
	"init_fails_replaced the same, and another patch has replaced it" \
	"alias_stacked patches of one function by two names" \
	"alias_replaced a replace that uses the other name of a function" \
	"alias_nops a replace of two patches that use two names of a function" \
	"alias_late a function by two names in a module that is loaded during a replace" \
	"late_modules addresses of modules that are loaded later are removed or used again" \
	"fifo a task that occupies a CPU" \
	"kick kernel threads are not kicked" \
	"hotplug a CPU that goes offline and online in transitions"
