#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# A livepatch is not alone: other users of ftrace on the same functions, tasks in all places that a
# transition has to care about, and every preemption model.

# shellcheck source-path=SCRIPTDIR source=klp-lib.sh
. "$(dirname "$0")/klp-lib.sh"

P=test_klp_patch
P2=test_klp_patch2
T=test_klp_target
H=test_klp_hold
C=test_klp_chain
D=test_klp_direct
K=test_klp_probe

BOTH=objects=vmlinux:cmdline,$T:value
# One that direct callers are on is not the first of its object, lest only that one be cared for.
MORE=objects=vmlinux:version+cmdline,$T:value
CMDLINE=$(< /proc/cmdline)
SCHED=/sys/kernel/debug/sched

# What undo() is to bring back.
MODEL=
FAIR=

# --- what tests change, and how it is brought back ----------------------------------------------

# To be the EXIT trap of a test that changes more than klp-lib.sh knows of.
# shellcheck disable=SC2317 # a trap reaches it
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
		echo "-:$event" >> "$KLP_TRACING/kprobe_events"
	done
	[ -z "$MODEL" ] || echo "$MODEL" > $SCHED/preempt
	[ -z "$FAIR" ] || echo "${FAIR#* }" > "${FAIR% *}"
}

# instance NAME: a trace buffer of our own; its path is then in INSTANCE
instance()
{
	INSTANCE=$KLP_TRACING/instances/klp_$1
	mkdir "$INSTANCE" 2>/dev/null || klp_skip "ftrace has no instances here"
}

# set_model MODEL: the preemption model, for the rest of the test
set_model()
{
	[ -w $SCHED/preempt ] || klp_skip "no $SCHED/preempt: CONFIG_PREEMPT_DYNAMIC=y is needed"
	[ -n "$MODEL" ] || MODEL=$(sed 's/.*(\(.*\)).*/\1/' $SCHED/preempt)
	klp_set $SCHED/preempt "$1"
}

# --- what is seen -------------------------------------------------------------------------------

# expect_versions CMDLINE VALUE: what the functions do that most tests patch
expect_versions()
{
	local line

	klp_expect_file /proc/cmdline "$1"
	read -r line < /proc/$T
	klp_expect "first line of /proc/$T" "value: $2" "$line"
}

# watch_tasks: from here on, what happens to tasks is recorded
watch_tasks()
{
	local event

	instance events
	EVENTS=$INSTANCE
	for event in klp_task_held klp_task_switched; do
		klp_set "$EVENTS/events/livepatch/$event/enable" 1
	done
}

# fates PID: what has happened to a task, "sleeping FUNCTION", "running -" or "switched HOW"
fates()
{
	sed -n -e "s/.* klp_task_held: pid=$1 .* reason=\(.*\) function=\(.*\)/\1 \2/p" \
		-e "s/.* klp_task_switched: pid=$1 .* how=\(.*\)/switched \1/p" "$EVENTS/trace"
}

# met_with NUMBER PID: whether so much has happened to a task
met_with()
{
	[ "$(fates "$2" | wc -l)" -ge "$1" ]
}

# unswitched STATE: the tasks that are in this state
unswitched()
{
	grep -lx -e "$1" /proc/[0-9]*/task/*/patch_state 2>/dev/null |
		sed 's|.*/task/\([0-9]*\)/.*|\1|' | paste -sd ' '
}

only_unswitched()
{
	[ "$(unswitched "$1")" = "$2" ]
}

# expect_held PATCH PID STATE FUNCTION: all others get switched, this task does not, however often
# it is looked at, because it is in that function
expect_held()
{
	klp_until "a pass has looked at task $2" met_with 1 "$2"
	klp_expect "what happened to the task" "sleeping $4" "$(fates "$2" | sort -u)"
	klp_until "only task $2 is left" only_unswitched "$3" "$2"
	klp_until "more passes have looked at task $2" met_with 4 "$2"
	klp_expect "what happened to the task" "sleeping $4" "$(fates "$2" | sort -u)"
	klp_expect_file "/proc/$2/patch_state" "$3"
	klp_expect_file "$KLP_SYSFS/$1/transition" 1
}

# --- the function tracer ------------------------------------------------------------------------

tracer_on()
{
	instance tracer
	klp_set "$INSTANCE/current_tracer" function
}

