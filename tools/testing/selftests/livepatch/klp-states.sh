#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# System states with callbacks: introduced, inherited and removed states, in all orders of
# stacks, replaces, reversals, vetoes and modules. The data of a state counts its introductions.

# shellcheck source-path=SCRIPTDIR source=klp-lib.sh
. "$(dirname "$0")/klp-lib.sh"

P=test_klp_patch
P2=test_klp_patch2
P3=test_klp_patch3
T=test_klp_target
H=test_klp_hold

# A state with callbacks, and a patch without callbacks of objects.
STATE='state_id=5 plain_state=0'
QUIET='objects=vmlinux:cmdline callbacks=0'

# enable, load, load_fails: like klp_enable and so on, with lists of parameters in one word
enable()
{
	local words

	read -ra words <<<"$*"
	klp_enable "${words[@]}"
}

load()
{
	local words

	read -ra words <<<"$*"
	klp_load "${words[@]}"
}

load_fails()
{
	local words

	read -ra words <<<"$*"
	klp_load_fails "${words[@]}"
}

# mark: start a new section of the log and of the trace
mark()
{
	klp_mark
	klp_read_trace
	KLP_TRACE_SEEN=$((KLP_TRACE_SEEN + ${#KLP_EVENTS[@]}))
}

# expect_states LINE...: check the events of states since the mark, and set a mark. A callback is
# "PATCH: state NUMBER CALLBACK, data NUMBER", which is also the line in the log. pre_patch means
# that the state is introduced, unless ", refused" follows, and post_unpatch that it is removed. A
# state that is inherited, and a shadow variable, have lines of their own.
expect_states()
{
	local line log=() events=()

	for line; do
		[[ $line = *inherited ]] || log+=("${line%, refused}")
		[[ $line = *'a shadow'* ]] || events+=("${line%%, *}")
		case $line in
		*refused)		;;
		*' pre_patch, '*)	events+=("${line%% pre_patch*} introduced") ;;
		*' post_unpatch, '*)	events+=("${line%% post_unpatch*} removed") ;;
		esac
	done
	klp_expect "log" "$(printf '%s\n' "${log[@]}")" \
		"$(klp_log | grep -E ': (state [0-9]+ (pre|post)_|a shadow)')"
	klp_read_trace
	klp_expect "trace" "$(printf '%s\n' "${events[@]}")" "$(print_state_events)"
	mark
}

# Print the events of states that have been read.
print_state_events()
{
	printf '%s\n' "${KLP_EVENTS[@]}" | sed -n \
		-e 's/^klp_state_//' -e 's/ version=.*//' \
		-e 's/^callback: patch=\(.*\) id=\(.*\) kind=\([^ ]*\) .*/\1: state \2 \3/p' \
		-e 's/^\([a-z]*\): patch=\(.*\) id=\(.*\)/\2: state \3 \1/p'
}

# expect_owner PATCH INHERITED DATA
expect_owner()
{
	klp_expect_file $KLP_SYSFS/"$1"/states/5/inherited "$2"
	klp_expect_file "$(klp_param "$1" state_data)" "$3"
}

# --- one patch ------------------------------------------------------------------------------------

t_order()
{
	klp_load $T
	mark
	enable $P objects=vmlinux:cmdline,$T:value "$STATE" second_state=6 state_version=3
	klp_expect_log <<-END
		livepatch: enabling patch '$P'
		$P: state 5 pre_patch, data 0
		$P: state 6 pre_patch, data 0
		$P: pre_patch vmlinux
		$P: pre_patch $T (live)
		livepatch: '$P': starting patching transition
		$P: post_patch vmlinux
		$P: post_patch $T (live)
		$P: state 5 post_patch, data 301
		$P: state 6 post_patch, data 302
		livepatch: '$P': patching complete
	END
	klp_expect_file $KLP_SYSFS/$P/states/5/version 3
	klp_expect_file $KLP_SYSFS/$P/states/6/version 0
	expect_owner $P 0 301
	klp_disable $P
	klp_expect_log <<-END
		$P: state 5 pre_unpatch, data 301
		$P: state 6 pre_unpatch, data 302
		$P: pre_unpatch vmlinux
		$P: pre_unpatch $T (live)
		livepatch: '$P': starting unpatching transition
		$P: post_unpatch vmlinux
		$P: post_unpatch $T (live)
		$P: state 5 post_unpatch, data 301
		$P: state 6 post_unpatch, data 302
		livepatch: '$P': unpatching complete
	END
	klp_expect_trace <<-END
		patch: request enable
		patch state 5: pre_patch 0, introduced
		patch state 6: pre_patch 0, introduced
		patch vmlinux: pre_patch 0, patched 1
		patch target: pre_patch 0, patched 1
		patch: start patching
		patch vmlinux: post_patch
		patch target: post_patch
		patch state 5: post_patch
		patch state 6: post_patch
		patch: complete patching, done enable 0, request disable
		patch state 5: pre_unpatch
		patch state 6: pre_unpatch
		patch vmlinux: pre_unpatch
		patch target: pre_unpatch
		patch: start unpatching
		patch vmlinux: unpatched 1
		patch target: unpatched 1
		patch vmlinux: post_unpatch
		patch target: post_unpatch
		patch state 5: post_unpatch, removed
		patch state 6: post_unpatch, removed
		patch: complete unpatching, done disable 0
	END
}

