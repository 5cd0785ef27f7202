#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# KLP_RELOC_SYMBOL() and klp-convert: livepatches that use symbols which are not exported, and the
# annotations that klp-convert has to refuse. The modules are built outside of the kernel tree by
# livepatch.mk: by vm/suite.sh, or here if a kernel to build against is installed.

# shellcheck source-path=SCRIPTDIR source=klp-lib.sh
. "$(dirname "$0")/klp-lib.sh"

T=test_klp_target
C=test_klp_convert
CHAIN=test_klp_chain

CMDLINE=$(< /proc/cmdline)
TREE=$KLP_DIR/../../../..
KDIR=${KDIR:-/lib/modules/$(uname -r)/build}

# expect_line NAME TEXT: check the line of that name in the file of the target
expect_line()
{
	klp_expect_line $T "$@"
}

# modules NAME SOURCE [VARIABLE=VALUE...]: find the modules that have been built as NAME, or build
# them. Sets BUILT to their directory
modules()
{
	local name=$1 source=$2 said
	shift 2

	BUILT=${KLP_TOOLS:+$KLP_TOOLS/$name}
	[ -z "$BUILT" ] || [ ! -d "$BUILT" ] || return 0
	BUILT=$KLP_TMP/$name
	[ ! -d "$BUILT" ] || return 0
	[ -d "$source" ] || klp_skip "there is no $source"
	[ -e "$KDIR/Makefile" ] || klp_skip "no kernel to build modules against: KDIR="
	cp -r "$source" "$BUILT"
	said=$(make -C "$KDIR" M="$BUILT" KLP_MODULES="${KLP_KO[$T]} ${KLP_KO[$CHAIN]}" "$@" \
		2>&1) || klp_fail "make:" "$said"
}

# good, raw, bad, sample: find these modules
good()
{
	modules convert "$KLP_DIR/convert"
}

raw()
{
	modules convert_raw "$KLP_DIR/convert" KLP_CONVERT=true
}

bad()
{
	modules convert_bad "$KLP_DIR/convert_bad" KLP_CONVERT=true
}

sample()
{
	modules unexported "$TREE/samples/livepatch/unexported"
}

# find_convert: find klp-convert, or compile it. Sets CONVERT to its path
find_convert()
{
	local source=$TREE/tools/livepatch/convert

	CONVERT=${KLP_TOOLS:+$KLP_TOOLS/klp-convert}
	[ ! -x "$CONVERT" ] || return 0
	CONVERT=$(command -v klp-convert) && return
	CONVERT=$KLP_TMP/klp-convert
	[ -x "$CONVERT" ] ||
		${CC:-cc} -std=gnu2x -o "$CONVERT" "$source"/*.c -lelf 2>/dev/null ||
		klp_skip "there is no klp-convert, and it cannot be compiled"
}

# convert ARGUMENT...: run klp-convert for symbols of this kernel and of the target. Sets SAID to
# its messages, without directories, and STATUS to its exit status
convert()
{
	STATUS=0
	find_convert
	SAID=$("$CONVERT" -s "$MAP" -m "${KLP_KO[$T]}" -m "${KLP_KO[$CHAIN]}" "$@" 2>&1) ||
		STATUS=$?
	# With ccache the names of source files are relative.
	SAID=$(sed -E 's,(^|[ (])[^ :()]*/,\1,g' <<< "$SAID")
}
MAP=/proc/kallsyms

# refused MODULE LINE...: check that klp-convert reports these lines, and does not change the module
refused()
{
	local module=$1
	shift

	bad
	cp "$BUILT/$module.ko" "$KLP_TMP/$module.ko"
	convert "$KLP_TMP/$module.ko"
	klp_expect "messages" "$(printf '%s\n' "$@")" "$SAID"
	klp_expect "exit status" 1 "$STATUS"
	cmp -s "$BUILT/$module.ko" "$KLP_TMP/$module.ko" || klp_fail "the module has been changed"
}

