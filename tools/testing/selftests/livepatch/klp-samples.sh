#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The samples of samples/livepatch/. Each runs as its header says, and its effects are checked
# from user space.

# shellcheck source-path=SCRIPTDIR source=klp-lib.sh
. "$(dirname "$0")/klp-lib.sh"

LIMIT=/proc/sys/net/ipv4/tcp_challenge_ack_limit
RATELIMIT=/proc/sys/net/ipv4/tcp_invalid_ratelimit

# need_tool NAME...: skip the test if a tool is missing
need_tool()
{
	local name

	for name; do
		command -v "$name" > /dev/null || klp_skip "there is no $name here"
	done
}

# keep FILE...: restore the contents of the files at the end of the test
keep()
{
	local file undo=

	for file; do
		undo+="echo '$(< "$file")' > $file;"
	done
	# shellcheck disable=SC2064 # now, not then
	trap "$undo" EXIT
}

# --- livepatch-lifecycle --------------------------------------------------------------------------

t_lifecycle()
{
	local P=livepatch_lifecycle T=livepatch_story_sum version

	version=$(< /proc/version)
	klp_load $T
	klp_expect_file /proc/story_sum "2 + 2 = 5"

	klp_mark
	klp_enable $P
	klp_expect_log <<-END
		livepatch: enabling patch '$P'
		$P: pre_patch vmlinux
		$P: pre_patch $T (live)
		livepatch: '$P': starting patching transition
		$P: post_patch vmlinux
		$P: post_patch $T (live)
		livepatch: '$P': patching complete
	END
	klp_expect_file /proc/version "Linux version $(uname -r), changed by a livepatch"
	klp_expect_file /proc/story_sum "2 + 2 = 4"

	klp_unload $T
	klp_expect_log <<-END
		$P: pre_unpatch $T (going)
		livepatch: reverting patch '$P' on unloading module '$T'
		$P: post_unpatch $T (going)
	END

	klp_load $T
	klp_expect_log <<-END
		livepatch: applying patch '$P' to loading module '$T'
		$P: pre_patch $T (coming)
		$P: post_patch $T (coming)
	END
	klp_expect_file /proc/story_sum "2 + 2 = 4"

	klp_disable $P
	klp_expect_log <<-END
		$P: pre_unpatch vmlinux
		$P: pre_unpatch $T (live)
		livepatch: '$P': starting unpatching transition
		$P: post_unpatch vmlinux
		$P: post_unpatch $T (live)
		livepatch: '$P': unpatching complete
	END
	klp_expect_file /proc/version "$version"
	klp_expect_file /proc/story_sum "2 + 2 = 5"
}

# --- livepatch-tcp-challenge ----------------------------------------------------------------------

t_tcp_sysctl()
{
	keep $LIMIT
	klp_set $LIMIT 2000
	klp_enable livepatch_tcp_challenge
	klp_expect_file $LIMIT 1000
	klp_disable livepatch_tcp_challenge
	klp_expect_file $LIMIT 2000
	klp_unload livepatch_tcp_challenge

	# The value does not belong to the patch any longer.
	klp_enable livepatch_tcp_challenge
	klp_set $LIMIT 500
	klp_disable livepatch_tcp_challenge
	klp_expect_file $LIMIT 500
}

# A patch without the state removes it.
t_tcp_replace()
{
	keep $LIMIT
	klp_set $LIMIT 2000
	klp_enable livepatch_tcp_challenge
	klp_expect_file $LIMIT 1000
	klp_enable test_klp_patch objects=vmlinux:cmdline replace=1
	klp_wait_gone livepatch_tcp_challenge
	klp_expect_file $LIMIT 2000
}

# challenge FIRST OTHERS: send SYNs. Sets FIRST and OTHERS to the numbers of ACKs
challenge()
{
	local said rc=0

	said=$("$KLP_TOOL" "$@" 2>&1) || rc=$?
	# QEMU 7.2 calculates some checksums wrong on s390x.
	[ "$rc $(uname -m)" != "3 s390x" ] || klp_skip "$said"
	[ $rc -eq 0 ] || klp_fail "$said"
	read -r FIRST OTHERS <<< "$said"
}

# A connection that uses up the common counter silences the others. A new second may begin in
# between.
others_are_silent()
{
	challenge 100 8
	[ "$OTHERS" = 0 ]
}

