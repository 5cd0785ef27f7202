#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The contract of callbacks: the order of callbacks, hooks and redirection, requests by callbacks,
# and all legal orders of operations. README maps the contract to the tests.
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

# The order is that of the description, not that of loading.
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

# Each patch only affects its own objects, even with common functions.
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

# An object whose module is not loaded is idle: nothing runs, and nothing is owed.
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

# A missing callback counts as one that has succeeded: the others run.
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

# Without pre_patch, post_patch and pre_unpatch: the other callbacks run in each sequence.
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

# expect_hooks WHEN WHICH...: check the callbacks and hooks of the target that have logged, and
# the state of its module
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

# hook_line KIND OBJECT VALUE: print the line about the first hook, the only one that fails
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

# A hook cannot refuse a module either.
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
	# The value is not an errno: the log has the value and the replacement.
	klp_expect "lines about hooks" "$(
		echo "$(hook_line patch_hook $T 7), which is not an errno value"
		hook_line patch_hook $T -22
		echo "$(hook_line unpatch_hook $T 7), which is not an errno value"
		hook_line unpatch_hook $T -22
	)" "$(klp_log | grep returned)"
}

# --- callbacks that make requests, and slow callbacks ---------------------------------------------

# expect_deadlock WHICH: check that the request of the callback has failed, with one line in the
# log
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
		# The event of a callback is sent when it returns, that of its own request before.
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

# When a module is loaded or unloaded, another task holds the lock.
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

# A write to a file of a patch would wait as well.
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

# read_files: read all files of the patch into KLP_READ, or fail when a read waits
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

# The contents of sysfs while a callback sleeps. No read waits.
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

# This test needs a sleep: it checks durations.
t_slow_callback()
{
	local end reads=0 line

	klp_load $P objects=vmlinux:cmdline,$T:value hooks=1 block=pre_patch blocked=1 &
	klp_until "pre_patch sleeps" klp_reads "$(klp_param $P blocking)" 1
	end=$((SECONDS + 4))
	until [ $SECONDS -ge $end ] && [ $reads -ge 3 ]; do
		expect_files pre_patch 0 1 0
		reads=$((reads + 1))
	done
	klp_set "$(klp_param $P blocked)" 0
	wait
	klp_wait_transition $P
	klp_expect_trace < <(klp_enabling patch vmlinux)

	# The callback and the request have this duration.
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

# each_order DONE LEFT...: print all orders in which the remaining steps can follow those done,
# one per line. The module of a patch can be unloaded only after the patch has been disabled.
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

# expect_step STEP: check the effect, given the loaded targets and the enabled patches
expect_step()
{
	local name=${1#*:} short=${1#*:test_klp_} patch

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

# in_every_order STEP...: run the steps once in each legal order
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
		# Check in parts: the whole trace would be too long.
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

klp_setup $P $P2 $P3 $T $T2 $T3 $H
klp_record

klp_main \
	"vmlinux order of events, one patch of the kernel" \
	"module order of events, one patch of a module" \
	"several_objects order of events, one patch of the kernel and three modules" \
	"several_patches order of events, three patches, the middle one disabled first" \
	"absent_object nothing runs for an object that is not loaded" \
	"some_callbacks each set of callbacks, with and without hooks" \
	"some_callbacks_undone only post_unpatch runs when a patch is reverted" \
	"hooks_none no array of hooks, and an empty one" \
	"hooks_alone hooks of an object without callbacks and functions" \
	"hooks_coming hooks of a module that is being loaded, then live" \
	"hooks_going hooks of a module that is live, then unloaded" \
	"hook_fails hooks that fail are logged, without another effect" \
	"hook_fails_coming hooks that fail for a module that is loaded and unloaded" \
	"nested each callback and hook requests a patch" \
	"nested_module each callback and hook of a loaded and unloaded module requests a patch" \
	"nested_write a callback writes to a file of its patch" \
	"reads_in_callbacks sysfs is read while each callback and hook sleeps" \
	"slow_callback sysfs is read for three seconds while pre_patch sleeps" \
	"every_order everything is disabled and unloaded, in each legal order"