tracer_off()
{
	klp_set "$INSTANCE/current_tracer" nop
	rmdir "$INSTANCE"
}

# expect_traced FUNCTION...: the tracer sees them called.  Nothing is forked meanwhile: on a debug
# kernel that alone would fill the buffer.
expect_traced()
{
	local name seen _

	klp_set "$INSTANCE/tracing_on" 0
	klp_set "$INSTANCE/trace" ''
	echo 1 > "$INSTANCE/tracing_on"
	read -r _ < /proc/cmdline
	read -r _ < /proc/$T
	echo 0 > "$INSTANCE/tracing_on"
	seen=$(grep -oE ": ($(IFS='|' && echo "$*")) <-" "$INSTANCE/trace" | sort -u)
	for name; do
		[[ $seen = *": $name <-"* ]] || klp_fail "the tracer has not seen a call of $name"
	done
	klp_set "$INSTANCE/tracing_on" 1
}

t_tracer_first()
{
	trap undo EXIT
	klp_load $T
	tracer_on
	klp_expect_file "$INSTANCE/set_ftrace_filter" "#### all functions enabled ####"
	klp_enable $P $BOTH
	expect_versions $P $P
	expect_traced cmdline_proc_show new_cmdline test_klp_target_value new_value
	klp_unload $T
	klp_load $T
	expect_versions $P $P
	expect_traced cmdline_proc_show new_cmdline test_klp_target_value new_value
	klp_enable $P2 $BOTH replace=1
	klp_wait_gone $P
	expect_versions $P2 $P2
	expect_traced cmdline_proc_show new_cmdline test_klp_target_value new_value
	klp_disable $P2
	expect_versions "$CMDLINE" original
	expect_traced cmdline_proc_show test_klp_target_value
	klp_expect "redirected" "" "$(klp_redirected)"
	tracer_off
	expect_versions "$CMDLINE" original
}

t_tracer_later()
{
	local round

	trap undo EXIT
	klp_enable $P $BOTH
	klp_load $T
	for round in 1 2; do
		tracer_on
		expect_versions $P $P
		expect_traced cmdline_proc_show new_cmdline test_klp_target_value new_value
		[ $round = 2 ] || tracer_off
		expect_versions $P $P
	done
	klp_disable $P
	expect_versions "$CMDLINE" original
	expect_traced cmdline_proc_show test_klp_target_value
	tracer_off
	expect_versions "$CMDLINE" original
}

# The stack of who was called under it is full of returns into the tracer.
t_graph()
{
	trap undo EXIT
	klp_load $C
	watch_tasks
	instance graph
	klp_write "$INSTANCE/set_ftrace_filter" ':mod:'$C > /dev/null
	[ -z "$(klp_write "$INSTANCE/current_tracer" function_graph)" ] ||
		klp_skip "no function_graph tracer in instances"
	klp_hold $C /proc/$C
	klp_enable $P objects=$C:leaf
	klp_disable $P
	klp_unload $P
	klp_set "$EVENTS/trace" ''
	klp_load $P objects=$C:top
	expect_held $P "$KLP_HELD" 0 test_klp_chain_top
	klp_release $C
	klp_wait_transition $P
	klp_expect_file /proc/$C "top: $P"
}

# --- kprobes ------------------------------------------------------------------------------------

# probes: those of ours there are
probes()
{
	sed -n 's|^[^:]*:\(klp/[^ ]*\) .*|\1|p' "$KLP_TRACING/kprobe_events"
}

# probe NAME WHAT: a kprobe that counts
probe()
{
	[ -w "$KLP_TRACING/kprobe_events" ] || klp_skip "no kprobe_events"
	# One write, and to the end: there may be others'.
	{ echo "$2" >> "$KLP_TRACING/kprobe_events"; } 2>/dev/null || return
	klp_set "$INSTANCE/events/klp/$1/enable" 1
}

unprobe()
{
	klp_set "$INSTANCE/events/klp/$1/enable" 0
	{ echo "-:klp/$1" >> "$KLP_TRACING/kprobe_events"; } || klp_fail "klp/$1 cannot be removed"
}

