# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# Sourced by klp-ftrace.sh, klp-coexist.sh and klp-tasks.sh: settings of the system that a test
# changes, and the events of single tasks.

T=test_klp_target
SCHED=/sys/kernel/debug/sched

# Settings that undo() restores.
MODEL=
FAIR=

# --- settings that tests change and restore -------------------------------------------------------

# probe_file: print the path of the file with all kinds of probes, or of that with kprobes
probe_file()
{
	local file=$KLP_TRACING/dynamic_events

	[ -w "$file" ] || file=$KLP_TRACING/kprobe_events
	echo "$file"
}

# probes: print the probes of these scripts
probes()
{
	[ ! -r "$(probe_file)" ] || sed -n 's|^[^:]*:\(klp/[^ ]*\) .*|\1|p' "$(probe_file)"
}

# The EXIT trap of a test that changes settings which klp-lib.sh does not restore.
# shellcheck disable=SC2317 # a trap calls it
undo()
{
	local dir event

	klp_let_go
	for dir in "$KLP_TRACING"/instances/klp_*; do
		[ -d "$dir" ] || continue
		echo nop > "$dir/current_tracer"
		echo 0 > "$dir/events/enable"
		rmdir "$dir"
	done
	probes | while read -r event; do
		echo "-:$event" >> "$(probe_file)"
	done
	[ -z "$MODEL" ] || echo "$MODEL" > $SCHED/preempt
	[ -z "$FAIR" ] || echo "${FAIR#* }" > "${FAIR% *}"
}

# instance NAME: create a trace instance. Sets INSTANCE to its path
instance()
{
	INSTANCE=$KLP_TRACING/instances/klp_$1
	mkdir "$INSTANCE" 2>/dev/null || klp_skip "ftrace has no instances here"
}

# built_in_model: print the preemption model of a kernel without CONFIG_PREEMPT_DYNAMIC, nothing if
# it is not known
built_in_model()
{
	case " $(uname -v) " in
	*' PREEMPT '*)		echo full ;;
	*' PREEMPT_RT '*)	;;
	*)	zcat /proc/config.gz 2>/dev/null |
			sed -n 's/^CONFIG_PREEMPT_\(NONE\|VOLUNTARY\)=y$/\L\1/p' ;;
	esac
}

# set_model MODEL: set the preemption model until the end of the test
set_model()
{
	if [ ! -w $SCHED/preempt ]; then
		[ "$(built_in_model)" != "$1" ] || return 0
		klp_skip "no $SCHED/preempt, and the model is not $1: CONFIG_PREEMPT_DYNAMIC=y"
	fi
	[ -n "$MODEL" ] || MODEL=$(sed 's/.*(\(.*\)).*/\1/' $SCHED/preempt)
	klp_set $SCHED/preempt "$1"
}

# --- checks ---------------------------------------------------------------------------------------

# expect_versions CMDLINE VALUE: check the output of the functions that most tests patch
expect_versions()
{
	local line

	klp_expect_file /proc/cmdline "$1"
	read -r line < /proc/$T
	klp_expect "first line of /proc/$T" "value: $2" "$line"
}

# watch_tasks: record the events of tasks from now on
watch_tasks()
{
	local event

	instance events
	EVENTS=$INSTANCE
	for event in klp_task_held klp_task_switched; do
		klp_set "$EVENTS/events/livepatch/$event/enable" 1
	done
}

# fates PID: print the events of a task, "sleeping FUNCTION", "running -" or "switched HOW"
fates()
{
	sed -n -e "s/.* klp_task_held: pid=$1 .* reason=\(.*\) function=\(.*\)/\1 \2/p" \
		-e "s/.* klp_task_switched: pid=$1 .* how=\(.*\)/switched \1/p" "$EVENTS/trace"
}

# met_with NUMBER PID: succeed if the task has that many events
met_with()
{
	[ "$(fates "$2" | wc -l)" -ge "$1" ]
}

# unswitched STATE: print the tasks in this state
unswitched()
{
	grep -lx -e "$1" /proc/[0-9]*/task/*/patch_state 2>/dev/null |
		sed 's|.*/task/\([0-9]*\)/.*|\1|' | paste -sd ' '
}

only_unswitched()
{
	[ "$(unswitched "$1")" = "$2" ]
}

# expect_held PATCH PID STATE FUNCTION [REASON]: check that all other tasks are switched, and that
# this one is not, at any check, because it sleeps in that function, or for another reason
expect_held()
{
	local fate="${5:-sleeping} $4"

	klp_until "a pass has looked at task $2" met_with 1 "$2"
	klp_expect "what happened to the task" "$fate" "$(fates "$2" | sort -u)"
	klp_until "only task $2 is left" only_unswitched "$3" "$2"
	klp_until "more passes have looked at task $2" met_with 4 "$2"
	klp_expect "what happened to the task" "$fate" "$(fates "$2" | sort -u)"
	klp_expect_file "/proc/$2/patch_state" "$3"
	klp_expect_file "$KLP_SYSFS/$1/transition" 1
}
