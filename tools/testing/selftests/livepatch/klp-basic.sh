#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The life of a livepatch: loading, order of callbacks, loading and unloading of targets, tasks
# that block a transition, reversal, force, disabling.

# shellcheck source-path=SCRIPTDIR source=klp-lib.sh
. "$(dirname "$0")/klp-lib.sh"

P=test_klp_patch
P2=test_klp_patch2
P3=test_klp_patch3
T=test_klp_target
H=test_klp_hold

# Functions that most tests patch. The held task blocks the transition of a patch of H.
ALL=objects=vmlinux:cmdline,$T:value,$H:hold

CMDLINE=$(< /proc/cmdline)

# expect_line NAME TEXT: check the line of that name in the file of the target
expect_line()
{
	klp_expect_line $T "$@"
}

t_callbacks()
{
	klp_load $T
	klp_load $H
	klp_mark
	klp_enable $P $ALL
	klp_expect_log <<-END
		livepatch: enabling patch '$P'
		$P: pre_patch vmlinux
		$P: pre_patch $T (live)
		$P: pre_patch $H (live)
		livepatch: '$P': starting patching transition
		$P: post_patch vmlinux
		$P: post_patch $T (live)
		$P: post_patch $H (live)
		livepatch: '$P': patching complete
	END
	klp_expect_file /proc/cmdline $P
	klp_expect_file /proc/$H $P
	expect_line value $P
	expect_line extra original

	klp_disable $P
	klp_expect_log <<-END
		$P: pre_unpatch vmlinux
		$P: pre_unpatch $T (live)
		$P: pre_unpatch $H (live)
		livepatch: '$P': starting unpatching transition
		$P: post_unpatch vmlinux
		$P: post_unpatch $T (live)
		$P: post_unpatch $H (live)
		livepatch: '$P': unpatching complete
	END
	klp_expect_file /proc/cmdline "$CMDLINE"
	klp_expect_file /proc/$H original
	expect_line value original
	klp_unload $P
}

t_no_callbacks()
{
	klp_load $T
	klp_mark
	klp_enable $P callbacks=0
	expect_line value $P
	klp_disable $P
	expect_line value original
	klp_expect_log <<-END
		livepatch: enabling patch '$P'
		livepatch: '$P': starting patching transition
		livepatch: '$P': patching complete
		livepatch: '$P': starting unpatching transition
		livepatch: '$P': unpatching complete
	END
}

t_no_functions()
{
	klp_load $T
	klp_mark
	klp_enable $P objects=vmlinux:,$T:
	klp_expect "functions that are redirected" "" "$(klp_redirected)"
	klp_expect_file $KLP_SYSFS/$P/$T/patched 1
	klp_disable $P
	klp_expect_log <<-END
		livepatch: enabling patch '$P'
		$P: pre_patch vmlinux
		$P: pre_patch $T (live)
		livepatch: '$P': starting patching transition
		$P: post_patch vmlinux
		$P: post_patch $T (live)
		livepatch: '$P': patching complete
		$P: pre_unpatch vmlinux
		$P: pre_unpatch $T (live)
		livepatch: '$P': starting unpatching transition
		$P: post_unpatch vmlinux
		$P: post_unpatch $T (live)
		livepatch: '$P': unpatching complete
	END
}

t_again()
{
	klp_enable $P objects=vmlinux:cmdline
	klp_disable $P
	klp_unload $P
	klp_enable $P objects=vmlinux:cmdline
	klp_expect_file /proc/cmdline $P
}

t_sysfs()
{
	local dir=$KLP_SYSFS/$P

	klp_load $T
	klp_load $H
	klp_hold $H
	klp_load $P objects=vmlinux:cmdline,$T:value+second,$H:hold,test_klp_absent:extra
	klp_expect_file $dir/enabled 1
	klp_expect_file $dir/transition 1
	klp_release $H
	klp_wait_transition $P

	klp_expect_file $dir/enabled 1
	klp_expect_file $dir/replace 0
	klp_expect_file $dir/vmlinux/patched 1
	klp_expect_file $dir/$T/patched 1
	klp_expect_file $dir/test_klp_absent/patched 0
	klp_expect "folders of functions" \
		"test_klp_absent/test_klp_target_extra,1 $H/test_klp_hold_wait,1\
 $T/test_klp_target_twin,2 $T/test_klp_target_value,1 vmlinux/cmdline_proc_show,1" \
		"$(cd $dir && find . -mindepth 2 -type d -printf '%P\n' | sort | paste -sd ' ')"
	klp_expect "rights of the files" "enabled:644 force:200 replace:444 transition:444" \
		"$(cd $dir && stat -c %n:%a enabled force replace transition | paste -sd ' ')"

	klp_disable $P
	klp_expect "what is left in $KLP_SYSFS" "" "$(klp_list $KLP_SYSFS)"
}

