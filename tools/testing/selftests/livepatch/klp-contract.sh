#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The callback contract: for each of its events and states, which callbacks and hooks run, for which
# object, in which order, and what they return.  README says which test proves what.
#
# What is compared is the sequence of trace events, see klp-lib.sh.  After each test the trace as a
# whole has to hold what the contract says of every sequence, klp_check_trace.

# shellcheck source-path=SCRIPTDIR source=klp-lib.sh
. "$(dirname "$0")/klp-lib.sh"

P=test_klp_patch
P2=test_klp_patch2
P3=test_klp_patch3
F=test_klp_forced2
T=test_klp_target
T2=test_klp_target2
T3=test_klp_target3
H=test_klp_hold
I=test_klp_ipmodify

# A transition of what has H in it waits for the held task.
HELD=objects=vmlinux:cmdline,$T:value,$H:hold

# --- order ----------------------------------------------------------------------------------------

t_vmlinux()
{
	klp_enable $P objects=vmlinux:cmdline+version hooks=2
	klp_expect_trace <<-END
		patch: request enable
		patch vmlinux: pre_patch 0, patch_hook_1 0, patch_hook_2 0, patched 2
		patch: start patching
		patch vmlinux: post_patch
		patch: complete patching, done enable 0
	END
	klp_disable $P
	klp_expect_trace <<-END
		patch: request disable
		patch vmlinux: pre_unpatch
		patch: start unpatching
		patch vmlinux: unpatched 2, unpatch_hook_1 0, unpatch_hook_2 0, post_unpatch
		patch: complete unpatching, done disable 0
	END
}

t_module()
{
	klp_load $T
	klp_enable $P objects=$T:value+extra+first hooks=2
	klp_expect_trace <<-END
		patch: request enable
		patch target: pre_patch 0, patch_hook_1 0, patch_hook_2 0, patched 3
		patch: start patching
		patch target: post_patch
		patch: complete patching, done enable 0
	END
	klp_disable $P
	klp_expect_trace <<-END
		patch: request disable
		patch target: pre_unpatch
		patch: start unpatching
		patch target: unpatched 3, unpatch_hook_1 0, unpatch_hook_2 0, post_unpatch
		patch: complete unpatching, done disable 0
	END
}

# The order is that of the description, whoever was loaded first.
t_several_objects()
{
	klp_load $T3
	klp_load $T2
	klp_load $T
	klp_enable $P objects=$T:value,vmlinux:,$T2:value+extra,$T3:extra hooks=1
	klp_expect_trace <<-END
		patch: request enable
		patch target: pre_patch 0, patch_hook_1 0, patched 1
		patch vmlinux: pre_patch 0, patch_hook_1 0, patched 0
		patch target2: pre_patch 0, patch_hook_1 0, patched 2
		patch target3: pre_patch 0, patch_hook_1 0, patched 1
		patch: start patching
		patch target: post_patch
		patch vmlinux: post_patch
		patch target2: post_patch
		patch target3: post_patch
		patch: complete patching, done enable 0
	END
	klp_disable $P
	klp_expect_trace <<-END
		patch: request disable
		patch target: pre_unpatch
		patch vmlinux: pre_unpatch
		patch target2: pre_unpatch
		patch target3: pre_unpatch
		patch: start unpatching
		patch target: unpatched 1
		patch vmlinux: unpatched 0
		patch target2: unpatched 2
		patch target3: unpatched 1
		patch target: unpatch_hook_1 0, post_unpatch
		patch vmlinux: unpatch_hook_1 0, post_unpatch
		patch target2: unpatch_hook_1 0, post_unpatch
		patch target3: unpatch_hook_1 0, post_unpatch
		patch: complete unpatching, done disable 0
	END
}

# Each minds its own objects, though they have functions in common.
t_several_patches()
{
	klp_load $T
	klp_load $T2
	klp_enable $P objects=vmlinux:cmdline,$T:value hooks=1
	klp_enable $P2 objects=$T2:value,$T:value hooks=1
	klp_enable $P3 objects=vmlinux:cmdline,$T2:extra hooks=1
	klp_expect_trace <<-END
		$(klp_enabling patch vmlinux target)
		$(klp_enabling patch2 target2 target)
		$(klp_enabling patch3 vmlinux target2)
	END
	klp_disable $P2
	klp_disable $P
	klp_disable $P3
	klp_expect_trace <<-END
		$(klp_disabling patch2 target2 target)
		$(klp_disabling patch vmlinux target)
		$(klp_disabling patch3 vmlinux target2)
	END
}

# An object whose module is not there is idle: nothing runs, and nothing is owed.
t_absent_object()
{
	klp_load $T2
	klp_enable $P objects=$T:value,$T2:value,$T3:value hooks=1
	klp_disable $P
	klp_expect_trace <<-END
		$(klp_enabling patch target2)
		$(klp_disabling patch target2)
	END
	klp_load $T
	klp_unload $T
	klp_expect_trace < /dev/null
}

# One that is absent counts as one that has run: the others run as if it had.
t_some_callbacks()
{
	local mask pre post un end hooks

	klp_some_callbacks
	for mask in {0..15}; do
		hooks=$((mask / 4 % 2))
		klp_enable $P objects=vmlinux:cmdline callbacks="$mask" hooks=$hooks
		klp_disable $P
		klp_unload $P
		pre='' post='' un='' end=''
		[ $((mask & 1)) -eq 0 ] || pre='pre_patch 0, '
		[ $((mask & 2)) -eq 0 ] || post='patch vmlinux: post_patch'
		[ $((mask & 4)) -eq 0 ] || un='patch vmlinux: pre_unpatch'
		[ "$hooks" -eq 0 ] || pre+='patch_hook_1 0, ' end=', unpatch_hook_1 0'
		[ $((mask & 8)) -eq 0 ] || end+=', post_unpatch'
		klp_expect_trace <<-END
			patch: request enable
			patch vmlinux: ${pre}patched 1
			patch: start patching
			$post
			patch: complete patching, done enable 0, request disable
			$un
			patch: start unpatching
			patch vmlinux: unpatched 1$end
			patch: complete unpatching, done disable 0
		END
	done
}

# Without pre_patch, post_patch and pre_unpatch: what the rest owe is paid on every way out.
t_some_callbacks_undone()
{
	klp_some_callbacks
	klp_load $H
	klp_load $T
	klp_hold $H
	klp_load $P objects=$H:hold,$T:value callbacks=8
	klp_unload $T
	klp_set $KLP_SYSFS/$P/enabled 0
	klp_wait_gone $P
	klp_unload $P
	klp_expect_trace <<-END
		patch: request enable
		patch hold: patched 1
		patch target: patched 1
		patch: start patching
		patch target: unpatched 1, post_unpatch
		patch: request disable, done enable -ECANCELED, reverse unpatching, start unpatching
		patch hold: unpatched 1, post_unpatch
		patch: complete unpatching, done disable 0
	END

	klp_enable $P objects=vmlinux:cmdline,$T:value callbacks=8
	klp_enable $P2 objects=$T:value callbacks=1 veto=$T
	klp_trace_mark
	klp_load_fails EDOM $T
	klp_expect_trace <<-END
		patch target: patched 1
		patch2 target: pre_patch -EDOM
		patch target: unpatched 1, post_unpatch
	END
}

# --- hooks ----------------------------------------------------------------------------------------

