#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The interfaces for operators: poll(2), uevents, and the files remaining, held and since.

# shellcheck source-path=SCRIPTDIR source=klp-lib.sh
. "$(dirname "$0")/klp-lib.sh"

P=test_klp_patch
P2=test_klp_patch2
H=test_klp_hold
ROUNDS=200	# loads and unloads

# listen FILE...: record uevents, and the values of the files when poll(2) tells of a change
listen()
{
	klp_tool klp_events
	"$KLP_TOOL" "$@" > "$KLP_TMP/events" 2>&1 &
	echo $! >> "$KLP_TMP/pids"
	klp_until "klp_events listens" grep -q "ready" "$KLP_TMP/events"
}

has_event()
{
	grep -q "^$1" "$KLP_TMP/events"
}

# await_event TEXT: wait for a line that begins with this text
await_event()
{
	klp_until "event $1" has_event "$1"
}

# expect_uevents LINE...: expect exactly these uevents. KLP_REMAINING has any value but 0 as N
expect_uevents()
{
	klp_expect "uevents" "$(printf '%s\n' "$@")" "$(sed -n "$KLP_TMP/events" \
		-e 's/KLP_REMAINING=[1-9][0-9]*/KLP_REMAINING=N/' -e 's/^uevent //p')"
}

# number_of_line TEXT: print the number of the first line of the trace that contains the text
number_of_line()
{
	local number

	number=$(grep -n -m 1 -F "$1" "$KLP_TRACE/trace")
	echo "${number%%:*}"
}

# expect_in_trace TEXT...: expect these texts in this order in the trace
expect_in_trace()
{
	local text number last=0

	for text; do
		number=$(number_of_line "$text")
		[ "${number:-0}" -gt "$last" ] || klp_fail "'$text' is not where it should be:" \
			"$(cat "$KLP_TRACE/trace")"
		last=$number
	done
}

# --- uevents and poll(2) --------------------------------------------------------------------------

t_uevents()
{
	local path="DEVPATH=/kernel/livepatch/$P"

	listen
	klp_enable $P objects=vmlinux:cmdline
	await_event "uevent complete $P"
	klp_disable $P
	klp_unload $P
	klp_load_fails EDOM $P objects=vmlinux:cmdline veto=vmlinux
	await_event "uevent fail"
	expect_uevents "start $P $path KLP_DIRECTION=patching" \
		"complete $P $path KLP_DIRECTION=patching KLP_REMAINING=0" \
		"start $P $path KLP_DIRECTION=unpatching" \
		"complete $P $path KLP_DIRECTION=unpatching KLP_REMAINING=0" \
		"fail $P $path KLP_ERROR=33"
}

# A refused request to a patch that exists.
t_uevent_refused()
{
	klp_enable $P objects=vmlinux:cmdline
	listen
	klp_expect "error" EINVAL "$(klp_write $KLP_SYSFS/$P/enabled 1)"
	await_event "uevent fail"
	expect_uevents "fail $P DEVPATH=/kernel/livepatch/$P KLP_ERROR=22"
}

t_uevent_reverse()
{
	local path="DEVPATH=/kernel/livepatch/$P"

	listen
	klp_load $H
	klp_hold $H
	klp_load $P objects=$H:hold
	klp_until "this shell has switched" klp_reads /proc/self/patch_state 1
	klp_set $KLP_SYSFS/$P/enabled 0
	klp_wait_gone $P
	await_event "uevent complete $P"
	klp_unload $P
	klp_load $P objects=$H:hold
	klp_until "this shell has switched" klp_reads /proc/self/patch_state 1
	klp_set $KLP_SYSFS/$P/force 1
	klp_wait_transition $P
	await_event "uevent complete $P $path KLP_DIRECTION=patching"
	expect_uevents "start $P $path KLP_DIRECTION=patching" \
		"reverse $P $path KLP_DIRECTION=unpatching" \
		"complete $P $path KLP_DIRECTION=unpatching KLP_REMAINING=0" \
		"start $P $path KLP_DIRECTION=patching" \
		"force $P $path KLP_DIRECTION=patching KLP_REMAINING=N" \
		"complete $P $path KLP_DIRECTION=patching KLP_REMAINING=0"
	klp_release $H
}

# Callbacks, then the files, then poll(2), then the uevent.
t_order()
{
	local dir=$KLP_SYSFS/$P

	klp_enable $P objects=vmlinux:cmdline persistent=1
	klp_disable_persistent $P
	listen $dir/enabled $dir/transition $dir/vmlinux/patched
	klp_trace_mark
	: > "$KLP_TRACE/trace"
	KLP_TRACE_SEEN=0
	klp_enable_again $P
	await_event "uevent complete $P"
	has_event "$dir/enabled 1" || klp_fail "poll has not told of enabled"
	has_event "$dir/vmlinux/patched 1" || klp_fail "poll has not told of patched"
	# The first line has the value at the start, which is not a change.
	[ "$(sed '/^uevent complete/q' "$KLP_TMP/events" | grep -c "^$dir/transition 0")" -ge 2 ] ||
		klp_fail "poll has not told of the end before the uevent:" "$(< "$KLP_TMP/events")"
	expect_in_trace "kind=pre_patch" "uevent start" "uevent complete"
	expect_in_trace "kind=post_patch" "$dir/transition 0" "uevent complete"

	klp_set $dir/enabled 0
	await_event "$dir/enabled 0"
	await_event "$dir/vmlinux/patched 0"
	klp_wait_transition $P
}