# address SYMBOL [MODULE]: print its address in kallsyms
address()
{
	awk -v symbol="$1" -v module="${2:+[$2]}" \
		'$3 == symbol && $4 == module { sub(/^0*/, "", $1); print $1 }' /proc/kallsyms
}

# --- valid annotations ----------------------------------------------------------------------------

# expect_twins: check the two lines of the functions of one name, which follow those of the
# livepatch. The order is that of the linker.
expect_twins()
{
	klp_expect "lines of the twins" "first: original second: original" \
		"$(sed -n 3,4p /proc/$T | sort | paste -sd ' ')"
}

t_loaded()
{
	good
	klp_load $T
	klp_load "$BUILT/$C.ko"
	klp_wait_transition $C
	klp_expect_file /proc/version "$CMDLINE"
	expect_line value "21, twice 42"
	expect_twins
	klp_set "$(klp_param $T secret)" 4
	expect_line value "4, twice 8"
	klp_expect "line 2" "secret is even" "$(sed -n 2p /proc/$T)"
	klp_expect "the address in vmlinux" "$(address linux_proc_banner)" \
		"$(< "$(klp_param $C in_vmlinux)")"
	klp_expect "the address in the target" "$(address test_klp_target_secret $T)" \
		"$(< "$(klp_param $C in_target)")"
}

t_later()
{
	local round

	good
	klp_load "$BUILT/$C.ko"
	klp_wait_transition $C
	klp_expect_file /proc/version "$CMDLINE"
	klp_expect_file "$(klp_param $C in_target)" 0
	for round in 1 2; do
		klp_load $T secret=$round
		expect_line value "$round, twice $((2 * round))"
		expect_twins
		klp_expect "the address in the target" "$(address test_klp_target_secret $T)" \
			"$(< "$(klp_param $C in_target)")"
		klp_unload $T
		klp_expect_cleared "$(klp_param $C in_target)"
	done
}

# expect_price DIR: check that the livepatch in this directory calls the function of the target
expect_price()
{
	KLP_KO[livepatch_price]=$1/livepatch-price.ko
	KLP_KO[livepatch_price_fix]=$1/livepatch-price-fix.ko
	klp_load livepatch_price
	klp_expect_file /proc/livepatch_price 144
	klp_unload livepatch_price
	klp_load livepatch_price_fix
	klp_wait_transition livepatch_price_fix
	klp_load livepatch_price
	klp_expect_file /proc/livepatch_price 120
	klp_set "$(klp_param livepatch_price net)" 200
	klp_expect_file /proc/livepatch_price 240
	klp_disable livepatch_price_fix
	klp_expect_file /proc/livepatch_price 288
	klp_unload livepatch_price_fix
	klp_unload livepatch_price
}

t_sample()
{
	sample
	expect_price "$BUILT"
}

# block TITLE: print the literal block of this title in the page for authors
block()
{
	awk -v title="\`\`$1\`\`::" '
		$0 == title { inside = 1; next }
		/^[^ ]/ { inside = 0 }
		inside { sub(/^    /, ""); print }' \
		"$TREE/Documentation/livepatch/first-livepatch.rst" | sed '1d; $d'
}

# The page prints the files of the sample.
t_documented()
{
	local file sample=$TREE/samples/livepatch/unexported

	[ -d "$TREE/Documentation/livepatch" ] && [ -d "$sample" ] || klp_skip "no source tree"
	for file in livepatch-price-fix.c Makefile; do
		klp_expect "differences of $file" "" \
			"$(diff <(block $file) <(expand "$sample/$file"))"
	done
}

