#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Persistent patches: what stays of them when they are disabled, what runs when they are enabled
# again, which errors occur, and how they are removed.

# shellcheck source-path=SCRIPTDIR source=klp-lib.sh
. "$(dirname "$0")/klp-lib.sh"

P=test_klp_patch
P2=test_klp_patch2
P3=test_klp_patch3
T=test_klp_target
T2=test_klp_target2
H=test_klp_hold
I=test_klp_ipmodify
R=test_klp_rela

CMDLINE=$(< /proc/cmdline)
VERSION=$(< /proc/version)

# expect_line NAME TEXT: check the line of that name in the file of the target
expect_line()
{
	klp_expect_line $T "$@"
}

# expect_disabled NAME OBJECT...: check that the patch is in sysfs, complete and disabled, and its
# module unused
expect_disabled()
{
	local name=$1 object
	shift

	klp_expect_file "$KLP_SYSFS/$name/enabled" 0
	klp_expect_file "$KLP_SYSFS/$name/transition" 0
	klp_expect_file "$KLP_SYSFS/$name/stack_order" 0
	for object; do
		klp_expect_file "$KLP_SYSFS/$name/$object/patched" 0
	done
	klp_until "$name is unused" klp_reads "/sys/module/$name/refcnt" 0
}

# expect_refused ERRNO NAME LINE: write 1, which must fail with this line and without any other
# effect
expect_refused()
{
	klp_trace_mark "${moving:-0}"
	klp_mark
	klp_expect "error of writing 1" "$1" "$(klp_write "$KLP_SYSFS/$2/enabled" 1)"
	klp_expect_log <<< "livepatch: $3"
	klp_expect_trace <<-END
		${2#test_klp_}: request ${request:-enable}, done ${request:-enable} -$1
	END
	klp_expect_file "$KLP_SYSFS/$2/enabled" 0
	klp_expect_file "$KLP_SYSFS/$2/stack_order" 0
}

# expect_folders FOLDER...: check the directories of the patch
expect_folders()
{
	klp_expect "folders in $KLP_SYSFS/$P" "$*" \
		"$(cd $KLP_SYSFS/$P && find . -mindepth 1 -type d -printf '%P\n' | sort |
			paste -sd ' ')"
}

t_again()
{
	klp_load $T
	klp_enable $P objects=vmlinux:cmdline,$T:value hooks=1 persistent=1
	klp_expect_trace < <(klp_enabling patch vmlinux target)
	for _ in 1 2 3; do
		klp_disable_persistent $P
		klp_expect_trace < <(klp_disabling patch vmlinux target)
		expect_disabled $P vmlinux $T
		klp_expect "functions redirected" "" "$(klp_redirected)"
		klp_expect_file /proc/cmdline "$CMDLINE"
		expect_line value original

		klp_enable_again $P
		klp_expect_trace < <(klp_enabling patch vmlinux target)
		klp_expect_file $KLP_SYSFS/$P/enabled 1
		klp_expect_file $KLP_SYSFS/$P/stack_order 1
		klp_expect_file $KLP_SYSFS/$P/vmlinux/patched 1
		klp_expect_file $KLP_SYSFS/$P/$T/patched 1
		klp_expect_file /sys/module/$P/refcnt 1
		klp_expect_file /proc/cmdline $P
		expect_line value $P
		expect_folders $T $T/test_klp_target_value,1 vmlinux vmlinux/cmdline_proc_show,1
	done
	# Init has run once and exit has not.
	klp_expect_file "$(klp_param $P inits)" 1
	klp_expect_file "$(klp_param $P exits)" 0
}

t_log()
{
	klp_enable $P objects=vmlinux:cmdline persistent=1
	klp_disable_persistent $P
	klp_mark
	klp_enable_again $P
	klp_disable_persistent $P
	klp_expect_log <<-END
		livepatch: enabling patch '$P'
		$P: pre_patch vmlinux
		livepatch: '$P': starting patching transition
		$P: post_patch vmlinux
		livepatch: '$P': patching complete
		$P: pre_unpatch vmlinux
		livepatch: '$P': starting unpatching transition
		$P: post_unpatch vmlinux
		livepatch: '$P': unpatching complete
	END
}

