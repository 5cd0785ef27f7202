#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# test.sh [own] [stock]: run the suites, by default both, one guest each, and print the sum of
# their results. TESTS in the environment selects scripts of ours, and leaves out the suite of
# stock. In the guest of another architecture, which is slower, some scripts of ours are the
# default. TESTS=all selects everything, EXCEPT leaves out scripts of ours.

# shellcheck source=vm/common.sh
. "$(dirname "$0")/common.sh"

passed=0 failed=0 skipped=0
beside='' odd=()

# run_beside SCRIPT...: run these scripts of ours, then the stock suite
run_beside()
{
	[ $# -eq 0 ] || "$VM/suite.sh" -n test-beside own "$@"
	"$VM/suite.sh" stock
}

# add NAME: add the counts of this suite
add()
{
	local p=0 f=1 s=0

	[ -s "$LOG/$1.totals" ] && read -r p f s <"$LOG/$1.totals"
	passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
}

if [ $# -eq 0 ]; then
	[ -z "$DEBIAN" ] || : "${TESTS:=klp-kunit.sh klp-basic.sh}"
	[ "$TESTS" != all ] || TESTS=
	set -- own
	[ -n "$TESTS" ] || set -- own stock
fi

mkdir -p "$LOG"
rm -f "$LOG"/*.{totals,gcov}
case " $* " in
*' stock '*)	"$VM/stock-build.sh" || exit ;;
esac

# chosen_scripts: print the names of the scripts of ours that run
chosen_scripts()
{
	{
		[ -z "$TESTS" ] || xargs -n 1 <<<"$TESTS"
		[ -n "$TESTS" ] || own_scripts
	} | grep -vxFf <(xargs -n 1 <<<"$EXCEPT")
}

mapfile -t scripts < <(chosen_scripts)
[ ${#scripts[@]} -gt 0 ] || die "EXCEPT leaves out all scripts"

# A guest uses one processor, so two guests take no longer than one on two processors. Every
# second script of ours and then the stock suite run in a second guest, whose results are printed
# at the end. It is a separate process group, which a signal ends.
if [ $# -eq 2 ] && [ "$(nproc)" -ge 2 ]; then
	if [ -z "$TESTS" ]; then
		mapfile -t odd < <(chosen_scripts | sed -n 'p;n')
		mapfile -t scripts < <(chosen_scripts | sed -n 'n;p')
	fi
	set -m
	run_beside "${odd[@]}" >"$LOG/beside.out" 2>&1 </dev/null &
	beside=$!
	set +m
	trap 'kill -- -$beside 2>/dev/null' EXIT
	trap 'exit 130' INT TERM HUP
fi

for suite in "$@"; do
	case "$suite" in
	own)
		"$VM/suite.sh" own "${scripts[@]}"
		add test
		;;
	stock)
		if [ -n "$beside" ]; then
			tail -c +1 -s 0.1 -f --pid="$beside" "$LOG/beside.out"
			[ ${#odd[@]} -eq 0 ] || add test-beside
		else
			"$VM/suite.sh" stock
		fi
		add stock-test
		;;
	esac
done

echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
