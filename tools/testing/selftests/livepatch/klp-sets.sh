#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Replace sets, and functions that are only searched on the stack (klp_func.stack_only).

# shellcheck source-path=SCRIPTDIR source=klp-lib.sh
. "$(dirname "$0")/klp-lib.sh"

P=test_klp_patch
P2=test_klp_patch2
P3=test_klp_patch3
T=test_klp_target
H=test_klp_hold
C=test_klp_chain
O=original

CMDLINE=$(< /proc/cmdline)
VERSION=$(< /proc/version)

# expect_line NAME TEXT: check the line of that name in the file of the target
expect_line()
{
	klp_expect_line $T "$@"
}

# expect_order PATCH NUMBER
expect_order()
{
	klp_expect_file $KLP_SYSFS/"$1"/stack_order "$2"
}

# expect_conflict WHAT OLDER MODULE PARAMETER...: check that the livepatch is refused with EBUSY,
# because the older patch "NAME of set NUMBER" changes or has this, and that nothing is left of it
expect_conflict()
{
	local what=$1 older=$2 params=$* set
	shift 2

	set=${params##*replace_set=}
	klp_mark
	klp_load_fails EBUSY "$@"
	klp_expect "log" "livepatch: patch '$1' of set ${set%% *} $what, as patch $older does" \
		"$(klp_log)"
	klp_absent "$1" || klp_fail "$1 is still in sysfs"
}

# --- sets -----------------------------------------------------------------------------------------

t_set_alone()
{
	klp_load $T
	klp_enable $P objects=vmlinux:cmdline
	klp_enable $P2 objects=vmlinux:version replace_set=7
	klp_enable $P3 objects=$T:value replace_set=7 replace=1
	klp_wait_gone $P2
	klp_unload $P2
	klp_expect_file $KLP_SYSFS/$P/replace_set 0
	klp_expect_file $KLP_SYSFS/$P3/replace_set 7
	klp_expect_file $KLP_SYSFS/$P/enabled 1
	klp_expect_file /proc/cmdline $P
	klp_expect_file /proc/version "$VERSION"
	expect_line value $P3

	# A patch of set 0 leaves the other set alone, too.
	klp_enable $P2 objects=vmlinux:version replace=1
	klp_wait_gone $P
	klp_unload $P
	klp_expect_file /proc/cmdline "$CMDLINE"
	klp_expect_file /proc/version $P2
	expect_line value $P3
}

t_set_order()
{
	klp_enable $P objects=vmlinux:cmdline
	klp_enable $P2 objects=$T:value replace_set=2
	klp_enable $P3 objects=$T:extra replace_set=2
	expect_order $P 1
	expect_order $P2 1
	expect_order $P3 2
	klp_disable $P2
	expect_order $P 1
	expect_order $P3 1
}

t_set_further()
{
	klp_load $T
	klp_enable $P objects=vmlinux:cmdline,$T:extra replace_set=1
	klp_enable $P2 objects=vmlinux:version replace_set=2
	klp_enable $P3 objects=vmlinux:cmdline,$T:value replace=1 replace_set=3 replace_sets=5,1
	klp_wait_gone $P
	klp_unload $P
	klp_expect_file $KLP_SYSFS/$P2/enabled 1
	klp_expect_file /proc/version $P2
	klp_expect_file /proc/cmdline $P3
	expect_line value $P3
	expect_line extra $O
	klp_expect "redirected" "cmdline_proc_show test_klp_target_value version_proc_show" \
		"$(klp_redirected)"
	klp_disable $P3
	klp_expect_file /proc/cmdline "$CMDLINE"
	klp_expect_file /proc/version $P2
}

t_set_conflict()
{
	klp_load $T
	klp_enable $P objects=vmlinux:version,$T:value,absent:extra replace_set=4
	expect_conflict "changes function 'version_proc_show,1' of object 'vmlinux'" \
		"'$P' of set 4" $P2 objects=vmlinux:cmdline+version replace_set=1
	expect_conflict "changes function 'test_klp_target_value,1' of object '$T'" \
		"'$P' of set 4" $P2 objects=$T:extra+value replace=1 replace_set=1
	# The object is not loaded.
	expect_conflict "changes function 'test_klp_target_extra,1' of object 'absent'" \
		"'$P' of set 4" $P2 objects=absent:value+extra replace_set=1
	# The same functions are allowed in a patch that replaces the other one.
	klp_enable $P2 objects=vmlinux:version replace=1 replace_set=1 replace_sets=9,4
	klp_expect_file $KLP_SYSFS/$P2/replace_set 1
	klp_expect_file /proc/version $P2
}

t_set_position()
{
	klp_load $T
	klp_enable $P objects=$T:first
	klp_enable $P2 objects=$T:second replace_set=1
	expect_line first $P
	expect_line second $P2
	expect_conflict "changes function 'test_klp_target_twin,2' of object '$T'" \
		"'$P2' of set 1" $P3 objects=$T:second replace_set=2
}

t_set_state()
{
	klp_enable $P objects=vmlinux:version state_id=5 state_version=3
	expect_conflict "has state 5" \
		"'$P' of set 0" $P2 objects=vmlinux:cmdline replace=1 state_id=5 state_version=2 \
		replace_set=1
	# A replace in the other set need not have the state.
	klp_enable $P2 objects=vmlinux:cmdline replace_set=1 replace=1
	klp_enable $P3 objects=vmlinux:cmdline state_id=6 replace_set=1 replace=1
	klp_wait_gone $P2
	klp_expect_file $KLP_SYSFS/$P/enabled 1
}

# Two names of one address are found when the object is loaded.
t_set_alias()
{
	klp_load $T
	klp_enable $P objects=$T:value
	klp_mark
	klp_load_fails EBUSY $P2 objects=$T:alias replace_set=1
	klp_expect "line about the alias" \
		"livepatch: patch '$P2' of set 1 changes function 'test_klp_target_alias' of" \
		"$(klp_log | sed -n "s/ object '$T', which patch '$P' of set 0 changes as .*//p")"
	expect_line value $P
	klp_disable $P
	klp_unload $T

	klp_enable $P3 objects=$T:value
	klp_enable $P2 objects=$T:alias replace_set=1
	klp_load_fails EBUSY $T
	klp_disable $P2
	klp_load $T
	expect_line value $P3
}

# The conflict is found again when a patch is enabled again.
t_set_enabled_again()
{
	klp_enable $P objects=vmlinux:version persistent=1 replace_set=1
	klp_disable_persistent $P
	klp_enable $P2 objects=vmlinux:version
	klp_expect "error" EBUSY "$(klp_write $KLP_SYSFS/$P/enabled 1)"
	klp_expect_file $KLP_SYSFS/$P/enabled 0
	klp_expect_file /proc/version $P2
	klp_disable $P2
	klp_enable_again $P
	klp_expect_file /proc/version $P
}

# A forced replace pins the modules of its own set only.
t_set_forced()
{
	local f=test_klp_forced3

	# A name that no other script uses: the module stays loaded for good.
	klp_mkrela -m $f "$(klp_find_module test_klp_forced2)" "$KLP_TMP/$f.ko"
	klp_load $H
	klp_enable $P objects=vmlinux:cmdline
	klp_load "$KLP_TMP/$f.ko" objects=$H:hold replace_set=1
	klp_wait_transition $f
	klp_hold $f
	klp_load $P2 objects=vmlinux:version replace=1 replace_set=1
	klp_until "this shell has switched" klp_reads /proc/self/patch_state 1
	klp_set $KLP_SYSFS/$P2/force 1
	klp_wait_transition $P2
	klp_wait_gone $f
	klp_expect "references of $f" 1 "$(klp_references $f)"
	klp_disable $P
	klp_unload $P
	klp_release $f
	klp_disable $P2
	klp_unload $P2
}

# klp_references MODULE: print the number of references
klp_references()
{
	awk -v name="$1" '$1 == name { print $3 }' /proc/modules
}

# The replaced patch is below one of another set, and its functions get nops.
t_set_reversed()
{
	klp_load $H
	klp_enable $P objects=vmlinux:cmdline,$H:hold replace_set=1
	klp_enable $P2 objects=vmlinux:version
	klp_hold $P
	klp_load $P3 objects=$T:value replace=1 replace_set=1
	klp_until "this shell has switched" klp_reads /proc/self/patch_state 1
	klp_expect_file /proc/cmdline "$CMDLINE"
	klp_expect_file /proc/version $P2
	klp_set $KLP_SYSFS/$P3/enabled 0
	klp_wait_gone $P3
	klp_expect_file /proc/cmdline $P
	klp_expect_file /proc/version $P2
	klp_release $P
}

# --- functions that are only searched on the stack ------------------------------------------------

# expect_chain LEAF MIDDLE TOP: check the text that the held task has read
expect_chain()
{
	klp_expect "what the task has read" "leaf: $1
middle: $2
top: $3" "$KLP_SAID"
}

# expect_pending PATCH STATE: check that the patch stays in transition after this shell has been
# switched to the state
expect_pending()
{
	klp_until "this shell has switched" klp_reads /proc/self/patch_state "$2"
	klp_expect_file /proc/"$KLP_HELD"/patch_state $((1 - $2))
	klp_expect_file $KLP_SYSFS/"$1"/transition 1
}

# The held task sleeps in the middle function. Its caller is searched on the stack, and its callee
# is replaced.
t_stack_only()
{
	klp_load $C
	klp_hold $C /proc/$C
	klp_load $P objects=$C:~top+leaf
	expect_pending $P 1
	klp_release $C
	expect_chain $O $O $O
	klp_wait_transition $P
	klp_expect "redirected" test_klp_chain_leaf "$(klp_redirected)"
	klp_expect_file $KLP_SYSFS/$P/$C/test_klp_chain_top,1/stack_only 1
	klp_expect "files of a replaced function" "" \
		"$(klp_list $KLP_SYSFS/$P/$C/test_klp_chain_leaf,1)"

	klp_hold $C /proc/$C
	klp_set $KLP_SYSFS/$P/enabled 0
	expect_pending $P 0
	klp_release $C
	expect_chain $P $O $O
	klp_wait_gone $P
}

# An older patch replaces the function that the newer one only searches.
t_stack_only_replaced()
{
	klp_load $C
	klp_enable $P objects=$C:middle
	klp_hold $P /proc/$C
	klp_load $P2 objects=$C:~middle,vmlinux:version
	expect_pending $P2 1
	klp_release $P
	klp_expect "what the task has read" "middle: $P
top: $O" "$KLP_SAID"
	klp_wait_transition $P2
	klp_disable $P
	klp_expect "redirected" version_proc_show "$(klp_redirected)"
}

# A replace reverts a function that it searches as well.
t_stack_only_nop()
{
	klp_load $C
	klp_enable $P objects=$C:leaf
	klp_hold $C /proc/$C
	klp_load $P2 objects=$C:~leaf+~top,vmlinux:version replace=1
	expect_pending $P2 1
	klp_expect_file $KLP_SYSFS/$P/enabled 1
	klp_release $C
	expect_chain $P $O $O
	klp_wait_transition $P2
	klp_wait_gone $P
	klp_expect "redirected" version_proc_show "$(klp_redirected)"
	klp_expect_file $KLP_SYSFS/$P2/$C/test_klp_chain_leaf,1/stack_only 1
	klp_hold $C /proc/$C
	klp_release $C
	expect_chain $O $O $O

	# A patch that replaces this one needs no nops for the functions.
	klp_enable $P3 objects=vmlinux:version replace=1
	klp_wait_gone $P2
	klp_expect "directories of the patch" vmlinux \
		"$(cd $KLP_SYSFS/$P3 && echo */ | tr -d /)"
}

# The replaced patch searches the caller of a function that the replace reverts.
t_stack_only_of_replaced()
{
	klp_load $C
	klp_enable $P objects=$C:~top+leaf
	klp_hold $C /proc/$C
	klp_load $P2 objects=vmlinux:version replace=1
	expect_pending $P2 1
	klp_set $KLP_SYSFS/$P2/enabled 0
	klp_wait_gone $P2
	klp_unload $P2
	klp_load $P2 objects=vmlinux:version replace=1
	expect_pending $P2 1
	klp_release $C
	expect_chain $P $O $O
	klp_wait_transition $P2
	klp_wait_gone $P
}

t_stack_only_reversed()
{
	klp_load $C
	klp_enable $P objects=$C:leaf
	klp_hold $C /proc/$C
	klp_load $P2 objects=$C:~leaf+~top replace=1
	expect_pending $P2 1
	klp_set $KLP_SYSFS/$P2/enabled 0
	klp_wait_gone $P2
	klp_release $C
	expect_chain $P $O $O
}

# No function of the object is redirected.
t_stack_only_alone()
{
	klp_load $C
	klp_enable $P objects=$C:~top,vmlinux:version
	klp_expect_file $KLP_SYSFS/$P/$C/patched 1
	klp_expect "redirected" version_proc_show "$(klp_redirected)"
	# A patch of another set may replace a function that this patch only searches.
	klp_enable $P2 objects=$C:top+~middle replace_set=1
	klp_expect_file /proc/$C "top: $P2"
	klp_unload $C
	klp_load $C
	klp_expect_file /proc/$C "top: $P2"
}

t_stack_only_refused()
{
	local f=version_proc_show

	klp_mark
	klp_load_fails EINVAL $P objects=vmlinux:~version stack_and_new=1
	klp_expect_log <<-END
		livepatch: function '$f' of object 'vmlinux' has stack_only and a replacement
	END
	klp_mark
	klp_load_fails EEXIST $P objects=vmlinux:~version+version
	klp_expect_log <<-END
		livepatch: function '$f,1' is listed twice for object 'vmlinux'
	END
}

# The alias of a function may be searched in the patch that replaces the function.
t_stack_only_alias()
{
	klp_load $T
	klp_enable $P objects=$T:value+~alias
	expect_line value $P
	klp_enable $P2 objects=$T:~value+~alias+extra
	expect_line value $P
	klp_disable $P
	expect_line value $O
}

t_stack_only_persistent()
{
	klp_load $C
	klp_enable $P objects=$C:~top+leaf persistent=1 replace=1
	klp_disable_persistent $P
	klp_enable $P2 objects=$C:top
	klp_enable_again $P
	klp_wait_gone $P2
	klp_hold $C /proc/$C
	klp_set $KLP_SYSFS/$P/enabled 0
	expect_pending $P 0
	klp_release $C
	expect_chain $P $O $O
	klp_wait_transition $P
	# A worker removes the addresses of a parked patch from ftrace.
	klp_until "no function is redirected" redirects_nothing
}

redirects_nothing()
{
	[ -z "$(klp_redirected)" ]
}

klp_setup $P $P2 $P3 $T $H $C test_klp_forced2

klp_main \
	"set_alone a replace leaves patches of other sets alone" \
	"set_order stack_order counts the patches of one set" \
	"set_further replace_sets names further sets to replace" \
	"set_conflict one function in two sets is refused, loaded or not" \
	"set_position functions of one name at different positions do not conflict" \
	"set_state one state in two sets is refused" \
	"set_alias two names of one address in two sets are refused" \
	"set_enabled_again the conflict is found when a patch is enabled again" \
	"set_forced a forced replace pins modules of its own set only" \
	"set_reversed a reversed replace leaves both sets as they were" \
	"stack_only a task in the function is not switched, in both directions" \
	"stack_only_replaced a task in an older patch's version of the function is not switched" \
	"stack_only_nop a replace reverts a function that it only searches" \
	"stack_only_reversed the same, reversed" \
	"stack_only_of_replaced a replace waits for tasks in the callers that the old patch names" \
	"stack_only_alone an object without any replacement" \
	"stack_only_refused a replacement as well, or the function twice" \
	"stack_only_alias another name of a function that is replaced" \
	"stack_only_persistent a patch that is enabled again"