# probe_all: at the entry of the function of vmlinux and the one of the target, in the middle of the
# first, and where they return
probe_all()
{
	local offset

	probe entry "p:klp/entry cmdline_proc_show" || klp_fail "no kprobe at the entry"
	probe target "p:klp/target $T:test_klp_target_value" || klp_fail "no kprobe in $T"
	probe back "r:klp/back cmdline_proc_show" || klp_fail "no kretprobe"
	# The first instruction behind that which is ftrace's.
	for ((offset = 6; offset < 30; offset++)); do
		probe middle "p:klp/middle cmdline_proc_show+$offset" && return
	done
	klp_fail "no kprobe in the middle of cmdline_proc_show"
}

unprobe_all()
{
	local name

	for name in entry target back middle; do
		unprobe $name
	done
}

# expect_hits ENTRY TARGET BACK MIDDLE: of one call of each function
expect_hits()
{
	local name hits=''

	klp_set "$INSTANCE/trace" ''
	# Not read: it goes back to the end of the line, and the file makes up the line again.
	: "$(< /proc/cmdline)" "$(< /proc/$T)"
	for name in entry target back middle; do
		hits+=" $(grep -c " $name: " "$INSTANCE/trace")"
	done
	klp_expect "hits at entry, of the target, at return, in the middle" "$*" "${hits# }"
}

t_kprobe_first()
{
	trap undo EXIT
	klp_load $T
	instance probes
	probe_all
	expect_versions "$CMDLINE" original
	expect_hits 1 1 1 1
	klp_enable $P $BOTH
	expect_versions $P $P
	# The function that is patched is entered, and then left for the new one.
	expect_hits 1 1 1 0
	klp_disable $P
	expect_versions "$CMDLINE" original
	expect_hits 1 1 1 1
	unprobe_all
	expect_versions "$CMDLINE" original
}

t_kprobe_later()
{
	trap undo EXIT
	klp_load $T
	klp_enable $P $BOTH
	instance probes
	probe_all
	expect_versions $P $P
	expect_hits 1 1 1 0
	unprobe_all
	expect_versions $P $P
	probe_all
	klp_disable $P
	expect_versions "$CMDLINE" original
	expect_hits 1 1 1 1
}

t_kprobe_post_handler()
{
	# Not on a function that others may probe: then it would join their probe, and have no say.
	klp_load $K func=version_proc_show
	klp_mark
	klp_load_fails EBUSY $P objects=vmlinux:cmdline+version
	klp_expect_log <<-END
		livepatch: enabling patch '$P'
		$P: pre_patch vmlinux
		livepatch: failed to register ftrace handler for function 'version_proc_show' (-16)
		livepatch: failed to patch object 'vmlinux'
		livepatch: failed to enable patch '$P'
		$P: post_unpatch vmlinux
		livepatch: '$P': unpatching complete
	END
	klp_expect "what is in $KLP_SYSFS" "" "$(klp_list $KLP_SYSFS)"
	klp_expect "redirected" version_proc_show "$(klp_redirected)"
	klp_unload $K
	klp_expect "redirected" "" "$(klp_redirected)"

	klp_enable $P objects=vmlinux:cmdline+version
	klp_load_fails EBUSY $K func=version_proc_show
	klp_expect_file /proc/version $P
	klp_disable $P
	klp_load $K func=version_proc_show
}

# A task asleep below a function whose return is probed.
t_kretprobe_asleep()
{
	trap undo EXIT
	klp_load $C
	watch_tasks
	instance probes
	probe back "r:klp/back $C:test_klp_chain_middle" || klp_skip "no kretprobe"
	klp_hold $C /proc/$C
	klp_load $P objects=$C:top
	expect_held $P "$KLP_HELD" 0 test_klp_chain_top
	klp_release $C
	klp_wait_transition $P
	klp_expect_file /proc/$C "top: $P"
	# The probe keeps the module, as an event that is in use does.
	undo
}

# --- direct callers -----------------------------------------------------------------------------

# expect_hit: reading the file calls the trampoline
expect_hit()
{
	local before after _

	before=$(< "$(klp_param $D hits)")
	read -r _ < /proc/cmdline
	after=$(< "$(klp_param $D hits)")
	klp_expect "calls of the trampoline" $((before + 1)) "$after"
}

# expect_direct SHARED: so it does, and the trampoline gives way or need not
expect_direct()
{
	expect_hit
	klp_expect_file "$(klp_param $D shared)" "$1"
}

load_direct()
{
	[ -f "${KLP_KO[$D]}" ] || klp_skip "no module $D: no direct callers here"
	klp_load $D "$@"
}