# A budget of eight is five to twelve per group and second. Some connections may be in the group
# of the first one, but not most of them.
groups_are_separate()
{
	challenge 100 8
	[[ $FIRST -ge 5 && $FIRST -le 60 && $OTHERS -ge 5 ]]
}

# The groups of connections are random, and sometimes a group has been used in the same second.
# With one budget for all, a new second may begin at the right moment. Neither happens in most
# attempts.
expect_groups()
{
	local good=0 said='' i

	for ((i = 0; i < 8; i++)); do
		groups_are_separate && good=$((good + 1))
		said+=" $FIRST/$OTHERS"
	done
	[ $good -ge 5 ] ||
		klp_fail "ACKs on the first and on other connections with a limit of 8:" " $said"
}

t_tcp_traffic()
{
	klp_tool klp_challenge
	[[ $(< /sys/class/net/lo/flags) = *[13579bdf] ]] || klp_skip "lo is down"
	keep $LIMIT $RATELIMIT
	# The limit per connection is switched off.
	klp_set $RATELIMIT 0
	klp_set $LIMIT 2147483647
	challenge 100 8
	klp_expect "ACKs without a limit" "100 8" "$FIRST $OTHERS"

	klp_set $LIMIT 8
	klp_until "the old function has one counter for all" others_are_silent

	klp_set $LIMIT 2147483647
	klp_enable livepatch_tcp_challenge limit=8
	klp_expect_file $LIMIT 8
	expect_groups

	klp_disable livepatch_tcp_challenge
	klp_expect_file $LIMIT 2147483647
	challenge 100 8
	klp_expect "ACKs after the patch" "100 8" "$FIRST $OTHERS"
}

# --- livepatch-virtio-net -------------------------------------------------------------------------

VIRTIO=/sys/bus/virtio/drivers/virtio_net

# expect_gro_hw DEVICE STATE: check the state that ethtool shows
expect_gro_hw()
{
	klp_expect "rx-gro-hw of $1" "$2" "$(ethtool -k "$1" | sed -n 's/^rx-gro-hw: //p')"
}

# find_cards: set CARDS to the names of the network devices
find_cards()
{
	local path

	CARDS=()
	for path in "$VIRTIO"/virtio*/net/*; do
		[ -e "$path" ] && CARDS+=("${path##*/}")
	done
}

t_virtio_net()
{
	local second request

	need_tool ethtool modprobe
	[ ! -e $VIRTIO ] || klp_skip "virtio_net is loaded, and may be in use"
	# shellcheck disable=SC2064
	trap "modprobe -r virtio_net" EXIT
	modprobe virtio_net 2>/dev/null || klp_skip "no module virtio_net"
	find_cards
	[ "${#CARDS[@]}" -ge 2 ] || klp_skip "fewer than two virtio-net devices"
	expect_gro_hw "${CARDS[0]}" off
	expect_gro_hw "${CARDS[1]}" off

	# The bug: the feature can be requested, and the device refuses.
	request=$(ethtool -K "${CARDS[0]}" rx-gro-hw on 2>&1)
	klp_expect "what ethtool says" "Could not change any device features" "$request"
	expect_gro_hw "${CARDS[0]}" "off [requested on]"

	# The first device exists before the patch, the second one is probed after it.
	second=$(readlink -f "/sys/class/net/${CARDS[1]}/device")
	klp_set $VIRTIO/unbind "${second##*/}"
	klp_expect "the second device is gone" "" "$(ls "$second/net" 2>/dev/null)"

	klp_enable livepatch_virtio_net
	expect_gro_hw "${CARDS[0]}" "off [fixed]"
	# The request is dropped too: otherwise the device would refuse all later requests.
	klp_expect "what ethtool says" "" "$(ethtool -K "${CARDS[0]}" gro off 2>&1)"
	klp_set $VIRTIO/bind "${second##*/}"
	find_cards
	expect_gro_hw "${CARDS[0]}" "off [fixed]"
	expect_gro_hw "${CARDS[1]}" "off [fixed]"

	# The same for all devices of a module that is loaded later.
	klp_expect "what modprobe -r says" "" "$(modprobe -r virtio_net 2>&1)"
	klp_absent $VIRTIO || klp_fail "virtio_net has not been removed"
	klp_expect "what modprobe says" "" "$(modprobe virtio_net 2>&1)"
	find_cards
	klp_expect "number of devices" 2 "${#CARDS[@]}"
	expect_gro_hw "${CARDS[0]}" "off [fixed]"
	expect_gro_hw "${CARDS[1]}" "off [fixed]"

	klp_disable livepatch_virtio_net
	expect_gro_hw "${CARDS[0]}" off
	expect_gro_hw "${CARDS[1]}" off
}

