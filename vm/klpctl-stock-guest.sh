#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# klpctl-stock-guest.sh: klpctl on the kernel of stock, inside the guest. MODULES is the directory
# of the test modules of stock, KLPCTL the program, KTAP_HELPERS the file of that name. Prints KTAP.

# shellcheck disable=SC1090 # the file is one of stock
. "$KTAP_HELPERS"

P=test_klp_livepatch
D=test_klp_callbacks_demo
BUSY=test_klp_callbacks_busy
SCHEMA=$KLP_DIR/tools/livepatch/klpctl.schema.json
DONE=0 FAILED=1 TIMED_OUT=3 REFUSED=4 REVERSED=5
TMP=/run/klpctl-stock
mkdir -p $TMP

# wrong MESSAGE: end the test, with the last output of klpctl
wrong()
{
	echo "# $1"
	[ -z "$said" ] || sed 's/^/#   /' <<<"$said"
	exit 1
}

# ctl CODE ARGUMENT...: run klpctl, which must end with this code. Sets said to its output
ctl()
{
	local code=$1 rc=0
	shift

	said=$("$KLPCTL" "$@" 2>&1) || rc=$?
	[ $rc = "$code" ] || wrong "klpctl $*: exit code $rc instead of $code"
}

# says PATTERN...: check that the last output has lines that match these extended expressions
says()
{
	local pattern

	for pattern; do
		grep -qE -- "$pattern" <<<"$said" || wrong "no line matches '$pattern'"
	done
}

# valid: check the last output against the schema
valid()
{
	python3 -c '
import json, jsonschema, sys
jsonschema.validate(json.load(sys.stdin), json.load(open(sys.argv[1])))' "$SCHEMA" <<<"$said" \
		2>$TMP/invalid || wrong "$(tail -n 3 $TMP/invalid)"
}

# busy: let a kernel thread sleep in a function that D patches
busy()
{
	insmod "$MODULES/$BUSY.ko" block_transition=Y || wrong "no $BUSY"
}

# idle: let the thread return, and unload its module
idle()
{
	rmmod $BUSY || wrong "$BUSY stays"
}

t_load()
{
	ctl $DONE load "$MODULES/$P.ko"
	says "^$P: enabled after"
	grep -q "^$P: this has been live patched" /proc/cmdline || wrong "not in effect"
	ctl $FAILED load "$MODULES/$P.ko"
	says "already loaded"
	ctl $DONE unload $P
	says "^$P: disabled after" "^$P: unloaded"
	[ ! -e /sys/module/$P ] || wrong "the module is loaded"
}

t_status()
{
	ctl $DONE status
	says "^Kernel .*, 0 livepatches"
	ctl $DONE load "$MODULES/$P.ko"
	ctl $DONE
	says "^Kernel .* \(stock core\), 1 livepatch" "^$P +enabled +"
	ctl $DONE status $P
	says "cmdline_proc_show"
	ctl $DONE status --json
	valid
	ctl $DONE unload --all
}

# The thread is woken after two seconds. No file tells the end of the transition.
t_wait()
{
	busy
	ctl $TIMED_OUT load --timeout 2 "$MODULES/$D.ko"
	says "transition is not complete after 2 s" "kworker.*$"
	ctl $DONE status
	says "^$D +enabling"
	ctl $REFUSED load "$MODULES/$P.ko"
	says "EBUSY"
	"$KLPCTL" wait $D >$TMP/wait 2>&1 &
	sleep 2
	kill -0 $! || wrong "klpctl wait has not waited: $(cat $TMP/wait)"
	idle
	wait $! || wrong "klpctl wait: $?: $(cat $TMP/wait)"
	ctl $DONE unload $D
}

t_blockers()
{
	busy
	ctl $DONE load --no-wait "$MODULES/$D.ko"
	sleep 3
	ctl $DONE blockers
	says "kworker.*, kernel thread" "$BUSY|busymod_work_func"
	ctl $DONE blockers --json -v
	valid
	says busymod_work_func
	ctl $DONE reverse $D
	says "^$D: disabled"
	ctl $DONE unload $D
	idle
}

# The core of stock tries again once a second, also after a reversal.
t_on_timeout()
{
	busy
	ctl $REVERSED load --timeout 5 --on-timeout=reverse "$MODULES/$D.ko"
	says "^$D: unloaded"
	idle
}

t_force()
{
	busy
	ctl $DONE load --no-wait "$MODULES/$D.ko"
	ctl $DONE force --yes $D
	says "Locks may stay held"
	idle
	ctl $DONE disable $D
}

t_user()
{
	local user=(setpriv --reuid 65534 --clear-groups)

	ctl $DONE load "$MODULES/$P.ko"
	said=$("${user[@]}" "$KLPCTL" status 2>&1) || wrong "status: $?"
	says "^$P +enabled"
	said=$("${user[@]}" "$KLPCTL" disable $P 2>&1) && wrong "the user has disabled it"
	ctl $DONE unload $P
}

t_watch()
{
	"$KLPCTL" watch >$TMP/watch 2>&1 &
	sleep 2
	ctl $DONE load "$MODULES/$P.ko"
	sleep 1
	ctl $DONE unload $P
	sleep 1
	kill -INT $!
	wait $!
	said=$(cat $TMP/watch)
	says "$P: .*patching" "$P: .*unpatching"
}

t_metrics()
{
	ctl $DONE load "$MODULES/$P.ko"
	ctl $DONE metrics
	says 'core="stock"' "^livepatch_patch_state\{patch=\"$P\",state=\"enabled\"\} 1$"
	promtool check metrics <<<"$said" >$TMP/promtool 2>&1 || wrong "$(cat $TMP/promtool)"
	ctl $DONE unload $P
}

t_check()
{
	ctl $DONE check "$MODULES/$P.ko"
	says "^functions +ok +changes vmlinux:cmdline_proc_show"
	ctl $DONE load "$MODULES/$P.ko"
	ctl $FAILED check "$MODULES/$P.ko"
	says "^loaded +failed"
	ctl $DONE unload $P
}

tests=(load status wait blockers on_timeout user watch metrics check force)
ktap_print_header
ktap_set_plan ${#tests[@]}
for name in "${tests[@]}"; do
	if ("t_$name"); then
		ktap_test_pass "$name"
	else
		ktap_test_fail "$name"
	fi
	# The next test starts without a patch, also after a failure.
	"$KLPCTL" unload --all >/dev/null 2>&1
	rmmod $BUSY 2>/dev/null
done
ktap_finished