t_again()
{
	enable $P "$QUIET $STATE" persistent=1
	klp_disable_persistent $P
	klp_expect_file "$(klp_param $P state_data)" 0
	mark
	klp_enable_again $P
	klp_disable_persistent $P
	expect_states "$P: state 5 pre_patch, data 0" "$P: state 5 post_patch, data 2" \
		"$P: state 5 pre_unpatch, data 2" "$P: state 5 post_unpatch, data 2"
}

# The events of one state, without those of transitions and tasks.
t_events()
{
	local dir=$KLP_TRACING/instances/klp_states

	[ -d "$KLP_TRACING/events/livepatch" ] || klp_skip "the kernel has no livepatch events"
	mkdir "$dir" || klp_skip "no trace instance"
	# shellcheck disable=SC2064 # the value of now
	trap "rmdir $dir" EXIT
	klp_set "$dir/options/context-info" 0
	klp_set "$dir/options/annotate" 0
	for event in introduced inherited removed callback; do
		klp_set "$dir/events/livepatch/klp_state_$event/enable" 1
	done
	enable $P "$QUIET $STATE" state_version=3
	enable $P2 "$QUIET $STATE" state_version=4 replace=1
	klp_disable $P2
	klp_expect "events" "\
klp_state_callback: patch=$P id=5 kind=pre_patch function=state_pre_patch [$P] ret=0
klp_state_introduced: patch=$P id=5 version=3
klp_state_callback: patch=$P id=5 kind=post_patch function=state_post_patch [$P] ret=0
klp_state_inherited: patch=$P2 id=5 version=4
klp_state_callback: patch=$P2 id=5 kind=pre_unpatch function=state_pre_unpatch [$P2] ret=0
klp_state_callback: patch=$P2 id=5 kind=post_unpatch function=state_post_unpatch [$P2] ret=0
klp_state_removed: patch=$P2 id=5 version=4" "$(sed '/^#/d; s/ duration_ns=.*//' "$dir/trace")"
}

# --- several owners -------------------------------------------------------------------------------

t_inherited()
{
	mark
	enable $P "$QUIET $STATE"
	expect_states "$P: state 5 pre_patch, data 0" "$P: state 5 post_patch, data 1"
	enable $P2 objects=vmlinux:version callbacks=0 "$STATE"
	expect_states "$P2: state 5 inherited"
	expect_owner $P 0 1
	expect_owner $P2 1 1
	# The older owner leaves, and the other one keeps the state.
	klp_disable $P
	expect_states
	klp_disable $P2
	expect_states "$P2: state 5 pre_unpatch, data 1" "$P2: state 5 post_unpatch, data 1"
}

t_inherited_newer_leaves()
{
	enable $P "$QUIET $STATE"
	enable $P2 objects=vmlinux:version callbacks=0 "$STATE"
	mark
	klp_disable $P2
	expect_states
	klp_disable $P
	expect_states "$P: state 5 pre_unpatch, data 1" "$P: state 5 post_unpatch, data 1"
}

t_replaced()
{
	enable $P "$QUIET $STATE"
	mark
	enable $P2 "$QUIET $STATE" replace=1
	klp_wait_gone $P
	expect_owner $P2 1 1
	enable $P3 "$QUIET $STATE" replace=1
	klp_wait_gone $P2
	expect_owner $P3 1 1
	expect_states "$P2: state 5 inherited" "$P3: state 5 inherited"
	klp_disable $P3
	expect_states "$P3: state 5 pre_unpatch, data 1" "$P3: state 5 post_unpatch, data 1"
}

