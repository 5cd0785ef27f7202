#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# stress.sh: let klp_stress do everything that users can do to the core, at random and at once, for T
# seconds (600).  SEED repeats the choices of an earlier run, though not how they fell in time.

# shellcheck source=vm/common.sh
. "$(dirname "$0")/common.sh"

STRESS=$KHOME/stress
SOURCE=$TOP/tools/testing/selftests/livepatch/stress
seconds=${T:-600}
[[ $seconds =~ ^[1-9][0-9]*$ ]] || die "T=$seconds is not a number of seconds"
[[ $SEED =~ ^[0-9]*$ ]] || die "SEED=$SEED is not a number"

# shellcheck disable=SC2317 # run_step calls it
build()
{
	rm -rf "$STRESS"
	mkdir -p "$STRESS"
	cp "$SOURCE"/{Makefile,*.[ch]} "$STRESS"
	gcc -O2 -Wall -pthread -o "$STRESS/klp_stress" "$SOURCE/klp_stress.c"
	kmake M="$STRESS" modules
}

modules_of=$(cat "$STAMP" "$SOURCE"/* "$SOURCE/../klp_guest.h" "$0" | sha256sum)
if [ "$modules_of" != "$(cat "$STRESS/.stamp" 2>/dev/null)" ]; then
	export -f build kmake
	export STRESS SOURCE LINUX KOBJ
	run_step stress-build "building the stress test" bash -ec build
	echo "$modules_of" >"$STRESS/.stamp"
fi

# The rest of the time limit is for what takes long when something is wrong.
"$VM/guest.sh" -n stress -t $((seconds + 900)) -- \
	"$STRESS/klp_stress $STRESS $seconds $SEED"
rc=$?
# When the kernel has died of it, it has shown its trace buffer, and in that the operations.
if [ "$rc" -gt 1 ]; then
	echo "--- the last operations that the kernel was told of:"
	grep -a 'tracing_mark_write' "$LOG/stress.console" | tail -n 200
fi
exit "$rc"
