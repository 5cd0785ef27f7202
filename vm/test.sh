#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# test.sh [own] [stock]: run the suites, one guest each, and end with the sum of their results.
# TESTS in the environment names the scripts of ours to run.

# shellcheck source=vm/common.sh
. "$(dirname "$0")/common.sh"

passed=0 failed=0 skipped=0
beside=

# add NAME: what the suite of this name left
add()
{
	local p=0 f=1 s=0

	[ -s "$LOG/$1.totals" ] && read -r p f s <"$LOG/$1.totals"
	passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
}

mkdir -p "$LOG"
rm -f "$LOG"/*.totals
case " $* " in
*' stock '*)	"$VM/stock-build.sh" || exit ;;
esac

# A guest keeps one processor busy, so two take no longer than one where there are two.  The
# stock suite then says its part when ours has ended.  Its process group is its own: a signal to
# that reaches its guest.
if [ $# -eq 2 ] && [ "$(nproc)" -ge 2 ]; then
	setsid "$VM/suite.sh" stock >"$LOG/stock-test.out" 2>&1 </dev/null &
	beside=$!
	trap 'kill -- -$beside 2>/dev/null' EXIT
	trap 'exit 130' INT TERM HUP
fi

for suite in "$@"; do
	case "$suite" in
	own)
		# shellcheck disable=SC2086 # TESTS is a list of names
		"$VM/suite.sh" own $TESTS
		add test
		;;
	stock)
		if [ -n "$beside" ]; then
			tail -c +1 -s 0.1 -f --pid="$beside" "$LOG/stock-test.out"
		else
			"$VM/suite.sh" stock
		fi
		add stock-test
		;;
	esac
done

echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