t_removed()
{
	enable $P "$QUIET $STATE"
	mark
	klp_trace_mark
	klp_enable $P2 objects=vmlinux:cmdline replace=1
	klp_wait_gone $P
	klp_expect_log <<-END
		livepatch: enabling patch '$P2'
		$P2: pre_patch vmlinux
		$P: state 5 pre_unpatch, data 1
		livepatch: '$P2': starting patching transition
		$P2: post_patch vmlinux
		$P: state 5 post_unpatch, data 1
		livepatch: '$P2': patching complete
	END
	klp_expect_trace <<-END
		patch2: request replace
		patch2 vmlinux: pre_patch 0, patched 1
		patch state 5: pre_unpatch
		patch2: start patching
		patch vmlinux: unpatched 1
		patch2 vmlinux: post_patch
		patch state 5: post_unpatch, removed
		patch2: complete patching, done replace 0
	END
	klp_unload $P
}

# Two replaced patches share the state: one of them removes it, once.
t_hole_shared_by_replaced()
{
	enable $P "$QUIET $STATE"
	enable $P2 objects=vmlinux:version callbacks=0 "$STATE"
	mark
	enable $P3 "$QUIET" replace=1
	klp_wait_gone $P
	klp_wait_gone $P2
	expect_states "$P2: state 5 pre_unpatch, data 1" "$P2: state 5 post_unpatch, data 1"
}

t_removed_other_set()
{
	enable $P "$QUIET $STATE" replace_set=1
	mark
	enable $P2 objects=vmlinux:version callbacks=0 replace=1
	expect_states
	enable $P3 "$QUIET" replace=1 replace_set=2 replace_sets=1
	klp_wait_gone $P
	expect_states "$P: state 5 pre_unpatch, data 1" "$P: state 5 post_unpatch, data 1"
}

# --- reversed and forced --------------------------------------------------------------------------

t_reversed_introduced()
{
	klp_load $H
	klp_hold $H
	mark
	load $P objects=$H:hold callbacks=0 "$STATE"
	klp_until "this shell has switched" klp_reads /proc/self/patch_state 1
	klp_set $KLP_SYSFS/$P/enabled 0
	klp_wait_gone $P
	expect_states "$P: state 5 pre_patch, data 0" "$P: state 5 post_unpatch, data 1"
	klp_release $H
}

t_reversed_removed()
{
	klp_load $H
	enable $P objects=$H:hold callbacks=0 "$STATE"
	klp_hold $P
	mark
	load $P2 "$QUIET" replace=1
	klp_until "this shell has switched" klp_reads /proc/self/patch_state 1
	expect_states "$P: state 5 pre_unpatch, data 1"
	klp_set $KLP_SYSFS/$P2/enabled 0
	klp_wait_gone $P2
	expect_states "$P: state 5 post_patch, data 1"
	# Twice: the end is that of the first request, without a second pre_unpatch.
	klp_unload $P2
	load $P2 "$QUIET" replace=1 persistent=1
	klp_set $KLP_SYSFS/$P2/enabled 0
	klp_wait_transition $P2
	expect_states "$P: state 5 pre_unpatch, data 1" "$P: state 5 post_patch, data 1"
	klp_release $P
	klp_disable $P
	expect_states "$P: state 5 pre_unpatch, data 1" "$P: state 5 post_unpatch, data 1"
}

t_reversed_disabled()
{
	klp_load $H
	enable $P objects=$H:hold callbacks=0 "$STATE"
	klp_hold $P
	mark
	klp_set $KLP_SYSFS/$P/enabled 0
	klp_until "this shell has switched" klp_reads /proc/self/patch_state 0
	expect_states "$P: state 5 pre_unpatch, data 1"
	klp_set $KLP_SYSFS/$P/enabled 1
	klp_wait_transition $P
	expect_states "$P: state 5 post_patch, data 1"
	klp_release $P
}

t_reversed_inherited()
{
	klp_load $H
	enable $P objects=$H:hold callbacks=0 "$STATE"
	klp_hold $P
	mark
	load $P2 "$QUIET $STATE" replace=1 persistent=1
	expect_owner $P2 1 1
	klp_set $KLP_SYSFS/$P2/enabled 0
	klp_wait_transition $P2
	expect_owner $P 0 1
	expect_owner $P2 0 0
	klp_release $P
	expect_states "$P2: state 5 inherited"
	klp_disable $P
	expect_states "$P: state 5 pre_unpatch, data 1" "$P: state 5 post_unpatch, data 1"
}