# --- livepatch-hooks ------------------------------------------------------------------------------

t_hooks()
{
	local P=livepatch_hooks T=livepatch_hooks_target
	local dir=/sys/kernel/debug/livepatch-hooks-target

	[ -d /sys/kernel/debug ] || klp_skip "no debugfs"
	klp_load $T
	klp_expect_file $dir/capacity 4
	klp_unload $T
	[ -d $dir ] || klp_fail "the target has no bug to fix"
	klp_load_fails EEXIST $T

	# The hook also removes the directory that was left before the patch, which init has found
	# once more.
	klp_mark
	klp_enable $P
	klp_load_fails EEXIST $T
	klp_expect_log <<-END
		livepatch: enabling patch '$P'
		livepatch: '$P': starting patching transition
		livepatch: '$P': patching complete
		livepatch: applying patch '$P' to loading module '$T'
		$P: patch hooks of $T, before its init
		livepatch: reverting patch '$P' on unloading module '$T'
		$P: unpatch hooks of $T, after its exit
	END
	klp_absent $dir || klp_fail "$dir is still there"

	klp_load $T
	klp_expect_file $dir/capacity 64
	klp_expect_file "$(klp_param $T capacity)" 64
	klp_unload $T
	klp_absent $dir || klp_fail "$dir is still there"
	klp_expect_log <<-END
		livepatch: applying patch '$P' to loading module '$T'
		$P: patch hooks of $T, before its init
		$T: init, capacity 64
		$T: exit
		livepatch: reverting patch '$P' on unloading module '$T'
		$P: unpatch hooks of $T, after its exit
	END

	# The value of the user takes precedence.
	klp_load $T capacity=7
	klp_expect_file $dir/capacity 7
	klp_mark
	klp_disable $P
	klp_expect_log <<-END
		livepatch: '$P': starting unpatching transition
		livepatch: '$P': unpatching complete
	END
	klp_expect_file $dir/capacity 7
	klp_unload $P

	# The module is loaded already: the hook logs that, and refuses nothing.
	klp_mark
	klp_enable $P
	klp_expect_log <<-END
		livepatch: enabling patch '$P'
		$P: patch hooks of $T
		livepatch: patch '$P': patch_hook raise_capacity [$P] of object '$T' returned -16
		livepatch: '$P': starting patching transition
		livepatch: '$P': patching complete
	END
	klp_expect_file $dir/capacity 7
	klp_unload $T
	klp_absent $dir || klp_fail "$dir is still there"
}

# --- livepatch-seats-fix --------------------------------------------------------------------------

SEATS=/proc/livepatch_seats

# sit: start a process that takes a seat. Sets SITTER to its id
sit()
{
	bash -c "echo take > $SEATS && exec sleep 1000" 2> "$KLP_TMP/sit" &
	SITTER=$!
	echo $SITTER >> "$KLP_TMP/pids"
	klp_until "process $SITTER has a seat" grep -qx $SITTER $SEATS
}

# get_up PROCESS: kill the process, which does not leave its seat
get_up()
{
	kill "$1"
	wait "$1" 2>/dev/null
	klp_until "process $1 is gone" klp_absent "/proc/$1"
}

# try_to_sit: print the error of a process that takes a seat and ends
try_to_sit()
{
	klp_errno "$(bash -c "echo take > $SEATS" 2>&1)"
}

expect_seats()
{
	klp_expect "$SEATS" "$*" "$(paste -sd ' ' $SEATS)"
}

