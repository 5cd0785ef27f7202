#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Valid requests at the wrong time, and invalid writes to the files of a patch: the errno, the log,
# and the patch is unchanged.

# shellcheck source-path=SCRIPTDIR source=klp-lib.sh
. "$(dirname "$0")/klp-lib.sh"

P=test_klp_patch
P2=test_klp_patch2
B=test_klp_bad
H=test_klp_hold

CMDLINE=$(< /proc/cmdline)

# --- at the wrong time ----------------------------------------------------------------------------

t_enabled_twice()
{
	klp_enable $B case=good
	klp_mark
	klp_expect "error of enabling it again" EEXIST "$(klp_write "$(klp_param $B again)" 1)"
	klp_expect_log <<-END
		livepatch: patch '$B' already exists
	END

	# The first call is in effect.
	klp_expect_file $KLP_SYSFS/$B/enabled 1
	klp_expect_file /sys/module/$B/refcnt 1
	klp_expect_file /proc/cmdline $B
	klp_disable $B
	klp_unload $B
	klp_expect_nothing_left $B
}

t_during_transition()
{
	klp_load $H
	klp_hold $H
	klp_load $P2 objects=$H:hold
	klp_mark
	klp_load_fails EBUSY $P objects=vmlinux:cmdline
	klp_expect_log <<-END
		livepatch: patch '$P' cannot be enabled while '$P2' is in transition
	END
	klp_expect "what is in $KLP_SYSFS" $P2 "$(klp_list $KLP_SYSFS)"
	klp_expect "functions redirected" test_klp_hold_wait "$(klp_redirected)"
	klp_absent /sys/module/$P || klp_fail "$P is still loaded"
	klp_release $H
	klp_wait_transition $P2
	klp_expect_works
}

# Another enabled patch cannot be disabled either.
t_disable_during_transition()
{
	klp_load $H
	klp_enable $P objects=vmlinux:cmdline
	klp_hold $H
	klp_load $P2 objects=$H:hold
	klp_mark
	klp_expect "error of disabling $P" EBUSY "$(klp_write $KLP_SYSFS/$P/enabled 0)"
	klp_expect_log <<-END
		livepatch: patch '$P' cannot be disabled while '$P2' is in transition
	END
	klp_expect_file $KLP_SYSFS/$P/enabled 1
	klp_expect_file /proc/cmdline $P
	klp_release $H
	klp_wait_transition $P2
	klp_disable $P
	klp_unload $P
	klp_expect_works
}

t_ftrace_disabled()
{
	klp_set /proc/sys/kernel/ftrace_enabled 0
	klp_mark
	klp_load_fails EBUSY $B case=good
	klp_expect_log <<-END
		livepatch: enabling patch '$B'
		livepatch: failed to register ftrace handler for function 'cmdline_proc_show' (-16)
		livepatch: failed to patch object 'vmlinux'
		livepatch: failed to enable patch '$B'
		livepatch: '$B': unpatching complete
	END
	klp_set /proc/sys/kernel/ftrace_enabled 1
	klp_expect_nothing_left $B
}

t_state_version()
{
	local line="livepatch: Livepatch patch ($P) is not compatible"

	line+=" with the already installed livepatches."
	klp_enable $P2 objects=vmlinux:version state_id=1 state_version=2
	klp_mark
	klp_load_fails EINVAL $P objects=vmlinux:cmdline state_id=1 state_version=1
	klp_expect_log <<< "$line"
	# A patch that replaces others must have their states.
	klp_load_fails EINVAL $P objects=vmlinux:cmdline replace=1
	klp_expect_log <<< "$line"
	klp_expect "what is in $KLP_SYSFS" $P2 "$(klp_list $KLP_SYSFS)"
	klp_expect "functions redirected" version_proc_show "$(klp_redirected)"
	klp_absent /sys/module/$P || klp_fail "$P is still loaded"
	# A stacked patch need not have them.
	klp_expect_works
}