# The kernel of this test need not check versions. The module contains them, and modpost has not
# required one for the annotated symbols.
t_modversions()
{
	local versions=()

	if ! grep -q '\<module_layout\>' "$KDIR/Module.symvers" 2>/dev/null; then
		printf '0x12345678\tmodule_layout\tvmlinux\tEXPORT_SYMBOL\t\n' > "$KLP_TMP/symvers"
		versions=(KBUILD_EXTRA_SYMBOLS="$KLP_TMP/symvers")
	fi
	modules modversions "$TREE/samples/livepatch/unexported" CONFIG_MODVERSIONS=y \
		"${versions[@]}"
	command -v objdump > /dev/null || klp_skip "there is no objdump"
	objdump -h "$BUILT/livepatch-price-fix.ko" | grep -q ' __versions ' ||
		klp_fail "the module has no versions"
	grep -a -q with_tax "$BUILT/livepatch-price-fix.mod.c" &&
		klp_fail "the versions contain the annotated symbol"
	expect_price "$BUILT"
}

t_unconverted()
{
	raw
	klp_mark
	klp_load_fails ENOENT "$BUILT/$C.ko"
	klp_expect_log <<-END
		$C: Unknown symbol klp_reloc_needs_livepatch_mk (err -2)
	END
	klp_expect_nothing_left $C
}

# The symbols of the running kernel are used in place of System.map.
t_running()
{
	raw
	convert -o "$KLP_TMP/$C.ko" "$BUILT/$C.ko"
	klp_expect "messages" "" "$SAID"
	klp_expect "exit status" 0 "$STATUS"
	klp_load "$KLP_TMP/$C.ko"
	klp_wait_transition $C
	klp_load $T secret=3
	expect_line value "3, twice 6"
	expect_twins
	klp_expect_file /proc/version "$CMDLINE"
}

t_twice()
{
	raw
	cp "$BUILT/$C.ko" "$KLP_TMP/$C.ko"
	convert "$KLP_TMP/$C.ko"
	klp_expect "exit status" 0 "$STATUS"
	cp "$KLP_TMP/$C.ko" "$KLP_TMP/once.ko"
	# Without annotations klp-convert needs no System.map.
	MAP=$KLP_TMP/no.map
	convert "$KLP_TMP/$C.ko"
	klp_expect "messages" "" "$SAID"
	klp_expect "exit status" 0 "$STATUS"
	cmp -s "$KLP_TMP/once.ko" "$KLP_TMP/$C.ko" || klp_fail "the second run changes the module"
}