t_direct_first()
{
	load_direct
	klp_load $T
	expect_direct N
	klp_enable $P $MORE
	expect_versions $P $P
	expect_direct Y
	klp_disable $P
	expect_versions "$CMDLINE" original
	expect_direct N
	klp_unload $P

	klp_enable $P $MORE
	expect_direct Y
	klp_unload $D
	expect_versions $P $P
	klp_disable $P
	expect_versions "$CMDLINE" original
}

t_direct_later()
{
	klp_load $T
	klp_enable $P $MORE
	load_direct
	expect_versions $P $P
	expect_direct Y
	klp_unload $D
	expect_versions $P $P
	load_direct
	klp_disable $P
	expect_versions "$CMDLINE" original
	expect_direct N
	klp_unload $D
	expect_versions "$CMDLINE" original
}

# An address that is new to a patch which has others on the same object.
t_direct_between()
{
	klp_enable $P objects=vmlinux:version
	load_direct
	klp_enable $P2 objects=vmlinux:version+cmdline
	klp_expect_file /proc/cmdline $P2
	expect_direct Y
	klp_disable $P2
	klp_expect_file /proc/cmdline "$CMDLINE"
	expect_direct N
	klp_expect_file /proc/version $P
}

t_direct_replace()
{
	load_direct
	klp_enable $P objects=vmlinux:cmdline
	klp_enable $P2 objects=vmlinux:cmdline+version replace=1
	klp_wait_gone $P
	klp_expect_file /proc/cmdline $P2
	expect_direct Y
	klp_disable $P2
	klp_expect_file /proc/cmdline "$CMDLINE"
	expect_direct N
}

# A function is given up, and the others that were patched along with it are not.
t_direct_given_up()
{
	load_direct
	klp_enable $P objects=vmlinux:version+cmdline
	klp_enable $P2 objects=vmlinux:version
	expect_direct Y
	klp_disable $P
	klp_expect "redirected" version_proc_show "$(klp_redirected)"
	klp_expect_file /proc/cmdline "$CMDLINE"
	klp_expect_file /proc/version $P2
	# ftrace tells it that it need not give way any more only when an ops goes altogether.
	expect_hit
	klp_unload $D
	load_direct
	expect_direct N
	klp_unload $P
	klp_enable $P objects=vmlinux:cmdline
	klp_expect_file /proc/cmdline $P
	expect_direct Y
	klp_disable $P
	expect_direct N
}

t_direct_refuses()
{
	load_direct refuse=11
	klp_mark
	klp_load_fails EAGAIN $P objects=vmlinux:version+cmdline
	klp_expect_log <<-END
		livepatch: enabling patch '$P'
		$P: pre_patch vmlinux
		livepatch: failed to register ftrace handler for function 'cmdline_proc_show' (-11)
		livepatch: failed to patch object 'vmlinux'
		livepatch: failed to enable patch '$P'
		$P: post_unpatch vmlinux
		livepatch: '$P': unpatching complete
	END
	klp_expect "what is in $KLP_SYSFS" "" "$(klp_list $KLP_SYSFS)"
	klp_expect "redirected" "" "$(klp_redirected)"
	klp_expect "modules" "$D" "$(klp_leftovers)"
	klp_expect_file /proc/cmdline "$CMDLINE"
	expect_direct N

	# The same patch, once the other has changed its mind.
	klp_set "$(klp_param $D refuse)" 0
	klp_enable $P objects=vmlinux:version+cmdline
	klp_expect_file /proc/cmdline $P
	expect_direct Y
}

t_direct_refused()
{
	klp_enable $P objects=vmlinux:cmdline
	[ -f "${KLP_KO[$D]}" ] || klp_skip "no module $D: no direct callers here"
	klp_load_fails EAGAIN $D refuse=11
	klp_expect_file /proc/cmdline $P
	klp_disable $P
	klp_expect_file /proc/cmdline "$CMDLINE"
	load_direct refuse=11
	expect_direct N
}

t_direct_and_tracer()
{
	trap undo EXIT
	klp_load $T
	load_direct
	tracer_on
	klp_enable $P $BOTH
	expect_versions $P $P
	expect_direct Y
	expect_traced cmdline_proc_show new_cmdline
	tracer_off
	expect_versions $P $P
	expect_direct Y
	klp_disable $P
	expect_versions "$CMDLINE" original
	expect_direct N
}

