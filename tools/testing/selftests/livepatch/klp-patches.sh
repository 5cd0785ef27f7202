#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Several patches: stacks, replace, vetoes, shadow variables and system states.

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
VERSION=$(< /proc/version)

# expect_line NAME TEXT: check the line of that name in the file of the target
expect_line()
{
	klp_expect_line $T "$@"
}

# --- several patches ------------------------------------------------------------------------------

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

	# Switched tasks call the original, which the new patch does not change.
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

# A replace replaces the patches below it, not one that was enabled later, forced or not.
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

# --- vetoes ---------------------------------------------------------------------------------------

# expect_vetoed: check that nothing of the patch is left, and that another patch can be enabled
expect_vetoed()
{
	klp_expect "what is in $KLP_SYSFS" "" "$(klp_list $KLP_SYSFS)"
	klp_expect "redirected" "" "$(klp_redirected)"
	klp_expect_file /proc/cmdline "$CMDLINE"
	klp_expect "modules" "$H $T" "$(klp_leftovers)"
	klp_enable $P $ALL
	klp_expect_file /proc/cmdline $P
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

	# The patches are unchanged: without the veto the module can be loaded.
	klp_set "$(klp_param $P2 veto)" none
	klp_load $T
	expect_line value $P2
}

# --- shadow variables, states ---------------------------------------------------------------------

t_shadow()
{
	klp_mark
	klp_load test_klp_shadow
	klp_expect "all checks" "test_klp_shadow: all as it should be" "$(klp_log | tail -n 1)"
}

# The module uses the whole interface of linux/livepatch.h of Linux 6.12, and logs the fields.
t_header()
{
	klp_mark
	klp_enable test_klp_header
	klp_expect_log <<-END
		test_klp_header: enabled 0
		test_klp_header: vmlinux: patched 0, cmdline_proc_show is at 0x0
		livepatch: enabling patch 'test_klp_header'
		livepatch: 'test_klp_header': starting patching transition
		test_klp_header: enabled 1
		test_klp_header: vmlinux: patched 1, cmdline_proc_show is at cmdline_proc_show
		livepatch: 'test_klp_header': patching complete
	END
	klp_disable test_klp_header
	klp_expect_log <<-END
		livepatch: 'test_klp_header': starting unpatching transition
		livepatch: 'test_klp_header': unpatching complete
	END
	klp_unload test_klp_header
	klp_expect_log <<-END
		test_klp_header: enabled 0
		test_klp_header: vmlinux: patched 0, cmdline_proc_show is at 0x0
	END
}

# The test of kpatch enables this line by the name of its function.
t_dynamic_debug()
{
	local control=/sys/kernel/debug/dynamic_debug/control

	[ -w $control ] || klp_skip "no dynamic debug"
	trap 'echo "func klp_try_switch_task -p" > /sys/kernel/debug/dynamic_debug/control' EXIT
	klp_set $control "func klp_try_switch_task =p"
	klp_load $H
	klp_hold $H
	klp_mark
	klp_load $P objects=$H:hold
	klp_until "the line about the task that is asleep" logs_line \
		"livepatch: klp_try_switch_task: cat:$KLP_HELD is sleeping on function test_klp_hold_wait"
	klp_release $H
	klp_wait_transition $P
}

# logs_line LINE: succeed if the line has been logged since the mark
logs_line()
{
	klp_log | grep -qxF "$1"
}

t_states()
{
	klp_mark
	klp_enable $P objects=vmlinux:cmdline state_id=1 state_version=3
	# A stacked patch may have the state as well.
	klp_enable $P2 objects=vmlinux:cmdline state_id=1 state_version=3
	klp_unload_replaced_by $P3 state_version=4
	klp_unload_replaced_by $P state_version=4
	klp_expect "what was said about the state" "\
$P: state 1 version 3, owner 1
$P2: state 1 version 3 after 3, owner 2
$P3: state 1 version 4 after 3, owner 3
$P: state 1 version 4 after 4, owner 4" "$(klp_log | grep state.1)"
}

# Have a cumulative patch adopt the state.
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

klp_setup $P $P2 $P3 $T $H test_klp_shadow test_klp_header

klp_main \
	"stack two patches on one function, the upper one disabled first" \
	"stack_lower_first two patches on one function, the lower one disabled first" \
	"stack_target_later two patches on one function of a target loaded later" \
	"replace a patch that replaces two others" \
	"replace_during tasks in both states while one patch replaces another" \
	"replace_below_reversed a replacing patch is reversed below a later one" \
	"replace_target_later a target is loaded after a replace" \
	"veto_middle pre_patch of the middle object refuses" \
	"veto_target pre_patch refuses a target: the other patch is reverted for it" \
	"shadow shadow variables" \
	"header a livepatch that uses the whole header of Linux 6.12 for authors" \
	"dynamic_debug klp_try_switch_task logs why a task is not switched" \
	"states system states are passed from patch to patch"
