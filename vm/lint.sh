#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# lint.sh: the kernel's own checkers over what belongs in a kernel tree, shellcheck over the rest.
# Whatever a checker says is a failure.

# shellcheck source=vm/common.sh
. "$(dirname "$0")/common.sh"
# shellcheck source=vm/house.sh
. "$VM/house.sh"

OBJ=$BUILD/lint
bad=0

# check TITLE COMMAND...: run it in the kernel tree; silence is success
check()
{
	local title=$1 out
	shift

	out=$("$@" 2>&1)
	if [ -z "$out" ]; then
		echo "lint: $title: clean"
		return
	fi
	echo "lint: $title:"
	echo "$out"
	bad=1
}

run_checkpatch()
{
	local path form

	for path in $files; do
		# Headers of trace events have a form of their own, in all of the kernel.
		case $path in
		include/trace/*)	form=--ignore=PARENTHESIS_ALIGNMENT,OPEN_ENDED_LINE ;;
		*)			form= ;;
		esac
		perl scripts/checkpatch.pl --strict --no-summary --quiet --show-types \
			${form:+"$form"} --max-line-length=100 -f "$path"
	done
}

run_kernel_doc()
{
	# shellcheck disable=SC2086 # a list of paths
	[ -z "$sources" ] || perl scripts/kernel-doc -none -Wall $sources
}

lint_make()
{
	make -s --no-print-directory -C "$LINUX" O="$OBJ" -j"$(nproc)" \
		CC="ccache gcc" HOSTCC="ccache gcc" LOCALVERSION= "$@"
}

# A build folder of its own, or each lint would make the kernel be built again.
prepare()
{
	cp "$KOBJ/.config" "$OBJ/.config"
	lint_make olddefconfig && lint_make modules_prepare
}
export -f lint_make prepare
export LINUX OBJ KOBJ

run_sparse()
{
	rm -rf "$OBJ"/{kernel,lib,samples}/livepatch
	# W=1 also makes modpost look at what only a whole build can tell it, hence the objects.
	# shellcheck disable=SC2086 # a list of paths
	[ -z "$objects" ] || lint_make C=2 W=1 $objects
}

run_shellcheck()
{
	(cd "$TOP" && xargs -r shellcheck -x -P vm <<<"$scripts")
}

# The kernel's ABI files have a fixed form that knows no comments.
# The format of Documentation/ABI has no comments.
run_spdx()
{
	cd "$TOP" && git ls-files -co --exclude-standard |
		grep -v -e '^COPYING$' -e '^Documentation/ABI/' |
		while read -r path; do
			[ -e "$path" ] || continue
			head -n 4 "$path" | grep -q 'SPDX-License-Identifier: GPL-2.0' ||
				echo "$path has no SPDX line"
		done
}

lock_build
files=$(our_files)
sources=$(grep '\.[ch]$' <<<"$files")
# The host's samples share their folder with ours and are not ours to judge.
objects=$(sed -n 's/^\(\(kernel\|lib\|samples\)\/.*\)\.c$/\1.o/p' <<<"$files")
scripts=$(cd "$TOP" && {
	grep -lE '^(#!/bin/(ba)?sh|# shellcheck shell=)' vm/* .ci/* 2>/dev/null
	our_files tools | grep '\.sh$'
})

mkdir -p "$OBJ"
cd "$LINUX" || exit
check shellcheck run_shellcheck
check licences run_spdx
check checkpatch run_checkpatch
check kernel-doc run_kernel_doc
if [ ! -e "$OBJ/.config" ] || ! cmp -s "$BUILD/kernel.stamp" "$OBJ/.stamp"; then
	run_step lint "preparing sparse and W=1" bash -ec prepare
	cp "$BUILD/kernel.stamp" "$OBJ/.stamp"
fi
check "sparse and W=1" run_sparse

[ $bad -eq 0 ] || die "not clean"
echo "lint: clean, $(wc -w <<<"$files $scripts") files"
