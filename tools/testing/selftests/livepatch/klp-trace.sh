#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The trace events: their names and fields, the results of refused requests, and the events of
# single tasks.

# shellcheck source-path=SCRIPTDIR source=klp-lib.sh
. "$(dirname "$0")/klp-lib.sh"

P=test_klp_patch
P2=test_klp_patch2
B=test_klp_bad
T=test_klp_target
H=test_klp_hold

# new_lines: print the events since the last call
new_lines()
{
	tail -n +$((KLP_TRACE_SEEN + 1)) "$KLP_TRACE/trace" | grep -v '^#'
}

# expect_lines < EXPECTED: check the events without their durations, when all requests have
# results
expect_lines()
{
	local expected

	IFS= read -r -d '' expected
	klp_until "all requests have been answered" klp_trace_settled 0
	klp_expect "the trace" "${expected%"$KLP_NL"}" \
		"$(new_lines | sed 's/duration_ns=[0-9][0-9]*$/duration_ns=N/')"
	klp_trace_mark
}

t_fields()
{
	klp_expect "events and their fields" "\
klp_callback: patch object kind function ret duration_ns
klp_object_patched: patch object functions
klp_object_unpatched: patch object functions
klp_request: patch request
klp_request_done: patch request result duration_ns
klp_state_callback: patch id kind function ret duration_ns
klp_state_inherited: patch id version
klp_state_introduced: patch id version
klp_state_removed: patch id version
klp_task_held: pid comm reason function
klp_task_switched: pid comm how
klp_transition_complete: patch direction
klp_transition_force: patch direction
klp_transition_reverse: patch direction
klp_transition_start: patch direction" \
		"$(awk 'FNR == 1 {
				sub(/.*: /, "")
				printf "%s%s:", NR == 1 ? "" : "\n", $0
			}
			/^\tfield:/ && $0 !~ / common_/ && $0 !~ /common_type/ {
				sub(/;.*/, "")
				sub(/.* /, "")
				sub(/\[.*/, "")
				printf " %s", $0
			}
			END { print "" }' "$KLP_TRACING"/events/livepatch/klp_*/format)"
}

# callback OBJECT KIND FUNCTION RET: print the line of that event
callback()
{
	echo "klp_callback: patch=$P object=$1 kind=$2 function=$3 [$P] ret=$4 duration_ns=N"
}

t_lines()
{
	klp_load $T
	klp_enable $P objects=vmlinux:cmdline,$T:value+extra hooks=2 hook_ret=-5
	expect_lines <<-END
		klp_request: patch=$P request=enable
		$(callback vmlinux pre_patch pre_patch 0)
		$(callback vmlinux patch_hook patch_hook_1 -5)
		$(callback vmlinux patch_hook patch_hook_2 0)
		klp_object_patched: patch=$P object=vmlinux functions=1
		$(callback $T pre_patch pre_patch 0)
		$(callback $T patch_hook patch_hook_1 -5)
		$(callback $T patch_hook patch_hook_2 0)
		klp_object_patched: patch=$P object=$T functions=2
		klp_transition_start: patch=$P direction=patching
		$(callback vmlinux post_patch post_patch 0)
		$(callback $T post_patch post_patch 0)
		klp_transition_complete: patch=$P direction=patching
		klp_request_done: patch=$P request=enable result=0 duration_ns=N
	END
	klp_disable $P
	expect_lines <<-END
		klp_request: patch=$P request=disable
		$(callback vmlinux pre_unpatch pre_unpatch 0)
		$(callback $T pre_unpatch pre_unpatch 0)
		klp_transition_start: patch=$P direction=unpatching
		klp_object_unpatched: patch=$P object=vmlinux functions=1
		klp_object_unpatched: patch=$P object=$T functions=2
		$(callback vmlinux unpatch_hook unpatch_hook_1 -5)
		$(callback vmlinux unpatch_hook unpatch_hook_2 0)
		$(callback vmlinux post_unpatch post_unpatch 0)
		$(callback $T unpatch_hook unpatch_hook_1 -5)
		$(callback $T unpatch_hook unpatch_hook_2 0)
		$(callback $T post_unpatch post_unpatch 0)
		klp_transition_complete: patch=$P direction=unpatching
		klp_request_done: patch=$P request=disable result=0 duration_ns=N
	END
}

t_lines_reversed_forced()
{
	klp_load $H
	klp_hold $H
	klp_load $P objects=$H:hold callbacks=0 replace=1
	klp_set $KLP_SYSFS/$P/enabled 0
	klp_wait_gone $P
	klp_unload $P
	klp_load $P objects=$H:hold callbacks=0
	klp_set $KLP_SYSFS/$P/force 1
	klp_wait_transition $P
	expect_lines <<-END
		klp_request: patch=$P request=replace
		klp_object_patched: patch=$P object=$H functions=1
		klp_transition_start: patch=$P direction=patching
		klp_request: patch=$P request=disable
		klp_request_done: patch=$P request=replace result=-125 duration_ns=N
		klp_transition_reverse: patch=$P direction=unpatching
		klp_transition_start: patch=$P direction=unpatching
		klp_object_unpatched: patch=$P object=$H functions=1
		klp_transition_complete: patch=$P direction=unpatching
		klp_request_done: patch=$P request=disable result=0 duration_ns=N
		klp_request: patch=$P request=enable
		klp_object_patched: patch=$P object=$H functions=1
		klp_transition_start: patch=$P direction=patching
		klp_transition_force: patch=$P direction=patching
		klp_transition_complete: patch=$P direction=patching
		klp_request_done: patch=$P request=enable result=0 duration_ns=N
	END
}

# --- requests -------------------------------------------------------------------------------------

# Each call with a module is a request, and has a result.
t_refused()
{
	local case

	for case in no_objects no_functions_array object_name_empty object_twice function_twice \
		no_such_symbol; do
		klp_insmod $B case=$case > "$KLP_TMP/errno"
		klp_expect_trace <<-END
			bad: request enable, done enable -$(< "$KLP_TMP/errno")
		END
	done
	klp_load_fails EINVAL test_klp_unmarked
	klp_expect_trace <<-END
		unmarked: request enable, done enable -EINVAL
	END
	klp_load_fails EINVAL $B case=no_patch
	klp_load_fails EINVAL $B case=no_module
	klp_expect_trace < /dev/null
}

t_refused_in_sysfs()
{
	klp_enable $P objects=vmlinux:cmdline hooks=1
	klp_trace_mark
	klp_expect "error of writing 1" EINVAL "$(klp_write $KLP_SYSFS/$P/enabled 1)"
	klp_expect_trace <<-END
		patch: request enable, done enable -EINVAL
	END
	# Values that are not booleans, and other files, are no requests.
	klp_expect "error of writing garbage" EINVAL "$(klp_write $KLP_SYSFS/$P/enabled garbage)"
	klp_expect "error of forcing" EINVAL "$(klp_write $KLP_SYSFS/$P/force 1)"
	klp_expect_trace < /dev/null
}

t_refused_in_transition()
{
	klp_load $H
	klp_enable $P objects=vmlinux:cmdline hooks=1
	klp_trace_mark
	klp_hold $H
	klp_load $P2 objects=$H:hold hooks=1
	klp_load_fails EBUSY test_klp_patch3 objects=vmlinux:version replace=1
	klp_expect "error of writing 0" EBUSY "$(klp_write $KLP_SYSFS/$P/enabled 0)"
	klp_expect "error of writing 1" EINVAL "$(klp_write $KLP_SYSFS/$P2/enabled 1)"
	klp_release $H
	klp_wait_transition $P2
	klp_expect_trace <<-END
		patch2: request enable
		patch2 hold: pre_patch 0, patch_hook_1 0, patched 1
		patch2: start patching
		patch3: request replace, done replace -EBUSY
		patch: request disable, done disable -EBUSY
		patch2: request enable, done enable -EINVAL
		patch2 hold: post_patch
		patch2: complete patching, done enable 0
	END
}

# --- tasks ----------------------------------------------------------------------------------------

# record_tasks [OPEN]: record the events of tasks from now on
record_tasks()
{
	klp_trace_mark "$@"
	klp_record_tasks 1
}

# seen EVENT PID COMM REST: succeed if there is such an event
seen()
{
	new_lines | grep -q "^klp_task_$1: pid=$2 comm=$3 $4\$"
}

# until_seen EVENT PID COMM REST: wait for such an event
until_seen()
{
	klp_until "klp_task_$1: pid=$2 comm=$3 $4" seen "$@"
}

# expect_seen EVENT PID COMM REST: check for such an event after the transition, or print the
# events of the task
expect_seen()
{
	seen "$@" || klp_fail "no klp_task_$1: pid=$2 comm=$3 $4" "what has come:" \
		"$(new_lines | grep "pid=$2 ")"
}

# No task is switched twice in one direction.
expect_no_twice()
{
	klp_expect "tasks that have been switched twice" "" "$(new_lines | awk '
		/^klp_transition_start:/ { way++ }
		/^klp_task_switched:/ && seen[way, $2, $3]++
	')"
}

t_task_stack()
{
	klp_load $H
	klp_hold $H
	record_tasks
	klp_enable $P objects=vmlinux:cmdline
	expect_seen switched "$KLP_HELD" cat how=stack
	expect_no_twice
	# The task has been switched without waking up.
	klp_expect_file "$(klp_param $H held)" 1
}

t_task_held()
{
	klp_load $H
	klp_hold $H
	record_tasks
	klp_load $P objects=$H:hold
	until_seen held "$KLP_HELD" cat "reason=sleeping function=test_klp_hold_wait"
	! seen switched "$KLP_HELD" cat "how=.*" || klp_fail "switched in the patched function"
	klp_release $H
	klp_wait_transition $P
	# The first safe point was the return to user space.
	expect_seen switched "$KLP_HELD" cat how=exit
	expect_no_twice
}

# The task occupies a processor, and is checked from another one.
t_task_running()
{
	klp_reads /sys/devices/system/cpu/cpu1/online 1 || klp_skip "no second processor"
	taskset -pc 0 $BASHPID > /dev/null || klp_skip "no taskset"
	klp_load $H busy=1
	klp_hold $H
	taskset -pc 1 "$KLP_HELD" > /dev/null
	record_tasks
	klp_load $P objects=$H:hold
	until_seen held "$KLP_HELD" cat "reason=running function=-"
	! seen switched "$KLP_HELD" cat "how=.*" || klp_fail "switched while it was running"
	klp_release $H
	klp_wait_transition $P
	expect_seen switched "$KLP_HELD" cat how=exit
	expect_no_twice
}

# The task may be in the function, so it is not switched until its stack is reliable.
t_task_unreliable()
{
	klp_load $H unreliable=1
	[ -e "$(klp_param $H unreliable)" ] || klp_skip "no stack is unreliable for this unwinder"
	klp_hold $H
	record_tasks
	klp_load $P objects=$H:hold
	until_seen held "$KLP_HELD" cat "reason=unreliable function=-"
	klp_until "this shell has switched" klp_reads /proc/self/patch_state 1
	klp_expect_file "/proc/$KLP_HELD/patch_state" 0
	klp_expect_file $KLP_SYSFS/$P/transition 1
	! seen switched "$KLP_HELD" cat "how=.*" || klp_fail "switched with an unreliable stack"
	klp_release $H
	klp_expect "what the task has read" original "$KLP_SAID"
	klp_wait_transition $P
	expect_seen switched "$KLP_HELD" cat how=exit
	expect_no_twice
}

t_task_force()
{
	klp_load $H
	klp_hold $H
	record_tasks
	klp_load $P objects=$H:hold
	until_seen held "$KLP_HELD" cat "reason=sleeping function=test_klp_hold_wait"
	klp_set $KLP_SYSFS/$P/force 1
	klp_wait_transition $P
	expect_seen switched "$KLP_HELD" cat how=force
	expect_no_twice
}

t_task_fork()
{
	local child comm

	klp_load $H
	klp_hold $H
	record_tasks
	klp_load $P objects=$H:hold
	klp_until "this shell has switched" klp_reads /proc/self/patch_state 1
	# The task of klp_hold is a child of this shell, so it is never in the old state.
	klp_hold $P
	child=$KLP_HELD
	read -r comm < /proc/self/comm
	expect_seen switched "$child" "$comm" how=fork
	klp_expect_file "/proc/$child/patch_state" 1
	klp_release $P
	klp_release $H
	klp_wait_transition $P
	expect_no_twice
}

# Each check finds the kernel thread asleep in the function.
t_task_cond_resched()
{
	local pid

	klp_load $H nap=1
	pid=$(< "$(klp_param $H napper_pid)")
	klp_hold $H
	record_tasks
	klp_load $P objects=$H:hold+nap
	until_seen switched "$pid" klp_napper how=cond_resched
	klp_release $H
	klp_wait_transition $P
	expect_no_twice
}

# The thread never sleeps and only calls cond_resched().
t_task_stopper()
{
	local pid

	klp_load $H nap=1 sleepless=1
	pid=$(< "$(klp_param $H napper_pid)")
	record_tasks
	klp_enable $P objects=$H:hold+nap
	expect_seen switched "$pid" klp_napper how=stopper
	expect_no_twice
}

# The idle task of an offline processor cannot switch itself.
t_task_idle()
{
	local online=/sys/devices/system/cpu/cpu1/online

	klp_reads $online 1 || klp_skip "no second processor that can be turned off"
	trap 'echo 1 > /sys/devices/system/cpu/cpu1/online' EXIT
	klp_set $online 0
	record_tasks
	klp_enable $P objects=vmlinux:cmdline
	expect_seen switched 0 swapper/1 how=idle
	klp_set $online 1
	expect_no_twice
}

# All tasks are switched back, each of them once.
t_task_reversed()
{
	klp_load $H
	klp_hold $H
	record_tasks
	klp_load $P objects=$H:hold
	until_seen switched 1 '.*' 'how=.*'
	record_tasks 1
	klp_set $KLP_SYSFS/$P/enabled 0
	klp_wait_gone $P
	expect_seen switched 1 '.*' 'how=.*'
	! seen switched "$KLP_HELD" cat "how=.*" || klp_fail "switched back without having switched"
	expect_no_twice
}

klp_setup $P $P2 test_klp_patch3 $B test_klp_unmarked $T $H
klp_record

klp_main \
	"fields names of the events and of their fields" \
	"lines each field of the events of a patch that is enabled and disabled" \
	"lines_reversed_forced each field of the events of reversed and forced transitions" \
	"refused refused descriptions have one result each" \
	"refused_in_sysfs refused writes have one result each" \
	"refused_in_transition requests while another patch is in transition" \
	"task_stack a task that sleeps elsewhere is switched while it sleeps" \
	"task_held a task that sleeps in the function is switched on its way out" \
	"task_running a task that runs on another processor is not switched" \
	"task_unreliable a task with an unreliable stack is not switched" \
	"task_force a pending task is switched by force" \
	"task_fork a child of a switched task" \
	"task_stopper a kernel thread that never sleeps is switched by a stopper thread" \
	"task_cond_resched a kernel thread is switched in cond_resched()" \
	"task_idle the idle task of an offline processor" \
	"task_reversed tasks are switched back"
