#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# faults.sh: boot a kernel with fault injection. klp_faults makes each allocation and each call of
# the livepatch core that can fail do so, one in each run.
#
# ONLY='enable,disable below': only these paths. KINDS: only s (slab), p (pages) or c (calls). v
# prints the stack of each failed allocation on the console, which fails the target. QUICK=1: only
# the first ones of calls that are made for each task.

export VARIANT=faults
# shellcheck source=vm/common.sh
. "$(dirname "$0")/common.sh"

FAULTS=$KHOME/faults
SOURCE=$TOP/tools/testing/selftests/livepatch/faults
MKRELA=$TOP/tools/testing/selftests/livepatch/klp_mkrela.c

# range OBJECT...: print START and END of the text of these objects in vmlinux, which must be
# contiguous
range()
{
	# The definition of a weak symbol may be elsewhere.
	objdump -t "$@" | awk '/ F \.text\t/ && $2 != "w" { print $NF }' >"$FAULTS/names"
	[ -s "$FAULTS/names" ] || return
	awk '
		NR == FNR { left[$1]++; nr++; next }
		$2 !~ /^[tTwW]$/ { next }
		{ lines++; address[lines] = $1; name[lines] = $3 }
		END {
			# Find the first range of symbols that contains all names.
			for (end = 1; end <= lines; end++) {
				if (left[name[end]]-- > 0)
					found++
				if (end > nr && left[name[end - nr]]++ >= 0)
					found--
				if (found < nr)
					continue
				print "0x" address[end - nr + 1], "0x" address[end + 1]
				exit
			}
			exit 1
		}' "$FAULTS/names" "$KOBJ/System.map"
}

# List the calls of the core to other objects, or between its own.
list_callees()
{
	objdump -dr "${core_objects[@]}" | awk '
		/^ *[0-9a-f]+:\t[0-9a-f][0-9a-f] / {
			split($0, part, "\t")
			branch = part[3] ~ /^(call|j[a-z]+|notrack jmp) /
		}
		branch && /R_X86_64_(PLT32|PC32)/ {
			sub(/[-+]0x[0-9a-f]+$/, "", $NF)
			if ($NF !~ /^\./)
				print $NF
		}' | sort -u
}

# Check that each callee is in the table, and that each entry is a callee.
check_callees()
{
	local name value rest callee missing=''

	list_callees >"$FAULTS/called"
	[ -s "$FAULTS/called" ] || die "the core's objects call nothing: is there an objdump?"
	while read -r callee; do
		while read -r name value rest; do
			# shellcheck disable=SC2053 # a pattern
			[[ $name && $name != '#' && $callee == $name ]] && continue 2
		done <"$SOURCE/callees"
		missing+=" $callee"
	done <"$FAULTS/called"
	[ -z "$missing" ] ||
		die "the core calls what $SOURCE/callees does not know of:$missing"
	while read -r name value rest; do
		[[ -z $name || $name == '#' || $value == - ]] ||
			grep -qx "$name" "$FAULTS/called" ||
			die "$name is in $SOURCE/callees, but the core does not call it"
	done <"$SOURCE/callees"
}

build()
{
	local module

	build_modules "$SOURCE" "$FAULTS/modules" klp_faults
	build_program "$FAULTS/klp_mkrela" "$MKRELA"
	for module in faults_patch faults_part; do
		"$FAULTS/klp_mkrela" "$FAULTS/modules/$module.ko" "$FAULTS/modules/$module.new"
		mv "$FAULTS/modules/$module.new" "$FAULTS/modules/$module.ko"
	done
}

mkdir -p "$FAULTS"
start=$SECONDS
export -f build build_modules build_program kmake
export LINUX KOBJ FAULTS SOURCE MKRELA TOP
run_step faults-modules "building modules" bash -ec build
# Only the objects of the core, not those of modules.
mapfile -t core_objects < <(ar t "$KOBJ/kernel/livepatch/built-in.a")
check_callees
core=$(range "${core_objects[@]}") || die "the text of the core is not in one piece"
kmemleak=$(range "$KOBJ/mm/kmemleak.o") || die "the text of kmemleak is not in one piece"

kinds=${KINDS:-spc}${QUICK:+q}
paths=
IFS=, read -ra only <<<"$ONLY"
[ -z "$ONLY" ] || paths=$(printf ' %q' "${only[@]}")
"$VM/guest.sh" -n faults -t 14400 -- \
	"$FAULTS/modules/klp_faults $FAULTS/modules $SOURCE/callees $core $kmemleak $kinds$paths"
rc=$?
echo "faults: $(elapsed $((SECONDS - start)))"
[ "$rc" -eq 0 ]