t_hooks_none()
{
	local param

	for param in hooks=0 empty_hooks=1; do
		klp_enable $P objects=vmlinux:cmdline $param
		klp_disable $P
		klp_unload $P
		klp_expect_trace <<-END
			patch: request enable
			patch vmlinux: pre_patch 0, patched 1
			patch: start patching
			patch vmlinux: post_patch
			patch: complete patching, done enable 0, request disable
			patch vmlinux: pre_unpatch
			patch: start unpatching
			patch vmlinux: unpatched 1, post_unpatch
			patch: complete unpatching, done disable 0
		END
	done
}

# An object may have hooks only.
t_hooks_alone()
{
	klp_some_callbacks
	klp_enable $P objects=vmlinux: callbacks=0 hooks=3
	klp_disable $P
	klp_expect_trace <<-END
		patch: request enable
		patch vmlinux: patch_hook_1 0, patch_hook_2 0, patch_hook_3 0, patched 0
		patch: start patching, complete patching, done enable 0
		patch: request disable, start unpatching
		patch vmlinux: unpatched 0, unpatch_hook_1 0, unpatch_hook_2 0, unpatch_hook_3 0
		patch: complete unpatching, done disable 0
	END
}

# expect_hooks WHEN WHICH...: the callbacks and hooks of the target that have logged, and in which
# state its module was then
expect_hooks()
{
	local state=$1 which
	shift

	klp_expect "callbacks and hooks of $T in the log" \
		"$(for which; do echo "$P: $which $T ($state)"; done)" \
		"$(klp_log | grep "^$P: [a-z_0-9]* $T ")"
	klp_mark
}

t_hooks_coming()
{
	klp_enable $P objects=vmlinux:cmdline,$T:value hooks=2
	klp_trace_mark
	klp_mark
	klp_load $T
	klp_expect_trace <<-END
		patch target: pre_patch 0, patch_hook_1 0, patch_hook_2 0, patched 1, post_patch
	END
	expect_hooks coming pre_patch patch_hook_1 patch_hook_2 post_patch
	klp_disable $P
	klp_expect_trace <<-END
		patch: request disable
		patch vmlinux: pre_unpatch
		patch target: pre_unpatch
		patch: start unpatching
		patch vmlinux: unpatched 1
		patch target: unpatched 1
		patch vmlinux: unpatch_hook_1 0, unpatch_hook_2 0, post_unpatch
		patch target: unpatch_hook_1 0, unpatch_hook_2 0, post_unpatch
		patch: complete unpatching, done disable 0
	END
	expect_hooks live pre_unpatch unpatch_hook_1 unpatch_hook_2 post_unpatch
}

t_hooks_going()
{
	klp_load $T
	klp_mark
	klp_enable $P objects=vmlinux:cmdline,$T:value hooks=2
	expect_hooks live pre_patch patch_hook_1 patch_hook_2 post_patch
	klp_trace_mark
	klp_unload $T
	klp_expect_trace <<-END
		patch target: pre_unpatch, unpatched 1
		patch target: unpatch_hook_1 0, unpatch_hook_2 0, post_unpatch
	END
	expect_hooks going pre_unpatch unpatch_hook_1 unpatch_hook_2 post_unpatch
}

# hook_line KIND OBJECT VALUE: what is said of the first hook, the only one that fails
hook_line()
{
	echo "livepatch: patch '$P': $1 $1_1 [$P] of object '$2' returned $3"
}

t_hook_fails()
{
	klp_load $T
	klp_mark
	klp_enable $P objects=vmlinux:cmdline,$T:value hooks=3 hook_ret=-5
	klp_expect_file /proc/cmdline $P
	klp_expect_line $T value $P
	klp_disable $P
	klp_expect_trace <<-END
		patch: request enable
		patch vmlinux: pre_patch 0
		patch vmlinux: patch_hook_1 -EIO, patch_hook_2 0, patch_hook_3 0, patched 1
		patch target: pre_patch 0
		patch target: patch_hook_1 -EIO, patch_hook_2 0, patch_hook_3 0, patched 1
		patch: start patching
		patch vmlinux: post_patch
		patch target: post_patch
		patch: complete patching, done enable 0, request disable
		patch vmlinux: pre_unpatch
		patch target: pre_unpatch
		patch: start unpatching
		patch vmlinux: unpatched 1
		patch target: unpatched 1
		patch vmlinux: unpatch_hook_1 -EIO, unpatch_hook_2 0, unpatch_hook_3 0, post_unpatch
		patch target: unpatch_hook_1 -EIO, unpatch_hook_2 0, unpatch_hook_3 0, post_unpatch
		patch: complete unpatching, done disable 0
	END
	klp_expect "lines about hooks" "$(
		hook_line patch_hook vmlinux -5
		hook_line patch_hook $T -5
		hook_line unpatch_hook vmlinux -5
		hook_line unpatch_hook $T -5
	)" "$(klp_log | grep returned)"
}

# Nor does a hook refuse a module, or keep it.
t_hook_fails_coming()
{
	klp_enable $P objects=$T:value hooks=2 hook_ret=7
	klp_trace_mark
	klp_mark
	klp_load $T
	klp_unload $T
	klp_expect_trace <<-END
		patch target: pre_patch 0, patch_hook_1 7, patch_hook_2 0, patched 1, post_patch
		patch target: pre_unpatch, unpatched 1
		patch target: unpatch_hook_1 7, unpatch_hook_2 0, post_unpatch
	END
	klp_expect "lines about hooks" "$(
		hook_line patch_hook $T 7
		hook_line unpatch_hook $T 7
	)" "$(klp_log | grep returned)"
}

# --- pre_patch fails while the patch is being loaded ----------------------------------------------

# expect_veto PATCH OBJECT... : the last of them vetoes
expect_veto()
{
	local patch=$1 object request=${request:-enable}
	shift

	klp_expect_trace < <(
		echo "$patch: request $request"
		for object in "${@:1:$# - 1}"; do
			echo "$patch $object: pre_patch 0, patch_hook_1 0, patched 1"
		done
		echo "$patch ${*: -1}: pre_patch -EDOM"
		klp_unpatched "$patch" "${@:1:$# - 1}"
		echo "$patch: done $request -EDOM"
	)
	klp_expect "what is in $KLP_SYSFS" "${left:-}" "$(klp_list $KLP_SYSFS)"
}

t_veto_first()
{
	klp_load $T
	klp_load $T2
	klp_load $T3
	klp_load_fails EDOM $P objects=vmlinux:cmdline,$T:value,$T2:value hooks=1 veto=vmlinux
	expect_veto patch vmlinux
	klp_load_fails EDOM $P objects=$T:value,$T2:value,$T3:value hooks=1 veto=$T
	expect_veto patch target
}

t_veto_middle()
{
	klp_load $T
	klp_load $T2
	klp_load $T3
	klp_load_fails EDOM $P objects=vmlinux:cmdline,$T:value,$T2:value hooks=1 veto=$T
	expect_veto patch vmlinux target
	klp_load_fails EDOM $P objects=$T:value,vmlinux:cmdline,$T2:value hooks=1 veto=vmlinux
	expect_veto patch target vmlinux
	klp_load_fails EDOM $P objects=$T:value,$T2:value,$T3:value hooks=1 veto=$T2
	expect_veto patch target target2
}

t_veto_last()
{
	klp_load $T
	klp_load $T2
	klp_load $T3
	klp_load_fails EDOM $P objects=vmlinux:cmdline,$T:value,$T2:value hooks=1 veto=$T2
	expect_veto patch vmlinux target target2
	klp_load_fails EDOM $P objects=$T:value,$T2:value,$T3:value hooks=1 veto=$T3
	expect_veto patch target target2 target3
}