t_stack_order()
{
	klp_enable $P objects=vmlinux:cmdline
	klp_expect "rights" 444 "$(stat -c %a $KLP_SYSFS/$P/stack_order 2>&1)"
	klp_enable $P2 objects=vmlinux:cmdline
	klp_enable $P3 objects=vmlinux:version
	klp_expect_file $KLP_SYSFS/$P/stack_order 1
	klp_expect_file $KLP_SYSFS/$P2/stack_order 2
	klp_expect_file $KLP_SYSFS/$P3/stack_order 3
	klp_disable $P2
	klp_expect_file $KLP_SYSFS/$P/stack_order 1
	klp_expect_file $KLP_SYSFS/$P3/stack_order 2
	klp_unload $P2
	klp_enable $P2 objects=vmlinux:cmdline replace=1
	klp_wait_gone $P
	klp_wait_gone $P3
	klp_expect_file $KLP_SYSFS/$P2/stack_order 1
}

t_taint()
{
	klp_enable $P objects=vmlinux:cmdline
	klp_expect "bit 15 of the kernel's taint" 1 $(($(< /proc/sys/kernel/tainted) >> 15 & 1))
	[[ $(< /sys/module/$P/taint) = *K* ]] ||
		klp_fail "no K in the module's taint: $(< /sys/module/$P/taint)"
}

t_reference()
{
	klp_enable $P objects=vmlinux:cmdline
	klp_expect_file /sys/module/$P/refcnt 1
	klp_expect "removing the module of an enabled patch" "rmmod: ERROR: Module $P is in use" \
		"$(rmmod $P 2>&1)"
	klp_disable $P
	klp_unload $P
	klp_expect "removed" "" "$(klp_leftovers)"
}

t_redirected()
{
	klp_load $T
	klp_expect "redirected before" "" "$(klp_redirected)"
	klp_enable $P objects=vmlinux:cmdline+version,$T:value
	klp_expect "redirected" "cmdline_proc_show test_klp_target_value version_proc_show" \
		"$(klp_redirected)"
	klp_disable $P
	klp_expect "redirected after" "" "$(klp_redirected)"
}

t_ftrace_enabled()
{
	klp_enable $P objects=vmlinux:cmdline
	klp_expect "turning ftrace off under a patch" EBUSY \
		"$(klp_write /proc/sys/kernel/ftrace_enabled 0)"
	klp_expect_file /proc/sys/kernel/ftrace_enabled 1
	klp_expect_file /proc/cmdline $P
	klp_disable $P
	klp_set /proc/sys/kernel/ftrace_enabled 0
	klp_set /proc/sys/kernel/ftrace_enabled 1
}

# --- loading and unloading of targets -------------------------------------------------------------

t_target_later()
{
	klp_enable $P
	klp_expect_file $KLP_SYSFS/$P/$T/patched 0
	klp_mark
	klp_load $T
	klp_expect_log <<-END
		livepatch: applying patch '$P' to loading module '$T'
		$P: pre_patch $T (coming)
		$P: post_patch $T (coming)
		$T: init
	END
	klp_expect_file $KLP_SYSFS/$P/$T/patched 1
	expect_line value $P

	klp_disable $P
	klp_expect_log <<-END
		$P: pre_unpatch vmlinux
		$P: pre_unpatch $T (live)
		livepatch: '$P': starting unpatching transition
		$P: post_unpatch vmlinux
		$P: post_unpatch $T (live)
		livepatch: '$P': unpatching complete
	END
	expect_line value original
}