t_forced()
{
	klp_load $H
	klp_hold $H
	mark
	load $P objects=$H:hold callbacks=0 "$STATE"
	klp_set $KLP_SYSFS/$P/force 1
	klp_wait_transition $P
	expect_states "$P: state 5 pre_patch, data 0" "$P: state 5 post_patch, data 1"
	klp_release $H
}

# --- vetoes ---------------------------------------------------------------------------------------

t_veto()
{
	mark
	load_fails EDOM $P "$QUIET $STATE" state_veto=33
	klp_expect_log <<-END
		livepatch: enabling patch '$P'
		$P: state 5 pre_patch, data 0
		livepatch: pre-patch callback failed for state 5 of patch '$P'
		livepatch: failed to enable patch '$P'
		livepatch: '$P': unpatching complete
	END
	klp_expect_trace <<-END
		patch: request enable
		patch state 5: pre_patch -EDOM
		patch: done enable -EDOM
	END
	klp_expect_nothing_left $P
}

# The object refuses after the states: what was introduced is undone, nothing was removed.
t_veto_object()
{
	enable $P objects=vmlinux:version callbacks=0 second_state=7 plain_state=0 state_id=5
	mark
	load_fails EDOM $P2 objects=vmlinux:cmdline veto=vmlinux replace=1 state_id=5 \
		plain_state=0 second_state=6
	expect_states "$P2: state 5 inherited" "$P2: state 6 pre_patch, data 0" \
		"$P2: state 6 post_unpatch, data 1"
	expect_owner $P 0 1
	klp_disable $P
	expect_states "$P: state 5 pre_unpatch, data 1" "$P: state 7 pre_unpatch, data 2" \
		"$P: state 5 post_unpatch, data 1" "$P: state 7 post_unpatch, data 2"
}

t_veto_positive()
{
	mark
	load_fails EINVAL $P "$QUIET $STATE" state_veto=-33
	klp_log | grep -q "of state 5 returned 33, which is not an errno value" ||
		klp_fail "no line about the result" "$(klp_log)"
	klp_expect_nothing_left $P
}

# --- modules --------------------------------------------------------------------------------------

# The state is in force only while the module is loaded.
t_hole_module()
{
	mark
	enable $P objects=vmlinux:cmdline "$STATE" state_object=$T
	expect_states
	klp_expect_file $KLP_SYSFS/$P/$T/patched 0
	klp_load $T
	expect_states "$P: state 5 pre_patch, data 0" "$P: state 5 post_patch, data 1"
	klp_expect_file $KLP_SYSFS/$P/$T/patched 1
	klp_unload $T
	expect_states "$P: state 5 pre_unpatch, data 1" "$P: state 5 post_unpatch, data 1"
	klp_expect_file "$(klp_param $P state_data)" 0
	klp_load $T
	klp_disable $P
	expect_states "$P: state 5 pre_patch, data 0" "$P: state 5 post_patch, data 2" \
		"$P: state 5 pre_unpatch, data 2" "$P: state 5 post_unpatch, data 2"
}

t_module_order()
{
	enable $P objects=$T:value "$STATE" state_object=$T
	klp_trace_mark
	mark
	klp_load $T
	klp_unload $T
	klp_expect_log <<-END
		livepatch: applying patch '$P' to loading module '$T'
		$P: state 5 pre_patch, data 0
		$P: pre_patch $T (coming)
		$P: post_patch $T (coming)
		$P: state 5 post_patch, data 1
		$T: init
		$T: exit
		$P: state 5 pre_unpatch, data 1
		$P: pre_unpatch $T (going)
		livepatch: reverting patch '$P' on unloading module '$T'
		$P: post_unpatch $T (going)
		$P: state 5 post_unpatch, data 1
	END
	klp_expect_trace <<-END
		patch state 5: pre_patch 0, introduced
		patch target: pre_patch 0, patched 1, post_patch
		patch state 5: post_patch, pre_unpatch
		patch target: pre_unpatch, unpatched 1, post_unpatch
		patch state 5: post_unpatch, removed
	END
}

t_module_owners()
{
	enable $P objects=$T:value callbacks=0 "$STATE" state_object=$T
	enable $P2 objects=vmlinux:cmdline callbacks=0 "$STATE" state_object=$T
	mark
	klp_load $T
	expect_states "$P: state 5 pre_patch, data 0" "$P: state 5 post_patch, data 1" \
		"$P2: state 5 inherited"
	expect_owner $P2 1 1
	klp_unload $T
	expect_states "$P2: state 5 pre_unpatch, data 1" "$P2: state 5 post_unpatch, data 1"
	expect_owner $P2 0 0
}