# Relocations of other symbols stay in their sections, and those of each object have their own.
t_sections()
{
	local found

	good
	command -v readelf > /dev/null || klp_skip "there is no readelf"
	# On ppc64le the code gets addresses in vmlinux from .toc.
	found=$(readelf -SW "$BUILT/$C.ko" |
		sed -n 's/.* \(\.klp\.rela\.[a-z_]*\.\.[a-z._]*\) .*/\1/p' | sort)
	klp_expect "objects that have sections" "test_klp_target vmlinux" \
		"$(sed 's/\.klp\.rela\.\([a-z_]*\)\..*/\1/' <<< "$found" | sort -u | paste -sd ' ')"
	klp_expect "sections that exist twice" "" "$(uniq -d <<< "$found")"
	found=$(readelf -rW "$BUILT/$C.ko" | awk '
		/^Relocation section/ { klp = $3 ~ /^.\.klp\.rela/ }
		/^[0-9a-f]+ / && $5 ~ /^\.klp\.sym/ && !klp { print $5 }
		/^[0-9a-f]+ / && $5 !~ /^\.klp\.sym/ && klp { print $5 }
		/ seq_printf/ && !klp { seen = 1 }
		END { if (!seen) print "no seq_printf" }')
	klp_expect "misplaced relocations" "" "$found"
}

# System.map and kallsyms have to agree on the order of the symbols of one name: the position that
# klp-convert checks is the one that the kernel counts.
t_positions()
{
	local twins='NF == 3 { all[$3] = all[$3] " " $1; count[$3]++ }
		END { for (name in all) if (count[name] > 1) print name all[name] }'

	[ -r "$KDIR/System.map" ] || klp_skip "there is no System.map"
	awk "$twins" "$KDIR/System.map" | sort > "$KLP_TMP/map"
	awk "$twins" /proc/kallsyms | sort > "$KLP_TMP/kallsyms"
	[ -s "$KLP_TMP/map" ] || klp_skip "no two symbols have the same name"
	# With a random base the addresses differ.
	[ "$(awk '$3 == "_text" { print $1 }' /proc/kallsyms)" = \
		"$(awk '$3 == "_text" { print $1 }' "$KDIR/System.map")" ] ||
		klp_skip "the kernel has been relocated"
	klp_expect "symbols of one name in another order" "" \
		"$(diff "$KLP_TMP/map" "$KLP_TMP/kallsyms" | head)"
}

t_compressed()
{
	local program suffix

	raw
	for program in gzip xz zstd; do
		command -v $program > /dev/null || continue
		mkdir "$KLP_TMP/$program"
		suffix=${program/gzip/gz}
		suffix=${suffix/zstd/zst}
		$program -c "${KLP_KO[$T]}" > "$KLP_TMP/$program/$T.ko.$suffix"
		find_convert
		SAID=$("$CONVERT" -s "$MAP" -m "$KLP_TMP/$program" -o "$KLP_TMP/$program/$C.ko" \
			"$BUILT/$C.ko" 2>&1) || klp_fail "$program: $SAID"
	done
}

# --- invalid annotations --------------------------------------------------------------------------

t_names()
{
	local file=test_klp_convert_names.c

	refused test_klp_convert_names \
		"$file:8: error: 'virtio-net' is not the name of an object:\
 module names contain '_' only" \
		"$file:9: error: '' is not the name of an object" \
		"$file:10: error: '' is not the name of a symbol" \
		"$file:11: error: 'second' is not a position, which is a decimal number" \
		"$file:12: error: '-1' is not a position, which is a decimal number" \
		"$file:13: error: '1, 2' is not a position, which is a decimal number" \
		"$file:14: error: 'a_name_of_a_module_that_is_one_byte_longer_than_possible'\
 is not the name of an object"
}

t_symbols()
{
	local file=test_klp_convert_symbols.c ko=${KLP_KO[$T]##*/}

	# A function of which the compiler has only left a part.
	cp /proc/kallsyms "$KLP_TMP/kernel.map"
	echo "ffffffffffffff00 t test_klp_convert_split.isra.0" >> "$KLP_TMP/kernel.map"
	MAP=$KLP_TMP/kernel.map

	refused test_klp_convert_symbols \
		"$file:9: error: 'test_klp_no_such_symbol' does not exist in vmlinux (kernel.map)" \
		"$file:10: error: 'linux_proc_banner' has no position 3 in vmlinux,\
 the last one is 1 (kernel.map)" \
		"$file:11: error: 'start_kernel' of vmlinux is in an init section,\
 which is freed (kernel.map)" \
		"$file:17: error: 'test_klp_convert_split' does not exist in vmlinux,\
 only 'test_klp_convert_split.isra.0', which the compiler has derived from it (kernel.map)" \
		"$file:12: error: 'test_klp_target_twin' exists 2 times in $T,\
 a position is needed ($ko)" \
		"$file:13: error: 'test_klp_target_twin' has no position 3 in $T,\
 the last one is 2 ($ko)" \
		"$file:14: error: 'target_init' of $T is in an init section,\
 which is freed ($ko)" \
		"$file:15: error: the file with the symbols of test_klp_no_such_module is not\
 found, see livepatch.mk" \
		"$file:16: error: 'test_klp_chain_show' is exported by $CHAIN, without which the\
 livepatch could not be loaded: use it by KLP_RELOC_ALIAS() (${KLP_KO[$CHAIN]##*/})"
}

t_special_sections()
{
	local error=test_klp_convert_sections.c used="is used in section" late own lines

	late="which the kernel processes before module '$T' may be loaded"
	own="which only describes code of the livepatch itself"
	lines=(
		"$error:10: error: 'test_klp_target_secret' $used .init.data, $late"
		"$error:10: error: 'test_klp_target_secret' $used ___srcu_struct_ptrs, $late"
		"$error:12: error: 'linux_proc_banner' $used __mcount_loc, $own"
	)
	bad
	convert -o "$KLP_TMP/out.ko" "$BUILT/test_klp_convert_sections.ko"
	# The order of sections is that of the linker.
	klp_expect "messages" "$(printf '%s\n' "${lines[@]}" | sort)" "$(sort <<< "$SAID")"
	klp_expect "exit status" 1 "$STATUS"
	klp_absent "$KLP_TMP/out.ko" || klp_fail "a module has been written"
}

t_contradictions()
{
	local file=test_klp_convert_users.c

	refused test_klp_convert_users \
		"$file:10: error: 'linux_proc_banner' is annotated in another way in $file:9" \
		"$file:14: error: 'test_klp_convert_own' is defined in the livepatch itself"
}

t_unmarked()
{
	refused test_klp_convert_unmarked \
		"test_klp_convert_unmarked.c:8: error: the module is not marked as a livepatch by\
 MODULE_INFO(livepatch, \"Y\")"
}

t_map()
{
	raw
	: > "$KLP_TMP/empty.map"
	MAP=$KLP_TMP/empty.map
	convert -o "$KLP_TMP/out.ko" "$BUILT/$C.ko"
	klp_expect "messages" "klp-convert: empty.map: the file contains no symbols" "$SAID"
	klp_expect "exit status" 1 "$STATUS"
	MAP=$KLP_TMP/no.map
	convert -o "$KLP_TMP/out.ko" "$BUILT/$C.ko"
	klp_expect "messages" "klp-convert: no.map: No such file or directory" "$SAID"
	klp_absent "$KLP_TMP/out.ko" || klp_fail "a module has been written"
}

t_signed()
{
	raw
	{ cat "$BUILT/$C.ko"; printf '~Module signature appended~\n'; } > "$KLP_TMP/signed.ko"
	convert "$KLP_TMP/signed.ko"
	klp_expect "messages" "$SAID" \
		"klp-convert: signed.ko: the module is signed, convert it before it is signed"
	klp_expect "exit status" 1 "$STATUS"
	head -c 100 "$BUILT/$C.ko" > "$KLP_TMP/short.ko"
	convert "$KLP_TMP/short.ko"
	klp_expect "exit status" 1 "$STATUS"
}

klp_setup $T $CHAIN test_klp_patch
# List them for klp_cleanup(), which removes them after a failed test.
KLP_KO[livepatch_price]=livepatch-price.ko
KLP_KO[livepatch_price_fix]=livepatch-price-fix.ko

klp_main \
	"loaded symbols of vmlinux and of a loaded target" \
	"later symbols of a target that is loaded, unloaded and loaded" \
	"sample a static function of a module that is loaded later, as in first-livepatch.rst" \
	"documented first-livepatch.rst has the files of that sample" \
	"modversions the same, built with CONFIG_MODVERSIONS" \
	"unconverted the kernel refuses a module that has not been converted" \
	"running conversion by the symbols of the running kernel" \
	"twice a second conversion changes nothing" \
	"sections one section for each object, and other relocations stay" \
	"positions System.map and kallsyms have one order" \
	"compressed a target whose file is compressed" \
	"names annotations with wrong names and positions" \
	"symbols symbols that are missing, ambiguous, freed or exported" \
	"special_sections symbols in sections that the kernel processes earlier" \
	"contradictions annotations that contradict each other or the module" \
	"unmarked a module that is not marked as a livepatch" \
	"map a System.map that is empty or missing" \
	"signed a module that is signed, and one that is cut off"