t_hundred()
{
	local ten

	ten=$(
		for _ in {1..10}; do
			klp_enabling patch vmlinux target
			klp_disabling patch vmlinux target
		done
	)
	klp_load $T
	klp_enable $P objects=vmlinux:cmdline,$T:value hooks=1 persistent=1
	klp_disable_persistent $P
	klp_trace_mark
	for _ in {1..10}; do
		for _ in {1..10}; do
			klp_enable_again $P
			klp_disable_persistent $P
		done
		klp_expect_trace <<< "$ten"
		# Check in parts: the whole trace would be too long.
		klp_check_trace
		klp_trace_anew
	done
	expect_disabled $P vmlinux $T
	klp_unload $P
	klp_expect "what is in $KLP_SYSFS" "" "$(klp_list $KLP_SYSFS)"
}

# --- on top of others -----------------------------------------------------------------------------

t_stack()
{
	klp_load $T
	klp_enable $P objects=vmlinux:cmdline,$T:value hooks=1 persistent=1
	klp_enable $P2 objects=vmlinux:cmdline,$T:value hooks=1 persistent=1
	klp_expect_file /proc/cmdline $P2
	klp_trace_mark

	klp_disable_persistent $P
	klp_expect_file $KLP_SYSFS/$P2/stack_order 1
	klp_enable_again $P
	klp_expect_file $KLP_SYSFS/$P2/stack_order 1
	klp_expect_file $KLP_SYSFS/$P/stack_order 2
	klp_expect_file /proc/cmdline $P
	expect_line value $P

	klp_disable_persistent $P2
	klp_expect_file $KLP_SYSFS/$P/stack_order 1
	klp_expect_file /proc/cmdline $P
	klp_enable_again $P2
	klp_expect_file $KLP_SYSFS/$P2/stack_order 2
	klp_expect_file /proc/cmdline $P2
	expect_line value $P2
	klp_expect_trace <<-END
		$(klp_disabling patch vmlinux target)
		$(klp_enabling patch vmlinux target)
		$(klp_disabling patch2 vmlinux target)
		$(klp_enabling patch2 vmlinux target)
	END

	# A loaded module is patched in the current order of the stack.
	klp_unload $T
	klp_load $T
	klp_expect_trace <<-END
		patch target: pre_unpatch, unpatched 1, unpatch_hook_1 0, post_unpatch
		patch2 target: pre_unpatch, unpatched 1, unpatch_hook_1 0, post_unpatch
		patch target: pre_patch 0, patch_hook_1 0, patched 1, post_patch
		patch2 target: pre_patch 0, patch_hook_1 0, patched 1, post_patch
	END
	expect_line value $P2
}

# --- removal --------------------------------------------------------------------------------------

t_removed()
{
	local fd text

	klp_enable $P objects=vmlinux:cmdline hooks=1 persistent=1
	klp_expect "removing an enabled one" "rmmod: ERROR: Module $P is in use" "$(rmmod $P 2>&1)"
	klp_disable_persistent $P
	klp_enable_again $P
	klp_expect "removing it when it is enabled again" \
		"rmmod: ERROR: Module $P is in use" "$(rmmod $P 2>&1)"
	klp_disable_persistent $P
	klp_trace_mark

	exec {fd}< $KLP_SYSFS/$P/enabled
	klp_unload $P
	klp_expect "what is in $KLP_SYSFS" "" "$(klp_list $KLP_SYSFS)"
	! read -r text <&$fd 2> /dev/null || klp_fail "a file of a patch that is gone says $text"
	exec {fd}<&-
	klp_expect_trace < /dev/null

	klp_enable $P objects=vmlinux:cmdline hooks=1
	klp_expect_trace < <(klp_enabling patch vmlinux)
}

# The exit of the module is running: all requests are refused.
t_removed_meanwhile()
{
	klp_enable $P objects=vmlinux:cmdline hooks=1 persistent=1 block=exit
	klp_disable_persistent $P
	klp_until "$P is unused" klp_reads /sys/module/$P/refcnt 0
	klp_set "$(klp_param $P blocked)" 1
	rmmod $P &
	klp_until "exit waits" klp_reads "$(klp_param $P blocking)" 1
	expect_refused ENODEV $P "module $P is being removed"
	klp_expect_file $KLP_SYSFS/$P/enabled 0
	klp_set "$(klp_param $P blocked)" 0
	wait
	klp_expect "what is in $KLP_SYSFS" "" "$(klp_list $KLP_SYSFS)"
}

