#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# demo-guest.sh: the demo, inside the guest. Each step prints what is done, and then the actual
# result. The first wrong result ends the demo. KLPCTL is the path of klpctl. Without it the demo
# uses modprobe and the files in sysfs.

step=0
fix=livepatch_story_fix
patch=/sys/kernel/livepatch/$fix

# say TEXT: print the next step
say()
{
	step=$((step + 1))
	printf '%2d. %s\n' $step "$*"
}

# see WHAT IT MUST_BE: print a result, and end the demo if it is wrong
see()
{
	if [ "$2" = "$3" ]; then
		printf '      %-36s %-29s ok\n' "$1" "$2"
		return
	fi
	printf '      %-36s %-29s FAILED\n' "$1" "$2"
	printf '      %-36s %s\n' "expected" "$3"
	echo
	echo "The demo has failed in step $step. The last lines of the kernel log:"
	dmesg | tail -n 15
	exit 1
}

# callbacks LINE...: check the callbacks that have run since the last check
callbacks()
{
	local now line expected

	now=$(dmesg | sed -n 's/^.*\] story: //p')
	expected=$(printf '%s\n' "$@")
	if [ "$(tail -n +$((told + 1)) <<<"$now")" != "$expected" ]; then
		see "the callbacks called" "$(tail -n +$((told + 1)) <<<"$now")" "$expected"
	fi
	for line in "$@"; do
		case "$line" in
		*' returns '*)
			see "${line% returns *}" "returns ${line#* returns }" \
				"returns ${line#* returns }" ;;
		*)	see "$line" "is called" "is called" ;;
		esac
	done
	told=$((told + $#))
}
told=0

# reach FILE VALUE: wait for the value, with a time limit
reach()
{
	local i

	for ((i = 0; i < 100; i++)); do
		[ "$(cat "$1" 2>/dev/null)" = "$2" ] && return
		sleep 0.1
	done
}

# klpctl ARGUMENT...: run klpctl and show its output. Sets rc to its status and out to its output.
klpctl()
{
	printf '      # klpctl %s\n' "$*"
	out=$("$KLPCTL" "$@" 2>&1)
	rc=$?
	sed 's/^/      /' <<<"$out"
}

sum=/sys/module/livepatch_story_sum/parameters

say "A module with a bug."
modprobe livepatch_story_sum
see "cat /proc/story_sum" "$(cat /proc/story_sum)" "2 + 2 = 5"

say "A task reads it and sleeps in the middle of the faulty function."
echo 1 >$sum/doze
cat /proc/story_sum >/run/slow 2>&1 &
reader=$!
reach $sum/sleepers 1
see "tasks asleep in it" "$(cat $sum/sleepers)" 1

say "Load the livepatch. The sleeping task blocks its transition:"
echo "    the task is in the old code, while all others use the new one."
if [ -n "$KLPCTL" ]; then
	klpctl load $fix --timeout 1
	see "exit code: 3 is a timeout" $rc 3
else
	modprobe $fix
fi
callbacks "pre_patch    livepatch_story_sum"
see "cat /proc/story_sum, by a new task" "$(cat /proc/story_sum)" "2 + 2 = 4"
see "the livepatch's transition" "$(cat $patch/transition)" 1

say "Ask for the task that blocks it."
if [ -n "$KLPCTL" ]; then
	klpctl blockers
	see "the task" "$(grep -o 'cat pid [0-9]*' <<<"$out")" "cat pid $reader"
else
	see "pid, reason, function" "$(cut -d ' ' -f 1-3 $patch/held)" \
		"$reader sleeping story_sum_show"
fi

say "Wake the task, which completes the old function. Then post_patch runs."
echo 0 >$sum/doze
wait $reader
see "text that the task has read" "$(cat /run/slow)" "2 + 2 = 5"
reach $patch/transition 0
see "the livepatch's transition" "$(cat $patch/transition)" 0
callbacks "post_patch   livepatch_story_sum"
if [ -n "$KLPCTL" ]; then
	klpctl status
	see "state of the livepatch" "$(awk -v fix=$fix '$1 == fix { print $2 }' <<<"$out")" \
		enabled
fi

say "Load a second module that the livepatch names. It is patched before its init."
modprobe livepatch_story_product
callbacks "pre_patch    livepatch_story_product" "post_patch   livepatch_story_product"
see "cat /proc/story_product" "$(cat /proc/story_product)" "2 * 3 = 6"

say "Unload it and load it again. pre_patch refuses it: veto = 16, EBUSY."
rmmod livepatch_story_product
callbacks "pre_unpatch  livepatch_story_product" "post_unpatch livepatch_story_product"
echo 16 >/sys/module/$fix/parameters/veto
see "modprobe livepatch_story_product" \
	"$(modprobe livepatch_story_product 2>&1 | sed 's/.*: //')" "Device or resource busy"
callbacks "pre_patch    livepatch_story_product returns -16"
echo 0 >/sys/module/$fix/parameters/veto

say "Disable and unload the livepatch: unpatching mirrors patching."
if [ -n "$KLPCTL" ]; then
	klpctl unload $fix
	see "exit code" $rc 0
else
	echo 0 >$patch/enabled
	reach $patch/enabled ""
	rmmod $fix
fi
callbacks "pre_unpatch  livepatch_story_sum" "post_unpatch livepatch_story_sum"
see "cat /proc/story_sum" "$(cat /proc/story_sum)" "2 + 2 = 5"

say "Unload the module."
rmmod livepatch_story_sum
see "modules of the demo left" "$(grep -c livepatch_story /proc/modules)" 0

echo
echo "The demo is complete: all $step steps had the expected results."