t_veto_only()
{
	klp_load $T
	klp_load_fails EDOM $P objects=vmlinux:cmdline hooks=1 veto=vmlinux
	expect_veto patch vmlinux
	klp_load_fails EDOM $P objects=$T:value hooks=1 veto=$T
	expect_veto patch target
	klp_enable $P objects=$T:value hooks=1
	klp_expect_trace < <(klp_enabling patch target)
}

# The patch below has the same functions.  It does not notice.
t_veto_second_patch()
{
	klp_load $T
	klp_enable $P objects=vmlinux:cmdline,$T:value hooks=1
	klp_expect_trace < <(klp_enabling patch vmlinux target)
	klp_load_fails EDOM $P2 objects=vmlinux:cmdline,$T:value hooks=1 veto=$T
	left=$P expect_veto patch2 vmlinux target
	klp_expect_file /proc/cmdline $P
	klp_expect_line $T value $P
	klp_disable $P
	klp_expect_trace < <(klp_disabling patch vmlinux target)
}

# What it was going to replace stays, with all that is owed to it.
t_veto_replace()
{
	klp_load $T
	klp_enable $P objects=vmlinux:version,$T:value hooks=1
	klp_expect_trace < <(klp_enabling patch vmlinux target)
	klp_load_fails EDOM $P2 objects=vmlinux:version,$T:value hooks=1 replace=1 veto=$T
	request=replace left=$P expect_veto patch2 vmlinux target
	klp_expect_file /proc/version $P
	klp_expect_line $T value $P
	klp_disable $P
	klp_expect_trace < <(klp_disabling patch vmlinux target)
}

# --- pre_patch fails for a module that is being loaded --------------------------------------------

# Two patches of which the second vetoes, and every other place in a stack of three.
t_veto_coming()
{
	local vetoing patch

	klp_enable $P objects=vmlinux:cmdline,$T:value hooks=1
	klp_enable $P2 objects=$T:value hooks=1
	klp_enable $P3 objects=$T:extra,vmlinux:cmdline hooks=1
	klp_trace_mark
	for vetoing in $P $P2 $P3; do
		klp_set "$(klp_param "$vetoing" veto)" $T
		klp_load_fails EDOM $T
		klp_set "$(klp_param "$vetoing" veto)" none
		klp_expect_trace < <(
			for patch in patch patch2 patch3; do
				[ test_klp_$patch != "$vetoing" ] || break
				echo "$patch target: pre_patch 0, patch_hook_1 0, patched 1"
				echo "$patch target: post_patch"
			done
			echo "$patch target: pre_patch -EDOM"
			for patch in patch patch2 patch3; do
				[ test_klp_$patch != "$vetoing" ] || break
				echo "$patch target: pre_unpatch"
				klp_unpatched $patch target
			done
		)
	done

	klp_load $T
	klp_expect_line $T value $P2
	klp_expect_trace <<-END
		patch target: pre_patch 0, patch_hook_1 0, patched 1, post_patch
		patch2 target: pre_patch 0, patch_hook_1 0, patched 1, post_patch
		patch3 target: pre_patch 0, patch_hook_1 0, patched 1, post_patch
	END
}

t_veto_coming_errno()
{
	klp_enable $P objects=$T:value hooks=1 veto=$T veto_errno=12
	klp_trace_mark
	klp_load_fails ENOMEM $T
	klp_expect_trace <<-END
		patch target: pre_patch -ENOMEM
	END
}

# The patch below is undone in full for this module.  The one in transition goes on without it.
t_veto_joining_patching()
{
	klp_load $H
	klp_enable $P objects=$T:value hooks=1
	klp_trace_mark
	klp_hold $H
	klp_load $P2 $HELD hooks=1 veto=$T
	klp_load_fails EDOM $T
	klp_release $H
	klp_wait_transition $P2
	klp_expect_trace <<-END
		patch2: request enable
		patch2 vmlinux: pre_patch 0, patch_hook_1 0, patched 1
		patch2 hold: pre_patch 0, patch_hook_1 0, patched 1
		patch2: start patching
		patch target: pre_patch 0, patch_hook_1 0, patched 1, post_patch
		patch2 target: pre_patch -EDOM
		patch target: pre_unpatch, unpatched 1, unpatch_hook_1 0, post_unpatch
		patch2 vmlinux: post_patch
		patch2 hold: post_patch
		patch2: complete patching, done enable 0
	END
}

# The one above is: it had joined the transition, and has to leave it.
t_veto_joining_unpatching()
{
	klp_load $H
	klp_enable $P $HELD hooks=1
	klp_enable $P2 objects=$T:value hooks=1 veto=$T
	klp_trace_mark
	klp_hold $P
	klp_set $KLP_SYSFS/$P/enabled 0
	klp_load_fails EDOM $T
	klp_release $P
	klp_wait_gone $P
	klp_expect_trace <<-END
		patch: request disable
		patch vmlinux: pre_unpatch
		patch hold: pre_unpatch
		patch: start unpatching
		patch target: pre_patch 0, patch_hook_1 0, patched 1
		patch2 target: pre_patch -EDOM
		$(klp_unpatched patch target)
		$(klp_unpatched patch vmlinux hold)
		patch: complete unpatching, done disable 0
	END
}

# --- redirecting fails after pre_patch has succeeded ----------------------------------------------

t_redirect_fails()
{
	klp_load $I function=cmdline_proc_show
	klp_mark
	klp_load_fails EBUSY $P objects=vmlinux:cmdline hooks=1
	klp_expect_trace <<-END
		patch: request enable
		patch vmlinux: pre_patch 0, patch_hook_1 0, unpatch_hook_1 0, post_unpatch
		patch: done enable -EBUSY
	END
	klp_expect_log <<-END
		livepatch: enabling patch '$P'
		$P: pre_patch vmlinux
		$P: patch_hook_1 vmlinux
		livepatch: failed to register ftrace handler for function 'cmdline_proc_show' (-16)
		livepatch: failed to patch object 'vmlinux'
		livepatch: failed to enable patch '$P'
		$P: unpatch_hook_1 vmlinux
		$P: post_unpatch vmlinux
		livepatch: '$P': unpatching complete
	END
	klp_set "$(klp_param $I function)" "$KLP_NL"
	klp_enable $P objects=vmlinux:cmdline hooks=1
	klp_expect_trace < <(klp_enabling patch vmlinux)
	klp_expect "what the other gets now" EBUSY \
		"$(klp_write "$(klp_param $I function)" cmdline_proc_show)"
}

# expect_redirect_fails OBJECT...: of the last of these; no other had its turn
expect_redirect_fails()
{
	klp_expect_trace < <(
		echo "patch: request enable"
		for object in "${@:1:$# - 1}"; do
			echo "patch $object: pre_patch 0, patch_hook_1 0, patched 1"
		done
		echo "patch ${*: -1}: pre_patch 0, patch_hook_1 0"
		for object in "${@:1:$# - 1}"; do
			echo "patch $object: unpatched 1"
		done
		for object; do
			echo "patch $object: unpatch_hook_1 0, post_unpatch"
		done
		echo "patch: done enable -EBUSY"
	)
}

t_redirect_fails_module()
{
	klp_load $T
	klp_load $T2
	klp_load $H
	klp_load $I function=test_klp_hold_wait
	klp_load_fails EBUSY $P objects=$H:hold,$T:value,$T2:value hooks=1
	expect_redirect_fails hold
	klp_load_fails EBUSY $P objects=$T:value,$H:hold,$T2:value hooks=1
	expect_redirect_fails target hold
	klp_load_fails EBUSY $P objects=vmlinux:cmdline,$T:value,$T2:value,$H:hold hooks=1
	expect_redirect_fails vmlinux target target2 hold
	klp_expect "what is in $KLP_SYSFS" "" "$(klp_list $KLP_SYSFS)"
}