# --- sleeping tasks -----------------------------------------------------------------------------

O=original

# expect_chain LEAF MIDDLE TOP: what the task that was held has read, "-" for a line that is missing
expect_chain()
{
	local name line expected=''

	for name in leaf middle top; do
		line=$1
		shift
		[ "$line" = - ] || expected+="$name: $line"$'\n'
	done
	klp_expect "what the task that slept has read" "${expected%?}" "$KLP_SAID"
}

t_asleep_in()
{
	trap undo EXIT
	klp_load $C
	watch_tasks
	klp_hold $C /proc/$C
	# The right one of many functions must be found.
	klp_load $P objects=$C:leaf+step+middle+vm_open
	expect_held $P "$KLP_HELD" 0 test_klp_chain_middle
	klp_release $C
	expect_chain $O $O $O
	klp_wait_transition $P

	klp_set "$EVENTS/trace" ''
	klp_hold $P /proc/$C
	klp_set $KLP_SYSFS/$P/enabled 0
	expect_held $P "$KLP_HELD" 1 test_klp_chain_middle
	klp_release $P
	expect_chain - $P $O
	klp_wait_gone $P
}

# The function that changes has called the one that the task sleeps in.
t_asleep_below()
{
	trap undo EXIT
	klp_load $C
	watch_tasks
	klp_hold $C /proc/$C
	klp_load $P objects=$C:top
	expect_held $P "$KLP_HELD" 0 test_klp_chain_top
	klp_release $C
	expect_chain $O $O $O
	klp_wait_transition $P

	klp_set "$EVENTS/trace" ''
	klp_hold $P /proc/$C
	klp_set $KLP_SYSFS/$P/enabled 0
	expect_held $P "$KLP_HELD" 1 test_klp_chain_top
	klp_release $P
	expect_chain - - $P
	klp_wait_gone $P
}

# stop_passes: nobody looks at tasks from here on: the pre_patch of $P for $T waits, with the core's
# lock held, and is going to refuse $T
stop_passes()
{
	klp_set "$(klp_param $P blocked)" 1
	klp_insmod $T > "$KLP_TMP/errno" &
	LOADER=$!
	klp_until "pre_patch waits" klp_reads "$(klp_param $P blocking)" 1
}

go_on_with_passes()
{
	klp_set "$(klp_param $P blocked)" 0
	wait "$LOADER"
	klp_expect "error of loading $T" EDOM "$(< "$KLP_TMP/errno")"
}

# expect_moved FROM MODULE HELD STATE: the task that FROM holds is let go, and goes from there into
# the function of the module that has joined, where it is found.  HELD of MODULE counts it there.
expect_moved()
{
	stop_passes
	klp_set "$(klp_param "$1" hold)" 0
	klp_until "the task sleeps in the module that has joined" \
		klp_reads "$(klp_param "$2" "$3")" 1
	klp_set "$EVENTS/trace" ''
	go_on_with_passes
	expect_held $P "$KLP_HELD" "$4" test_klp_chain_middle
}

# let_moved_go FROM MODULE GATE LINE...: what the task has read since it was held first
let_moved_go()
{
	local file=$KLP_TMP/held.$1

	klp_set "$(klp_param "$2" "$3")" 0
	klp_until "the task has read its file" test -s "$file"
	shift 3
	klp_expect "what the task has read" "$(printf '%s\n' "$@")" "$(< "$file")"
}

# The function belongs to a module that has come in the middle of the transition.  A task that has
# not switched goes straight there from a function that was known from the beginning.
t_asleep_joined()
{
	trap undo EXIT
	klp_load $H chain=1
	watch_tasks
	klp_hold $H
	klp_load $P "objects=$H:hold,$C:leaf+middle,$T:value" block=pre_patch veto=$T
	expect_held $P "$KLP_HELD" 0 test_klp_hold_wait
	klp_load $C
	klp_set "$(klp_param $C hold)" 1
	expect_moved $H $C held 0
	# All of the old version, though the patch was there before the module.
	let_moved_go $H $C hold $O "leaf: $O" "middle: $O" "top: $O"
	klp_wait_transition $P
	klp_unload $C

	klp_set "$EVENTS/trace" ''
	klp_hold $P
	klp_set $KLP_SYSFS/$P/enabled 0
	expect_held $P "$KLP_HELD" 1 test_klp_hold_wait
	klp_load $C
	klp_set "$(klp_param $P middle_hold)" 1
	expect_moved $P $P middle_held 1
	let_moved_go $P $P middle_hold $P "middle: $P" "top: $O"
	klp_wait_gone $P
	# Nobody is left in there.
	klp_unload $P
}