# --- writes to files of a patch -------------------------------------------------------------------

# write_refused LINE FILE TEXT: check that the write fails with this line, and that the patch is
# unchanged
write_refused()
{
	klp_mark
	klp_expect "error of writing '$3' to $2" EINVAL "$(klp_write "$KLP_SYSFS/$P/$2" "$3")"
	klp_expect_log <<< "livepatch: $1"
	klp_expect_file $KLP_SYSFS/$P/enabled 1
	klp_expect_file $KLP_SYSFS/$P/transition 0
	klp_expect_file /proc/cmdline $P
}

t_enabled_garbage()
{
	klp_enable $P objects=vmlinux:cmdline
	write_refused "value written to 'enabled' of patch '$P' is not 0 or 1" enabled garbage
	write_refused "value written to 'enabled' of patch '$P' is not 0 or 1" enabled 2
	write_refused "value written to 'enabled' of patch '$P' is not 0 or 1" enabled -1
	write_refused "value written to 'enabled' of patch '$P' is not 0 or 1" enabled ' '
	klp_disable $P
	klp_unload $P
	klp_expect_works
}

t_enabled_same()
{
	klp_enable $P objects=vmlinux:cmdline
	write_refused "patch '$P' is already enabled" enabled 1
	klp_disable $P
	klp_unload $P
	klp_expect_works
}

t_force_idle()
{
	klp_enable $P objects=vmlinux:cmdline
	write_refused "patch '$P' is not in transition" force 1
	write_refused "value written to 'force' of patch '$P' is not 0 or 1" force garbage
	klp_disable $P
	klp_unload $P
	klp_expect_works
}

# post_unpatch runs under klp_mutex: a write waits for the end of disabling, and the removal of
# its file waits for the write.
t_enabled_leaving()
{
	local writer

	klp_enable $P objects=vmlinux:cmdline block=post_unpatch blocked=1
	(klp_set $KLP_SYSFS/$P/enabled 0) &
	klp_until "post_unpatch waits" klp_reads "$(klp_param $P blocking)" 1
	klp_mark

	(printf 1 > $KLP_SYSFS/$P/enabled) 2> "$KLP_TMP/leaving" &
	writer=$!
	klp_until "the write waits" asleep_uninterruptibly $writer
	klp_set "$(klp_param $P blocked)" 0
	wait
	klp_expect "error of writing 1" EINVAL "$(klp_errno "$(< "$KLP_TMP/leaving")")"
	klp_expect_log <<-END
		livepatch: '$P': unpatching complete
		livepatch: patch '$P' is being removed and has to be loaded again
	END
	klp_wait_gone $P
	klp_expect_file /proc/cmdline "$CMDLINE"
	klp_unload $P
	klp_expect_works
}

asleep_uninterruptibly()
{
	local stat

	read -r stat < "/proc/$1/stat"
	[[ $stat = *") D "* ]]
}

# The file is open when the patch is removed, and is written afterwards.
t_enabled_gone()
{
	local fd

	klp_enable $P objects=vmlinux:cmdline
	exec {fd}> $KLP_SYSFS/$P/enabled
	klp_disable $P
	klp_expect "error of writing 1" ENODEV "$(klp_errno "$( { echo 1 >&"$fd"; } 2>&1)")"
	exec {fd}>&-
	klp_unload $P
	klp_expect_works
}

klp_setup $P $P2 $B $H

klp_main \
	"enabled_twice the same patch enabled twice" \
	"during_transition a second patch while one is in transition" \
	"disable_during_transition a patch disabled while another is in transition" \
	"ftrace_disabled kernel.ftrace_enabled = 0" \
	"state_version an incompatible system state" \
	"enabled_garbage garbage written to enabled" \
	"enabled_same the current value written to enabled" \
	"enabled_leaving enabled written while the patch is being removed" \
	"enabled_gone enabled written after the patch has been removed" \
	"force_idle force written without a transition"