# insmod_in_callback MODULE PATCH: starts to load the module, up to the callback that blocks
insmod_in_callback()
{
	klp_set "$(klp_param "$2" blocked)" 1
	insmod "${KLP_KO[$1]}" > "$KLP_TMP/insmod" 2>&1 &
	klp_until "a callback of $2 waits" klp_reads "$(klp_param "$2" blocking)" 1
}

# end_insmod PATCH: lets it go on; KLP_SAID is the error that insmod has met
end_insmod()
{
	klp_set "$(klp_param "$1" blocked)" 0
	wait $!
	KLP_SAID=$(klp_errno "$(< "$KLP_TMP/insmod")")
}

# The module is there in time for somebody to take its function while pre_patch sleeps.
t_redirect_fails_coming()
{
	klp_load $I
	klp_enable $P objects=vmlinux:cmdline,$T:value hooks=1
	klp_enable $P2 objects=$T:first hooks=1 block=pre_patch
	klp_trace_mark
	insmod_in_callback $T $P2
	klp_set "$(klp_param $I function)" test_klp_target_twin
	end_insmod $P2
	klp_expect "error of loading $T" EBUSY "$KLP_SAID"
	klp_expect_trace <<-END
		patch target: pre_patch 0, patch_hook_1 0, patched 1, post_patch
		patch2 target: pre_patch 0, patch_hook_1 0, unpatch_hook_1 0, post_unpatch
		patch target: pre_unpatch, unpatched 1, unpatch_hook_1 0, post_unpatch
	END

	klp_set "$(klp_param $I function)" "$KLP_NL"
	klp_load $T
	klp_expect_trace <<-END
		patch target: pre_patch 0, patch_hook_1 0, patched 1, post_patch
		patch2 target: pre_patch 0, patch_hook_1 0, patched 1, post_patch
	END
}

t_redirect_fails_joining()
{
	klp_load $I
	klp_load $H
	klp_hold $H
	klp_load $P objects=$T:first,$H:hold hooks=1 block=pre_patch
	klp_trace_mark 1
	insmod_in_callback $T $P
	klp_set "$(klp_param $I function)" test_klp_target_twin
	end_insmod $P
	klp_expect "error of loading $T" EBUSY "$KLP_SAID"
	klp_release $H
	klp_wait_transition $P
	klp_expect_trace <<-END
		patch target: pre_patch 0, patch_hook_1 0, unpatch_hook_1 0, post_unpatch
		patch hold: post_patch
		patch: complete patching, done enable 0
	END
}

# --- reversed -------------------------------------------------------------------------------------

# In the middle of a transition: with the task that holds it up.

t_reverse_patching()
{
	klp_load $T
	klp_load $H
	klp_hold $H
	klp_load $P $HELD hooks=1
	klp_expect_trace <<-END
		patch: request enable
		patch vmlinux: pre_patch 0, patch_hook_1 0, patched 1
		patch target: pre_patch 0, patch_hook_1 0, patched 1
		patch hold: pre_patch 0, patch_hook_1 0, patched 1
		patch: start patching
	END
	klp_set $KLP_SYSFS/$P/enabled 0
	klp_wait_gone $P
	klp_expect_trace <<-END
		patch: request disable, done enable -ECANCELED, reverse unpatching, start unpatching
		patch vmlinux: unpatched 1
		patch target: unpatched 1
		patch hold: unpatched 1
		patch vmlinux: unpatch_hook_1 0, post_unpatch
		patch target: unpatch_hook_1 0, post_unpatch
		patch hold: unpatch_hook_1 0, post_unpatch
		patch: complete unpatching, done disable 0
	END
	klp_release $H
}

# The patch below keeps what is owed to it.
t_reverse_patching_upper()
{
	klp_load $H
	klp_enable $P objects=vmlinux:cmdline,$H:hold hooks=1
	klp_expect_trace < <(klp_enabling patch vmlinux hold)
	klp_hold $P
	klp_load $P2 objects=vmlinux:cmdline,$H:hold hooks=1
	klp_set $KLP_SYSFS/$P2/enabled 0
	klp_wait_gone $P2
	klp_expect_trace <<-END
		patch2: request enable
		patch2 vmlinux: pre_patch 0, patch_hook_1 0, patched 1
		patch2 hold: pre_patch 0, patch_hook_1 0, patched 1
		patch2: start patching
		patch2: request disable, done enable -ECANCELED
		patch2: reverse unpatching, start unpatching
		$(klp_unpatched patch2 vmlinux hold)
		patch2: complete unpatching, done disable 0
	END
	klp_release $P
	klp_disable $P
	klp_expect_trace < <(klp_disabling patch vmlinux hold)
}

# A task of either state, each in the way of one direction.
t_reverse_patching_twice()
{
	klp_load $H
	klp_hold $H
	klp_load $P objects=vmlinux:cmdline,$H:hold hooks=1
	klp_trace_mark 1
	klp_until "this shell has switched" klp_reads /proc/self/patch_state 1
	klp_hold $P
	klp_set $KLP_SYSFS/$P/enabled 0
	klp_set $KLP_SYSFS/$P/enabled 1
	klp_expect_trace <<-END
		patch: request disable, done enable -ECANCELED, reverse unpatching, start unpatching
		patch: request enable, done disable -ECANCELED, reverse patching, start patching
	END
	klp_release $H
	klp_wait_transition $P
	klp_release $P
	klp_expect_trace <<-END
		patch vmlinux: post_patch
		patch hold: post_patch
		patch: complete patching, done enable 0
	END
	klp_disable $P
	klp_expect_trace < <(klp_disabling patch vmlinux hold)
}

t_reverse_unpatching()
{
	klp_load $T
	klp_load $H
	klp_enable $P $HELD hooks=1
	klp_trace_mark
	klp_hold $P
	for _ in 1 2; do
		klp_set $KLP_SYSFS/$P/enabled 0
		klp_set $KLP_SYSFS/$P/enabled 1
		klp_wait_transition $P
		klp_expect_trace <<-END
			patch: request disable
			patch vmlinux: pre_unpatch
			patch target: pre_unpatch
			patch hold: pre_unpatch
			patch: start unpatching
			patch: request enable, done disable -ECANCELED
			patch: reverse patching, start patching
			patch vmlinux: post_patch
			patch target: post_patch
			patch hold: post_patch
			patch: complete patching, done enable 0
		END
	done
	klp_release $P
	klp_disable $P
	klp_expect_trace < <(klp_disabling patch vmlinux target hold)
}

# post_patch has not run again when the direction changes for the second time.
t_reverse_unpatching_twice()
{
	klp_load $H
	klp_enable $P objects=vmlinux:cmdline,$H:hold hooks=1
	klp_trace_mark
	klp_hold $P
	klp_set $KLP_SYSFS/$P/enabled 0
	klp_until "this shell has switched" klp_reads /proc/self/patch_state 0
	klp_hold $H
	klp_set $KLP_SYSFS/$P/enabled 1
	klp_set $KLP_SYSFS/$P/enabled 0
	klp_release $P
	klp_wait_gone $P
	klp_expect_trace <<-END
		patch: request disable
		patch vmlinux: pre_unpatch
		patch hold: pre_unpatch
		patch: start unpatching
		patch: request enable, done disable -ECANCELED, reverse patching, start patching
		patch: request disable, done enable -ECANCELED, reverse unpatching, start unpatching
		$(klp_unpatched patch vmlinux hold)
		patch: complete unpatching, done disable 0
	END
	klp_release $H
}