# The task sleeps in a function that is about to call the one that changes.
t_asleep_above()
{
	local other caller

	trap undo EXIT
	klp_load $C
	klp_load $H
	watch_tasks
	klp_hold $C /proc/$C
	caller=$KLP_HELD
	# Another keeps the transition open, so that there is something to be seen.
	klp_hold $H
	other=$KLP_HELD
	klp_load $P objects=$C:leaf,$H:hold
	expect_held $P "$other" 0 test_klp_hold_wait
	klp_expect_file "/proc/$caller/patch_state" 1
	klp_expect "what happened to the caller" "switched stack" "$(fates "$caller")"
	klp_release $H
	klp_wait_transition $P
	klp_expect_file "$(klp_param $C held)" 1
	klp_release $C
	expect_chain $P $O $O

	klp_set "$EVENTS/trace" ''
	klp_hold $C /proc/$C
	caller=$KLP_HELD
	klp_hold $P
	other=$KLP_HELD
	klp_set $KLP_SYSFS/$P/enabled 0
	expect_held $P "$other" 1 test_klp_hold_wait
	klp_expect_file "/proc/$caller/patch_state" 0
	klp_expect "what happened to the caller" "switched stack" "$(fates "$caller")"
	klp_release $P
	klp_wait_gone $P
	klp_expect_file "$(klp_param $C held)" 1
	klp_release $C
	expect_chain $O $O $O
}

# --- preempted tasks ----------------------------------------------------------------------------

# preempt_setup: a CPU on which nobody but who may preempt gets in the way, and a task that calls
# test_klp_chain_step() there without end
preempt_setup()
{
	local server

	[ -r /proc/self/stack ] || klp_skip "no /proc/self/stack: CONFIG_STACKTRACE=y is needed"
	CPU=$(($(getconf _NPROCESSORS_ONLN) - 1))
	[ $CPU -gt 0 ] || klp_skip "one CPU is too few"
	klp_tool klp_hog
	set_model full

	# Those that are not real-time would get a share of the CPU after all.
	server=$SCHED/fair_server/cpu$CPU/runtime
	if [ -e "$server" ]; then
		FAIR="$server $(< "$server")"
		klp_set "$server" 0
	fi
	taskset -pc 0 $BASHPID > /dev/null || klp_skip "no taskset"

	klp_load $C spin=1
	watch_tasks
}

# preempt [HANDLER]: takes the CPU away from a task that is on its way into test_klp_chain_step(),
# in this handler or in that which calls all handlers where there are several
preempt()
{
	cat /proc/test_klp_spin > /dev/null &
	VICTIM=$!
	echo $VICTIM >> "$KLP_TMP/pids"
	klp_until "the task calls the function" stepping $VICTIM
	: > "$KLP_TMP/hog"
	"$KLP_TOOL" "$CPU" $VICTIM "${1:-klp_redirect_(one_)?handler}|arch_ftrace_ops_list_func" \
		'test_klp_chain_step\+' > "$KLP_TMP/hog" 2>&1 &
	HOG=$!
	echo $HOG >> "$KLP_TMP/pids"
	klp_until "the task is preempted on its way" test -s "$KLP_TMP/hog"
	STACK=$(< "$KLP_TMP/hog")
	[[ $STACK = '[<'* ]] || klp_fail "$STACK"
	klp_set "$EVENTS/trace" ''
}

stepping()
{
	grep -q test_klp_chain_step "/proc/$1/stack" && ! klp_reads "$(klp_param $C steps)" 0
}

# expect_preempted PATCH STATE: it is not switched as long as it is there
expect_preempted()
{
	expect_held "$1" "$VICTIM" "$2" test_klp_chain_step
	klp_expect "stack of the preempted task" "$STACK" "$(< /proc/"$VICTIM"/stack)"
}

# let_go VERSION: the transition ends, and the task calls this version
let_go()
{
	kill "$HOG"
	klp_until "the last task is switched" only_unswitched "[01]" ""
	klp_until "the task calls version $1" klp_reads "$(klp_param $C stepped)" "$1"
	klp_set "$(klp_param $C spin)" 0
	wait "$VICTIM"
}

