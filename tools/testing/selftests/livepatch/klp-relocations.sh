#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Symbols: functions of one name, and livepatch relocations, valid and invalid ones.

# shellcheck source-path=SCRIPTDIR source=klp-lib.sh
. "$(dirname "$0")/klp-lib.sh"

P=test_klp_patch
P2=test_klp_patch2
T=test_klp_target
R=test_klp_rela
I=test_klp_ipmodify

CMDLINE=$(< /proc/cmdline)

# expect_line NAME TEXT: check the line of that name in the file of the target
expect_line()
{
	klp_expect_line $T "$@"
}

# --- symbols --------------------------------------------------------------------------------------

t_sympos()
{
	klp_load $T
	klp_enable $P objects=$T:second
	klp_enable $P2 objects=$T:first
	# The linker determines the order of the files. The lines tell the functions apart.
	expect_line first $P2
	expect_line second $P
	klp_disable $P
	expect_line first $P2
	expect_line second original
}

# expect_twins FIRST SECOND
expect_twins()
{
	expect_line first "$1"
	expect_line second "$2"
}

# The order of the description does not matter, nor does that of the replaced patch: entries of
# the same name and position are the same function, without a nop.
t_sympos_both()
{
	local o=original

	klp_load $T
	klp_enable $P objects=$T:first+second
	expect_twins $P $P
	klp_expect "redirected" "test_klp_target_twin test_klp_target_twin" "$(klp_redirected)"
	klp_disable $P
	expect_twins $o $o
	klp_expect "redirected" "" "$(klp_redirected)"
	klp_unload $P

	klp_enable $P2 objects=$T:second+first
	expect_twins $P2 $P2
	klp_enable $P objects=$T:extra+first+second replace=1
	klp_wait_gone $P2
	expect_twins $P $P
	klp_unload $P2
	klp_enable $P2 objects=$T:extra+second+first replace=1
	klp_wait_gone $P
	expect_twins $P2 $P2
	klp_unload $P
	klp_enable $P objects=$T:second replace=1
	klp_wait_gone $P2
	expect_twins $o $P
	klp_expect "redirected" "test_klp_target_twin" "$(klp_redirected)"
}

# relocated: build a livepatch with klp relocations, and set R to its name
R=test_klp_rela
relocated()
{
	klp_mkrela "${KLP_KO[$R]}" "$KLP_TMP/$R.ko"
}

t_rela_loaded()
{
	relocated
	klp_load $T
	klp_load "$KLP_TMP/$R.ko"
	klp_wait_transition $R
	klp_expect_file /proc/version "$CMDLINE"
	expect_line value "21, twice 42"
	klp_set "$(klp_param $T secret)" 5
	expect_line value "5, twice 10"
	klp_expect "the address in data" "$(sed -n 's/^0*\([0-9a-f]*\) . linux_proc_banner$/\1/p' \
		/proc/kallsyms)" "$(< "$(klp_param $R address)")"
}

t_rela_later()
{
	local round

	relocated
	klp_load "$KLP_TMP/$R.ko"
	klp_wait_transition $R
	klp_expect_file "$(klp_param $R target_address)" 0
	for round in 1 2; do
		klp_load $T secret=$round
		expect_line value "$round, twice $((2 * round))"
		klp_expect "the address in data" \
			"$(sed -n "s/^0*\([0-9a-f]*\) .*\<test_klp_target_secret\s\[$T\]/\1/p" \
			/proc/kallsyms)" "$(< "$(klp_param $R target_address)")"
		klp_unload $T
		klp_expect_cleared "$(klp_param $R target_address)"
	done
}

# The target is at another address each time, more often than a livepatch module has spare entries
# for calls. Small modules, which stay loaded, take the places that it has left.
t_rela_elsewhere()
{
	local round addresses=()

	relocated
	klp_load "$KLP_TMP/$R.ko"
	klp_wait_transition $R
	for round in {1..8}; do
		klp_load $T secret="$round"
		expect_line value "$round, twice $((2 * round))"
		addresses+=("$(awk '$3 == "test_klp_target_twice" { print $1 }' /proc/kallsyms)")
		klp_unload $T
		klp_mkrela -m "test_klp_fill$round" "${KLP_KO[$I]}" "$KLP_TMP/fill.ko"
		klp_load "$KLP_TMP/fill.ko"
	done
	round=$(printf '%s\n' "${addresses[@]}" | sort -u | wc -l)
	[ "$round" -gt 5 ] || klp_skip "the target was only at $round addresses"
}