# --- modules that go, or fail ---------------------------------------------------------------------

t_unload()
{
	klp_load $T
	klp_enable $P objects=vmlinux:cmdline,$T:value,$T2:value hooks=1
	klp_enable $P2 objects=$T:value,$T2:value hooks=1
	klp_enable $P3 objects=vmlinux:cmdline hooks=1
	klp_trace_mark
	for _ in 1 2; do
		klp_unload $T
		klp_expect_trace <<-END
			patch target: pre_unpatch, unpatched 1, unpatch_hook_1 0, post_unpatch
			patch2 target: pre_unpatch, unpatched 1, unpatch_hook_1 0, post_unpatch
		END
		klp_load $T
		klp_expect_trace <<-END
			patch target: pre_patch 0, patch_hook_1 0, patched 1, post_patch
			patch2 target: pre_patch 0, patch_hook_1 0, patched 1, post_patch
		END
		klp_expect_line $T value $P2
	done
	klp_load $T2
	klp_unload $T
	klp_expect_trace <<-END
		patch target2: pre_patch 0, patch_hook_1 0, patched 1, post_patch
		patch2 target2: pre_patch 0, patch_hook_1 0, patched 1, post_patch
		patch target: pre_unpatch, unpatched 1, unpatch_hook_1 0, post_unpatch
		patch2 target: pre_unpatch, unpatched 1, unpatch_hook_1 0, post_unpatch
	END
	klp_disable $P
	klp_disable $P2
	klp_expect_trace <<-END
		$(klp_disabling patch vmlinux target2)
		$(klp_disabling patch2 target2)
	END
}

t_init_fails()
{
	klp_enable $P objects=vmlinux:cmdline,$T:value hooks=1
	klp_enable $P2 objects=$T:value hooks=1
	klp_trace_mark
	klp_load_fails ENOMEM $T init_ret=-12
	klp_expect_trace <<-END
		patch target: pre_patch 0, patch_hook_1 0, patched 1, post_patch
		patch2 target: pre_patch 0, patch_hook_1 0, patched 1, post_patch
		patch target: pre_unpatch, unpatched 1, unpatch_hook_1 0, post_unpatch
		patch2 target: pre_unpatch, unpatched 1, unpatch_hook_1 0, post_unpatch
	END
}

t_init_fails_joining()
{
	klp_load $H
	klp_hold $H
	klp_load $P $HELD hooks=1
	klp_trace_mark 1
	klp_load_fails ENOMEM $T init_ret=-12
	klp_expect_trace <<-END
		patch target: pre_patch 0, patch_hook_1 0, patched 1
		patch target: unpatched 1, unpatch_hook_1 0, post_unpatch
	END
	klp_release $H
	klp_wait_transition $P
	klp_expect_trace <<-END
		patch vmlinux: post_patch
		patch hold: post_patch
		patch: complete patching, done enable 0
	END
}

# --- modules that come and go during a transition -------------------------------------------------

# The first object and the last, with the one that keeps the transition from ending between them.
AROUND=objects=$T:value,$H:hold,$T2:value

# start_patching: up to the transition, with nothing but H loaded
start_patching()
{
	klp_load $H
	klp_hold $H
	klp_load $P $AROUND hooks=1
	klp_trace_mark 1
}

# start_unpatching TARGET...: enables with these loaded, then starts to disable
start_unpatching()
{
	local target

	for target in $H "$@"; do
		klp_load "$target"
	done
	klp_enable $P $AROUND hooks=1
	klp_hold $P
	klp_trace_mark
	klp_set $KLP_SYSFS/$P/enabled 0
	klp_trace_mark 1
}

t_joins_patching()
{
	start_patching
	klp_load $T
	klp_load $T2
	klp_expect_trace <<-END
		patch target: pre_patch 0, patch_hook_1 0, patched 1
		patch target2: pre_patch 0, patch_hook_1 0, patched 1
	END
	klp_release $H
	klp_wait_transition $P
	klp_expect_trace <<-END
		patch target: post_patch
		patch hold: post_patch
		patch target2: post_patch
		patch: complete patching, done enable 0
	END
	klp_disable $P
	klp_expect_trace < <(klp_disabling patch target hold target2)
}

t_leaves_patching()
{
	klp_load $T
	klp_load $T2
	start_patching
	klp_unload $T
	klp_unload $T2
	klp_expect_trace <<-END
		patch target: unpatched 1, unpatch_hook_1 0, post_unpatch
		patch target2: unpatched 1, unpatch_hook_1 0, post_unpatch
	END
	# And comes back.
	klp_load $T2
	klp_expect_trace <<-END
		patch target2: pre_patch 0, patch_hook_1 0, patched 1
	END
	klp_release $H
	klp_wait_transition $P
	klp_expect_trace <<-END
		patch hold: post_patch
		patch target2: post_patch
		patch: complete patching, done enable 0
	END
	klp_disable $P
	klp_expect_trace < <(klp_disabling patch hold target2)
}

t_joins_and_leaves_patching_reversed()
{
	klp_load $T
	start_patching
	klp_unload $T
	klp_load $T2
	klp_set $KLP_SYSFS/$P/enabled 0
	klp_wait_gone $P
	klp_expect_trace <<-END
		patch target: unpatched 1, unpatch_hook_1 0, post_unpatch
		patch target2: pre_patch 0, patch_hook_1 0, patched 1
		patch: request disable, done enable -ECANCELED, reverse unpatching, start unpatching
		$(klp_unpatched patch hold target2)
		patch: complete unpatching, done disable 0
	END
}

t_joins_unpatching()
{
	start_unpatching
	klp_load $T
	klp_load $T2
	klp_expect_trace <<-END
		patch target: pre_patch 0, patch_hook_1 0, patched 1
		patch target2: pre_patch 0, patch_hook_1 0, patched 1
	END
	klp_release $P
	klp_wait_gone $P
	klp_expect_trace <<-END
		$(klp_unpatched patch target hold target2)
		patch: complete unpatching, done disable 0
	END
}

t_leaves_unpatching()
{
	start_unpatching $T $T2
	klp_unload $T
	klp_unload $T2
	klp_expect_trace <<-END
		patch target: unpatched 1, unpatch_hook_1 0, post_unpatch
		patch target2: unpatched 1, unpatch_hook_1 0, post_unpatch
	END
	klp_release $P
	klp_wait_gone $P
	klp_expect_trace <<-END
		$(klp_unpatched patch hold)
		patch: complete unpatching, done disable 0
	END
}

# Who has joined goes live with the others, though it never was before.
t_joins_and_leaves_unpatching_reversed()
{
	start_unpatching $T
	klp_unload $T
	klp_load $T2
	klp_set $KLP_SYSFS/$P/enabled 1
	klp_wait_transition $P
	klp_expect_trace <<-END
		patch target: unpatched 1, unpatch_hook_1 0, post_unpatch
		patch target2: pre_patch 0, patch_hook_1 0, patched 1
		patch: request enable, done disable -ECANCELED, reverse patching, start patching
		patch hold: post_patch
		patch target2: post_patch
		patch: complete patching, done enable 0
	END
	klp_release $P
	klp_disable $P
	klp_expect_trace < <(klp_disabling patch hold target2)
}