t_replaced()
{
	klp_load $T
	klp_enable $P objects=vmlinux:cmdline,$T:value hooks=1 persistent=1
	klp_disable_persistent $P
	klp_enable_again $P
	klp_trace_mark
	klp_enable $P2 objects=vmlinux:cmdline hooks=1 replace=1
	klp_wait_gone $P
	klp_unload $P
	klp_expect_trace <<-END
		patch2: request replace
		patch2 vmlinux: pre_patch 0, patch_hook_1 0, patched 1
		patch2 target: patched 1
		patch2: start patching
		patch vmlinux: unpatched 1
		patch target: unpatched 1
		patch2 target: unpatched 1
		patch2 vmlinux: post_patch
		patch2: complete patching, done replace 0
	END
}

# A disabled patch is not replaced, and may be enabled on top.
t_replaced_disabled()
{
	klp_enable $P objects=vmlinux:cmdline hooks=1 persistent=1
	klp_disable_persistent $P
	klp_enable $P2 objects=vmlinux:version hooks=1 replace=1
	expect_disabled $P vmlinux
	klp_trace_mark
	klp_enable_again $P
	klp_expect_trace < <(klp_enabling patch vmlinux)
	klp_expect_file /proc/cmdline $P
	klp_expect_file /proc/version $P2
}

# --- persistent and replace -----------------------------------------------------------------------

# Its nops are added and freed each time it is enabled.
t_replaces()
{
	local own="vmlinux vmlinux/cmdline_proc_show,1"

	klp_load $H
	klp_enable $P objects=vmlinux:cmdline hooks=1 replace=1 persistent=1
	klp_disable_persistent $P
	for _ in 1 2; do
		klp_enable $P2 objects=vmlinux:version,$H:hold hooks=1
		klp_hold $P2
		klp_trace_mark
		klp_set $KLP_SYSFS/$P/enabled 1
		# shellcheck disable=SC2086 # several folders
		expect_folders $H $H/test_klp_hold_wait,1 $own vmlinux/version_proc_show,1
		klp_release $P2
		klp_wait_transition $P
		klp_wait_gone $P2
		klp_unload $P2
		klp_expect_trace <<-END
			patch: request replace
			patch vmlinux: pre_patch 0, patch_hook_1 0, patched 2
			patch hold: patched 1
			patch: start patching
			patch2 vmlinux: unpatched 1
			patch2 hold: unpatched 1
			patch hold: unpatched 1
			patch vmlinux: post_patch
			patch: complete patching, done replace 0
		END
		klp_expect_file /proc/version "$VERSION"
		klp_expect_file /proc/$H original
		# shellcheck disable=SC2086
		expect_folders $own
		klp_disable_persistent $P
		klp_expect_trace < <(klp_disabling patch vmlinux)
		expect_disabled $P vmlinux
	done
}

t_replaces_not()
{
	local own="vmlinux vmlinux/cmdline_proc_show,1"

	klp_load $H
	klp_enable $P objects=vmlinux:cmdline hooks=1 replace=1 persistent=1
	klp_disable_persistent $P
	klp_enable $P2 objects=vmlinux:version,$H:hold hooks=1
	klp_hold $P2
	klp_trace_mark

	# Reversed.
	klp_set $KLP_SYSFS/$P/enabled 1
	klp_disable_persistent $P
	klp_expect_trace <<-END
		patch: request replace
		patch vmlinux: pre_patch 0, patch_hook_1 0, patched 2
		patch hold: patched 1
		patch: start patching
		patch: request disable, done replace -ECANCELED
		patch: reverse unpatching, start unpatching
		patch vmlinux: unpatched 2
		patch hold: unpatched 1
		patch vmlinux: unpatch_hook_1 0, post_unpatch
		patch: complete unpatching, done disable 0
	END
	expect_disabled $P vmlinux
	# shellcheck disable=SC2086 # several folders
	expect_folders $own

	# Vetoed.
	klp_set "$(klp_param $P veto)" vmlinux
	klp_expect "error of writing 1" EDOM "$(klp_write $KLP_SYSFS/$P/enabled 1)"
	klp_expect_trace <<-END
		patch: request replace
		patch vmlinux: pre_patch -EDOM
		patch: done replace -EDOM
	END
	expect_disabled $P vmlinux
	# shellcheck disable=SC2086
	expect_folders $own

	klp_expect_file /proc/version $P2
	klp_release $P2
	klp_disable $P2
	klp_expect_trace < <(klp_disabling patch2 vmlinux hold)
}

