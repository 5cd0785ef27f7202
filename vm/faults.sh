#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# faults.sh: boot a kernel with fault injection and have klp_faults fail every allocation and every
# call of the livepatch core that can fail, one in each run.
#
# ONLY='enable,disable below': only these paths.  KINDS: of s (slab), p (pages), c (calls) only
# these; with v as well the stack of each allocation that fails is on the console, which then fails
# the target.  QUICK=1: of the calls that are made for each task, only the first ones.

export VARIANT=faults
# shellcheck source=vm/common.sh
. "$(dirname "$0")/common.sh"

FAULTS=$KHOME/faults
SOURCE=$TOP/tools/testing/selftests/livepatch/faults
MKRELA=$TOP/tools/testing/selftests/livepatch/klp_mkrela.c

# range OBJECT...: START END of the text of these objects in vmlinux, which must be in one piece
range()
{
	# A weak one stands elsewhere in vmlinux, if something else has defined it.
	objdump -t "$@" | awk '/ F \.text\t/ && $2 != "w" { print $NF }' >"$FAULTS/names"
	[ -s "$FAULTS/names" ] || return
	awk '
		NR == FNR { left[$1]++; nr++; next }
		$2 !~ /^[tTwW]$/ { next }
		{ lines++; address[lines] = $1; name[lines] = $3 }
		END {
			# The first piece of so many symbols in which all of the names are.
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

# What the core calls of other objects, or across its own.
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

# Every callee is in the table, and what the table has made to fail is called.
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

	rm -rf "$FAULTS/modules"
	mkdir -p "$FAULTS/modules"
	cp "$SOURCE"/{Makefile,*.[ch]} "$FAULTS/modules"
	gcc -O2 -Wall -o "$FAULTS/klp_faults" "$SOURCE/klp_faults.c"
	gcc -O2 -Wall -o "$FAULTS/klp_mkrela" "$MKRELA"
	kmake M="$FAULTS/modules" modules
	for module in faults_patch faults_part; do
		"$FAULTS/klp_mkrela" "$FAULTS/modules/$module.ko" "$FAULTS/modules/$module.new"
		mv "$FAULTS/modules/$module.new" "$FAULTS/modules/$module.ko"
	done
}

mkdir -p "$FAULTS"
start=$SECONDS
export -f build kmake
export LINUX KOBJ FAULTS SOURCE MKRELA
run_step faults-modules "building modules" bash -ec build
# Not what lies beside them and goes into modules.
mapfile -t core_objects < <(ar t "$KOBJ/kernel/livepatch/built-in.a")
check_callees
core=$(range "${core_objects[@]}") || die "the text of the core is not in one piece"
kmemleak=$(range "$KOBJ/mm/kmemleak.o") || die "the text of kmemleak is not in one piece"

kinds=${KINDS:-spc}${QUICK:+q}
paths=
IFS=, read -ra only <<<"$ONLY"
[ -z "$ONLY" ] || paths=$(printf ' %q' "${only[@]}")
"$VM/guest.sh" -n faults -t 14400 -- \
	"$FAULTS/klp_faults $FAULTS/modules $SOURCE/callees $core $kmemleak $kinds$paths"
rc=$?
echo "faults: $(elapsed $((SECONDS - start)))"
[ "$rc" -eq 0 ]
