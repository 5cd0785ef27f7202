#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Whatever is wrong with a livepatch, with a write to its files or with its target: the caller gets
# the right error, the log says what is wrong, nothing is left behind, and what is right works
# straight afterwards.

# shellcheck source-path=SCRIPTDIR source=klp-lib.sh
. "$(dirname "$0")/klp-lib.sh"

P=test_klp_patch
P2=test_klp_patch2
B=test_klp_bad
T=test_klp_target
H=test_klp_hold
R=test_klp_rela

CMDLINE=$(< /proc/cmdline)

# The names of test_klp_bad: 32 characters are enough to know them by.
O32=oooooooooooooooooooooooooooooooo
S32=ssssssssssssssssssssssssssssssss

# expect_nothing_left NAME: no trace of the module or of a patch, and a good patch works
expect_nothing_left()
{
	klp_expect "what is in $KLP_SYSFS" "" "$(klp_list $KLP_SYSFS)"
	klp_expect "functions redirected" "" "$(klp_redirected)"
	klp_absent "/sys/module/$1" || klp_fail "$1 is still loaded"
	klp_expect_file /proc/cmdline "$CMDLINE"
	expect_good_works
}

expect_good_works()
{
	klp_enable $P objects=vmlinux:cmdline
	klp_expect_file /proc/cmdline $P
	klp_disable $P
	klp_expect_file /proc/cmdline "$CMDLINE"
	klp_unload $P
}

