#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# suite.sh [-n NAME] own|stock [SCRIPT...]: run one test suite, or some scripts of it, in a guest.
# Prints KTAP and writes the counts to build/log/NAME.totals. NAME is test or stock-test by
# default. BESIDE: see run-scripts.sh.

# shellcheck source=vm/common.sh
. "$(dirname "$0")/common.sh"

# A livepatch for the core of stock, see klp-bad-input.sh.
build_stock_header()
{
	local folder=$KHOME/tools/stock_header

	mkdir -p "$folder"
	cp -u "$LINUX"/tools/testing/selftests/livepatch/stock_header/{Makefile,*.c} "$folder"
	(
		lock_build
		# Its symbol must be undefined.
		kmake M="$folder" STOCK_HEADER="$PRISTINE/include/linux/livepatch.h" \
			KBUILD_MODPOST_WARN=1 modules
	) >"$LOG/stock-header.log" 2>&1
}

# author_modules NAME SOURCE [VARIABLE=VALUE...]: build modules of klp-convert.sh outside of the
# kernel tree, as an author does
author_modules()
{
	local folder=$KHOME/tools/$1 source=$LINUX/$2
	shift 2

	mkdir -p "$folder"
	cp -u -t "$folder" "$source"/*
	kmake M="$folder" "$@" modules
}

# A module with versions needs the version of a symbol that only a kernel with versions exports.
build_author_modules()
{
	local tests=tools/testing/selftests/livepatch sample=samples/livepatch/unexported
	local versions=$KHOME/tools/module_layout.symvers extra=()

	if ! grep -q '^CONFIG_MODVERSIONS=y' "$KOBJ/.config"; then
		printf '0x12345678\tmodule_layout\tvmlinux\tEXPORT_SYMBOL\t\n' >"$versions"
		extra=(KBUILD_EXTRA_SYMBOLS="$versions")
	fi
	(
		lock_build
		author_modules convert $tests/convert &&
			author_modules convert_raw $tests/convert KLP_CONVERT=true &&
			author_modules convert_bad $tests/convert_bad KLP_CONVERT=true &&
			author_modules unexported $sample &&
			author_modules modversions $sample CONFIG_MODVERSIONS=y "${extra[@]}"
	) >"$LOG/author-modules.log" 2>&1
}

name=
[ "$1" = -n ] && name=$2 && shift 2
suite=$1
shift

case "$suite" in
own)
	dir=$LINUX/tools/testing/selftests/livepatch
	limit=2400 each=600 name=${name:-test} options='' nested=1
	# shellcheck disable=SC2046 # a list of names
	[ $# -gt 0 ] || set -- $(own_scripts)
	# A separate directory: another target that runs overlay.sh would remove the programs from
	# the tree.
	mkdir -p "$KHOME/tools"
	mkdir -p "$LOG"
	build_klpctl checked
	ln -sf "$KLPCTL" "${KLPCTL%/*}/klp-convert" "$KHOME/tools"
	build_stock_header || die "cannot build a livepatch against the header of stock"
	build_author_modules || die "cannot build modules, see $LOG/author-modules.log"
	for source in "$dir"/klp_*.c; do
		build=build_program
		case "${source##*/}" in
		klp_util.c)	continue ;;
		klp_bpf.c)	build=build_bpf_program ;;
		esac
		tool=$KHOME/tools/$(basename "$source" .c)
		$build "$tool.$$" "$source" || die "cannot compile $source"
		[ ! -e "$tool.$$" ] || mv "$tool.$$" "$tool"
	done
	;;
stock)
	dir=$KHOME/stock-tests/tools/testing/selftests/livepatch
	limit=1500 each=600 name=${name:-stock-test} options=-c nested=0
	# shellcheck disable=SC2046 # a list of names
	[ $# -gt 0 ] || set -- $(
		sed -n '/^TEST_PROGS :=/,/[^\\]$/s/^.*\(test-[a-z-]*\.sh\).*/\1/p' "$dir/Makefile"
	)
	;;
esac

totals=$LOG/$name.totals
mkdir -p "$LOG"
rm -f "$totals"
if [ $# -eq 0 ]; then
	echo "# there are no scripts to run"
	echo 0 1 0 >"$totals"
	exit 1
fi

for script in "$@"; do
	[ -e "$dir/$script" ] || die "there is no $script in $dir"
done
# With all functions traced, everything takes longer.
case " $BESIDE " in
*' tracer '*)	limit=$((2 * limit)) each=$((2 * each)) ;;
esac
# When idle time is skipped, so is the time of reading files. The seconds of such a guest are
# meaningless. The limit outside of the guest remains.
idle=$(idle_option) patience=''
[ -z "$idle" ] || each=1000000 patience=3600
case "$VARIANT" in
?*)	limit=$((3 * limit)) each=$((3 * each)) ;;
esac
case "$DEBIAN" in
?*)	limit=$((3 * limit)) each=$((3 * each)) ;;
esac
command="[ \$(nproc) = ${SMP:-2} ] || { echo '# not ${SMP:-2} processors'; exit 1; }; "
command+="BESIDE='$BESIDE' KLP_TOOLS=$KHOME/tools KLP_TIMEOUT=$patience "
command+="$VM/run-scripts.sh $options $each $dir $*"
if [ "$VARIANT" = coverage ]; then
	# See coverage-guest.sh. The counts are printed as the results are.
	command+="; rc=\$?; $VM/coverage-guest.sh; exit \$rc"
	rm -f "$LOG/$name.gcov"
fi
# shellcheck disable=SC2086 # an option or none
"$VM/guest.sh" -n "$name" -t "$limit" $idle -- "$command" |
	sed -u "/^gcov:/{w $LOG/$name.gcov
		d}" | tee "$LOG/$name.ktap"
rc=${PIPESTATUS[0]}
"$VM/ktap.awk" -v scripts=$# -v nested="$nested" -v totals="$totals" "$LOG/$name.ktap"

read -r passed failed skipped <"$totals"
# A report on the console or a dead guest fails the run, regardless of the scripts.
if [ "$rc" -ne 0 ] && [ "$failed" -eq 0 ]; then
	echo "# FAILED: the guest ended with status $rc"
	failed=1
fi
echo "$passed $failed $skipped" >"$totals"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