# --- unloading at the event -----------------------------------------------------------------------

t_unload_at_event()
{
	local said

	klp_tool klp_events
	said=$("$KLP_TOOL" -c "${KLP_KO[$P]}" $ROUNDS 2>&1)
	klp_expect "what klp_events says" "" "$said"
}

# The replaced module can be unloaded when the event of the other patch has come.
t_unload_replaced()
{
	local i

	listen
	for ((i = 0; i < 10; i++)); do
		klp_enable $P objects=vmlinux:cmdline
		: > "$KLP_TMP/events"
		klp_load $P2 objects=vmlinux:version replace=1
		await_event "uevent complete $P2"
		klp_expect "what rmmod says" "" "$(rmmod $P 2>&1)"
		klp_disable $P2
		klp_unload $P2
	done
}

# --- files ----------------------------------------------------------------------------------------

held_for()
{
	local pid reason function passes name

	read -r pid reason function passes name < $KLP_SYSFS/$P/held
	[ "$pid $reason $function $name" = "$KLP_HELD sleeping test_klp_hold_wait cat" ] &&
		[ "$passes" -ge "$1" ]
}

t_held()
{
	klp_load $H
	klp_enable $P2 objects=vmlinux:cmdline
	klp_hold $H
	klp_load $P objects=$H:hold
	klp_until "the task is held for three passes" held_for 3
	klp_expect "remaining" 1 "$(< $KLP_SYSFS/$P/remaining)"
	klp_expect_file $KLP_SYSFS/$P2/remaining 0
	klp_expect_file $KLP_SYSFS/$P2/held ""
	klp_expect "mode of held" 400 "$(stat -c %a $KLP_SYSFS/$P/held)"
	klp_release $H
	klp_wait_transition $P
	klp_expect_file $KLP_SYSFS/$P/remaining 0
	klp_expect_file $KLP_SYSFS/$P/held ""
}

# A name that looks like a line.
t_held_name()
{
	local program

	klp_load $H
	klp_set "$(klp_param $H hold)" 1
	program=$KLP_TMP/a$'\n'"1 b"
	cp "$(command -v cat)" "$program"
	"$program" /proc/$H > /dev/null &
	echo $! >> "$KLP_TMP/pids"
	klp_until "a task sleeps" klp_reads "$(klp_param $H held)" 1
	klp_load $P objects=$H:hold
	klp_until "the task is listed" lists_tasks 1
	klp_expect "name" "a?1 b" "$(cut -d ' ' -f 5- $KLP_SYSFS/$P/held)"
	klp_set "$(klp_param $H hold)" 0
	klp_wait_transition $P
}

# More tasks than the file has lines.
t_held_many()
{
	local i

	klp_load $H
	klp_set "$(klp_param $H hold)" 1
	for ((i = 0; i < 40; i++)); do
		cat /proc/$H > /dev/null &
		echo $! >> "$KLP_TMP/pids"
	done
	klp_until "all tasks sleep" klp_reads "$(klp_param $H held)" 40
	klp_load $P objects=$H:hold
	klp_until "32 tasks are listed" lists_tasks 32
	klp_until "40 tasks remain" klp_reads $KLP_SYSFS/$P/remaining 40
	klp_set "$(klp_param $H hold)" 0
	klp_wait_transition $P
}

lists_tasks()
{
	[ "$(wc -l < $KLP_SYSFS/$P/held)" = "$1" ]
}

is_older()
{
	[ "$(< $KLP_SYSFS/$P/since)" -ge "$1" ]
}

t_since()
{
	klp_enable $P objects=vmlinux:cmdline persistent=1
	klp_until "two seconds have passed" is_older 2
	klp_disable_persistent $P
	is_older 2 && klp_fail "the request has not changed since"
	klp_until "two seconds have passed" is_older 2
	klp_enable_again $P
	is_older 2 && klp_fail "the request has not changed since"
	klp_disable_persistent $P
}

# Reading does not wait for a callback.
t_readers()
{
	local file

	klp_enable $P2 objects=vmlinux:version
	klp_load $P objects=vmlinux:cmdline block=post_patch blocked=1 &
	klp_until "a callback runs" klp_reads "$(klp_param $P blocking)" 1
	for file in enabled transition remaining held since; do
		cat $KLP_SYSFS/$P/$file $KLP_SYSFS/$P2/$file > /dev/null ||
			klp_fail "$file cannot be read"
	done
	klp_expect_file $KLP_SYSFS/$P/transition 1
	klp_expect_file $KLP_SYSFS/$P/remaining 0
	klp_set "$(klp_param $P blocked)" 0
	wait $!
	klp_wait_transition $P
}

klp_setup $P $P2 $H
klp_record

klp_main \
	"uevents of a patch that is enabled and disabled, and of one that is refused" \
	"uevent_refused a refused request is reported with its errno" \
	"uevent_reverse a transition that is reversed, and one that is forced" \
	"order callbacks, then files and poll, then the uevent" \
	"unload_at_event $ROUNDS loads and unloads without a retry" \
	"unload_replaced a replaced module is unloaded without a retry" \
	"held the tasks that hold a transition up, and their number" \
	"held_name a task whose name contains a new line" \
	"held_many the first 32 of them" \
	"since seconds since the last request or its answer" \
	"readers do not wait for a callback"
