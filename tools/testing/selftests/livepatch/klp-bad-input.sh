#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Invalid livepatches and targets: the caller gets the right error, the log has the reason, nothing
# is left, and a valid livepatch works afterwards.

# shellcheck source-path=SCRIPTDIR source=klp-lib.sh
. "$(dirname "$0")/klp-lib.sh"

P=test_klp_patch
P2=test_klp_patch2
B=test_klp_bad
T=test_klp_target

CMDLINE=$(< /proc/cmdline)

# The log has the first 32 characters of the long names of test_klp_bad.
O32=oooooooooooooooooooooooooooooooo
S32=ssssssssssssssssssssssssssssssss

# unresolved FUNCTION,POSITION OBJECT: print the line that follows the reason in the log
unresolved()
{
	echo "patch '$B': function '$1' of object '$2' cannot be resolved"
}

# refused ERRNO CASE LINE...: load test_klp_bad with this mistake, which must fail with these
# lines
refused()
{
	local errno=$1 case=$2
	shift 2

	klp_mark
	klp_load_fails "$errno" $B case="$case"
	klp_expect_log <<< "$(printf '%s\n' "${@/#/livepatch: }")"
	klp_expect_nothing_left $B
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
	klp_expect_nothing_left test_klp_unmarked
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

t_object_name_dash()
{
	refused EINVAL state_object_dash \
		"object name 'test-klp-target' contains '-', module names contain '_' instead"
	refused EINVAL object_name_dash \
		"object name 'test-klp-target' contains '-', module names contain '_' instead"
}

t_object_name_slash()
{
	refused EINVAL object_name_slash "object name 'test/target' is not a valid module name"
}

t_object_name_dots()
{
	refused EINVAL object_name_dot "object name '.' is not a valid module name"
	refused EINVAL object_name_dotdot "object name '..' is not a valid module name"
}

# in_init CASE PART OBJECT: check the refusal of this part of the description in an init section
in_init()
{
	refused EINVAL "$1" "patch '$B': $2 of object '$3' is in an init section"
}

t_init_sections()
{
	in_init init_new_func "new_func of a function" vmlinux
	in_init init_funcs "funcs" vmlinux
	in_init init_callback "post_unpatch" vmlinux
	in_init init_callback_of_module "pre_patch" $T
	in_init init_hook "patch_hooks" vmlinux
	in_init init_hooks "unpatch_hooks" vmlinux
	refused EINVAL init_objects "patch '$B': objs is in an init section"
	refused EINVAL init_patch "patch '$B': its struct klp_patch is in an init section"
	refused EINVAL init_states "patch '$B': states is in an init section"
	refused EINVAL init_state_callback "patch '$B': a part of state 7 is in an init section"
	refused EINVAL init_replace_sets "patch '$B': replace_sets is in an init section"
}

# pre_patch of vmlinux runs only in klp_enable_patch(), unless the patch is persistent.
t_init_pre_patch()
{
	klp_enable $B case=init_pre_patch
	klp_expect_file /proc/cmdline $B
	klp_disable $B
	klp_unload $B
	klp_mark
	klp_load_fails EINVAL $B case=init_pre_patch persistent=1
	klp_expect_log <<-END
		livepatch: patch '$B': pre_patch of object 'vmlinux' is in an init section
	END
	klp_expect_nothing_left $B
}

# Two names of one address would be two versions of one patch.
t_function_alias()
{
	klp_load $T
	klp_mark
	klp_load_fails EEXIST $B case=function_alias
	klp_log | grep -q "^livepatch: functions .* of object '$T' have the same address$" ||
		klp_fail "the log does not name the functions"
	klp_expect_nothing_left $B
}

t_target_alias()
{
	klp_enable $B case=function_alias
	klp_load_fails EEXIST $T
	klp_expect_file $KLP_SYSFS/$B/$T/patched 0
	klp_disable $B
	klp_unload $B
	klp_load $T
	klp_expect_nothing_left $B
}

t_function_of_init()
{
	klp_mark
	klp_load_fails EINVAL $B case=given_symbol symbol=start_kernel
	klp_expect_log <<-END
		livepatch: function 'start_kernel' of object 'vmlinux' is in an init section
	END
	klp_expect_nothing_left $B
}

# The address would be removed from ftrace after init, and fail the removal of all others.
t_target_function_of_init()
{
	klp_enable $B case=target_init
	klp_mark
	klp_load_fails EINVAL $T
	klp_expect_log <<-END
		livepatch: function 'target_init' of object '$T' is in an init section
		livepatch: failed to initialize patch '$B' for module '$T' (-22)
		livepatch: patch '$B' failed for module '$T', refusing to load module '$T'
	END
	klp_disable $B
	klp_unload $B
	klp_load $T
	klp_expect_nothing_left $B
}

t_object_is_livepatch()
{
	klp_enable $P objects=vmlinux:cmdline
	klp_mark
	klp_load_fails EINVAL $P2 objects=$P:
	klp_expect_log <<-END
		livepatch: patch '$P2': object '$P' is a livepatch and cannot be patched
	END
	klp_disable $P
	klp_unload $P

	klp_enable $P2 objects=$P:
	klp_mark
	klp_load_fails EINVAL $P objects=vmlinux:cmdline
	klp_expect_log <<-END
		livepatch: patch '$P2': object '$P' is a livepatch and cannot be patched
		livepatch: failed to initialize patch '$P2' for module '$P' (-22)
		livepatch: patch '$P2' failed for module '$P', refusing to load module '$P'
	END
	klp_disable $P2
	klp_unload $P2
	klp_expect_nothing_left $P
}

# A value that is not an errno would look like success to the shell.
t_veto_no_errno()
{
	klp_mark
	klp_load_fails EINVAL $P objects=vmlinux:cmdline veto=vmlinux veto_errno=-22
	klp_log | grep -q "pre_patch .*'vmlinux' returned 22, which is not an errno value" ||
		klp_fail "the log does not name the value"
	klp_expect_nothing_left $P

	klp_enable $P objects=vmlinux:cmdline persistent=1
	klp_disable_persistent $P
	klp_set "$(klp_param $P veto)" vmlinux
	klp_set "$(klp_param $P veto_errno)" -22
	klp_expect "error of writing 1" EINVAL "$(klp_write $KLP_SYSFS/$P/enabled 1)"
	klp_expect_file $KLP_SYSFS/$P/enabled 0
	klp_unload $P
}

t_target_veto_no_errno()
{
	klp_enable $P objects=$T:value veto=$T veto_errno=-5000
	klp_load_fails EINVAL $T
	klp_set "$(klp_param $P veto_errno)" 5000
	klp_load_fails EINVAL $T
	klp_disable $P
	klp_unload $P
	klp_load $T
	klp_expect_nothing_left $P
}

# A livepatch that was built with the header of stock uses another symbol.
t_layout()
{
	local symbol

	command -v objcopy > /dev/null || klp_skip "there is no objcopy"
	symbol=$(nm -u "${KLP_KO[$P]}" | awk '$2 ~ /^klp_enable_patch/ { print $2 }')
	[ "$symbol" != klp_enable_patch ] || klp_fail "the symbol does not carry the layout"
	objcopy --redefine-sym "$symbol=klp_enable_patch" "${KLP_KO[$P]}" "$KLP_TMP/$P.ko" ||
		klp_fail "objcopy: $symbol"
	klp_mark
	klp_load_fails ENOENT "$KLP_TMP/$P.ko" objects=vmlinux:cmdline
	klp_expect_log <<-END
		$P: Unknown symbol klp_enable_patch (err -2)
	END
	klp_expect_nothing_left $P
}

# The same with a module that vm/suite.sh has built with the header of stock.
t_stock_header()
{
	local ko=${KLP_TOOLS:-}/stock_header/test_klp_stock_header.ko

	[ -f "$ko" ] || klp_skip "no livepatch is built against the header of stock"
	klp_mark
	klp_load_fails ENOENT "$ko"
	klp_expect_log <<-END
		test_klp_stock_header: Unknown symbol klp_enable_patch (err -2)
	END
	klp_expect_nothing_left test_klp_stock_header
}

t_object_called_vmlinux()
{
	refused EINVAL object_called_vmlinux \
		"object name 'vmlinux' is not a module, use a NULL name for vmlinux"
}

t_object_called_enabled()
{
	refused EEXIST object_called_enabled \
		"object name 'enabled' is the name of a file of the patch"
}

t_object_twice()
{
	refused EEXIST object_twice "object '$T' is listed twice"
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

	# The name is not too long, so it is looked up.
	name=$(printf 's%.0s' {1..511})
	refused EINVAL function_name_longest "symbol '$name' not found in symbol table" \
		"$(unresolved "$name,0" vmlinux)"
}

t_function_twice()
{
	refused EEXIST function_twice \
		"function 'cmdline_proc_show,1' is listed twice for object 'vmlinux'"
}

t_no_such_symbol()
{
	refused EINVAL no_such_symbol "symbol 'test_klp_no_such_symbol' not found in symbol table" \
		"$(unresolved test_klp_no_such_symbol,0 vmlinux)"
}

t_no_such_symbol_in_target()
{
	klp_load $T
	refused EINVAL no_such_symbol_in_target \
		"symbol 'cmdline_proc_show' not found in symbol table" \
		"$(unresolved cmdline_proc_show,0 $T)"
}

# derived NAME FOUND OBJECT: print the line for a name that exists only with a suffix
derived()
{
	echo "symbol '$1' of object '$3' exists only as '$2'," \
		"which the compiler has derived from it"
}

t_derived()
{
	local found symbol

	# The first symbol with a suffix in kallsyms without the symbol that has none.
	found=$(awk 'NF == 3 {
			seen[$3]
			if ($3 ~ /^[a-z0-9_]+\.(isra|constprop|part)\.[0-9]+$/)
				names[++nr] = $3
		}
		END {
			for (i = 1; i <= nr; i++) {
				missing = names[i]
				sub(/\..*/, "", missing)
				if (missing in seen)
					continue
				print names[i]
				exit
			}
		}' /proc/kallsyms)
	[ -n "$found" ] || klp_skip "the compiler has not changed a function of vmlinux"
	symbol=${found%%.*}
	klp_mark
	klp_load_fails EINVAL $B case=given_symbol symbol="$symbol"
	klp_expect_log <<-END
		livepatch: symbol '$symbol' not found in symbol table
		livepatch: $(unresolved "$symbol,0" vmlinux)
		livepatch: $(derived "$symbol" "$found" vmlinux)
	END
	klp_expect_nothing_left $B
}

t_derived_in_target()
{
	klp_load $T
	refused EINVAL derived \
		"symbol 'test_klp_target_split' not found in symbol table" \
		"$(unresolved test_klp_target_split,0 $T)" \
		"$(derived test_klp_target_split test_klp_target_split.isra.0 $T)"
}

t_ambiguous()
{
	klp_load $T
	refused EINVAL ambiguous \
		"unresolvable ambiguity for symbol 'test_klp_target_twin' in object '$T'" \
		"$(unresolved test_klp_target_twin,0 $T)"
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
		livepatch: $(unresolved "$symbol,0" vmlinux)
	END
	klp_expect_nothing_left $B
}

t_position_past_last()
{
	refused EINVAL position_past_last \
		"symbol position 2 for symbol 'version_proc_show' in object 'vmlinux' not found" \
		"$(unresolved version_proc_show,2 vmlinux)"
}

t_position_past_last_in_target()
{
	klp_load $T
	refused EINVAL position_past_last_in_target \
		"symbol position 3 for symbol 'test_klp_target_twin' in object '$T' not found" \
		"$(unresolved test_klp_target_twin,3 $T)"
}

UNTRACED="patch '$B': function 'test_klp_target_untraced,0' of object '$T' exists,"
UNTRACED+=" but ftrace cannot trace it"

t_untraceable()
{
	klp_load $T
	refused EINVAL untraceable \
		"enabling patch '$B'" \
		"failed to find location for function 'test_klp_target_untraced'" \
		"$UNTRACED" \
		"failed to patch object '$T'" \
		"failed to enable patch '$B'" \
		"'$B': unpatching complete"
}

# --- an invalid target, when it is loaded ---------------------------------------------------------

# target_refused MODULE CASE LINE...: load the target, which an enabled patch must refuse
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
	klp_expect_nothing_left $B
}

t_target_no_such_symbol()
{
	target_refused no_such_symbol_in_target \
		"symbol 'cmdline_proc_show' not found in symbol table" \
		"$(unresolved cmdline_proc_show,0 $T)" \
		"failed to initialize patch '$B' for module '$T' (-22)"
}

t_target_ambiguous()
{
	target_refused ambiguous \
		"unresolvable ambiguity for symbol 'test_klp_target_twin' in object '$T'" \
		"$(unresolved test_klp_target_twin,0 $T)" \
		"failed to initialize patch '$B' for module '$T' (-22)"
}

t_target_untraceable()
{
	target_refused untraceable \
		"applying patch '$B' to loading module '$T'" \
		"failed to find location for function 'test_klp_target_untraced'" \
		"$UNTRACED" \
		"failed to apply patch '$B' to module '$T' (-22)"
}

# The module has undone its work: only that of the patch is left.
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
	klp_expect_works
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
	klp_expect_nothing_left vmlinux
}