t_rela_position()
{
	local symbol address

	symbol=$(klp_twin_symbol)
	[ -n "$symbol" ] || klp_skip "no two functions of vmlinux have the same name"
	address=${symbol#* }
	symbol=${symbol% *}

	klp_mkrela -r ".klp.sym.vmlinux.linux_proc_banner,0=.klp.sym.vmlinux.$symbol,2" \
		"${KLP_KO[$R]}" "$KLP_TMP/$R.ko"
	klp_load "$KLP_TMP/$R.ko"
	klp_expect "address of the second $symbol" "$(sed 's/^0*//' <<< "$address")" \
		"$(< "$(klp_param $R address)")"
}

# --- invalid relocations --------------------------------------------------------------------------

# rela_refused LINE... -- OPTION...: load a module that klp_mkrela has made with these options. It
# must fail with these lines
rela_refused()
{
	local lines=()

	while [ "$1" != -- ]; do
		lines+=("livepatch: $1")
		shift
	done
	shift

	klp_mkrela "$@" "${KLP_KO[$R]}" "$KLP_TMP/$R.ko"
	klp_mark
	klp_load_fails EINVAL "$KLP_TMP/$R.ko" unchecked=1
	klp_expect_log <<< "$(printf '%s\n' "${lines[@]}")"
	klp_expect_nothing_left $R
}

# unresolved SYMBOL,POSITION OBJECT: print the line that follows the reason in the log
unresolved()
{
	echo "patch '$R': symbol '$1' of object '$2' cannot be resolved, needed by a relocation"
}

# The valid names of the symbols of test_klp_rela.ko.
COMMAND_LINE=.klp.sym.vmlinux.saved_command_line,0
SECRET=.klp.sym.$T.test_klp_target_secret,0

t_rela_section_name()
{
	rela_refused "section .klp.rela. has an incorrectly formatted name" -- -s .klp.rela.
}

t_rela_section_prefix()
{
	rela_refused "section .klp.relb.vmlinux.text has an incorrectly formatted name" -- \
		-s .klp.relb.vmlinux.text
}

t_rela_symbol_name()
{
	rela_refused "symbol ${COMMAND_LINE%,0} has an incorrectly formatted name" -- \
		-r "$COMMAND_LINE=${COMMAND_LINE%,0}"
}

t_rela_symbol_prefix()
{
	rela_refused "symbol ${COMMAND_LINE/sym/syn} has an incorrectly formatted name" -- \
		-r "$COMMAND_LINE=${COMMAND_LINE/sym/syn}"
}

t_rela_symbol_unmarked()
{
	local symbol=$COMMAND_LINE

	case $(uname -m) in
	# The loader removes the first dot of undefined symbols.
	ppc64*)	symbol=${symbol#.} ;;
	esac
	rela_refused "symbol $symbol is not marked as a livepatch symbol" -- -u "$COMMAND_LINE"
}

t_rela_symbol_missing()
{
	rela_refused "symbol 'test_klp_no_such_symbol' not found in symbol table" \
		"$(unresolved test_klp_no_such_symbol,0 vmlinux)" -- \
		-r "$COMMAND_LINE=.klp.sym.vmlinux.test_klp_no_such_symbol,0"
}

t_rela_symbol_position()
{
	rela_refused "symbol position 7 for symbol 'saved_command_line' in object 'vmlinux'\
 not found" "$(unresolved saved_command_line,7 vmlinux)" -- -r "$COMMAND_LINE=${COMMAND_LINE%,0},7"
}

t_rela_vmlinux_in_target()
{
	klp_load $T
	rela_refused "invalid access to vmlinux symbol 'saved_command_line' from module-specific\
 livepatch relocation section" -- -o "$COMMAND_LINE=$T"
}

t_rela_target_symbol_name()
{
	klp_load $T
	rela_refused "symbol .klp.sym.$T has an incorrectly formatted name" -- \
		-r "$SECRET=.klp.sym.$T"
}

# rela_broken OPTION LINE: check that a relocation of the target cannot be written. The error
# occurs when the livepatch or the target is loaded. The other relocations are not written then,
# and not cleared.
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
	klp_expect_nothing_left $R
}

