#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# stress.sh: run klp_stress, which performs all operations of users concurrently and in random
# order, for T seconds (600). SEED repeats the choices of an earlier run, but not their timing.

# shellcheck source=vm/common.sh
. "$(dirname "$0")/common.sh"

STRESS=$KHOME/stress
SOURCE=$TOP/tools/testing/selftests/livepatch/stress
seconds=${T:-600}
[[ $seconds =~ ^[1-9][0-9]*$ ]] || die "T=$seconds is not a number of seconds"
[[ $SEED =~ ^[0-9]*$ ]] || die "SEED=$SEED is not a number"

# shellcheck disable=SC2317 # run_step calls it
modules_of=$(cat "$STAMP" "$SOURCE"/* "$SOURCE"/../klp_util.[ch] "$0" | sha256sum)
if [ "$modules_of" != "$(cat "$STRESS/.stamp" 2>/dev/null)" ]; then
	export -f build_modules build_program kmake
	export STRESS SOURCE LINUX KOBJ TOP
	run_step stress-build "building the stress test" \
		bash -ec 'build_modules "$SOURCE" "$STRESS" klp_stress'
	echo "$modules_of" >"$STRESS/.stamp"
fi

# The rest of the time limit is for reports of errors.
"$VM/guest.sh" -n stress -t $((seconds + 900)) -- \
	"$STRESS/klp_stress $STRESS $seconds $SEED"
rc=$?
# When the kernel has died, the dump of its trace buffer contains the operations.
if [ "$rc" -gt 1 ]; then
	echo "--- the last operations in the trace buffer of the kernel:"
	grep -a 'tracing_mark_write' "$LOG/stress.console" | tail -n 200
fi
exit "$rc"