# A patch that is not the one in transition takes no part in it.
t_joins_two_patches()
{
	klp_load $H
	klp_enable $P objects=$T:value hooks=1
	klp_hold $H
	klp_load $P2 objects=$T:value,$H:hold hooks=1
	klp_trace_mark 1
	klp_load $T
	klp_unload $T
	klp_load $T
	klp_expect_trace <<-END
		patch target: pre_patch 0, patch_hook_1 0, patched 1, post_patch
		patch2 target: pre_patch 0, patch_hook_1 0, patched 1
		patch target: pre_unpatch, unpatched 1, unpatch_hook_1 0, post_unpatch
		patch2 target: unpatched 1, unpatch_hook_1 0, post_unpatch
		patch target: pre_patch 0, patch_hook_1 0, patched 1, post_patch
		patch2 target: pre_patch 0, patch_hook_1 0, patched 1
	END
	klp_release $H
	klp_wait_transition $P2
	klp_expect_trace <<-END
		patch2 target: post_patch
		patch2 hold: post_patch
		patch2: complete patching, done enable 0
	END
}

# --- forced ---------------------------------------------------------------------------------------

t_force_patching()
{
	start_patching
	klp_load $T
	klp_trace_mark 1
	klp_set $KLP_SYSFS/$P/force 1
	klp_wait_transition $P
	klp_expect_trace <<-END
		patch: force patching
		patch target: post_patch
		patch hold: post_patch
		patch: complete patching, done enable 0
	END
	klp_release $H
	klp_disable $P
	klp_expect_trace < <(klp_disabling patch target hold)
}

# Forced out, enabled again, and then replaced by force: one module, since it has to stay for good.
t_force_unpatching_and_replace()
{
	[ ! -e /sys/module/$F ] || klp_skip "only once after each boot: $F is there for good"
	klp_load $H
	klp_enable $F objects=vmlinux:cmdline,$H:hold hooks=1 persistent=1
	klp_hold $F
	klp_trace_mark
	klp_set $KLP_SYSFS/$F/enabled 0
	klp_set $KLP_SYSFS/$F/force 1
	klp_wait_transition $F
	klp_expect_trace <<-END
		forced2: request disable
		forced2 vmlinux: pre_unpatch
		forced2 hold: pre_unpatch
		forced2: start unpatching, force unpatching
		$(klp_unpatched forced2 vmlinux hold)
		forced2: complete unpatching, done disable 0
	END
	klp_expect_file /sys/module/$F/refcnt 1
	klp_release $F

	klp_set $KLP_SYSFS/$F/enabled 1
	klp_wait_transition $F
	klp_expect_trace < <(klp_enabling forced2 vmlinux hold)

	klp_hold $F
	klp_load $P objects=vmlinux:cmdline hooks=1 replace=1
	klp_set $KLP_SYSFS/$P/force 1
	klp_wait_transition $P
	klp_wait_gone $F
	klp_expect_trace <<-END
		patch: request replace
		patch vmlinux: pre_patch 0, patch_hook_1 0, patched 1
		patch hold: patched 1
		patch: start patching, force patching
		forced2 vmlinux: unpatched 1
		forced2 hold: unpatched 1
		patch hold: unpatched 1
		patch vmlinux: post_patch
		patch: complete patching, done replace 0
	END
	klp_release $F
	klp_expect "what the task that slept has read" $F "$KLP_SAID"
	klp_until "the module has lost all other users" klp_reads /sys/module/$F/refcnt 1
}

# --- replaced -------------------------------------------------------------------------------------

t_replace()
{
	klp_load $T
	klp_load $T2
	klp_enable $P objects=vmlinux:cmdline+version,$T:value hooks=1
	klp_enable $P2 objects=vmlinux:version,$T2:value hooks=1
	klp_trace_mark
	klp_enable $P3 objects=$T2:extra,vmlinux:cmdline hooks=1 replace=1
	klp_wait_gone $P
	klp_wait_gone $P2
	# Three functions go back to their original code: two by a nop beside one of its own, and
	# one in an object that is all nops.
	klp_expect_trace <<-END
		patch3: request replace
		patch3 target2: pre_patch 0, patch_hook_1 0, patched 2
		patch3 vmlinux: pre_patch 0, patch_hook_1 0, patched 2
		patch3 target: patched 1
		patch3: start patching
		patch vmlinux: unpatched 2
		patch target: unpatched 1
		patch2 vmlinux: unpatched 1
		patch2 target2: unpatched 1
		patch3 target: unpatched 1
		patch3 target2: post_patch
		patch3 vmlinux: post_patch
		patch3: complete patching, done replace 0
	END
	klp_expect_line $T value original
	klp_expect_line $T2 value original
	klp_expect_line $T2 extra $P3

	# Nothing is owed to their objects.
	klp_unload $T
	klp_load $T
	klp_unload $T2
	klp_expect_trace <<-END
		patch3 target2: pre_unpatch, unpatched 1, unpatch_hook_1 0, post_unpatch
	END
	klp_disable $P3
	klp_expect_trace < <(klp_disabling patch3 vmlinux)
}

t_replace_chain()
{
	klp_load $T
	klp_enable $P objects=vmlinux:cmdline,$T:value hooks=1
	klp_trace_mark
	klp_enable $P2 objects=vmlinux:cmdline,$T:value hooks=1 replace=1
	klp_wait_gone $P
	klp_enable $P3 objects=$T:value hooks=1 replace=1
	klp_wait_gone $P2
	klp_unload $P
	klp_enable $P objects=$T:value hooks=1 replace=1
	klp_wait_gone $P3
	klp_expect_trace <<-END
		patch2: request replace
		patch2 vmlinux: pre_patch 0, patch_hook_1 0, patched 1
		patch2 target: pre_patch 0, patch_hook_1 0, patched 1
		patch2: start patching
		patch vmlinux: unpatched 1
		patch target: unpatched 1
		patch2 vmlinux: post_patch
		patch2 target: post_patch
		patch2: complete patching, done replace 0

		patch3: request replace
		patch3 target: pre_patch 0, patch_hook_1 0, patched 1
		patch3 vmlinux: patched 1
		patch3: start patching
		patch2 vmlinux: unpatched 1
		patch2 target: unpatched 1
		patch3 vmlinux: unpatched 1
		patch3 target: post_patch
		patch3: complete patching, done replace 0

		patch: request replace
		patch target: pre_patch 0, patch_hook_1 0, patched 1
		patch: start patching
		patch3 target: unpatched 1
		patch target: post_patch
		patch: complete patching, done replace 0
	END
	klp_expect_line $T value $P
	klp_disable $P
	klp_expect_trace < <(klp_disabling patch target)
}

# Until the transition is complete the replaced patch is enabled, and owes and is owed as before.
t_replace_during()
{
	klp_load $T
	klp_load $H
	klp_enable $P objects=$T:value,$T2:value,$H:hold hooks=1
	klp_hold $P
	klp_load $P2 objects=$T:value,$T2:value hooks=1 replace=1
	klp_trace_mark 1
	klp_load $T2
	klp_unload $T
	klp_expect_trace <<-END
		patch target2: pre_patch 0, patch_hook_1 0, patched 1, post_patch
		patch2 target2: pre_patch 0, patch_hook_1 0, patched 1
		patch target: pre_unpatch, unpatched 1, unpatch_hook_1 0, post_unpatch
		patch2 target: unpatched 1, unpatch_hook_1 0, post_unpatch
	END
	klp_release $P
	klp_wait_transition $P2
	klp_wait_gone $P
	klp_expect_trace <<-END
		patch target2: unpatched 1
		patch hold: unpatched 1
		patch2 hold: unpatched 1
		patch2 target2: post_patch
		patch2: complete patching, done replace 0
	END
}

