#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# fuzz.sh: malformed input for the core in one guest, see klp_fuzz.c. N: number of descriptions
# and of livepatch modules. T: seconds of malformed writes to sysfs. SEED: seed of the random
# numbers, a new one by default.

# shellcheck source=vm/common.sh
. "$(dirname "$0")/common.sh"

FUZZ=$KHOME/fuzz
SELFTESTS=$TOP/tools/testing/selftests/livepatch
times=${N:-1000}
seconds=${T:-60}
seed=${SEED:-$(od -An -N4 -tu4 /dev/urandom | tr -d ' ')}
[[ "$times $seconds $seed" =~ ^[1-9][0-9]*\ [1-9][0-9]*\ [0-9]+$ ]] ||
	die "N=$times, T=$seconds and SEED=$seed are to be numbers"

build()
{
	local installed

	build_modules "$SELFTESTS/fuzz" "$FUZZ" klp_fuzz
	installed=$(find "$ROOT/lib/modules" -name test_klp_target.ko)
	cp "$installed" "$FUZZ"
	build_program "$FUZZ/klp_mkrela" "$SELFTESTS/klp_mkrela.c"
	"$FUZZ/klp_mkrela" "${installed%/*}/test_klp_rela.ko" "$FUZZ/rela.ko"
}
export -f build build_modules build_program kmake
export FUZZ SELFTESTS LINUX KOBJ ROOT TOP

lock_build
run_step fuzz-build "building the fuzzer" bash -ec build
exec 9>&-	# what follows builds nothing
echo "seed $seed: make fuzz N=$times T=$seconds SEED=$seed does the same again"
# shellcheck disable=SC2046 # an option or none
exec "$VM/guest.sh" -n fuzz -t $((300 + seconds + times * 2)) $(idle_option) -- \
	"dmesg -n 5; $FUZZ/klp_fuzz $FUZZ $FUZZ/rela.ko $seed $times $seconds"