t_seats()
{
	local P=livepatch_seats_fix T=livepatch_seats_target
	local first second third fourth

	klp_load $T
	sit; first=$SITTER
	sit; second=$SITTER
	sit; third=$SITTER
	sit; fourth=$SITTER
	klp_expect "error of the fifth" ENOSPC "$(try_to_sit)"
	get_up "$second"
	klp_expect "error after one has died" ENOSPC "$(try_to_sit)"
	expect_seats "$first $second $third $fourth"

	# Leaked seats are freed, and the holders of the others become known.
	klp_mark
	klp_enable $P
	expect_seats "$first $third $fourth"
	klp_expect_log <<-END
		livepatch: enabling patch '$P'
		livepatch: '$P': starting patching transition
		$P: 3 seats taken, 3 holders known
		livepatch: '$P': patching complete
	END

	# Holders from before the patch and after it.
	sit; second=$SITTER
	expect_seats "$first $third $fourth $second"
	klp_expect "error while all are alive" ENOSPC "$(try_to_sit)"
	get_up "$first"
	get_up "$second"
	expect_seats "$first $third $fourth $second"
	sit; first=$SITTER
	expect_seats "$third $fourth $first"

	# Each reference is dropped once: by the holder that leaves, and for the rest by the
	# patch.
	klp_mark
	bash -c "echo take > $SEATS; echo leave > $SEATS"
	expect_seats "$third $fourth $first"
	klp_disable $P
	klp_expect_log <<-END
		$P: 0 holders known
		livepatch: '$P': starting unpatching transition
		livepatch: '$P': unpatching complete
	END
	expect_seats "$third $fourth $first"

	# The old code again.
	klp_expect "error of the fourth" "" "$(try_to_sit)"
	klp_expect "error without the patch" ENOSPC "$(try_to_sit)"
}

t_seats_target_leaves()
{
	local P=livepatch_seats_fix T=livepatch_seats_target

	klp_enable $P
	klp_load $T
	sit
	sit
	klp_mark
	klp_unload $T
	klp_expect_log <<-END
		$P: 0 holders known
		livepatch: reverting patch '$P' on unloading module '$T'
	END
}

# --- livepatch-cumulative-1, -2 and -3, livepatch-hotfix ------------------------------------------

SEATS_LIMIT=/proc/sys/kernel/livepatch_seats_limit

