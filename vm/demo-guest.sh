#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# demo-guest.sh: the story, told inside the guest.  Each step says in plain words what is done and
# what must come of it, then shows what came of it; the first that does not come true ends it.

step=0
fix=livepatch_story_fix
patch=/sys/kernel/livepatch/$fix

# say TEXT: the next step
say()
{
	step=$((step + 1))
	printf '%2d. %s\n' $step "$*"
}

# see WHAT IT MUST_BE: show it, and stop the story when it is something else
see()
{
	if [ "$2" = "$3" ]; then
		printf '      %-36s %-29s ok\n' "$1" "$2"
		return
	fi
	printf '      %-36s %-29s FAILED\n' "$1" "$2"
	printf '      %-36s %s\n' "it should be" "$3"
	echo
	echo "The demo ends here: step $step is not as told.  The kernel's last words:"
	dmesg | tail -n 15
	exit 1
}

# callbacks LINE...: exactly these have been called since the last time we asked
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
		*' says '*)
			see "${line% says *}" "says ${line#* says }" "says ${line#* says }" ;;
		*)	see "$line" "is called" "is called" ;;
		esac
	done
	told=$((told + $#))
}
told=0

# reach FILE VALUE: wait until it says so, for a while
reach()
{
	local i

	for ((i = 0; i < 100; i++)); do
		[ "$(cat "$1" 2>/dev/null)" = "$2" ] && return
		sleep 0.1
	done
}

sum=/sys/module/livepatch_story_sum/parameters

say "A module with a bug."
modprobe livepatch_story_sum
see "cat /proc/story_sum" "$(cat /proc/story_sum)" "2 + 2 = 5"

say "A task reads it and falls asleep in the middle of the faulty function."
echo 1 >$sum/doze
cat /proc/story_sum >/run/slow 2>&1 &
reader=$!
reach $sum/sleepers 1
see "tasks asleep in it" "$(cat $sum/sleepers)" 1

say "The livepatch is loaded.  The sleeper holds its transition open:"
echo "    it is still in the old code, while all others already use the new."
modprobe $fix
callbacks "pre_patch    livepatch_story_sum"
see "cat /proc/story_sum, by a new task" "$(cat /proc/story_sum)" "2 + 2 = 4"
see "the livepatch's transition" "$(cat $patch/transition)" 1

say "The sleeper wakes, and ends what it began.  Only now comes post_patch."
echo 0 >$sum/doze
wait $reader
see "what the sleeper has read" "$(cat /run/slow)" "2 + 2 = 5"
reach $patch/transition 0
see "the livepatch's transition" "$(cat $patch/transition)" 0
callbacks "post_patch   livepatch_story_sum"

say "The livepatch names a second module.  It is mended while it loads."
modprobe livepatch_story_product
callbacks "pre_patch    livepatch_story_product" "post_patch   livepatch_story_product"
see "cat /proc/story_product" "$(cat /proc/story_product)" "2 * 3 = 6"

say "It goes again, and pre_patch refuses to have it back: veto = 16, EBUSY."
rmmod livepatch_story_product
callbacks "pre_unpatch  livepatch_story_product" "post_unpatch livepatch_story_product"
echo 16 >/sys/module/$fix/parameters/veto
see "modprobe livepatch_story_product" \
	"$(modprobe livepatch_story_product 2>&1 | sed 's/.*: //')" "Device or resource busy"
callbacks "pre_patch    livepatch_story_product says no (-16)"
echo 0 >/sys/module/$fix/parameters/veto

say "The livepatch is disabled: unpatching mirrors patching."
echo 0 >$patch/enabled
reach $patch/enabled ""
callbacks "pre_unpatch  livepatch_story_sum" "post_unpatch livepatch_story_sum"
see "cat /proc/story_sum" "$(cat /proc/story_sum)" "2 + 2 = 5"

say "Everything goes."
rmmod $fix livepatch_story_sum
see "modules of the story left" "$(grep -c livepatch_story /proc/modules)" 0

echo
echo "The demo is over: all $step steps were as told."