t_target_leaves()
{
	klp_load $T
	klp_enable $P
	klp_mark
	klp_unload $T
	klp_expect_log <<-END
		$T: exit
		$P: pre_unpatch $T (going)
		livepatch: reverting patch '$P' on unloading module '$T'
		$P: post_unpatch $T (going)
	END
	klp_expect_file $KLP_SYSFS/$P/$T/patched 0
	klp_expect "redirected" cmdline_proc_show "$(klp_redirected)"

	# The target can be loaded any number of times.
	klp_load $T
	expect_line value $P
	klp_unload $T
	klp_mark
	klp_disable $P
	klp_expect_log <<-END
		$P: pre_unpatch vmlinux
		livepatch: '$P': starting unpatching transition
		$P: post_unpatch vmlinux
		livepatch: '$P': unpatching complete
	END
}

t_target_joins_patching()
{
	klp_load $H
	klp_hold $H
	klp_load $P $ALL
	klp_mark
	klp_load $T
	klp_expect_log <<-END
		livepatch: applying patch '$P' to loading module '$T'
		$P: pre_patch $T (coming)
		$T: init
	END
	klp_expect_file $KLP_SYSFS/$P/transition 1
	klp_release $H
	klp_wait_transition $P
	klp_expect_log <<-END
		$P: post_patch vmlinux
		$P: post_patch $T (live)
		$P: post_patch $H (live)
		livepatch: '$P': patching complete
	END
	expect_line value $P
}

# --- transitions ----------------------------------------------------------------------------------

t_asleep()
{
	local state

	klp_load $H
	klp_hold $H
	klp_expect_file /proc/$KLP_HELD/patch_state -1
	klp_load $P objects=$H:hold

	# All other tasks are switched: this shell returns to user space often.
	state=$BASHPID
	klp_until "this shell has switched" klp_reads /proc/$state/patch_state 1
	klp_until "the first process has switched" klp_reads /proc/1/patch_state 1
	klp_expect_file /proc/$KLP_HELD/patch_state 0
	klp_expect_file $KLP_SYSFS/$P/transition 1
	klp_expect "what another task reads" $P "$(< /proc/$H)"

	klp_release $H
	klp_expect "what the task that slept has read" original "$KLP_SAID"
	klp_wait_transition $P
	klp_expect_file /proc/$state/patch_state -1
}

t_asleep_unpatching()
{
	klp_load $H
	klp_enable $P objects=$H:hold
	klp_hold $P
	klp_set $KLP_SYSFS/$P/enabled 0
	klp_expect_file $KLP_SYSFS/$P/enabled 0
	klp_until "the first process has switched" klp_reads /proc/1/patch_state 0
	klp_expect_file /proc/$KLP_HELD/patch_state 1
	klp_expect_file $KLP_SYSFS/$P/transition 1
	klp_expect_file $KLP_SYSFS/$P/$H/patched 1

	klp_release $P
	klp_expect "what the task that slept has read" $P "$KLP_SAID"
	klp_wait_gone $P
	klp_expect_file /proc/$H original
}

# Each check finds the task asleep in the function: only cond_resched() can switch it.
t_cond_resched()
{
	local pid

	klp_load $H nap=1
	pid=$(< "$(klp_param $H napper_pid)")
	klp_hold $H
	klp_load $P objects=$H:hold+nap
	klp_until "the kernel thread has switched" klp_reads "/proc/$pid/patch_state" 1
	klp_expect_file $KLP_SYSFS/$P/transition 1
	klp_release $H
	klp_wait_transition $P
}

t_reverse_patching()
{
	klp_load $H
	klp_hold $H
	klp_load $P objects=vmlinux:cmdline,$H:hold
	klp_expect_log <<-END
		livepatch: enabling patch '$P'
		$P: pre_patch vmlinux
		$P: pre_patch $H (live)
		livepatch: '$P': starting patching transition
	END
	klp_set $KLP_SYSFS/$P/enabled 0
	klp_wait_gone $P
	klp_expect_log <<-END
		livepatch: '$P': starting unpatching transition
		$P: post_unpatch vmlinux
		$P: post_unpatch $H (live)
		livepatch: '$P': unpatching complete
	END
	klp_release $H
	klp_expect "what the task that slept has read" original "$KLP_SAID"
	klp_unload $P
}

