#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The contract of callbacks: pre_patch or redirecting fails, for a patch or for a module.
#
# The tests compare sequences of trace events, see klp-trace-lib.sh. After each test klp_check_trace
# checks the whole trace for the rules that hold in all sequences.

# shellcheck source-path=SCRIPTDIR source=klp-lib.sh
. "$(dirname "$0")/klp-lib.sh"

P=test_klp_patch
P2=test_klp_patch2
P3=test_klp_patch3
T=test_klp_target
T2=test_klp_target2
T3=test_klp_target3
H=test_klp_hold
I=test_klp_ipmodify

# The held task blocks the transition of a patch of H.
HELD=objects=vmlinux:cmdline,$T:value,$H:hold

# --- pre_patch fails while the patch is being loaded ----------------------------------------------

# expect_veto PATCH OBJECT...: check the events when the last of these objects vetoes
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

# The patch below has the same functions, and is not affected.
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

# The patch that would have been replaced stays, with its owed callbacks.
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

# The second of two patches vetoes, and each of three patches in a stack.
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

# The patch below is reverted for this module. The transition continues without the module.
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

# The patch above is reverted: the module had joined its transition, and leaves it.
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
		livepatch: function 'cmdline_proc_show' is redirected by ipmodify_handler [$I]
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

# expect_redirect_fails OBJECT...: check the events when redirecting the last of these objects
# fails
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

# insmod_in_callback MODULE PATCH: start to load the module, up to the callback that blocks
insmod_in_callback()
{
	klp_set "$(klp_param "$2" blocked)" 1
	insmod "${KLP_KO[$1]}" > "$KLP_TMP/insmod" 2>&1 &
	klp_until "a callback of $2 waits" klp_reads "$(klp_param "$2" blocking)" 1
}

# end_insmod PATCH: wake the callback. Sets KLP_SAID to the error of insmod
end_insmod()
{
	klp_set "$(klp_param "$1" blocked)" 0
	wait $!
	KLP_SAID=$(klp_errno "$(< "$KLP_TMP/insmod")")
}

# Another user of ftrace takes the function of the module while pre_patch sleeps.
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

klp_setup $P $P2 $P3 $T $T2 $T3 $H $I
klp_record

klp_main \
	"veto_first pre_patch of the first object vetoes" \
	"veto_middle pre_patch of a middle object vetoes" \
	"veto_last pre_patch of the last object vetoes" \
	"veto_only pre_patch of the only object vetoes" \
	"veto_second_patch pre_patch vetoes, another patch is enabled" \
	"veto_replace pre_patch vetoes a patch that would replace another" \
	"veto_coming pre_patch of each of three patches vetoes a module" \
	"veto_coming_errno the module is refused with the errno of pre_patch" \
	"veto_joining_patching pre_patch vetoes a module during patching" \
	"veto_joining_unpatching pre_patch vetoes a module during unpatching" \
	"redirect_fails a function of the kernel is redirected by another user" \
	"redirect_fails_module the same, of the first, middle, last module" \
	"redirect_fails_coming the same, of a module that is being loaded" \
	"redirect_fails_joining the same during a transition"