t_replace_reversed()
{
	klp_load $T
	klp_load $H
	klp_enable $P objects=vmlinux:version,$H:hold hooks=1
	klp_hold $P
	klp_trace_mark
	klp_load $P2 objects=$T:value,vmlinux:version hooks=1 replace=1
	klp_set $KLP_SYSFS/$P2/enabled 0
	klp_wait_gone $P2
	klp_expect_trace <<-END
		patch2: request replace
		patch2 target: pre_patch 0, patch_hook_1 0, patched 1
		patch2 vmlinux: pre_patch 0, patch_hook_1 0, patched 1
		patch2 hold: patched 1
		patch2: start patching
		patch2: request disable, done replace -ECANCELED
		patch2: reverse unpatching, start unpatching
		patch2 target: unpatched 1
		patch2 vmlinux: unpatched 1
		patch2 hold: unpatched 1
		patch2 target: unpatch_hook_1 0, post_unpatch
		patch2 vmlinux: unpatch_hook_1 0, post_unpatch
		patch2: complete unpatching, done disable 0
	END
	klp_release $P
	klp_disable $P
	klp_expect_trace < <(klp_disabling patch vmlinux hold)
}

# --- callbacks that ask for a patch, and callbacks that take their time ---------------------------

# expect_deadlock WHICH: the callback that asked has been answered, and the log has one line of it
expect_deadlock()
{
	klp_expect "what was said when $1 asked for a patch" "\
livepatch: patch '$P' cannot be enabled from a callback
$P: klp_enable_patch() returns -35" "$(klp_log | grep -e 'from a callback' -e klp_enable_patch)"
	klp_mark
}

t_nested()
{
	local which asks

	klp_enable $P objects=vmlinux:cmdline hooks=1 persistent=1
	klp_disable_persistent $P
	klp_trace_mark
	for which in pre_patch patch_hook_1 post_patch pre_unpatch unpatch_hook_1 post_unpatch; do
		klp_set "$(klp_param $P nested)" $which
		klp_mark
		klp_set $KLP_SYSFS/$P/enabled 1
		klp_wait_transition $P
		klp_disable_persistent $P
		expect_deadlock $which
		# The event of a callback comes when it returns, what it does before.
		asks="patch: request enable, done enable -EDEADLK"
		klp_expect_trace < <(
			printf '%s\n' "patch: request enable" "patch vmlinux: pre_patch 0" \
				"patch vmlinux: patch_hook_1 0" "patch vmlinux: patched 1" \
				"patch: start patching" "patch vmlinux: post_patch" \
				"patch: complete patching, done enable 0, request disable" \
				"patch vmlinux: pre_unpatch" "patch: start unpatching" \
				"patch vmlinux: unpatched 1" "patch vmlinux: unpatch_hook_1 0" \
				"patch vmlinux: post_unpatch" \
				"patch: complete unpatching, done disable 0" |
				sed "s/^patch vmlinux: $which\>.*/$asks\n&/"
		)
	done
}

# When a module comes or goes it is another task that holds the lock.
t_nested_module()
{
	local which

	klp_enable $P objects=$T:value hooks=1
	klp_trace_mark
	for which in pre_patch patch_hook_1 post_patch pre_unpatch unpatch_hook_1 post_unpatch; do
		klp_set "$(klp_param $P nested)" $which
		klp_mark
		klp_load $T
		klp_unload $T
		expect_deadlock $which
		klp_expect_trace < <(
			printf 'patch target: %s\n' "pre_patch 0" "patch_hook_1 0" "patched 1" \
				post_patch pre_unpatch "unpatched 1" "unpatch_hook_1 0" \
				post_unpatch |
				sed "s/: $which\>/: &/; t more; b
					:more
					s/.*/patch: request enable, done enable -EDEADLK\n&/
					s/: : /: /"
		)
	done
}

# The files of a patch would make it wait likewise.
t_nested_write()
{
	klp_enable $P objects=vmlinux:cmdline hooks=1
	klp_trace_mark
	klp_set "$(klp_param $P nested)" pre_unpatch
	klp_set "$(klp_param $P nested_file)" force
	klp_mark
	klp_disable $P
	klp_expect "what was said" "\
livepatch: patch '$P' cannot be forced from a callback
$P: writing to a file of the patch returns -35" "$(klp_log | grep -e 'from a callback' -e writing)"
	klp_expect_trace < <(klp_disabling patch vmlinux)
	klp_unload $P

	klp_mark
	klp_enable $P objects=vmlinux:cmdline hooks=1 nested=patch_hook_1 nested_file=enabled
	klp_expect "what was said" "\
livepatch: patch '$P' cannot be enabled from a callback
$P: writing to a file of the patch returns -35" "$(klp_log | grep -e 'from a callback' -e writing)"
	klp_expect_trace <<-END
		patch: request enable
		patch vmlinux: pre_patch 0
		patch: request enable, done enable -EDEADLK
		patch vmlinux: patch_hook_1 0, patched 1
		patch: start patching
		patch vmlinux: post_patch
		patch: complete patching, done enable 0
	END
}

# read_files: all files of the patch, in KLP_READ; gives up when one of them makes it wait
read_files()
{
	local file

	rm -f "$KLP_TMP/read"
	(
		cd $KLP_SYSFS/$P || exit
		for file in enabled transition stack_order replace vmlinux/patched $T/patched; do
			read -r value < "$file"
			echo "$file=$value"
		done > "$KLP_TMP/reading"
		mv "$KLP_TMP/reading" "$KLP_TMP/read"
	) &
	klp_until "all files have been read" [ -e "$KLP_TMP/read" ]
	KLP_READ=$(paste -sd ' ' "$KLP_TMP/read")
}

# expect_files WHICH ENABLED STACK_ORDER PATCHED
expect_files()
{
	read_files
	klp_expect "files read while $1 sleeps" \
		"enabled=$2 transition=1 stack_order=$3 replace=0 vmlinux/patched=$4 $T/patched=0" \
		"$KLP_READ"
}

# What sysfs says while a callback sleeps, and that it says it at once.
t_reads_in_callbacks()
{
	local step which values

	klp_enable $P objects=vmlinux:cmdline,$T:value hooks=1 persistent=1
	klp_disable_persistent $P
	for step in "1 pre_patch 0 1 0" "1 patch_hook_1 0 1 0" "1 post_patch 1 1 1" \
		"0 pre_unpatch 1 1 1" "0 unpatch_hook_1 0 1 0" "0 post_unpatch 0 1 0"; do
		read -r value which values <<< "$step"
		[ "$value" != "$(< $KLP_SYSFS/$P/enabled)" ] || {
			klp_set $KLP_SYSFS/$P/enabled $((1 - value))
			klp_wait_transition $P
		}
		klp_set "$(klp_param $P block)" "$which"
		klp_set "$(klp_param $P blocked)" 1
		(klp_set $KLP_SYSFS/$P/enabled "$value") &
		klp_until "$which sleeps" klp_reads "$(klp_param $P blocking)" 1
		# shellcheck disable=SC2086 # several arguments
		expect_files "$which" $values
		klp_set "$(klp_param $P blocked)" 0
		wait
		klp_wait_transition $P
	done
}

# Time is the point of this test.
t_slow_callback()
{
	local end reads=0 line

	klp_load $P objects=vmlinux:cmdline,$T:value hooks=1 block=pre_patch blocked=1 &
	klp_until "pre_patch sleeps" klp_reads "$(klp_param $P blocking)" 1
	end=$((SECONDS + 4))
	until [ $SECONDS -ge $end ]; do
		expect_files pre_patch 0 1 0
		reads=$((reads + 1))
	done
	[ $reads -ge 3 ] || klp_fail "sysfs was read but $reads times in 3 s"
	klp_set "$(klp_param $P blocked)" 0
	wait
	klp_wait_transition $P
	klp_expect_trace < <(klp_enabling patch vmlinux)

	# The time it took is that of the callback, and of the request too.
	while read -r line; do
		case $line in
		*" kind=pre_patch "* | *" request=enable result=0 "*)
			[ "${line##*duration_ns=}" -ge 3000000000 ] ||
				klp_fail "that took 3 s at the least: $line"
			;;
		*" kind=post_patch "*)
			[ "${line##*duration_ns=}" -lt 3000000000 ] ||
				klp_fail "that did not take 3 s: $line"
			;;
		esac
	done < "$KLP_TRACE/trace"
}