t_module_veto()
{
	enable $P objects=vmlinux:cmdline callbacks=0 "$STATE" state_object=$T
	enable $P2 objects=$T:value veto=$T
	mark
	klp_load_fails EDOM $T
	expect_states "$P: state 5 pre_patch, data 0" "$P: state 5 post_patch, data 1" \
		"$P: state 5 pre_unpatch, data 1" "$P: state 5 post_unpatch, data 1"
	klp_set "$(klp_param $P2 veto)" ""
	klp_set "$(klp_param $P state_veto)" 33
	klp_load_fails EDOM $T
	expect_states "$P: state 5 pre_patch, data 0, refused"
}

# The module joins a transition that removes the state.
t_module_joins()
{
	klp_load $H
	enable $P objects=$H:hold callbacks=0 "$STATE" state_object=$T
	klp_hold $P
	mark
	load $P2 "$QUIET" replace=1
	klp_load $T
	expect_states "$P: state 5 pre_patch, data 0"
	klp_release $P
	klp_wait_gone $P
	expect_states "$P: state 5 post_unpatch, data 1"
}

# The module is loaded while the replace is reversed, and the replace is reversed once more.
t_module_joins_reversed()
{
	klp_load $H
	enable $P objects=$H:hold callbacks=0 "$STATE" state_object=$T
	klp_hold $P
	load $P2 objects=$H:hold callbacks=0 replace=1
	klp_until "this shell has switched" klp_reads /proc/self/patch_state 1
	klp_hold $P2
	klp_set $KLP_SYSFS/$P2/enabled 0
	klp_until "this shell has switched" klp_reads /proc/self/patch_state 0
	klp_expect_file $KLP_SYSFS/$P2/transition 1
	mark
	klp_load $T
	expect_states "$P: state 5 pre_patch, data 0"
	klp_set $KLP_SYSFS/$P2/enabled 1
	klp_release $P
	klp_release $P2
	klp_wait_gone $P
	expect_states "$P: state 5 post_unpatch, data 1"
}

t_module_leaves()
{
	klp_load $H
	klp_load $T
	enable $P objects=$H:hold callbacks=0 "$STATE" state_object=$T
	klp_hold $P
	mark
	klp_set $KLP_SYSFS/$P/enabled 0
	klp_unload $T
	expect_states "$P: state 5 pre_unpatch, data 1" "$P: state 5 post_unpatch, data 1"
	klp_release $P
	klp_wait_gone $P
	expect_states
}

# The owner that is to stay loses its module while the other one is being disabled.
t_module_leaves_owner()
{
	klp_load $H
	klp_load $T
	enable $P objects=$H:hold callbacks=0 "$STATE"
	enable $P2 "$QUIET $STATE" state_object=$T
	klp_hold $P
	mark
	klp_set $KLP_SYSFS/$P/enabled 0
	klp_unload $T
	expect_states
	klp_release $P
	klp_wait_gone $P
	expect_states "$P: state 5 pre_unpatch, data 1" "$P: state 5 post_unpatch, data 1"
	klp_load $T
	expect_states "$P2: state 5 pre_patch, data 0" "$P2: state 5 post_patch, data 1"
}

# The same in a replace: the new patch, which is to inherit the state, loses its module.
t_module_leaves_heir()
{
	klp_load $H
	klp_load $T
	enable $P objects=$H:hold callbacks=0 "$STATE"
	enable $P2 objects=vmlinux:version callbacks=0 "$STATE"
	klp_hold $P
	mark
	load $P3 "$QUIET $STATE" state_object=$T replace=1
	klp_unload $T
	expect_states "$P3: state 5 inherited"
	klp_release $P
	klp_wait_gone $P
	expect_states "$P2: state 5 pre_unpatch, data 1" "$P2: state 5 post_unpatch, data 1"
}

# The module of an older owner is loaded after a newer owner has introduced the state.
t_module_inherits_newer()
{
	enable $P objects=vmlinux:version callbacks=0 "$STATE" state_object=$T
	enable $P2 "$QUIET $STATE"
	mark
	klp_load $T
	expect_states "$P: state 5 inherited"
	expect_owner $P 1 1
	klp_disable $P2
	expect_states
	klp_disable $P
	expect_states "$P: state 5 pre_unpatch, data 1" "$P: state 5 post_unpatch, data 1"
}