# --- targets that are loaded and unloaded while the patch is disabled -----------------------------

t_target_gone()
{
	klp_load $T
	klp_enable $P objects=vmlinux:cmdline,$T:value hooks=1 persistent=1
	klp_disable_persistent $P
	klp_trace_mark
	klp_unload $T
	klp_enable_again $P
	klp_expect_trace < <(klp_enabling patch vmlinux)
	klp_expect_file $KLP_SYSFS/$P/$T/patched 0
	klp_load $T
	klp_expect_trace <<-END
		patch target: pre_patch 0, patch_hook_1 0, patched 1, post_patch
	END
	expect_line value $P
}

t_target_reloaded()
{
	klp_load $T
	klp_enable $P objects=vmlinux:cmdline,$T:value+first hooks=1 persistent=1
	klp_disable_persistent $P
	klp_trace_mark
	klp_unload $T
	# Another module at the same address.
	klp_load $T2
	klp_load $T
	expect_line value original
	klp_expect_trace < /dev/null
	klp_enable_again $P
	expect_line value $P
	expect_line first $P
	klp_disable_persistent $P
	expect_line value original
	klp_expect_trace <<-END
		patch: request enable
		patch vmlinux: pre_patch 0, patch_hook_1 0, patched 1
		patch target: pre_patch 0, patch_hook_1 0, patched 2
		patch: start patching
		patch vmlinux: post_patch
		patch target: post_patch
		patch: complete patching, done enable 0, request disable
		patch vmlinux: pre_unpatch
		patch target: pre_unpatch
		patch: start unpatching
		patch vmlinux: unpatched 1
		patch target: unpatched 2
		patch vmlinux: unpatch_hook_1 0, post_unpatch
		patch target: unpatch_hook_1 0, post_unpatch
		patch: complete unpatching, done disable 0
	END
}

t_target_new()
{
	klp_enable $P objects=vmlinux:cmdline,$T:value hooks=1 persistent=1
	klp_disable_persistent $P
	klp_trace_mark
	klp_load $T
	klp_enable_again $P
	klp_expect_trace < <(klp_enabling patch vmlinux target)
	expect_line value $P
}

# Relocations to a target stay written while the patch is disabled, and are cleared with the
# target.
t_relocated()
{
	klp_mkrela "${KLP_KO[$R]}" "$KLP_TMP/$R.ko"
	klp_load $T
	klp_load "$KLP_TMP/$R.ko" persistent=1
	klp_wait_transition $R
	expect_line value "21, twice 42"
	klp_disable_persistent $R
	klp_enable_again $R
	expect_line value "21, twice 42"
	klp_disable_persistent $R

	klp_unload $T
	klp_expect_cleared "$(klp_param $R target_address)"
	klp_load $T2
	klp_load $T secret=5
	klp_enable_again $R
	expect_line value "5, twice 10"
	klp_disable_persistent $R
	klp_unload $R
}

# --- refused --------------------------------------------------------------------------------------