t_preempted_unpatching()
{
	trap undo EXIT
	preempt_setup
	klp_enable $P objects=$C:step
	preempt
	klp_set $KLP_SYSFS/$P/enabled 0
	expect_preempted $P 1
	let_go 0
	klp_wait_gone $P
}

t_preempted_patching()
{
	trap undo EXIT
	preempt_setup
	klp_enable $P objects=$C:step
	preempt
	klp_load $P2 objects=$C:step
	expect_preempted $P2 0
	let_go 2
	klp_wait_transition $P2
}

t_preempted_replaced()
{
	trap undo EXIT
	preempt_setup
	klp_enable $P objects=$C:step
	preempt
	klp_load $P2 objects=$C:step replace=1
	expect_preempted $P2 0
	let_go 2
	klp_wait_transition $P2
	klp_wait_gone $P
	klp_unload $P
}

# The new patch leaves the function alone: the way leads back to the original.
t_preempted_dropped()
{
	trap undo EXIT
	preempt_setup
	klp_enable $P objects=$C:step
	preempt
	klp_load $P2 objects=vmlinux:cmdline replace=1
	expect_preempted $P2 0
	let_go 0
	klp_wait_transition $P2
	klp_wait_gone $P
	klp_unload $P
}

# Nobody is in our handler before there is a patch, but maybe in that of another.
t_preempted_in_tracer()
{
	trap undo EXIT
	preempt_setup
	instance tracer
	klp_write "$INSTANCE/set_ftrace_filter" test_klp_chain_step > /dev/null
	klp_set "$INSTANCE/current_tracer" function
	preempt function_trace_call
	klp_load $P objects=$C:step
	expect_preempted $P 0
	let_go 1
	klp_wait_transition $P
}

# --- forks --------------------------------------------------------------------------------------

# fork_start: a task that forks, and sleeps in the middle of it
fork_start()
{
	klp_tool klp_fork
	klp_set "$(klp_param $C fork_hold)" 1
	"$KLP_TOOL" /proc/$C /proc/cmdline > "$KLP_TMP/fork" 2>&1 &
	PARENT=$!
	echo $PARENT >> "$KLP_TMP/pids"
	klp_until "a task sleeps in fork" klp_reads "$(klp_param $C fork_held)" 1
}

both_have_read()
{
	[ "$(wc -l < "$KLP_TMP/fork")" -ge 2 ]
}

# fork_end TEXT: both have read this; the number of the child is then in CHILD
fork_end()
{
	klp_set "$(klp_param $C fork_hold)" 0
	klp_until "parent and child have read the file" both_have_read
	CHILD=$(sed -n 's/^child \([0-9]*\):.*/\1/p' "$KLP_TMP/fork")
	klp_expect "what parent and child have read" "\
child $CHILD: $1
parent $PARENT: $1" "$(sort "$KLP_TMP/fork")"
}

# The child's copy of the parent was made before the transition, and the parent switched after.
t_fork_switched()
{
	trap undo EXIT
	klp_load $C
	klp_load $H
	watch_tasks
	klp_hold $H
	fork_start
	klp_load $P objects=vmlinux:cmdline,$H:hold
	klp_until "the parent is switched" klp_reads /proc/$PARENT/patch_state 1
	klp_expect "what happened to the parent" "switched stack" "$(fates $PARENT)"
	fork_end $P
	klp_expect_file "/proc/$CHILD/patch_state" 1
	klp_expect "what happened to the child" "switched fork" "$(fates "$CHILD")"
	klp_expect_file $KLP_SYSFS/$P/transition 1
	klp_release $H
	klp_wait_transition $P
	klp_expect_file "/proc/$CHILD/patch_state" -1
}