# take_twice [USER]: print the errors of a process that takes a seat twice, as this user
take_twice()
{
	local take='{ echo take >&3; } 2>&1' said
	local run=(bash -c "$take; echo; $take")

	[ $# = 0 ] || run=(setpriv --reuid "$1" --clear-groups "${run[@]}")
	said=$("${run[@]}" 3> $SEATS)
	echo "$(klp_errno "${said%%$'\n'*}") $(klp_errno "${said#*$'\n'}")"
}

# expect_state PATCH STATE INHERITED: check the files of the state in sysfs
expect_state()
{
	klp_expect_file "$KLP_SYSFS/$1/states/$(($2))/inherited" "$3"
}

t_cumulative()
{
	local T=livepatch_seats_target limit=0x5ea70001 users=0x5ea70002

	need_tool setpriv
	klp_load $T
	klp_expect "errors of the old function" " " "$(take_twice)"

	# Introduced: the sysctl exists, and its value takes effect.
	klp_enable livepatch_cumulative_1
	expect_state livepatch_cumulative_1 $limit 0
	klp_expect_file $SEATS_LIMIT 4
	klp_set $SEATS_LIMIT 1
	klp_expect "error of the value 0" EINVAL "$(klp_write $SEATS_LIMIT 0)"
	klp_expect "errors of a process" " EDQUOT" "$(take_twice)"

	# Inherited: the value stays, and applies to a user. Nothing of the sysctl is in the first
	# module.
	klp_enable livepatch_cumulative_2
	klp_unload livepatch_cumulative_1
	expect_state livepatch_cumulative_2 $limit 1
	expect_state livepatch_cumulative_2 $users 0
	klp_expect_file $SEATS_LIMIT 1
	klp_expect "errors of user 1000" " EDQUOT" "$(take_twice 1000)"
	klp_load_fails EINVAL livepatch_cumulative_1
	klp_unload $T
	klp_load $T
	klp_expect "errors of user 1000" " EDQUOT" "$(take_twice 1000)"
	klp_expect "errors of another process" "EDQUOT EDQUOT" "$(take_twice 1000)"
	klp_expect "errors of user 1001" " EDQUOT" "$(take_twice 1001)"

	# Removed: no sysctl and no limit. The users are inherited.
	klp_enable livepatch_cumulative_3
	klp_unload livepatch_cumulative_2
	expect_state livepatch_cumulative_3 $users 1
	klp_absent $SEATS_LIMIT || klp_fail "$SEATS_LIMIT still exists"
	klp_expect "errors without a limit" " " "$(take_twice 1002)"
	klp_expect "users" "user 1000 user 1001 user 1002 user 1002" \
		"$(sed 's/^[0-9]* //' $SEATS | paste -sd ' ')"

	# The version that has not introduced the variables frees them.
	klp_disable livepatch_cumulative_3
	klp_unload livepatch_cumulative_3
	klp_enable livepatch_cumulative_3
	klp_expect "users of the same seats" 4 "$(grep -cx '[0-9]*' $SEATS)"
}

t_hotfix()
{
	local T=livepatch_seats_target H=livepatch_hotfix C=livepatch_cumulative_3 reader what

	need_tool setpriv
	reader="setpriv --reuid 1000 --clear-groups cat $SEATS"
	klp_load $T
	sit
	klp_expect "what a user reads" $SITTER "$($reader)"

	klp_enable $H
	klp_expect "what a user reads" "1 seats taken" "$($reader)"
	klp_expect_file $SEATS $SITTER

	# Another set: the hotfix stays when the cumulative patches replace each other.
	klp_enable livepatch_cumulative_1
	klp_enable livepatch_cumulative_2
	klp_wait_gone livepatch_cumulative_1
	klp_expect "patches" "livepatch_cumulative_2 $H" "$(klp_list $KLP_SYSFS)"
	klp_expect_file $KLP_SYSFS/$H/replace_set $((0x5ea7))
	klp_expect_file $KLP_SYSFS/livepatch_cumulative_2/replace_set 0
	klp_expect "what a user reads" "1 seats taken" "$($reader)"
	klp_expect_file $SEATS_LIMIT 4

	# The third version contains the hotfix, and replaces its set.
	klp_enable $C
	klp_wait_gone $H
	klp_expect "patches" "$C" "$(klp_list $KLP_SYSFS)"
	klp_expect "what a user reads" "1 seats taken" "$($reader)"
	klp_unload $H
	what="changes function 'seats_show,1' of object '$T'"
	klp_mark
	klp_load_fails EBUSY $H
	klp_expect_log <<-END
		livepatch: patch '$H' of set 24231 $what, as patch '$C' of set 0 does
	END
}

# --- livepatch-busy -------------------------------------------------------------------------------

BUSY=livepatch_busy_target

# busy_state: print patch_state of the thread of the target
busy_state()
{
	local file name

	for file in /proc/[0-9]*/comm; do
		{ read -r name < "$file"; } 2>/dev/null
		[ "$name" = livepatch-busy ] && cat "${file%comm}patch_state"
	done
}

# steps_above NUMBER: succeed if the new function has made more steps
steps_above()
{
	local steps rest

	{ read -r steps rest < /proc/livepatch_busy; } 2>/dev/null &&
		[ "$steps" -gt "$1" ] && [ "$rest" = "steps of a thousand" ]
}

t_busy()
{
	local P=livepatch_busy count

	klp_load $BUSY hold=1
	klp_until "the thread is busy" klp_reads "$(klp_param $BUSY held)" Y
	count=$(< "$(klp_param $BUSY count)")

	klp_mark
	klp_load $P
	klp_expect_file $KLP_SYSFS/$P/transition 1
	klp_expect "patch_state of the thread" 0 "$(busy_state)"
	klp_absent /proc/livepatch_busy || klp_fail "post_patch has run"
	klp_expect_log <<-END
		livepatch: enabling patch '$P'
		$P: pre_patch: memory taken
		livepatch: '$P': starting patching transition
	END

	# Reversed: the memory is freed, although no other callback has run and the thread is
	# still busy.
	klp_disable $P
	klp_expect_file "$(klp_param $BUSY held)" Y
	klp_expect_file "$(klp_param $BUSY count)" "$count"
	klp_expect_log <<-END
		livepatch: '$P': starting unpatching transition
		$P: post_unpatch: memory released
		livepatch: '$P': unpatching complete
	END
	klp_unload $P

	# Enabled again, to the end of the transition.
	klp_load $P
	klp_expect_file $KLP_SYSFS/$P/transition 1
	klp_set "$(klp_param $BUSY hold)" 0
	klp_wait_transition $P
	klp_until "the new function runs" steps_above 3
	klp_expect_log <<-END
		livepatch: enabling patch '$P'
		$P: pre_patch: memory taken
		livepatch: '$P': starting patching transition
		$P: post_patch: /proc/livepatch_busy is there
		livepatch: '$P': patching complete
	END
	klp_disable $P
	klp_absent /proc/livepatch_busy || klp_fail "/proc/livepatch_busy is still there"
	klp_expect_log <<-END
		$P: pre_unpatch: /proc/livepatch_busy has gone
		livepatch: '$P': starting unpatching transition
		$P: post_unpatch: memory released
		livepatch: '$P': unpatching complete
	END
}

t_busy_replace()
{
	klp_load $BUSY
	klp_enable livepatch_busy
	klp_load_fails EINVAL test_klp_patch objects=vmlinux:cmdline replace=1
	klp_until "the new function runs on" steps_above 0
}

# --- livepatch-persistent -------------------------------------------------------------------------

PRINTK=/proc/sys/kernel/printk

# expect_loglevel LEVEL: check the log level of the console
expect_loglevel()
{
	local level

	read -r level _ < $PRINTK
	klp_expect "loglevel of the console" "$1" "$level"
}

t_persistent()
{
	local P=livepatch_persistent
	local dir=$KLP_SYSFS/$P

	[ -w /proc/sysrq-trigger ] || klp_skip "no /proc/sysrq-trigger"
	keep $PRINTK
	klp_set /proc/sysrq-trigger 7
	expect_loglevel 7

	klp_mark
	klp_enable $P
	klp_set /proc/sysrq-trigger 4
	klp_set /proc/sysrq-trigger 5
	expect_loglevel 7
	klp_expect_file "$(klp_param $P refused)" 2

	# Disabled: the patch stays in sysfs.
	klp_set $dir/enabled 0
	klp_wait_transition $P
	klp_expect_file $dir/enabled 0
	klp_set /proc/sysrq-trigger 6
	expect_loglevel 6

	# Enabled: the same module counts from 0, without its init.
	klp_set $dir/enabled 1
	klp_wait_transition $P
	klp_expect_file $dir/enabled 1
	klp_set /proc/sysrq-trigger 4
	expect_loglevel 6
	klp_expect_file "$(klp_param $P refused)" 1
	klp_expect_file "$(klp_param $P enablings)" 2

	klp_set $dir/enabled 0
	klp_wait_transition $P
	klp_unload $P
	klp_absent $dir || klp_fail "$dir is still there"
	klp_set /proc/sysrq-trigger 7
	expect_loglevel 7
	klp_expect_log <<-END
		$P: init
		livepatch: enabling patch '$P'
		livepatch: '$P': starting patching transition
		livepatch: '$P': patching complete
		$P: sysrq 4 refused
		$P: sysrq 5 refused
		livepatch: '$P': starting unpatching transition
		$P: disabled after 2 refusals
		livepatch: '$P': unpatching complete
		livepatch: enabling patch '$P'
		livepatch: '$P': starting patching transition
		livepatch: '$P': patching complete
		$P: sysrq 4 refused
		livepatch: '$P': starting unpatching transition
		$P: disabled after 1 refusals
		livepatch: '$P': unpatching complete
		$P: exit
	END
}

klp_setup livepatch_lifecycle livepatch_story_sum livepatch_tcp_challenge livepatch_virtio_net \
	livepatch_hooks livepatch_hooks_target livepatch_seats_fix livepatch_seats_target \
	livepatch_busy livepatch_busy_target livepatch_persistent test_klp_patch \
	livepatch_cumulative_1 livepatch_cumulative_2 livepatch_cumulative_3 livepatch_hotfix

klp_main \
	"lifecycle four callbacks of vmlinux and of a module that is loaded and unloaded" \
	"tcp_sysctl the sysctl changes with the function and is restored" \
	"tcp_replace a patch without the state of the sysctl restores it" \
	"tcp_traffic challenge ACKs on loopback: one counter for all, one for each group" \
	"virtio_net a feature removed from existing and from later devices" \
	"hooks work before the init and after the exit of a module" \
	"seats a shadow variable fixes a leak" \
	"seats_target_leaves the target is unloaded with shadow variables attached" \
	"cumulative a sysctl is introduced, inherited and removed by three versions" \
	"hotfix stays when another set is replaced, until a patch replaces its set" \
	"busy a transition blocked by a busy thread, reversed, and completed" \
	"busy_replace a patch without the state of its memory cannot replace it" \
	"persistent a patch disabled and enabled again"