t_veto()
{
	klp_load $T
	klp_enable $P objects=vmlinux:cmdline,$T:value hooks=1 persistent=1
	klp_disable_persistent $P
	klp_trace_mark
	klp_mark
	klp_set "$(klp_param $P veto)" $T
	for _ in 1 2; do
		klp_expect "error of writing 1" EDOM "$(klp_write $KLP_SYSFS/$P/enabled 1)"
		klp_expect_trace <<-END
			patch: request enable
			patch vmlinux: pre_patch 0, patch_hook_1 0, patched 1
			patch target: pre_patch -EDOM
			patch vmlinux: unpatched 1, unpatch_hook_1 0, post_unpatch
			patch: done enable -EDOM
		END
		klp_expect_log <<-END
			livepatch: enabling patch '$P'
			$P: pre_patch vmlinux
			$P: patch_hook_1 vmlinux
			$P: pre_patch $T (live)
			livepatch: pre-patch callback failed for object '$T'
			livepatch: failed to enable patch '$P'
			$P: unpatch_hook_1 vmlinux
			$P: post_unpatch vmlinux
			livepatch: '$P': unpatching complete
		END
		expect_disabled $P vmlinux $T
	done
	expect_folders $T $T/test_klp_target_value,1 vmlinux vmlinux/cmdline_proc_show,1
	klp_set "$(klp_param $P veto)" none
	klp_enable_again $P
	klp_expect_trace < <(klp_enabling patch vmlinux target)
	klp_expect_file /proc/cmdline $P
	expect_line value $P
}

# After an error of the first enabling, nothing stays.
t_veto_first_time()
{
	klp_load_fails EDOM $P objects=vmlinux:cmdline hooks=1 persistent=1 veto=vmlinux
	klp_expect "what is in $KLP_SYSFS" "" "$(klp_list $KLP_SYSFS)"
	klp_expect_trace <<-END
		patch: request enable
		patch vmlinux: pre_patch -EDOM
		patch: done enable -EDOM
	END
}

t_redirect_fails()
{
	klp_load $I
	klp_load $H
	klp_enable $P objects=vmlinux:cmdline,$H:hold hooks=1 persistent=1
	klp_disable_persistent $P
	klp_trace_mark
	klp_set "$(klp_param $I function)" test_klp_hold_wait
	klp_expect "error of writing 1" EBUSY "$(klp_write $KLP_SYSFS/$P/enabled 1)"
	klp_expect_trace <<-END
		patch: request enable
		patch vmlinux: pre_patch 0, patch_hook_1 0, patched 1
		patch hold: pre_patch 0, patch_hook_1 0
		patch vmlinux: unpatched 1, unpatch_hook_1 0, post_unpatch
		patch hold: unpatch_hook_1 0, post_unpatch
		patch: done enable -EBUSY
	END
	expect_disabled $P vmlinux $H
	klp_set "$(klp_param $I function)" "$KLP_NL"
	klp_enable_again $P
	klp_expect_trace < <(klp_enabling patch vmlinux hold)
}

t_busy()
{
	klp_load $H
	klp_enable $P objects=vmlinux:cmdline hooks=1 persistent=1
	klp_disable_persistent $P
	klp_hold $H
	klp_load $P2 objects=$H:hold hooks=1
	moving=1 expect_refused EBUSY $P \
		"patch '$P' cannot be enabled while '$P2' is in transition"
	klp_release $H
	klp_wait_transition $P2
	expect_disabled $P vmlinux
	klp_trace_mark
	klp_enable_again $P
	klp_expect_trace < <(klp_enabling patch vmlinux)
}

t_states()
{
	local refusal="is not compatible with the already installed livepatches."

	klp_enable $P objects=vmlinux:cmdline hooks=1 persistent=1 state_id=1 state_version=1
	klp_disable_persistent $P
	klp_enable $P2 objects=vmlinux:cmdline state_id=1 state_version=2
	expect_refused EINVAL $P "Livepatch patch ($P) $refusal"
	expect_disabled $P vmlinux

	# A patch that replaces others must have their states.
	klp_disable $P2
	klp_enable $P3 objects=vmlinux:version hooks=1 persistent=1 replace=1
	klp_disable_persistent $P3
	klp_trace_mark
	klp_enable_again $P
	klp_expect_trace < <(klp_enabling patch vmlinux)
	request=replace expect_refused EINVAL $P3 "Livepatch patch ($P3) $refusal"
	klp_disable_persistent $P
	klp_enable_again $P3
}