# --- every legal order ----------------------------------------------------------------------------

# each_order DONE LEFT...: all orders in which the steps that are left can follow those done, one on
# a line.  The module of a patch can go only when that is disabled.
each_order()
{
	local so_far=$1 step left
	shift

	[ $# -gt 0 ] || echo "$so_far"
	for step; do
		case $step in
		remove:test_klp_patch*)
			[[ " $so_far " = *" disable:${step#*:} "* ]] || continue
			;;
		esac
		left=" $* "
		# shellcheck disable=SC2086 # a list of steps
		each_order "$so_far $step" ${left/ $step / }
	done
}

# expect_step STEP: what it must bring about, by the targets that are loaded and the patches that
# are enabled
expect_step()
{
	local name=${1#*:} short=${1#*:test_klp_} patch target

	case $1 in
	disable:*)
		# shellcheck disable=SC2086 # lists of names
		klp_disabling "$short" ${objects[$name]} |
			awk -v loaded=" vmlinux $loaded " '{
				object = $2
				sub(/:$/, "", object)
				if ($1 ~ /:$/ || index(loaded, " " object " "))
					print
			}'
		;;
	remove:test_klp_target*)
		for patch in $enabled; do
			[[ " ${objects[$patch]} " != *" $short "* ]] ||
				echo "${patch#test_klp_} $short: pre_unpatch, unpatched 1," \
					"unpatch_hook_1 0, post_unpatch"
		done
		;;
	esac
}

# in_every_order STEP...: once for each legal order
in_every_order()
{
	local order step name path

	each_order '' "$@" > "$KLP_TMP/orders"
	while read -r order; do
		loaded='' enabled=''
		for name in $T $T2; do
			[[ " $order " = *" remove:$name "* ]] || continue
			klp_load "$name"
			loaded+=" ${name#test_klp_}"
		done
		for name in $P $P2; do
			[[ " $order " = *" remove:$name "* ]] || continue
			klp_enable "$name" "${parameters[$name]}" hooks=1 \
				persistent="${persistent[$name]}"
			enabled+=" $name"
		done
		klp_trace_mark

		for step in $order; do
			name=${step#*:}
			case $step in
			disable:*)
				if [ "${persistent[$name]}" = 1 ]; then
					klp_disable_persistent "$name"
				else
					klp_disable "$name"
				fi
				;;
			remove:*)
				klp_unload "$name"
				;;
			esac
			expect_step "$step" > "$KLP_TMP/step"
			klp_expect_trace < "$KLP_TMP/step"
			case $step in
			disable:*)		enabled=${enabled/ $name/} ;;
			remove:test_klp_target*)	loaded=${loaded/ ${name#test_klp_}/} ;;
			esac
		done
		klp_expect "modules after$order" "" "$(klp_leftovers)"
		klp_expect "patches after$order" "" "$(klp_list $KLP_SYSFS)"
		klp_expect "functions redirected after$order" "" "$(klp_redirected)"
		# All of this in one trace would take long to read.
		klp_check_trace
		klp_trace_anew
	done < "$KLP_TMP/orders"
}

t_every_order()
{
	local loaded enabled
	declare -A parameters=([$P]="objects=vmlinux:cmdline,$T:value,$T2:value"
		[$P2]="objects=$T:value,vmlinux:cmdline")
	declare -A objects=([$P]="vmlinux target target2" [$P2]="target vmlinux")
	declare -A persistent=([$P]=1 [$P2]=0)

	in_every_order disable:$P remove:$P remove:$T remove:$T2
	in_every_order disable:$P remove:$P disable:$P2 remove:$P2 remove:$T
}

klp_setup $P $P2 $P3 test_klp_forced2 $T $T2 $T3 $H $I
klp_record

klp_main \
	"vmlinux order of events, one patch of the kernel" \
	"module order of events, one patch of a module" \
	"several_objects order of events, one patch of the kernel and three modules" \
	"several_patches order of events, three patches, the middle one disabled first" \
	"absent_object nothing runs for an object that is not loaded" \
	"some_callbacks each set of callbacks, with and without hooks" \
	"some_callbacks_undone post_unpatch alone runs when a patch is undone" \
	"hooks_none no array of hooks, and an empty one" \
	"hooks_alone hooks of an object that has neither callbacks nor functions" \
	"hooks_coming hooks of a module that is coming, then live" \
	"hooks_going hooks of a module that is live, then going" \
	"hook_fails hooks that fail are logged, and nothing else" \
	"hook_fails_coming hooks that fail for a module that comes and goes" \
	"veto_first pre_patch of the first object vetoes" \
	"veto_middle pre_patch of a middle object vetoes" \
	"veto_last pre_patch of the last object vetoes" \
	"veto_only pre_patch of the only object vetoes" \
	"veto_second_patch pre_patch vetoes, another patch is enabled" \
	"veto_replace pre_patch vetoes a patch that was to replace another" \
	"veto_coming pre_patch of each of three patches vetoes a module" \
	"veto_coming_errno the module is refused with the errno of pre_patch" \
	"veto_joining_patching pre_patch vetoes a module during patching" \
	"veto_joining_unpatching pre_patch vetoes a module during unpatching" \
	"redirect_fails somebody else is on a function of the kernel" \
	"redirect_fails_module somebody else is on a function of the first, middle, last module" \
	"redirect_fails_coming somebody else is on a function of a module that is coming" \
	"redirect_fails_joining the same during a transition" \
	"reverse_patching patching reversed" \
	"reverse_patching_upper patching of the upper of two patches reversed" \
	"reverse_patching_twice patching reversed, and reversed again" \
	"reverse_unpatching unpatching reversed, twice over" \
	"reverse_unpatching_twice unpatching reversed, and reversed again" \
	"unload a module comes and goes under three patches" \
	"init_fails init of a module fails under two patches" \
	"init_fails_joining init of a module fails during patching" \
	"joins_patching first and last object loaded during patching" \
	"leaves_patching first and last object unloaded during patching" \
	"joins_and_leaves_patching_reversed one loaded, one unloaded, patching reversed" \
	"joins_unpatching first and last object loaded during unpatching" \
	"leaves_unpatching first and last object unloaded during unpatching" \
	"joins_and_leaves_unpatching_reversed one loaded, one unloaded, unpatching reversed" \
	"joins_two_patches a module comes and goes, one patch of two is in transition" \
	"force_patching patching forced" \
	"force_unpatching_and_replace unpatching forced, then a replacement" \
	"replace two patches replaced" \
	"replace_chain three replacements in a row" \
	"replace_during modules come and go during a replacement" \
	"replace_reversed a replacement reversed" \
	"nested each callback and hook asks for a patch" \
	"nested_module each callback and hook of a coming and going module asks for a patch" \
	"nested_write a callback writes to a file of its patch" \
	"reads_in_callbacks sysfs is read while each callback and hook sleeps" \
	"slow_callback sysfs is read for three seconds in which pre_patch sleeps" \
	"every_order everything disabled and removed, in each legal order"