klp_setup $P $P2 $B $T test_klp_unmarked

klp_main \
	"good the module with mistakes works without one" \
	"no_patch no patch" \
	"no_module no module" \
	"no_objects no objects" \
	"no_functions_array an object without a functions array" \
	"unmarked a module without MODULE_INFO(livepatch, \"Y\")" \
	"object_name_too_long an object name of MODULE_NAME_LEN" \
	"object_name_longest an object name of the maximum length" \
	"object_name_empty an empty object name" \
	"object_called_vmlinux an object called vmlinux" \
	"object_name_dash an object name with a dash" \
	"object_name_slash an object name with a slash" \
	"object_name_dots the object names . and .." \
	"init_sections parts of a description in init sections" \
	"init_pre_patch pre_patch of vmlinux in an init section" \
	"function_alias one function by two names" \
	"target_alias one function of a target loaded later by two names" \
	"function_of_init a function in an init section of vmlinux" \
	"target_function_of_init a function in the init section of a target loaded later" \
	"object_is_livepatch an object that is a livepatch" \
	"veto_no_errno pre_patch returns a value that is not an errno" \
	"target_veto_no_errno pre_patch for a target loaded later returns such a value" \
	"layout a livepatch that was built with another layout" \
	"stock_header a livepatch that was built against the header of stock" \
	"object_called_enabled an object with the name of a file of the patch" \
	"object_twice two objects of one name" \
	"no_function_name a function without a name" \
	"no_new_function a function without a replacement" \
	"function_name_too_long a function name of KSYM_NAME_LEN" \
	"function_name_longest a function name of the maximum length" \
	"function_twice two functions of one name and position" \
	"no_such_symbol a symbol that does not exist" \
	"no_such_symbol_in_target a symbol that does not exist in the target" \
	"derived a symbol of vmlinux that exists only with a suffix of the compiler" \
	"derived_in_target a symbol of the target that exists only with such a suffix" \
	"ambiguous an ambiguous symbol of the target without a position" \
	"ambiguous_in_vmlinux an ambiguous symbol of vmlinux without a position" \
	"position_past_last a position past the last in vmlinux" \
	"position_past_last_in_target a position past the last in the target" \
	"untraceable a function that ftrace cannot trace" \
	"target_no_such_symbol a symbol that a target loaded later does not have" \
	"target_ambiguous an ambiguous symbol of a target loaded later" \
	"target_untraceable a function of a target loaded later that ftrace cannot trace" \
	"target_fails_init a target that fails its own init" \
	"module_vmlinux a module named vmlinux"