t_already()
{
	klp_enable $P objects=vmlinux:cmdline hooks=1 persistent=1
	klp_disable_persistent $P
	klp_trace_mark
	klp_mark
	klp_expect "error of writing 0" EINVAL "$(klp_write $KLP_SYSFS/$P/enabled 0)"
	klp_expect_log <<< "livepatch: patch '$P' is already disabled"
	klp_expect "error of forcing" EINVAL "$(klp_write $KLP_SYSFS/$P/force 1)"
	klp_expect_log <<< "livepatch: patch '$P' is not in transition"
	klp_expect_trace <<-END
		patch: request disable, done disable -EINVAL
	END
	klp_enable_again $P
	klp_mark
	klp_expect "error of writing 1" EINVAL "$(klp_write $KLP_SYSFS/$P/enabled 1)"
	klp_expect_log <<< "livepatch: patch '$P' is already enabled"
}

# While the patch is disabled, its module cannot be loaded a second time, as other modules.
t_load_again()
{
	klp_enable $P objects=vmlinux:cmdline hooks=1 persistent=1
	klp_disable_persistent $P
	klp_expect "error of loading it once more" EEXIST "$(klp_insmod $P)"
	expect_disabled $P vmlinux
}

# --- reversed -------------------------------------------------------------------------------------

# Reversed in the middle of being enabled again, twice.
t_reverse_enabling()
{
	klp_load $H
	klp_enable $P objects=vmlinux:cmdline,$H:hold hooks=1 persistent=1
	klp_disable_persistent $P
	klp_hold $H
	klp_trace_mark
	for _ in 1 2; do
		klp_set $KLP_SYSFS/$P/enabled 1
		klp_expect_file $KLP_SYSFS/$P/transition 1
		klp_expect_file $KLP_SYSFS/$P/stack_order 1
		klp_disable_persistent $P
		klp_expect_trace <<-END
			patch: request enable
			patch vmlinux: pre_patch 0, patch_hook_1 0, patched 1
			patch hold: pre_patch 0, patch_hook_1 0, patched 1
			patch: start patching
			patch: request disable, done enable -ECANCELED
			patch: reverse unpatching, start unpatching
			$(klp_unpatched patch vmlinux hold)
			patch: complete unpatching, done disable 0
		END
		expect_disabled $P vmlinux $H
	done
	klp_release $H
	klp_enable_again $P
	klp_expect_trace < <(klp_enabling patch vmlinux hold)
	klp_disable_persistent $P
	klp_unload $P
}

t_reverse_disabling()
{
	klp_load $H
	klp_enable $P objects=vmlinux:cmdline,$H:hold hooks=1 persistent=1
	klp_hold $P
	klp_trace_mark
	klp_set $KLP_SYSFS/$P/enabled 0
	klp_enable_again $P
	klp_expect_trace <<-END
		patch: request disable
		patch vmlinux: pre_unpatch
		patch hold: pre_unpatch
		patch: start unpatching
		patch: request enable, done disable -ECANCELED, reverse patching, start patching
		patch vmlinux: post_patch
		patch hold: post_patch
		patch: complete patching, done enable 0
	END
	klp_release $P
	klp_disable_persistent $P
	klp_expect_trace < <(klp_disabling patch vmlinux hold)
	expect_disabled $P vmlinux $H
}

klp_setup $P $P2 $P3 $T $T2 $H $I $R
klp_record

klp_main \
	"again disabled and enabled again: sysfs, callbacks, functions, init and exit" \
	"log the log is the same each time" \
	"hundred enabled and disabled a hundred times" \
	"stack two patches that alternate on top" \
	"removed its module is unloaded while it is disabled" \
	"removed_meanwhile enabling it while its module is being unloaded" \
	"replaced a patch that has been replaced is removed" \
	"replaced_disabled a disabled patch is not replaced" \
	"replaces one that replaces others: its nops each time" \
	"replaces_not one that replaces others is reversed, or refused" \
	"target_gone its target is unloaded while it is disabled, and loaded later" \
	"target_reloaded its target is unloaded meanwhile, and loaded at another address" \
	"target_new its target is loaded meanwhile" \
	"relocated its klp relocations to a target that is loaded again meanwhile" \
	"veto pre_patch fails when it is enabled again" \
	"veto_first_time pre_patch fails when it is loaded" \
	"redirect_fails one of its functions is redirected by another user" \
	"busy another patch is in transition" \
	"states states that have become incompatible" \
	"already enabling an enabled patch, disabling a disabled one" \
	"load_again its module cannot be loaded twice" \
	"reverse_enabling enabling it again is reversed" \
	"reverse_disabling disabling it is reversed"