# The parent is in a function that changes: its child has to be waited for too.
t_fork_unswitched()
{
	trap undo EXIT
	klp_load $C
	watch_tasks
	fork_start
	klp_load $P objects=vmlinux:cmdline,$C:vm_open
	klp_until "a pass has looked at the parent" met_with 1 $PARENT
	klp_expect "what happened to the parent" "sleeping test_klp_chain_vm_open" \
		"$(fates $PARENT | sort -u)"
	klp_expect_file /proc/$PARENT/patch_state 0
	fork_end $P
	# How depends on who came first, the child or a pass.  How=fork would be the target state.
	klp_until "the child is switched" met_with 1 "$CHILD"
	case $(fates "$CHILD" | tail -n 1) in
	'switched exit' | 'switched stack')	;;
	*)	klp_fail "what happened to the child:" "$(fates "$CHILD")" ;;
	esac
	klp_wait_transition $P
	klp_expect_file "/proc/$CHILD/patch_state" -1
}

# The direction changes while the child is half done.
t_fork_reversed()
{
	trap undo EXIT
	klp_load $C
	klp_load $H
	watch_tasks
	klp_hold $H
	klp_load $P objects=vmlinux:cmdline,$H:hold
	klp_until "this shell is switched" klp_reads /proc/self/patch_state 1
	fork_start
	klp_expect_file /proc/$PARENT/patch_state 1
	# Another that is held, in the new version, keeps the way back open too.
	klp_set "$(klp_param $P hold)" 1
	cat /proc/$H > /dev/null &
	echo $! >> "$KLP_TMP/pids"
	klp_until "a task sleeps in $P" klp_reads "$(klp_param $P held)" 1
	klp_set $KLP_SYSFS/$P/enabled 0
	klp_until "the parent is switched back" klp_reads /proc/$PARENT/patch_state 0
	fork_end "$CMDLINE"
	klp_expect_file "/proc/$CHILD/patch_state" 0
	klp_expect "what happened to the child" "switched fork" "$(fates "$CHILD")"
	klp_set "$(klp_param $P hold)" 0
	klp_wait_gone $P
	klp_expect_file "/proc/$CHILD/patch_state" -1
}

# --- preemption models --------------------------------------------------------------------------

# try_model MODEL
try_model()
{
	trap undo EXIT
	set_model "$1"
	klp_load $T
	klp_enable $P $BOTH
	expect_versions $P $P
	klp_disable $P
	expect_versions "$CMDLINE" original
	klp_unload $P

	klp_load $H nap=1
	klp_enable $P objects=$H:nap
	klp_disable $P
}

t_model_none()
{
	try_model none
}

t_model_voluntary()
{
	try_model voluntary
}

t_model_full()
{
	try_model full
}

klp_setup $P $P2 $T $H $C $K
KLP_KO[$D]=$(klp_find_module $D)

klp_main \
	"tracer_first all functions traced, then a patch and its targets come and go" \
	"tracer_later a patch, then all functions traced" \
	"graph a task asleep under the function_graph tracer" \
	"kprobe_first kprobes at entry, middle and return, then a patch" \
	"kprobe_later a patch, then kprobes at entry, middle and return" \
	"kprobe_post_handler a kprobe that says where a call goes on, and a patch: one at a time" \
	"kretprobe_asleep a task asleep below a function whose return is probed" \
	"direct_first a direct caller, then a patch" \
	"direct_later a patch, then a direct caller" \
	"direct_between a patch, then a direct caller, then a patch of more functions" \
	"direct_replace a direct caller under a patch that is replaced" \
	"direct_given_up a direct caller on a function of two that is patched no more" \
	"direct_refuses a direct caller that does not give way: the patch is refused" \
	"direct_refused a patch, and a direct caller that does not give way" \
	"direct_and_tracer a direct caller, a tracer and a patch on one function" \
	"asleep_in a task asleep in the function is not switched" \
	"asleep_below a task asleep in what the function has called is not switched" \
	"asleep_joined a task asleep in the function of a module that has joined is not switched" \
	"asleep_above a task asleep in a caller of the function is switched in its sleep" \
	"preempted_unpatching a task preempted in the handler is not switched, unpatching" \
	"preempted_patching a task preempted in the handler is not switched, patching" \
	"preempted_replaced a task preempted in the handler is not switched, replacing" \
	"preempted_dropped a task preempted in the handler is not switched, going to the original" \
	"preempted_in_tracer a task preempted in a tracer's handler is not switched" \
	"fork_switched a child is born in the state that its parent has got meanwhile" \
	"fork_unswitched a child of a task that is not switched is waited for" \
	"fork_reversed a child is born after the transition has been reversed" \
	"model_none transitions under preempt=none" \
	"model_voluntary transitions under preempt=voluntary" \
	"model_full transitions under preempt=full"
