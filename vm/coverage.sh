#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# coverage.sh: build the kernel that counts executed lines of kernel/livepatch/, run all tests,
# and print the shares of executed lines and branches. coverage.py checks the bars.
# coverage.reasons has the reason for each line that is not executed.

VARIANT=coverage
export VARIANT
# shellcheck source=vm/common.sh
. "$(dirname "$0")/common.sh"

COUNTS=$KHOME/counts

# collect SUITE: convert its counts to a file that gcovr can merge
collect()
{
	local dir=$COUNTS/$1 count

	[ -s "$LOG/$1.gcov" ] || die "the guest of $1 has printed no counts"
	mkdir -p "$dir"
	sed 's/^gcov://' "$LOG/$1.gcov" | base64 -d | tar -C "$dir" -xz || exit
	for count in "$dir"/*.gcda; do
		cp "$KOBJ/kernel/livepatch/$(basename "$count" .gcda).gcno" "$dir" || exit
	done
	# The paths are relative to the directory of the compiler.
	(cd "$KOBJ" && gcovr --root "$LINUX" --filter "$LINUX/kernel/livepatch/" \
		--gcov-ignore-parse-errors --json "$dir.json" "$dir") || exit
}

"$VM/kernel.sh" || exit
# AGAIN uses the results of an earlier run.
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