# The owner that introduces the state is being disabled, and another one stays.
t_module_published()
{
	klp_load $H
	enable $P objects=$H:hold callbacks=0 "$STATE" state_object=$T
	enable $P2 "$QUIET $STATE" state_object=$T
	klp_hold $P
	klp_set $KLP_SYSFS/$P/enabled 0
	mark
	klp_load $T
	expect_states "$P: state 5 pre_patch, data 0" "$P2: state 5 inherited" \
		"$P: state 5 post_patch, data 1"
	klp_release $P
	klp_wait_gone $P
	expect_states
	klp_disable $P2
	expect_states "$P2: state 5 pre_unpatch, data 1" "$P2: state 5 post_unpatch, data 1"
}

# --- shadow variables, blocked requests -----------------------------------------------------------

# The destructor sleeps, which is not allowed under a spinlock.
t_hole_shadow()
{
	enable $P "$QUIET $STATE" state_shadow=1 shadows=2
	mark
	enable $P2 "$QUIET $STATE" state_shadow=1 replace=1
	klp_wait_gone $P
	klp_disable $P2
	expect_states "$P2: state 5 inherited" \
		"$P2: state 5 pre_unpatch, data 1" "$P2: state 5 post_unpatch, data 1" \
		"$P2: a shadow variable is destroyed" "$P2: a shadow variable is destroyed"
}

t_blocked()
{
	enable $P "$QUIET $STATE" state_blocks=1
	mark
	klp_expect "error" EBUSY "$(klp_write $KLP_SYSFS/$P/enabled 0)"
	load_fails EBUSY $P2 "$QUIET" replace=1
	klp_expect_log <<-END
		livepatch: patch '$P' cannot be disabled, as its state 5 must not be removed
		livepatch: patch '$P' cannot be replaced, as its state 5 must not be removed
	END
	# A state of an absent module does not keep it in force.
	load_fails EBUSY $P2 "$QUIET $STATE" replace=1 state_object=absent
	klp_expect_file $KLP_SYSFS/$P/enabled 1
	# Another owner may keep the state, and decides itself.
	enable $P2 "$QUIET $STATE" replace=1
	klp_wait_gone $P
	klp_disable $P2
}

t_plain()
{
	# The trace does not contain the plain state.
	klp_some_callbacks
	enable $P "$QUIET" state_id=5
	mark
	load_fails EINVAL $P2 "$QUIET" replace=1
	klp_expect_file $KLP_SYSFS/$P/enabled 1
	enable $P3 "$QUIET $STATE" replace=1
	klp_wait_gone $P
	mark
	klp_disable $P3
	expect_states "$P3: state 5 pre_unpatch, data 0" "$P3: state 5 post_unpatch, data 0"
}

klp_setup $P $P2 $P3 $T $H
klp_record

klp_main \
	"order callbacks of states enclose those of objects" \
	"again a persistent patch: introduced and removed each time" \
	"events trace events of a state that is introduced, inherited and removed" \
	"inherited a second owner runs no callback, and the last one removes the state" \
	"inherited_newer_leaves the same, the newer owner leaves first" \
	"replaced two replaces that have the state" \
	"removed a replace without the state removes it" \
	"hole_shared_by_replaced two replaced owners: removed once, by the newest" \
	"removed_other_set a replace of another set leaves the state alone" \
	"reversed_introduced introduced and reversed: no post_patch" \
	"reversed_removed removed and reversed: in force again" \
	"reversed_disabled disabling reversed: in force again" \
	"reversed_inherited the old owner keeps the state and its data" \
	"forced a forced transition completes as usual" \
	"veto pre_patch of a state refuses the patch" \
	"veto_object an object refuses: introduced states are undone, none is removed" \
	"veto_positive a positive result becomes EINVAL" \
	"hole_module a state of a module that is loaded and unloaded" \
	"module_order its callbacks enclose those of the object" \
	"module_owners two owners of a state of a module" \
	"module_veto a module is refused by an object, or by the state" \
	"module_joins a module is loaded while a replace removes the state" \
	"module_joins_reversed the same, in a replace that is reversed twice" \
	"module_leaves a module is unloaded while the state is being removed" \
	"module_leaves_owner the owner that is to stay loses its module" \
	"module_leaves_heir the patch that is to inherit the state loses its module" \
	"module_inherits_newer data of a newer owner, when the module is loaded later" \
	"module_published post_patch is not delayed by the disabling of another owner" \
	"hole_shadow destructors of shadow variables may sleep" \
	"blocked a state that must not be removed" \
	"plain a state of stock: must be had by a replace, no callbacks"
