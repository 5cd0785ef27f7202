#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The contract of callbacks: transitions that are reversed or forced, modules that are loaded and
# unloaded meanwhile, and replace.
#
# The tests compare sequences of trace events, see klp-trace-lib.sh. After each test klp_check_trace
# checks the whole trace for the rules that hold in all sequences.

# shellcheck source-path=SCRIPTDIR source=klp-lib.sh
. "$(dirname "$0")/klp-lib.sh"

P=test_klp_patch
P2=test_klp_patch2
P3=test_klp_patch3
F=test_klp_forced2
T=test_klp_target
T2=test_klp_target2
H=test_klp_hold

# The held task blocks the transition of a patch of H.
HELD=objects=vmlinux:cmdline,$T:value,$H:hold

# --- reversed -------------------------------------------------------------------------------------

# In the middle of a transition, which a held task blocks.

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

# The callbacks that are owed to the patch below stay owed.
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

# A task in each state blocks one direction.
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
	klp_expect_file /proc/cmdline $P
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
		klp_expect_file $KLP_SYSFS/$P/enabled 1
	done
	klp_release $P
	klp_disable $P
	klp_expect_trace < <(klp_disabling patch vmlinux target hold)
}

# post_patch has not run again when the transition is reversed for the second time.
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

# --- modules that are unloaded, or fail -----------------------------------------------------------

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

# --- modules that are loaded and unloaded during a transition -------------------------------------

# The first object and the last one. The object between them blocks the transition.
AROUND=objects=$T:value,$H:hold,$T2:value

# start_patching: start to enable, with only H loaded
start_patching()
{
	klp_load $H
	klp_hold $H
	klp_load $P $AROUND hooks=1
	klp_trace_mark 1
}

# start_unpatching TARGET...: enable with these targets loaded, then start to disable
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
	klp_expect_line $T value $P
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
	# The module is loaded again.
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
	klp_expect_line $T2 value original
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
	klp_expect_line $T value original
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

# A module that has joined becomes live with the others, although it has not been live before.
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

# Only the patch in transition takes part in the transition.
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

# Disabled by force, enabled again, and then replaced by force: one module, since it stays for
# good.
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
	# Three functions are reverted: two by a nop next to a function of the new patch, and one
	# in an object that has only nops.
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

	# No callback is owed to their objects.
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

# Until the transition is complete the replaced patch is enabled, with its owed callbacks.
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
	klp_expect_file $KLP_SYSFS/$P/enabled 1
	klp_expect_file /proc/version $P
	klp_expect_line $T value original
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
	klp_expect "redirected" "test_klp_hold_wait version_proc_show" "$(klp_redirected)"
	klp_unload $P2
	klp_disable $P
	klp_expect_trace < <(klp_disabling patch vmlinux hold)
}

klp_setup $P $P2 $P3 $T $T2 $H test_klp_forced2
klp_record

klp_main \
	"reverse_patching patching reversed" \
	"reverse_patching_upper patching of the upper of two patches reversed" \
	"reverse_patching_twice patching reversed, and reversed again" \
	"reverse_unpatching unpatching reversed, two times" \
	"reverse_unpatching_twice unpatching reversed, and reversed again" \
	"unload a module is loaded and unloaded under three patches" \
	"init_fails init of a module fails under two patches" \
	"init_fails_joining init of a module fails during patching" \
	"joins_patching first and last object loaded during patching" \
	"leaves_patching first and last object unloaded during patching" \
	"joins_and_leaves_patching_reversed one loaded, one unloaded, patching reversed" \
	"joins_unpatching first and last object loaded during unpatching" \
	"leaves_unpatching first and last object unloaded during unpatching" \
	"joins_and_leaves_unpatching_reversed one loaded, one unloaded, unpatching reversed" \
	"joins_two_patches a module is loaded and unloaded, one patch of two is in transition" \
	"force_patching patching forced" \
	"force_unpatching_and_replace unpatching forced, then a replace" \
	"replace two patches replaced" \
	"replace_chain three replaces in a row" \
	"replace_during modules are loaded and unloaded during a replace" \
	"replace_reversed a replace is reversed"
