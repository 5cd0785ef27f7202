#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# build-matrix.sh: compile our code for each architecture that has livepatch, with each compiler
# and with options that change it, and with W=1. A warning in our files is an error. Prints a row
# for each cell. ONLY in the environment selects architectures, separated by commas.

# shellcheck source=vm/common.sh
. "$(dirname "$0")/common.sh"
# shellcheck source=vm/tree-files.sh
. "$VM/tree-files.sh"

# Directories of ours, and files of the host that include our header.
OURS=(kernel/livepatch/ lib/livepatch/ samples/livepatch/)
USERS=(fs/proc/base.o kernel/exit.o kernel/fork.o kernel/module/main.o kernel/sched/core.o)

RT='CONFIG_EXPERT=y
# CONFIG_PREEMPT_VOLUNTARY is not set
CONFIG_PREEMPT=y
CONFIG_PREEMPT_RT=y'
BE='# CONFIG_CPU_LITTLE_ENDIAN is not set
CONFIG_CPU_BIG_ENDIAN=y
CONFIG_PPC64_BIG_ENDIAN_ELF_ABI_V2=y'

LOONGARCH='CONFIG_64BIT=y
CONFIG_UNWINDER_ORC=y'

passed=0 failed=0 absent=0

# off NAME: print the line of a fragment that disables an option
off()
{
	echo "# CONFIG_$1 is not set"
}

# result TITLE WORD [TEXT]: print a row of the table
result()
{
	printf '%-11s %-10s %-24s %s\n' "$arch" "$compiler" "$1" "$2${3:+: $3}"
	case "$2" in
	ok)	passed=$((passed + 1)) ;;
	absent)	absent=$((absent + 1)) ;;
	*)	failed=$((failed + 1)) ;;
	esac
}

# cell_make TARGET...: run the make of the kernel for this cell
cell_make()
{
	local tools=(CC="ccache ${CROSS}gcc" CROSS_COMPILE="$CROSS")

	case "$compiler" in
	clang-*)	tools=(LLVM="-${compiler#clang-}" CROSS_COMPILE="$CROSS") ;;
	esac
	make -s --no-print-directory -C "$LINUX" O="$OBJ" -j"$(nproc)" ARCH="$SRCARCH" \
		HOSTCC="ccache gcc" LOCALVERSION= "${tools[@]}" "$@"
}

# cell TITLE [OPTIONS]: compile with these additional options
cell()
{
	local title=$1 log=$OBJ.log targets=("${OURS[@]}") ours refused count

	mkdir -p "$OBJ"
	echo "${2-}" >"$OBJ.options"
	merge_options "$VM/config/base" "$config" "$VM/config/ours" "$OBJ.options" >"$OBJ.wanted"
	# An option of the cell must take. Others may depend on it.
	if ! KCONFIG_ALLCONFIG=$OBJ.wanted cell_make allnoconfig >"$log" 2>&1; then
		result "$title" FAILED "no configuration, see $log"
		return
	fi
	refused=$(grep '=' "$OBJ.options" | grep -vxFf "$OBJ/.config"
		sed -n 's/^# \(CONFIG_.*\) is not set$/^\1=y$/p' "$OBJ.options" |
		grep -f - "$OBJ/.config")
	if [ -n "$refused" ]; then
		result "$title" absent "$(paste -sd ' ' <<<"$refused") cannot be had"
		return
	fi
	if ! grep -q '^CONFIG_LIVEPATCH=y' "$OBJ/.config"; then
		if [ "$title" != LIVEPATCH=n ]; then
			result "$title" absent "no CONFIG_LIVEPATCH"
			return
		fi
		targets=("${USERS[@]}")
	fi

	# Compile everything again: a warning is printed only once.
	rm -rf "$OBJ"/{kernel,lib,samples}/livepatch
	(cd "$OBJ" && rm -f "${USERS[@]}")
	if ! cell_make W=1 "${targets[@]}" >>"$log" 2>&1; then
		result "$title" FAILED "see $log"
		grep -m 5 -E '(^|[ :])(fatal )?error[ :]' "$log" | sed 's/^/  /'
		mv "$log" "$OBJ.failed-${title//[^A-Za-z0-9=]/_}-$compiler.log"
		return
	fi
	ours=$(our_files | sed 's/[.+]/\\&/g' | paste -sd '|')
	if grep -E "($ours):[0-9]+:.*(warning|error):" "$log" >"$OBJ.warnings"; then
		result "$title" FAILED "$(wc -l <"$OBJ.warnings") warnings"
		sed 's/^/  /' "$OBJ.warnings"
		return
	fi
	count=$(find "$OBJ"/{kernel,lib,samples}/livepatch -name '*.o' 2>/dev/null | wc -l)
	[ "${targets[0]}" != "${USERS[0]}" ] || count=${#USERS[@]}
	if [ "$count" -eq 0 ]; then
		result "$title" FAILED "nothing was compiled"
		return
	fi
	result "$title" ok "$count objects"
}

# enter ARCH: prepare the source for this architecture. The table of arch.sh is read again
enter()
{
	arch=$1 config=$VM/config/$1 compiler=gcc
	KLP_ARCH=$1
	# shellcheck source=vm/arch.sh
	. "$VM/arch.sh"
	LINUX=$SHARED OBJ=$BUILD/matrix/$arch
	[ -z "$DEBIAN" ] || LINUX=$BUILD/$arch/linux
	mkdir -p "$BUILD/matrix"
	ARCH=$1 VARIANT='' "$VM/kernel.sh" --tree || exit
}

# chosen ARCH: succeed if ONLY has this architecture
chosen()
{
	case ",${ONLY:-$1}," in
	*",$1,"*)	;;
	*)		return 1 ;;
	esac
}

# options: the cells of one architecture and one compiler
options()
{
	cell "as tested"
	cell SMP=n "$(off SMP)"
	cell PREEMPT_RT "$RT"
	cell LIVEPATCH=n "$(off LIVEPATCH)"
	cell KUNIT=n "$(off KUNIT)"
}

# with_clang VERSION: the cell of this compiler
with_clang()
{
	compiler=clang-$1
	if [ "$arch $1" = "s390x 14" ]; then
		result "as tested" absent "Linux needs clang 15"
	elif command -v "clang-$1" >/dev/null && command -v "ld.lld-$1" >/dev/null; then
		cell "as tested"
	else
		result "as tested" absent "clang-$1 or lld-$1 is not installed"
	fi
}

for name in "${ARCHES[@]}"; do
	chosen "$name" || continue
	enter "$name"
	options
	with_clang 14
	with_clang 19
done
# Architectures that are only compiled.
if chosen ppc64; then
	enter ppc64le
	arch=ppc64 OBJ=$BUILD/matrix/ppc64
	cell "big endian" "$BE"
fi
if chosen loongarch64; then
	enter x86_64
	# Debian 12 has no gcc for it.
	arch=loongarch64 OBJ=$BUILD/matrix/loongarch64 config=$OBJ.config
	echo "$LOONGARCH" >"$config"
	SRCARCH=loongarch CROSS=loongarch64-linux-gnu-
	with_clang 19
fi

echo "build-matrix: $passed cells clean, $failed failed, $absent do not exist"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
