#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# run-scripts.sh [-c] LIMIT DIR SCRIPT...: inside the guest, run each script of DIR for at most
# LIMIT seconds and report a KTAP result. The output of a script is KTAP, printed indented, or
# with -c as comments.
#
# BESIDE in the environment enables other users of ftrace: "tracer" traces all functions, "kprobe"
# probes the function that most tests patch.

TRACING=/sys/kernel/tracing
BUFFER=$TRACING/instances/beside	# scripts may do as they like with the main one

beside_start()
{
	local what

	[ -n "$BESIDE" ] || return 0
	mkdir "$BUFFER" || return
	for what in $BESIDE; do
		case $what in
		tracer)
			echo function >"$BUFFER/current_tracer" || return
			;;
		kprobe)
			echo 'p:beside/probe cmdline_proc_show' >>$TRACING/kprobe_events &&
				echo 1 >"$BUFFER/events/beside/probe/enable" || return
			;;
		*)	echo "# BESIDE: there is no $what"
			return 1
			;;
		esac
	done
}

# Check that they are still enabled and count events.
beside_check()
{
	local what

	for what in $BESIDE; do
		echo 0 >"$BUFFER/tracing_on"
		echo >"$BUFFER/trace"
		echo 1 >"$BUFFER/tracing_on"
		cat /proc/cmdline >/dev/null
		echo 0 >"$BUFFER/tracing_on"
		case $what in
		tracer)	grep -q ': cmdline_proc_show <-' "$BUFFER/trace" ;;
		kprobe)	grep -q ' probe: (cmdline_proc_show' "$BUFFER/trace" ;;
		esac || { echo "# the $what beside the tests has gone blind" && return 1; }
		echo "# the $what beside the tests has seen all of them"
	done
}

# A kernel that releases kobjects late logs each one by its name. The scripts do not expect these
# lines.
quiet_releases()
{
	zcat /proc/config.gz | grep -q '^CONFIG_DEBUG_KOBJECT_RELEASE=y' || return 0
	mkdir /run/klp-bin &&
		printf '%s\n' '#!/bin/bash' "set -o pipefail" \
			"$(command -v dmesg) \"\$@\" | sed '/: kobject_release, parent /d'" \
			>/run/klp-bin/dmesg &&
		chmod +x /run/klp-bin/dmesg &&
		PATH=/run/klp-bin:$PATH
}

# Check for leaked memory. New allocations are not reported for some seconds, hence the wait. The
# first scan may find stale pointers on a stack or in a register.
leak_check()
{
	local leaks=/sys/kernel/debug/kmemleak

	[ -e $leaks ] || return 0
	sleep 10
	echo scan >$leaks || return
	sleep 10
	echo scan >$leaks || return
	if grep -q . $leaks; then
		sed 's/^/# /' $leaks
		return 1
	fi
	echo "# no memory has been lost"
}

# Check that KCSAN has watched accesses: it may be built in and disabled.
race_check()
{
	local counts=/sys/kernel/debug/kcsan watched

	[ -e $counts ] || return 0
	watched=$(sed -n 's/^setup_watchpoints: //p' $counts)
	echo "# accesses that were watched for a race: $watched"
	[ "$watched" -gt 0 ] && grep -qx 'enabled: 1' $counts
}

prefix='  '
[ "$1" = -c ] && prefix='# ' && shift
limit=$1
cd "$2" || exit 1
shift 2

quiet_releases || exit 1
beside_start || exit 1
echo "KTAP version 1"
echo "1..$#"
number=0
failed=0
for script in "$@"; do
	number=$((number + 1))
	echo "# running $script"
	timeout -k 10 "$limit" bash "./$script" </dev/null 2>&1 | sed -u "s/^/$prefix/"
	rc=${PIPESTATUS[0]}
	case $rc in
	0)	echo "ok $number $script" ;;
	4)	echo "ok $number $script # SKIP" ;;
	124 | 137)
		echo "not ok $number $script # took more than $limit seconds"
		failed=1
		;;
	*)	echo "not ok $number $script # exit status $rc"
		failed=1
		;;
	esac
done
beside_check || failed=1
leak_check || failed=1
race_check || failed=1
exit $failed
