#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The life of a livepatch: load, callbacks in order, targets that come and go, tasks that keep a
# transition from ending, reverse, force, replace, veto, disable.

# shellcheck source-path=SCRIPTDIR source=klp-lib.sh
. "$(dirname "$0")/klp-lib.sh"

P=test_klp_patch
P2=test_klp_patch2
P3=test_klp_patch3
T=test_klp_target
H=test_klp_hold

# Functions that most tests patch.  A transition of what has H in it waits for the held task.
ALL=objects=vmlinux:cmdline,$T:value,$H:hold

CMDLINE=$(< /proc/cmdline)
VERSION=$(< /proc/version)

# expect_line NAME TEXT: what the line of that name in the target's file says
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

t_no_pre_patch()
{
	klp_mark
	klp_enable $P objects=vmlinux:cmdline callbacks=8
	klp_disable $P
	klp_expect_log <<-END
		livepatch: enabling patch '$P'
		livepatch: '$P': starting patching transition
		livepatch: '$P': patching complete
		livepatch: '$P': starting unpatching transition
		$P: post_unpatch vmlinux
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

# --- targets that come and go -------------------------------------------------------------------

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

	# And comes back, as often as it likes.
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

t_target_leaves_patching()
{
	klp_load $T
	klp_load $H
	klp_hold $H
	klp_load $P $ALL
	klp_mark
	klp_unload $T
	klp_expect_log <<-END
		$T: exit
		livepatch: reverting patch '$P' on unloading module '$T'
		$P: post_unpatch $T (going)
	END
	klp_release $H
	klp_wait_transition $P
	klp_expect_log <<-END
		$P: post_patch vmlinux
		$P: post_patch $H (live)
		livepatch: '$P': patching complete
	END
}

t_target_joins_unpatching()
{
	klp_load $H
	klp_enable $P $ALL
	klp_hold $P
	klp_set $KLP_SYSFS/$P/enabled 0
	klp_mark
	klp_load $T
	klp_expect_log <<-END
		livepatch: applying patch '$P' to loading module '$T'
		$P: pre_patch $T (coming)
		$T: init
	END
	klp_release $P
	klp_wait_gone $P
	klp_expect_log <<-END
		$P: post_unpatch vmlinux
		$P: post_unpatch $T (live)
		$P: post_unpatch $H (live)
		livepatch: '$P': unpatching complete
	END
	expect_line value original
}

t_target_leaves_unpatching()
{
	klp_load $T
	klp_load $H
	klp_enable $P $ALL
	klp_hold $P
	klp_set $KLP_SYSFS/$P/enabled 0
	klp_mark
	klp_unload $T
	klp_expect_log <<-END
		$T: exit
		livepatch: reverting patch '$P' on unloading module '$T'
		$P: post_unpatch $T (going)
	END
	klp_release $P
	klp_wait_gone $P
	klp_expect_log <<-END
		$P: post_unpatch vmlinux
		$P: post_unpatch $H (live)
		livepatch: '$P': unpatching complete
	END
}

t_target_joins_then_reversed()
{
	klp_load $H
	klp_hold $H
	klp_load $P $ALL
	klp_load $T
	klp_mark
	klp_set $KLP_SYSFS/$P/enabled 0
	klp_wait_gone $P
	klp_expect_log <<-END
		livepatch: '$P': starting unpatching transition
		$P: post_unpatch vmlinux
		$P: post_unpatch $T (live)
		$P: post_unpatch $H (live)
		livepatch: '$P': unpatching complete
	END
	expect_line value original
}

# --- transitions --------------------------------------------------------------------------------

t_asleep()
{
	local state

	klp_load $H
	klp_hold $H
	klp_expect_file /proc/$KLP_HELD/patch_state -1
	klp_load $P objects=$H:hold

	# Everybody else goes first: this shell is back in user space often enough.
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

# It is found asleep in the function, again and again: only it can switch itself.
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

t_reverse_unpatching()
{
	klp_load $H
	klp_enable $P objects=vmlinux:cmdline,$H:hold
	klp_hold $P
	klp_mark
	klp_set $KLP_SYSFS/$P/enabled 0
	klp_set $KLP_SYSFS/$P/enabled 1
	klp_wait_transition $P
	klp_expect_log <<-END
		$P: pre_unpatch vmlinux
		$P: pre_unpatch $H (live)
		livepatch: '$P': starting unpatching transition
		livepatch: '$P': starting patching transition
		$P: post_patch vmlinux
		$P: post_patch $H (live)
		livepatch: '$P': patching complete
	END
	klp_expect_file $KLP_SYSFS/$P/enabled 1
	klp_release $P
	klp_disable $P
	klp_expect_log <<-END
		$P: pre_unpatch vmlinux
		$P: pre_unpatch $H (live)
		livepatch: '$P': starting unpatching transition
		$P: post_unpatch vmlinux
		$P: post_unpatch $H (live)
		livepatch: '$P': unpatching complete
	END
}

t_reverse_twice()
{
	klp_load $H
	klp_hold $H
	klp_load $P objects=vmlinux:cmdline,$H:hold
	# A task of either state, each in the way of one direction.
	klp_hold $P
	klp_mark
	klp_set $KLP_SYSFS/$P/enabled 0
	klp_expect_file $KLP_SYSFS/$P/transition 1
	klp_set $KLP_SYSFS/$P/enabled 1
	klp_expect_file $KLP_SYSFS/$P/transition 1
	klp_release $H
	klp_wait_transition $P
	klp_expect_log <<-END
		livepatch: '$P': starting unpatching transition
		livepatch: '$P': starting patching transition
		$P: post_patch vmlinux
		$P: post_patch $H (live)
		livepatch: '$P': patching complete
	END
	klp_expect_file /proc/cmdline $P
	klp_release $P
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

	# Nobody can be left in a patch that was forced in: it may go.
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

	# The task is still in there, and nobody will ever look again: the module must stay.
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
	# The read starts over, in the new function.
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

# Nobody else would wake the kernel thread.  Once awake, it gets to a cond_resched().
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

# --- several patches ----------------------------------------------------------------------------

t_stack()
{
	klp_load $T
	klp_enable $P objects=vmlinux:cmdline,$T:value+extra
	klp_enable $P2 objects=vmlinux:cmdline,$T:value
	klp_expect_file /proc/cmdline $P2
	expect_line value $P2
	expect_line extra $P
	klp_disable $P2
	klp_expect_file /proc/cmdline $P
	expect_line value $P
	klp_disable $P
	klp_expect_file /proc/cmdline "$CMDLINE"
	expect_line value original
}

t_stack_lower_first()
{
	klp_load $T
	klp_enable $P objects=vmlinux:cmdline,$T:value+extra
	klp_enable $P2 objects=vmlinux:cmdline,$T:value
	klp_disable $P
	klp_expect_file /proc/cmdline $P2
	expect_line value $P2
	expect_line extra original
	klp_disable $P2
	klp_expect_file /proc/cmdline "$CMDLINE"
	expect_line value original
}

t_stack_target_later()
{
	klp_enable $P objects=$T:value
	klp_enable $P2 objects=$T:value
	klp_mark
	klp_load $T
	klp_unload $T
	klp_expect_log <<-END
		livepatch: applying patch '$P' to loading module '$T'
		$P: pre_patch $T (coming)
		$P: post_patch $T (coming)
		livepatch: applying patch '$P2' to loading module '$T'
		$P2: pre_patch $T (coming)
		$P2: post_patch $T (coming)
		$T: init
		$T: exit
		$P: pre_unpatch $T (going)
		livepatch: reverting patch '$P' on unloading module '$T'
		$P: post_unpatch $T (going)
		$P2: pre_unpatch $T (going)
		livepatch: reverting patch '$P2' on unloading module '$T'
		$P2: post_unpatch $T (going)
	END
	klp_load $T
	expect_line value $P2
}

t_replace()
{
	klp_load $T
	klp_load $H
	klp_enable $P objects=vmlinux:cmdline+version,$T:value+extra,$H:hold
	klp_enable $P2 objects=vmlinux:version
	klp_mark
	klp_enable $P3 objects=vmlinux:cmdline,$T:value replace=1
	klp_wait_gone $P
	klp_wait_gone $P2
	klp_expect_log <<-END
		livepatch: enabling patch '$P3'
		$P3: pre_patch vmlinux
		$P3: pre_patch $T (live)
		livepatch: '$P3': starting patching transition
		$P3: post_patch vmlinux
		$P3: post_patch $T (live)
		livepatch: '$P3': patching complete
	END
	klp_expect_file $KLP_SYSFS/$P3/replace 1
	klp_expect_file /proc/cmdline $P3
	klp_expect_file /proc/version "$VERSION"
	klp_expect_file /proc/$H original
	expect_line value $P3
	expect_line extra original
	klp_expect "redirected" "cmdline_proc_show test_klp_target_value" "$(klp_redirected)"
	klp_expect "folders of the patch" "$T vmlinux" \
		"$(cd $KLP_SYSFS/$P3 && echo */ | tr -d /)"
	klp_unload $P
	klp_unload $P2

	klp_disable $P3
	klp_expect_file /proc/cmdline "$CMDLINE"
	expect_line value original
}

t_replace_during()
{
	klp_load $T
	klp_load $H
	klp_enable $P objects=vmlinux:version,$H:hold
	klp_hold $P
	klp_load $P2 objects=vmlinux:cmdline replace=1

	# Those that have switched see the original, which the new patch does not change.
	klp_until "this shell has switched" klp_reads /proc/self/patch_state 1
	klp_expect_file /proc/version "$VERSION"
	klp_expect_file /proc/$H original
	klp_expect_file $KLP_SYSFS/$P/enabled 1
	klp_expect_file /proc/$KLP_HELD/patch_state 0
	klp_release $P
	klp_expect "what the task that slept has read" $P "$KLP_SAID"
	klp_wait_transition $P2
	klp_wait_gone $P
	klp_expect "redirected" cmdline_proc_show "$(klp_redirected)"
}

t_replace_reversed()
{
	klp_load $H
	klp_enable $P objects=vmlinux:version,$H:hold
	klp_hold $P
	klp_load $P2 objects=vmlinux:cmdline replace=1
	klp_set $KLP_SYSFS/$P2/enabled 0
	klp_wait_gone $P2
	klp_expect_file $KLP_SYSFS/$P/enabled 1
	klp_expect_file /proc/version $P
	klp_expect_file /proc/cmdline "$CMDLINE"
	klp_release $P
	klp_expect "redirected" "test_klp_hold_wait version_proc_show" "$(klp_redirected)"
	klp_unload $P2
	klp_mark
	klp_disable $P
	klp_expect_log <<-END
		$P: pre_unpatch vmlinux
		$P: pre_unpatch $H (live)
		livepatch: '$P': starting unpatching transition
		$P: post_unpatch vmlinux
		$P: post_unpatch $H (live)
		livepatch: '$P': unpatching complete
	END
}

# It takes the place of those below it, and not of one that has come later; forced or not.
t_replace_below_reversed()
{
	klp_load $H
	klp_enable $P objects=vmlinux:cmdline,$H:hold replace=1
	klp_enable $P2 objects=vmlinux:version
	klp_hold $P
	klp_set $KLP_SYSFS/$P/enabled 0
	klp_until "this shell has switched" klp_reads /proc/self/patch_state 0
	klp_hold $H
	klp_set $KLP_SYSFS/$P/enabled 1
	klp_expect_file $KLP_SYSFS/$P/transition 1
	klp_set $KLP_SYSFS/$P/force 1
	klp_wait_transition $P
	klp_expect_file $KLP_SYSFS/$P2/enabled 1
	klp_expect_file $KLP_SYSFS/$P2/stack_order 2
	klp_expect_file /sys/module/$P2/refcnt 1
	klp_expect_file /proc/version $P2
	klp_release $P
	klp_disable $P2
	klp_unload $P2
	klp_disable $P
}

t_replace_target_later()
{
	klp_enable $P objects=$T:value+extra
	klp_enable $P2 objects=vmlinux:cmdline,$T:value replace=1
	klp_wait_gone $P
	klp_mark
	klp_load $T
	klp_expect_log <<-END
		livepatch: applying patch '$P2' to loading module '$T'
		$P2: pre_patch $T (coming)
		$P2: post_patch $T (coming)
		$T: init
	END
	expect_line value $P2
	expect_line extra original
}

# --- vetoes -------------------------------------------------------------------------------------

# expect_vetoed: nothing of the patch is left, and the next one is not refused
expect_vetoed()
{
	klp_expect "what is in $KLP_SYSFS" "" "$(klp_list $KLP_SYSFS)"
	klp_expect "redirected" "" "$(klp_redirected)"
	klp_expect_file /proc/cmdline "$CMDLINE"
	klp_expect "modules" "$H $T" "$(klp_leftovers)"
	klp_enable $P $ALL
	klp_expect_file /proc/cmdline $P
}

t_veto_first()
{
	klp_load $T
	klp_load $H
	klp_mark
	klp_load_fails EDOM $P $ALL veto=vmlinux
	klp_expect_log <<-END
		livepatch: enabling patch '$P'
		$P: pre_patch vmlinux
		livepatch: pre-patch callback failed for object 'vmlinux'
		livepatch: failed to enable patch '$P'
		livepatch: '$P': unpatching complete
	END
	expect_vetoed
}

t_veto_middle()
{
	klp_load $T
	klp_load $H
	klp_mark
	klp_load_fails EDOM $P $ALL veto=$T
	klp_expect_log <<-END
		livepatch: enabling patch '$P'
		$P: pre_patch vmlinux
		$P: pre_patch $T (live)
		livepatch: pre-patch callback failed for object '$T'
		livepatch: failed to enable patch '$P'
		$P: post_unpatch vmlinux
		livepatch: '$P': unpatching complete
	END
	expect_vetoed
}

t_veto_last()
{
	klp_load $T
	klp_load $H
	klp_mark
	klp_load_fails EDOM $P $ALL veto=$H
	klp_expect_log <<-END
		livepatch: enabling patch '$P'
		$P: pre_patch vmlinux
		$P: pre_patch $T (live)
		$P: pre_patch $H (live)
		livepatch: pre-patch callback failed for object '$H'
		livepatch: failed to enable patch '$P'
		$P: post_unpatch vmlinux
		$P: post_unpatch $T (live)
		livepatch: '$P': unpatching complete
	END
	expect_vetoed
}

t_veto_replace()
{
	klp_enable $P objects=vmlinux:cmdline+version
	klp_load_fails EDOM $P2 objects=vmlinux:cmdline replace=1 veto=vmlinux
	klp_expect "what is in $KLP_SYSFS" $P "$(klp_list $KLP_SYSFS)"
	klp_expect_file /proc/cmdline $P
	klp_expect_file /proc/version $P
	klp_disable $P
	klp_expect "redirected" "" "$(klp_redirected)"
}

t_veto_target()
{
	klp_enable $P objects=vmlinux:cmdline,$T:value
	klp_enable $P2 objects=$T:value veto=$T
	klp_mark
	klp_load_fails EDOM $T
	klp_expect_log <<-END
		livepatch: applying patch '$P' to loading module '$T'
		$P: pre_patch $T (coming)
		$P: post_patch $T (coming)
		livepatch: applying patch '$P2' to loading module '$T'
		$P2: pre_patch $T (coming)
		livepatch: pre-patch callback failed for object '$T'
		livepatch: patch '$P2' failed for module '$T', refusing to load module '$T'
		$P: pre_unpatch $T (coming)
		livepatch: reverting patch '$P' on unloading module '$T'
		$P: post_unpatch $T (coming)
	END
	klp_expect "modules" "$P $P2" "$(klp_leftovers)"
	klp_expect_file $KLP_SYSFS/$P/$T/patched 0
	klp_expect_file $KLP_SYSFS/$P2/$T/patched 0
	klp_expect "redirected" cmdline_proc_show "$(klp_redirected)"

	# The patches are as they were: with the veto gone the module is welcome.
	klp_set "$(klp_param $P2 veto)" none
	klp_load $T
	expect_line value $P2
}

t_veto_target_joining()
{
	klp_load $H
	klp_hold $H
	klp_load $P $ALL veto=$T
	klp_mark
	klp_load_fails EDOM $T
	klp_expect_log <<-END
		livepatch: applying patch '$P' to loading module '$T'
		$P: pre_patch $T (coming)
		livepatch: pre-patch callback failed for object '$T'
		livepatch: patch '$P' failed for module '$T', refusing to load module '$T'
	END
	klp_release $H
	klp_wait_transition $P
	klp_expect_log <<-END
		$P: post_patch vmlinux
		$P: post_patch $H (live)
		livepatch: '$P': patching complete
	END
}

# --- symbols ------------------------------------------------------------------------------------

t_sympos()
{
	klp_load $T
	klp_enable $P objects=$T:second
	klp_enable $P2 objects=$T:first
	# The linker decides whose file comes first; the lines say which is which.
	expect_line first $P2
	expect_line second $P
	klp_disable $P
	expect_line first $P2
	expect_line second original
}

# expect_twins FIRST SECOND
expect_twins()
{
	expect_line first "$1"
	expect_line second "$2"
}

# The order of the description does not matter, nor that of the patch that gets replaced: what has
# the same name and position in both is the same function, and gets no nop.
t_sympos_both()
{
	local o=original

	klp_load $T
	klp_enable $P objects=$T:first+second
	expect_twins $P $P
	klp_expect "redirected" "test_klp_target_twin test_klp_target_twin" "$(klp_redirected)"
	klp_disable $P
	expect_twins $o $o
	klp_expect "redirected" "" "$(klp_redirected)"
	klp_unload $P

	klp_enable $P2 objects=$T:second+first
	expect_twins $P2 $P2
	klp_enable $P objects=$T:extra+first+second replace=1
	klp_wait_gone $P2
	expect_twins $P $P
	klp_unload $P2
	klp_enable $P2 objects=$T:extra+second+first replace=1
	klp_wait_gone $P
	expect_twins $P2 $P2
	klp_unload $P
	klp_enable $P objects=$T:second replace=1
	klp_wait_gone $P2
	expect_twins $o $P
	klp_expect "redirected" "test_klp_target_twin" "$(klp_redirected)"
}

# relocated: a livepatch with klp relocations, and its name
R=test_klp_rela
relocated()
{
	klp_mkrela "${KLP_KO[$R]}" "$KLP_TMP/$R.ko"
}

t_rela_loaded()
{
	relocated
	klp_load $T
	klp_load "$KLP_TMP/$R.ko"
	klp_wait_transition $R
	klp_expect_file /proc/version "$CMDLINE"
	expect_line value "21, twice 42"
	klp_set "$(klp_param $T secret)" 5
	expect_line value "5, twice 10"
	klp_expect "the address in data" "$(sed -n 's/^0*\([0-9a-f]*\) . linux_proc_banner$/\1/p' \
		/proc/kallsyms)" "$(< "$(klp_param $R address)")"
}

t_rela_later()
{
	local round

	relocated
	klp_load "$KLP_TMP/$R.ko"
	klp_wait_transition $R
	klp_expect_file "$(klp_param $R target_address)" 0
	for round in 1 2; do
		klp_load $T secret=$round
		expect_line value "$round, twice $((2 * round))"
		klp_expect "the address in data" \
			"$(sed -n "s/^0*\([0-9a-f]*\) .*\<test_klp_target_secret\s.*/\1/p" \
			/proc/kallsyms)" "$(< "$(klp_param $R target_address)")"
		klp_unload $T
		klp_expect_file "$(klp_param $R target_address)" 0
	done
}

t_rela_position()
{
	local symbol address

	symbol=$(klp_twin_symbol)
	[ -n "$symbol" ] || klp_skip "no two functions of vmlinux have the same name"
	address=${symbol#* }
	symbol=${symbol% *}

	klp_mkrela -r ".klp.sym.vmlinux.linux_proc_banner,0=.klp.sym.vmlinux.$symbol,2" \
		"${KLP_KO[$R]}" "$KLP_TMP/$R.ko"
	klp_load "$KLP_TMP/$R.ko"
	klp_expect "address of the second $symbol" "${address##0}" "$(< "$(klp_param $R address)")"
}

# --- shadow variables, states -------------------------------------------------------------------

t_shadow()
{
	klp_mark
	klp_load test_klp_shadow
	klp_expect "all checks" "test_klp_shadow: all as it should be" "$(klp_log | tail -n 1)"
}

t_states()
{
	klp_mark
	klp_enable $P objects=vmlinux:cmdline state_id=1 state_version=3
	# Those that add to it may have it too.
	klp_enable $P2 objects=vmlinux:cmdline state_id=1 state_version=3
	klp_unload_replaced_by $P3 state_version=4
	klp_unload_replaced_by $P state_version=4
	klp_expect "what was said about the state" "\
$P: state 1 version 3, owner 1
$P2: state 1 version 3 after 3, owner 2
$P3: state 1 version 4 after 3, owner 3
$P: state 1 version 4 after 4, owner 4" "$(klp_log | grep state.1)"
}

# Lets a cumulative patch take over the state.
klp_unload_replaced_by()
{
	local name

	[ ! -e "/sys/module/$1" ] || klp_unload "$1"
	klp_enable "$1" objects=vmlinux:cmdline state_id=1 replace=1 "$2"
	for name in $P $P2 $P3; do
		[ "$name" = "$1" ] || klp_wait_gone "$name"
	done
	klp_expect_file /proc/cmdline "$1"
}

klp_setup $P $P2 $P3 test_klp_forced $T $H $R test_klp_shadow

# One transition that has nobody to wait for is in nearly all of these: an idle system switches.
klp_main \
	"callbacks all four callbacks of each object, in order" \
	"no_callbacks a patch without callbacks" \
	"no_pre_patch no pre_patch counts as one that succeeded: post_unpatch runs" \
	"no_functions objects that have callbacks and no functions" \
	"again a patch is loaded, disabled, removed and loaded again" \
	"sysfs files in sysfs: names, rights, values" \
	"stack_order stack_order counts enabled patches from the oldest" \
	"taint kernel and module are tainted" \
	"reference an enabled patch keeps its module" \
	"redirected ftrace lists the functions while they are patched" \
	"ftrace_enabled ftrace cannot be turned off under a patch" \
	"target_later target loaded after the patch" \
	"target_leaves target removed under the patch, and back again" \
	"target_joins_patching target loaded during a patching transition" \
	"target_leaves_patching target removed during a patching transition" \
	"target_joins_unpatching target loaded during an unpatching transition" \
	"target_leaves_unpatching target removed during an unpatching transition" \
	"target_joins_then_reversed target loaded during a transition that is then reversed" \
	"asleep a task asleep in the function switches after it has left" \
	"asleep_unpatching a task asleep in the new function switches back after it has left" \
	"cond_resched a kernel thread asleep in a patched function switches in cond_resched()" \
	"reverse_patching patching reversed" \
	"reverse_unpatching unpatching reversed" \
	"reverse_twice a transition reversed twice" \
	"force patching forced" \
	"signal a task that sleeps interruptibly is signalled and switches" \
	"signal_kthread a kernel thread that sleeps interruptibly is woken and switches" \
	"stack two patches on one function, the upper one disabled first" \
	"stack_lower_first two patches on one function, the lower one disabled first" \
	"stack_target_later two patches on one function of a target loaded later" \
	"replace a patch that replaces two others" \
	"replace_during tasks of both sides while one patch replaces another" \
	"replace_reversed a replacement reversed" \
	"replace_below_reversed a patch that may replace others reversed below a later one" \
	"replace_target_later a patch that has replaced another, target loaded later" \
	"veto_first pre_patch of the first object refuses" \
	"veto_middle pre_patch of the middle object refuses" \
	"veto_last pre_patch of the last object refuses" \
	"veto_replace pre_patch of a replacing patch refuses" \
	"veto_target pre_patch refuses a target: the other patch is undone in full" \
	"veto_target_joining pre_patch refuses a target during the transition" \
	"sympos two functions of one name told apart by position" \
	"sympos_both two functions of one name patched by one patch" \
	"rela_loaded klp relocations to vmlinux and to a target that is there" \
	"rela_later klp relocations to a target that comes, goes and comes" \
	"rela_position a klp symbol found by its position" \
	"shadow shadow variables" \
	"states system states handed from patch to patch" \
	"force_unpatching unpatching forced: the module stays"
