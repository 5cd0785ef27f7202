#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# test-all.sh: run test.sh in each environment, then klpctl on the kernel of stock, and print the
# sum of all. TESTS in the environment selects scripts of ours. The suite of stock and its kernel
# are left out then.

# shellcheck source=vm/common.sh
. "$(dirname "$0")/common.sh"

suites=(own)
[ "$TESTS" != all ] || TESTS=
[ -n "$TESTS" ] || suites+=(stock)
passed=0 failed=0 skipped=0
worst=0

# round TITLE [NAME=VALUE...]: run the suites with these variables
round()
{
	local title=$1 start=$SECONDS p=0 f=1 s=0
	shift

	echo "# === $title"
	env "$@" "$VM/test.sh" "${suites[@]}" | tee "$LOG/test-all.round"
	[ "${PIPESTATUS[0]}" -eq 0 ] || worst=1
	read -r p f s < <(sed -n '$s/ passed, \| failed, \| skipped$/ /gp' "$LOG/test-all.round")
	passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
	echo "# === $title: $(elapsed $((SECONDS - start)))"
}

mkdir -p "$LOG"
trap 'exit 130' INT TERM HUP
if grep -q '^CONFIG_PREEMPT_DYNAMIC=y' "$KOBJ/.config"; then
	round "preempt=voluntary"
	round "preempt=none" KERNEL_ARGS="$KERNEL_ARGS preempt=none"
	full=(KERNEL_ARGS="$KERNEL_ARGS preempt=full")
	round "preempt=full" "${full[@]}"
else
	# Here the model is an option of the kernel.
	round "CONFIG_PREEMPT_VOLUNTARY"
	full=(VARIANT=preempt)
	env "${full[@]}" "$VM/kernel.sh" || exit
	round "CONFIG_PREEMPT" "${full[@]}"
fi
round "full preemption, 4 processors, a kprobe on a patched function" SMP=4 BESIDE=kprobe \
	"${full[@]}"
round "voluntary preemption, all functions traced" BESIDE=tracer
if [ -z "$DEBIAN" ]; then
	VARIANT=coexist "$VM/kernel.sh" || exit
	suites=(own)
	round "beside BPF programs, fprobes and fail_function" VARIANT=coexist \
		TESTS="${TESTS:-klp-coexist.sh klp-ftrace.sh}"
fi
if [ -z "$DEBIAN" ] && [ -z "$TESTS" ]; then
	echo "# === klpctl on the kernel of stock"
	p=0 f=1 s=0
	"$VM/kernel.sh" --stock && "$VM/klpctl-stock.sh" | tee "$LOG/test-all.round"
	[ "${PIPESTATUS[0]}" -eq 0 ] || worst=1
	read -r p f s < <(awk -F '[ :]' '/^# Totals/ { print $5, $7, $13 }' "$LOG/test-all.round")
	passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
fi

echo "$passed passed, $failed failed, $skipped skipped"
[ "$worst" -eq 0 ] && [ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
