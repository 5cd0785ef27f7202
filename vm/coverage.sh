#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# coverage.sh: build the kernel that counts what runs of kernel/livepatch/, run all tests on it, ours
# and the stock suite, and print which share of lines and branches they have run.  coverage.py says
# whether that is enough; coverage.reasons why a line has not run.

VARIANT=coverage
export VARIANT
# shellcheck source=vm/common.sh
. "$(dirname "$0")/common.sh"

COUNTS=$KHOME/counts

# collect SUITE: make of its counts what gcovr can add up
collect()
{
	local dir=$COUNTS/$1 count

	[ -s "$LOG/$1.gcov" ] || die "the guest of $1 has printed no counts"
	mkdir -p "$dir"
	sed 's/^gcov://' "$LOG/$1.gcov" | base64 -d | tar -C "$dir" -xz || exit
	for count in "$dir"/*.gcda; do
		cp "$KOBJ/kernel/livepatch/$(basename "$count" .gcda).gcno" "$dir" || exit
	done
	# Paths in there begin where the compiler ran.
	(cd "$KOBJ" && gcovr --root "$LINUX" --filter "$LINUX/kernel/livepatch/" \
		--gcov-ignore-parse-errors --json "$dir.json" "$dir") || exit
}

"$VM/kernel.sh" || exit
# Results of a run before this one may be looked at again.
if [ -z "$AGAIN" ]; then
	"$VM/test.sh" own stock || exit
fi
rm -rf "$COUNTS"
tracefiles=()
for counts in "$LOG"/*.gcov; do
	suite=$(basename "$counts" .gcov)
	collect "$suite"
	tracefiles+=(--add-tracefile "$COUNTS/$suite.json")
done
gcovr --root "$LINUX" "${tracefiles[@]}" --json "$COUNTS/all.json" || exit
gcovr --root "$LINUX" --add-tracefile "$COUNTS/all.json" --txt "$COUNTS/lines.txt" || exit
gcovr --root "$LINUX" --add-tracefile "$COUNTS/all.json" --branches --txt "$COUNTS/branches.txt" || exit
"$VM/coverage.py" "$COUNTS/all.json" "$LINUX" "$VM/coverage.reasons"