# refused ERRNO CASE LINE...: test_klp_bad with this mistake is not let in, and the log says so
refused()
{
	local errno=$1 case=$2
	shift 2

	klp_mark
	klp_load_fails "$errno" $B case="$case"
	klp_expect_log <<< "$(printf '%s\n' "${@/#/livepatch: }")"
	expect_nothing_left $B
}

t_good()
{
	klp_enable $B case=good
	klp_expect_file /proc/cmdline $B
	klp_disable $B
	klp_unload $B
	klp_expect_file /proc/cmdline "$CMDLINE"
}

t_no_patch()
{
	refused EINVAL no_patch "no patch to enable"
}

t_no_module()
{
	refused EINVAL no_module "a patch without a module cannot be enabled"
}

t_no_objects()
{
	refused EINVAL no_objects "patch '$B' has no objects"
}

t_no_functions_array()
{
	refused EINVAL no_functions_array "object '$T' of patch '$B' has no array of functions"
}

t_unmarked()
{
	klp_mark
	klp_load_fails EINVAL test_klp_unmarked
	klp_expect_log <<-END
		livepatch: module test_klp_unmarked is not marked as a livepatch module
	END
	expect_nothing_left test_klp_unmarked
}

t_object_name_too_long()
{
	refused EINVAL object_name_too_long "object name '$O32...' is too long"
}

t_object_name_longest()
{
	klp_enable $B case=object_name_longest
	klp_expect_file /proc/cmdline $B
	klp_disable $B
	klp_unload $B
}

t_object_name_empty()
{
	refused EINVAL object_name_empty "an object of patch '$B' has an empty name"
}

t_object_called_vmlinux()
{
	refused EINVAL object_called_vmlinux \
		"object name 'vmlinux' is not a module, leave the name empty"
}

t_object_called_enabled()
{
	refused EEXIST object_called_enabled "an object cannot be called 'enabled'"
}

t_object_twice()
{
	refused EEXIST object_twice "object '$T' is given twice"
}

t_no_function_name()
{
	refused EINVAL no_function_name "a function of object 'vmlinux' has no name"
}

t_no_new_function()
{
	refused EINVAL no_new_function \
		"function 'version_proc_show' of object 'vmlinux' has no replacement"
}

t_function_name_too_long()
{
	refused EINVAL function_name_too_long \
		"function name '$S32...' of object 'vmlinux' is too long"
}

t_function_name_longest()
{
	local name

	# Not too long, so it is looked for.
	name=$(printf 's%.0s' {1..511})
	refused EINVAL function_name_longest "symbol '$name' not found in symbol table"
}

t_function_twice()
{
	refused EEXIST function_twice \
		"function 'cmdline_proc_show,1' is given twice for object 'vmlinux'"
}

t_no_such_symbol()
{
	refused EINVAL no_such_symbol "symbol 'test_klp_no_such_symbol' not found in symbol table"
}

t_no_such_symbol_in_target()
{
	klp_load $T
	refused EINVAL no_such_symbol_in_target \
		"symbol 'cmdline_proc_show' not found in symbol table"
}

t_ambiguous()
{
	klp_load $T
	refused EINVAL ambiguous \
		"unresolvable ambiguity for symbol 'test_klp_target_twin' in object '$T'"
}

t_ambiguous_in_vmlinux()
{
	local symbol

	symbol=$(klp_twin_symbol)
	[ -n "$symbol" ] || klp_skip "no two functions of vmlinux have the same name"
	symbol=${symbol% *}

	klp_mark
	klp_load_fails EINVAL $B case=given_symbol symbol="$symbol"
	klp_expect_log <<-END
		livepatch: unresolvable ambiguity for symbol '$symbol' in object 'vmlinux'
	END
	expect_nothing_left $B
}

t_position_past_last()
{
	refused EINVAL position_past_last \
		"symbol position 2 for symbol 'version_proc_show' in object 'vmlinux' not found"
}

t_position_past_last_in_target()
{
	klp_load $T
	refused EINVAL position_past_last_in_target \
		"symbol position 3 for symbol 'test_klp_target_twin' in object '$T' not found"
}

t_untraceable()
{
	klp_load $T
	refused EINVAL untraceable \
		"enabling patch '$B'" \
		"failed to find location for function 'test_klp_target_untraced'" \
		"failed to patch object '$T'" \
		"failed to enable patch '$B'" \
		"'$B': unpatching complete"
}

# --- a target that turns out to be wrong when it is loaded --------------------------------------

# target_refused MODULE CASE LINE...: the patch is good until the target comes
target_refused()
{
	local case=$1
	shift

	klp_enable $B case="$case"
	klp_mark
	klp_load_fails EINVAL $T
	klp_expect_log <<< "$(printf '%s\n' "${@/#/livepatch: }" \
		"livepatch: patch '$B' failed for module '$T', refusing to load module '$T'")"
	klp_absent /sys/module/$T || klp_fail "$T is still loaded"
	klp_expect_file $KLP_SYSFS/$B/$T/patched 0
	klp_expect "functions redirected" cmdline_proc_show "$(klp_redirected)"
	klp_disable $B
	klp_unload $B
	klp_load $T
	expect_nothing_left $B
}

t_target_no_such_symbol()
{
	target_refused no_such_symbol_in_target \
		"symbol 'cmdline_proc_show' not found in symbol table" \
		"failed to initialize patch '$B' for module '$T' (-22)"
}

t_target_ambiguous()
{
	target_refused ambiguous \
		"unresolvable ambiguity for symbol 'test_klp_target_twin' in object '$T'" \
		"failed to initialize patch '$B' for module '$T' (-22)"
}

t_target_untraceable()
{
	target_refused untraceable \
		"applying patch '$B' to loading module '$T'" \
		"failed to find location for function 'test_klp_target_untraced'" \
		"failed to apply patch '$B' to module '$T' (-22)"
}

# Its own work is undone by then: only the patch's is left.
t_target_fails_init()
{
	klp_enable $P
	klp_mark
	klp_load_fails EDOM $T init_ret=-33
	klp_expect_log <<-END
		livepatch: applying patch '$P' to loading module '$T'
		$P: pre_patch $T (coming)
		$P: post_patch $T (coming)
		$T: init
		$P: pre_unpatch $T (going)
		livepatch: reverting patch '$P' on unloading module '$T'
		$P: post_unpatch $T (going)
	END
	klp_expect_file $KLP_SYSFS/$P/$T/patched 0
	klp_expect "functions redirected" cmdline_proc_show "$(klp_redirected)"
	klp_absent /sys/module/$T || klp_fail "$T is still loaded"

	klp_load $T
	klp_expect "line 1 of /proc/$T" "value: $P" "$(sed 1q /proc/$T)"
	klp_disable $P
	klp_unload $P
	expect_good_works
}

t_module_vmlinux()
{
	klp_mkrela -m vmlinux "${KLP_KO[$T]}" "$KLP_TMP/vmlinux.ko"
	klp_mark
	klp_load_fails EINVAL "$KLP_TMP/vmlinux.ko"
	klp_expect_log <<-END
		livepatch: vmlinux.ko: invalid module name
	END
	grep -q '^vmlinux ' /proc/modules && klp_fail "a module vmlinux is loaded"
	klp_load $T
	expect_nothing_left vmlinux
}

# --- relocations --------------------------------------------------------------------------------

# rela_refused LINE OPTION...: what klp_mkrela makes with these options is not let in
rela_refused()
{
	local line=$1
	shift

	klp_mkrela "$@" "${KLP_KO[$R]}" "$KLP_TMP/$R.ko"
	klp_mark
	klp_load_fails EINVAL "$KLP_TMP/$R.ko" unchecked=1
	klp_expect_log <<-END
		livepatch: $line
	END
	expect_nothing_left $R
}

# What the symbols of test_klp_rela.ko are called when they are right.
COMMAND_LINE=.klp.sym.vmlinux.saved_command_line,0
SECRET=.klp.sym.$T.test_klp_target_secret,0

t_rela_section_name()
{
	rela_refused "section .klp.rela. has an incorrectly formatted name" -s .klp.rela.
}

t_rela_section_prefix()
{
	rela_refused "section .klp.relb.vmlinux.text has an incorrectly formatted name" \
		-s .klp.relb.vmlinux.text
}

t_rela_symbol_name()
{
	rela_refused "symbol ${COMMAND_LINE%,0} has an incorrectly formatted name" \
		-r "$COMMAND_LINE=${COMMAND_LINE%,0}"
}

t_rela_symbol_prefix()
{
	rela_refused "symbol ${COMMAND_LINE/sym/syn} has an incorrectly formatted name" \
		-r "$COMMAND_LINE=${COMMAND_LINE/sym/syn}"
}

t_rela_symbol_unmarked()
{
	rela_refused "symbol $COMMAND_LINE is not marked as a livepatch symbol" -u
}

t_rela_symbol_missing()
{
	rela_refused "symbol 'test_klp_no_such_symbol' not found in symbol table" \
		-r "$COMMAND_LINE=.klp.sym.vmlinux.test_klp_no_such_symbol,0"
}

t_rela_symbol_position()
{
	rela_refused "symbol position 7 for symbol 'saved_command_line' in object 'vmlinux'\
 not found" -r "$COMMAND_LINE=${COMMAND_LINE%,0},7"
}

t_rela_vmlinux_in_target()
{
	klp_load $T
	rela_refused "invalid access to vmlinux symbol 'saved_command_line' from module-specific\
 livepatch relocation section" -o $T
}

t_rela_target_symbol_name()
{
	klp_load $T
	rela_refused "symbol .klp.sym.$T has an incorrectly formatted name" \
		-r "$SECRET=.klp.sym.$T"
}

# rela_broken OPTION LINE: one of the target's relocations cannot be written.  That is said when the
# module is loaded, or when the target is: those that can be are not written then, and not cleared.
rela_broken()
{
	local option=$1 line="livepatch: relocation N for object '$T' $2" numbers

	numbers='s/^\(livepatch: relocation\) [0-9]*/\1 N/'
	numbers+='; s/ symbol [0-9]* of [0-9]*$/ symbol N of N/'
	klp_mkrela "$option" "$T" "${KLP_KO[$R]}" "$KLP_TMP/$R.ko"
	klp_load $T
	klp_mark
	klp_load_fails EINVAL "$KLP_TMP/$R.ko"
	klp_expect "the log" "$line" "$(klp_log | sed "$numbers")"
	klp_unload $T

	klp_load "$KLP_TMP/$R.ko"
	klp_wait_transition $R
	klp_mark
	klp_load_fails EINVAL $T
	klp_expect "the log" "$line" "$(klp_log | sed "$numbers; 2,\$d")"
	klp_disable $R
	klp_unload $R
	klp_load $T
	expect_nothing_left $R
}

t_rela_no_symbol()
{
	rela_broken -y "refers to symbol N of N"
}

t_rela_no_place()
{
	rela_broken -p "is outside of its section"
}

t_rela_not_kept()
{
	rela_refused "section .klp.rela.$T.text is not kept in memory" -k $T
}

# Those before it have been written by then, and have to be cleared: x86 writes over nothing but
# zeroes, and would say so the next time.
t_rela_unknown_type()
{
	klp_mkrela -t $T "${KLP_KO[$R]}" "$KLP_TMP/$R.ko"
	klp_load $T
	klp_mark
	klp_load_fails ENOEXEC "$KLP_TMP/$R.ko"
	klp_expect_log < /dev/null
	klp_unload $T

	klp_load "$KLP_TMP/$R.ko"
	klp_wait_transition $R
	klp_mark
	klp_load_fails ENOEXEC $T
	klp_load_fails ENOEXEC $T
	klp_expect_log <<-END
		livepatch: failed to initialize patch '$R' for module '$T' (-8)
		livepatch: patch '$R' failed for module '$T', refusing to load module '$T'
		livepatch: failed to initialize patch '$R' for module '$T' (-8)
		livepatch: patch '$R' failed for module '$T', refusing to load module '$T'
	END
	klp_expect "relocations that have not been cleared" "" \
		"$(grep 'existing value is nonzero' "$KLP_TMP/log-of-test")"
	klp_disable $R
	klp_unload $R
	klp_load $T
	expect_nothing_left $R
}

# The module is good until its target comes: that one is not let in.
t_rela_target_symbol_missing()
{
	klp_mkrela -r "$SECRET=.klp.sym.$T.test_klp_no_such_symbol,0" "${KLP_KO[$R]}" \
		"$KLP_TMP/$R.ko"
	klp_load "$KLP_TMP/$R.ko"
	klp_wait_transition $R
	klp_mark
	klp_load_fails EINVAL $T
	klp_expect_log <<-END
		livepatch: symbol 'test_klp_no_such_symbol' not found in symbol table
		livepatch: failed to initialize patch '$R' for module '$T' (-22)
		livepatch: patch '$R' failed for module '$T', refusing to load module '$T'
	END
	klp_absent /sys/module/$T || klp_fail "$T is still loaded"
	klp_disable $R
	klp_unload $R
	klp_load $T
	expect_nothing_left $R
}

# --- at the wrong time --------------------------------------------------------------------------

t_enabled_twice()
{
	klp_enable $B case=good
	klp_mark
	klp_expect "error of enabling it again" EEXIST "$(klp_write "$(klp_param $B again)" 1)"
	klp_expect_log <<-END
		livepatch: a patch of module '$B' is there already
	END

	# The first time counts.
	klp_expect_file $KLP_SYSFS/$B/enabled 1
	klp_expect_file /sys/module/$B/refcnt 1
	klp_expect_file /proc/cmdline $B
	klp_disable $B
	klp_unload $B
	expect_nothing_left $B
}

t_during_transition()
{
	klp_load $H
	klp_hold $H
	klp_load $P2 objects=$H:hold
	klp_mark
	klp_load_fails EBUSY $P objects=vmlinux:cmdline
	klp_expect_log <<-END
		livepatch: patch '$P' cannot be enabled while '$P2' is in transition
	END
	klp_expect "what is in $KLP_SYSFS" $P2 "$(klp_list $KLP_SYSFS)"
	klp_expect "functions redirected" test_klp_hold_wait "$(klp_redirected)"
	klp_absent /sys/module/$P || klp_fail "$P is still loaded"
	klp_release $H
	klp_wait_transition $P2
	expect_good_works
}

# Nor can another enabled patch be disabled meanwhile.
t_disable_during_transition()
{
	klp_load $H
	klp_enable $P objects=vmlinux:cmdline
	klp_hold $H
	klp_load $P2 objects=$H:hold
	klp_mark
	klp_expect "error of disabling $P" EBUSY "$(klp_write $KLP_SYSFS/$P/enabled 0)"
	klp_expect_log <<-END
		livepatch: patch '$P' cannot be disabled while '$P2' is in transition
	END
	klp_expect_file $KLP_SYSFS/$P/enabled 1
	klp_expect_file /proc/cmdline $P
	klp_release $H
	klp_wait_transition $P2
	klp_disable $P
	klp_unload $P
	expect_good_works
}

t_ftrace_disabled()
{
	klp_set /proc/sys/kernel/ftrace_enabled 0
	klp_mark
	klp_load_fails EBUSY $B case=good
	klp_expect_log <<-END
		livepatch: enabling patch '$B'
		livepatch: failed to register ftrace handler for function 'cmdline_proc_show' (-16)
		livepatch: failed to patch object 'vmlinux'
		livepatch: failed to enable patch '$B'
		livepatch: '$B': unpatching complete
	END
	klp_set /proc/sys/kernel/ftrace_enabled 1
	expect_nothing_left $B
}

t_state_version()
{
	local line="livepatch: Livepatch patch ($P) is not compatible"

	line+=" with the already installed livepatches."
	klp_enable $P2 objects=vmlinux:version state_id=1 state_version=2
	klp_mark
	klp_load_fails EINVAL $P objects=vmlinux:cmdline state_id=1 state_version=1
	klp_expect_log <<< "$line"
	# One that replaces all the others must know their states.
	klp_load_fails EINVAL $P objects=vmlinux:cmdline replace=1
	klp_expect_log <<< "$line"
	klp_expect "what is in $KLP_SYSFS" $P2 "$(klp_list $KLP_SYSFS)"
	klp_expect "functions redirected" version_proc_show "$(klp_redirected)"
	klp_absent /sys/module/$P || klp_fail "$P is still loaded"
	# One that adds to them need not.
	expect_good_works
}

# --- writes to files of a patch -----------------------------------------------------------------

# write_refused LINE FILE TEXT: the log says why, and the patch is as it was
write_refused()
{
	klp_mark
	klp_expect "error of writing '$3' to $2" EINVAL "$(klp_write "$KLP_SYSFS/$P/$2" "$3")"
	klp_expect_log <<< "livepatch: $1"
	klp_expect_file $KLP_SYSFS/$P/enabled 1
	klp_expect_file $KLP_SYSFS/$P/transition 0
	klp_expect_file /proc/cmdline $P
}

t_enabled_garbage()
{
	klp_enable $P objects=vmlinux:cmdline
	write_refused "'enabled' of patch '$P' takes 0 or 1" enabled garbage
	write_refused "'enabled' of patch '$P' takes 0 or 1" enabled 2
	write_refused "'enabled' of patch '$P' takes 0 or 1" enabled -1
	write_refused "'enabled' of patch '$P' takes 0 or 1" enabled ' '
	klp_disable $P
	klp_unload $P
	expect_good_works
}

t_enabled_same()
{
	klp_enable $P objects=vmlinux:cmdline
	write_refused "patch '$P' is enabled already" enabled 1
	klp_disable $P
	klp_unload $P
	expect_good_works
}

t_force_idle()
{
	klp_enable $P objects=vmlinux:cmdline
	write_refused "patch '$P' is not in transition" force 1
	write_refused "'force' of patch '$P' takes 0 or 1" force garbage
	klp_disable $P
	klp_unload $P
	expect_good_works
}

# post_unpatch has the core's lock and keeps it: a write that comes now gets its turn when the
# patch has been disabled, and is what the removal of its file waits for.
t_enabled_leaving()
{
	local writer

	klp_enable $P objects=vmlinux:cmdline block=post_unpatch blocked=1
	(klp_set $KLP_SYSFS/$P/enabled 0) &
	klp_until "post_unpatch waits" klp_reads "$(klp_param $P blocking)" 1
	klp_mark

	(printf 1 > $KLP_SYSFS/$P/enabled) 2> "$KLP_TMP/leaving" &
	writer=$!
	klp_until "the write waits" asleep_uninterruptibly $writer
	klp_set "$(klp_param $P blocked)" 0
	wait
	klp_expect "error of writing 1" EINVAL "$(klp_errno "$(< "$KLP_TMP/leaving")")"
	klp_expect_log <<-END
		livepatch: '$P': unpatching complete
		livepatch: patch '$P' is leaving and has to be loaded again
	END
	klp_wait_gone $P
	klp_expect_file /proc/cmdline "$CMDLINE"
	klp_unload $P
	expect_good_works
}

asleep_uninterruptibly()
{
	local stat

	read -r stat < "/proc/$1/stat"
	[[ $stat = *") D "* ]]
}

# Somebody has the file open when the patch leaves, and writes to it afterwards.
t_enabled_gone()
{
	local fd

	klp_enable $P objects=vmlinux:cmdline
	exec {fd}> $KLP_SYSFS/$P/enabled
	klp_disable $P
	klp_expect "error of writing 1" ENODEV "$(klp_errno "$( { echo 1 >&"$fd"; } 2>&1)")"
	exec {fd}>&-
	klp_unload $P
	expect_good_works
}

klp_setup $P $P2 $B $T $H $R test_klp_unmarked

klp_main \
	"good the module with the mistakes works when it makes none" \
	"no_patch no patch" \
	"no_module no module" \
	"no_objects no objects" \
	"no_functions_array an object without a functions array" \
	"unmarked a module without MODULE_INFO(livepatch, \"Y\")" \
	"object_name_too_long an object name of MODULE_NAME_LEN" \
	"object_name_longest an object name that is as long as it may be" \
	"object_name_empty an empty object name" \
	"object_called_vmlinux an object called vmlinux" \
	"object_called_enabled an object called like a file of the patch" \
	"object_twice two objects of one name" \
	"no_function_name a function with no name" \
	"no_new_function a function with no new function" \
	"function_name_too_long a function name of KSYM_NAME_LEN" \
	"function_name_longest a function name that is as long as it may be" \
	"function_twice two functions of one name and position" \
	"no_such_symbol a symbol that does not exist" \
	"no_such_symbol_in_target a symbol that does not exist in the target" \
	"ambiguous an ambiguous symbol of the target with no position" \
	"ambiguous_in_vmlinux an ambiguous symbol of vmlinux with no position" \
	"position_past_last a position past the last in vmlinux" \
	"position_past_last_in_target a position past the last in the target" \
	"untraceable a function ftrace cannot trace" \
	"target_no_such_symbol a symbol that a target loaded later does not have" \
	"target_ambiguous an ambiguous symbol of a target loaded later" \
	"target_untraceable a function ftrace cannot trace of a target loaded later" \
	"target_fails_init a target that fails its own init" \
	"module_vmlinux a module named vmlinux" \
	"rela_section_name a klp relocation section without an object" \
	"rela_section_prefix a klp relocation section with another prefix" \
	"rela_symbol_name a klp symbol without a position" \
	"rela_symbol_prefix a klp symbol without its prefix" \
	"rela_symbol_unmarked a klp relocation to a symbol that is none of livepatch" \
	"rela_symbol_missing a klp symbol that does not exist" \
	"rela_symbol_position a klp symbol at a position past the last" \
	"rela_vmlinux_in_target a symbol of vmlinux in a section of the target" \
	"rela_target_symbol_name a malformed symbol in a section of the target" \
	"rela_no_symbol a relocation of the target to a symbol past the last" \
	"rela_no_place a relocation of the target to a place past the end" \
	"rela_not_kept a section of the target that would not be kept in memory" \
	"rela_unknown_type a relocation of the target of a type that nobody knows" \
	"rela_target_symbol_missing a klp symbol that a target loaded later does not have" \
	"enabled_twice the same patch enabled twice" \
	"during_transition a second patch while one is in transition" \
	"disable_during_transition a patch disabled while another is in transition" \
	"ftrace_disabled kernel.ftrace_enabled = 0" \
	"state_version an incompatible system state" \
	"enabled_garbage garbage written to enabled" \
	"enabled_same the value it has written to enabled" \
	"enabled_leaving enabled written while the patch is leaving" \
	"enabled_gone enabled written when the patch has gone" \
	"force_idle force written with no transition"