t_force()
{
	klp_load $H
	klp_hold $H
	klp_load $P objects=vmlinux:cmdline,$H:hold
	klp_mark
	klp_set $KLP_SYSFS/$P/force 1
	klp_wait_transition $P
	klp_expect_log <<-END
		livepatch: forcing remaining tasks to the patched state
		$P: post_patch vmlinux
		$P: post_patch $H (live)
		livepatch: '$P': patching complete
	END
	klp_release $H
	klp_expect "what the task that slept has read" original "$KLP_SAID"

	# No task can be in the code of a patch that was enabled by force: its module can be
	# unloaded.
	klp_disable $P
	klp_unload $P
}

t_force_unpatching()
{
	local f=test_klp_forced

	[ ! -e /sys/module/$f ] || klp_skip "only once after each boot: $f is there for good"
	klp_load $H
	klp_enable $f objects=vmlinux:cmdline,$H:hold
	klp_hold $f
	klp_set $KLP_SYSFS/$f/enabled 0
	klp_mark
	klp_set $KLP_SYSFS/$f/force 1
	klp_wait_gone $f
	klp_expect_log <<-END
		livepatch: forcing remaining tasks to the patched state
		$f: post_unpatch vmlinux
		$f: post_unpatch $H (live)
		livepatch: '$f': unpatching complete
	END
	klp_expect_file /proc/cmdline "$CMDLINE"

	# The task is still in the code and is not checked again: the module must stay.
	klp_release $f
	klp_expect "what the task that slept has read" $f "$KLP_SAID"
	klp_expect_file /sys/module/$f/refcnt 1
}

t_signal()
{
	klp_load $H interruptible=1
	klp_hold $H
	klp_mark
	klp_load $P objects=$H:hold
	# The read is restarted, in the new function.
	klp_wait_transition $P
	klp_expect_log <<-END
		livepatch: enabling patch '$P'
		$P: pre_patch $H (live)
		livepatch: '$P': starting patching transition
		livepatch: signaling remaining tasks
		$P: post_patch $H (live)
		livepatch: '$P': patching complete
	END
	klp_release $H
	klp_expect "what the task that slept has read" $P "$KLP_SAID"
}

# Only the signal wakes the kernel thread. Then it calls cond_resched().
t_signal_kthread()
{
	local pid

	klp_load $H nap=1 doze=1
	pid=$(< "$(klp_param $H napper_pid)")
	klp_until "the kernel thread dozes" grep -q '^State:.S' "/proc/$pid/status"
	klp_mark
	klp_load $P objects=$H:nap
	klp_until "the first process has switched" klp_reads /proc/1/patch_state 1
	klp_expect_file "/proc/$pid/patch_state" 0
	klp_wait_transition $P
	klp_expect_log <<-END
		livepatch: enabling patch '$P'
		$P: pre_patch $H (live)
		livepatch: '$P': starting patching transition
		livepatch: signaling remaining tasks
		$P: post_patch $H (live)
		livepatch: '$P': patching complete
	END
	klp_disable $P
}

klp_setup $P $P2 $P3 $T $H test_klp_forced

klp_main \
	"callbacks all four callbacks of each object, in order" \
	"no_callbacks a patch without callbacks" \
	"no_functions objects with callbacks and without functions" \
	"again a patch is loaded, disabled, unloaded and loaded again" \
	"sysfs files in sysfs: names, modes, values" \
	"stack_order stack_order counts enabled patches from the oldest" \
	"taint the kernel and the module are tainted" \
	"reference an enabled patch keeps its module" \
	"redirected ftrace lists the functions while they are patched" \
	"ftrace_enabled ftrace cannot be disabled while a function is patched" \
	"target_later target loaded after the patch" \
	"target_leaves target unloaded under the patch, and loaded again" \
	"target_joins_patching target loaded during a patching transition" \
	"asleep a task asleep in the function is switched after it has left" \
	"asleep_unpatching a task asleep in the new function is switched back after it has left" \
	"cond_resched a kernel thread asleep in a patched function is switched in cond_resched()" \
	"reverse_patching patching reversed" \
	"force patching forced" \
	"signal an interruptible sleeper is signalled and switched" \
	"signal_kthread an interruptible kernel thread is woken and switched" \
	"force_unpatching unpatching forced: the module stays"