# These architectures read the symbols of all relocations first, to count the entries of the PLT.
# That must not be past the end of the symbol table.
rela_refused_by_loader()
{
	klp_mkrela -y $T "${KLP_KO[$R]}" "$KLP_TMP/$R.ko"
	klp_load_fails ENOEXEC "$KLP_TMP/$R.ko"
	klp_fetch_log
	klp_expect "number of messages" 1 \
		"$(grep -c "$R: relocation with .*symbol index" "$KLP_TMP/log-of-test")"
	klp_expect_nothing_left $R
}

t_rela_no_symbol()
{
	case $(uname -m) in
	aarch64 | s390x)	rela_refused_by_loader ;;
	*)			rela_broken -y "refers to symbol N of N" ;;
	esac
}

t_rela_no_place()
{
	rela_broken -p "is outside of its section"
}

t_rela_not_kept()
{
	rela_refused "section .klp.rela.$T.text is not kept in memory" -- -k $T
}

# The relocations before it have been written and have to be cleared: x86 refuses to overwrite a
# value other than 0 the next time.
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
	klp_expect_nothing_left $R
}

# The module can be loaded, but its target is refused.
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
		livepatch: $(unresolved test_klp_no_such_symbol,0 $T)
		livepatch: failed to initialize patch '$R' for module '$T' (-22)
		livepatch: patch '$R' failed for module '$T', refusing to load module '$T'
	END
	klp_absent /sys/module/$T || klp_fail "$T is still loaded"
	klp_disable $R
	klp_unload $R
	klp_load $T
	klp_expect_nothing_left $R
}

# The target has a symbol of this name with a suffix of the compiler.
t_rela_derived()
{
	local name=test_klp_target_split why="which the compiler has derived from it"

	klp_mkrela -r "$SECRET=.klp.sym.$T.$name,0" "${KLP_KO[$R]}" "$KLP_TMP/$R.ko"
	klp_load $T
	klp_mark
	klp_load_fails EINVAL "$KLP_TMP/$R.ko"
	klp_expect_log <<-END
		livepatch: symbol '$name' not found in symbol table
		livepatch: $(unresolved $name,0 $T)
		livepatch: symbol '$name' of object '$T' exists only as '$name.isra.0', $why
	END
	klp_expect_nothing_left $R
}

klp_setup $P $P2 $T $R $I

klp_main \
	"sympos two functions of one name, selected by position" \
	"sympos_both two functions of one name patched by one patch" \
	"rela_loaded klp relocations to vmlinux and to a loaded target" \
	"rela_later klp relocations to a target that is loaded, unloaded and loaded" \
	"rela_elsewhere klp relocations to a target that is loaded at other addresses" \
	"rela_position a klp symbol with a position" \
	"rela_section_name a klp relocation section without an object" \
	"rela_section_prefix a klp relocation section with another prefix" \
	"rela_symbol_name a klp symbol without a position" \
	"rela_symbol_prefix a klp symbol without its prefix" \
	"rela_symbol_unmarked a klp relocation to a symbol that is not a livepatch symbol" \
	"rela_symbol_missing a klp symbol that does not exist" \
	"rela_derived a klp symbol that exists only with a suffix of the compiler" \
	"rela_symbol_position a klp symbol at a position past the last" \
	"rela_vmlinux_in_target a symbol of vmlinux in a section of the target" \
	"rela_target_symbol_name a malformed symbol in a section of the target" \
	"rela_no_symbol a relocation of the target to a symbol past the last" \
	"rela_no_place a relocation of the target to a place past the end" \
	"rela_not_kept a section of the target that is not kept in memory" \
	"rela_unknown_type a relocation of the target with an unknown type" \
	"rela_target_symbol_missing a klp symbol that a target loaded later does not have"
