#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# check.sh [DIR]: search the models of the livepatch consistency protocol, in DIR (default: a
# temporary directory). The unchanged protocol must have no error. Each deliberate break must be
# found, as a violation of the property that is named here. The events that the properties are
# about must be possible in the model. README has the commands of a single search.

HERE=$(cd "$(dirname "$0")" && pwd -P) || exit
if [ -n "$1" ]; then
	mkdir -p "$1" && DIR=$(cd "$1" && pwd -P) || exit
else
	DIR=$(mktemp -d) || exit
	trap 'rm -rf "$DIR"' EXIT
fi

declare -A SAYS=(
	[one_universe]="no task has old and new functions of a patch on its stack"
	[safe_point]="a task is switched only while it runs none of what changes"
	[none_left_behind]="a transition that is over is over for every task and call"
	[nothing_freed_in_use]="what is freed is on no stack and in no handler"
	[flag_means_state]="a handler that sees a flag does not see KLP_TRANSITION_IDLE"
	[nop_is_known]="no handler takes a nop for code"
	[every_transition_ends]="it does once tasks reach a safe point (weak fairness)"
	[once_per_arrival]="a callback runs when it is due, once for each arrival"
	[nothing_lost]="what is owed has run when the object or the patch is gone"
	[redirected_in_between]="pre_patch, post_unpatch: not redirected; the others: yes"
	[only_while_loaded]="no callback runs for a module that is not there"
	[none_runs_unpatched]="a module under a patch is redirected before it runs"
	[one_holder]="one owner of a state has its stage"
	[data_is_current]="owners of a state have the data of its introduction, others have none"
	[refused_as_before]="a patch that is refused has removed no state"
	[newest_removes]="the newest of its last owners removes a state"
	[withdrawn_in_time]="pre_unpatch precedes the transition, unless a module is lost in it"
	[sets_apart]="a replace and a state are of one replace set"
)
TASKS="one_universe safe_point none_left_behind nothing_freed_in_use flag_means_state"
OWED="once_per_arrival nothing_lost redirected_in_between only_while_loaded none_runs_unpatched
	nothing_freed_in_use"
STATES="once_per_arrival nothing_lost only_while_loaded one_holder data_is_current
	refused_as_before newest_removes withdrawn_in_time sets_apart"

declare -A searches=() visited=() breaks=()
nr=0
bad=0

complain()
{
	echo "check.sh: $*"
	bad=1
}

# run OPTIMIZE MODEL FLAGS...: run one search. Sets $found (the violated property or nothing),
# $states, $depth and $seconds (of a CPU). All files stay in a directory of DIR
run()
{
	local optimize=$1 model=$2 how=(-DSAFETY -DBFS) args=(-w22) TIMEFORMAT='%U %S'
	shift 2

	# A breadth-first search gives the shortest trail, but finds no cycles.
	case " $* " in
	*" -DLIVE "*)
		how=()
		args=(-w22 -m1000000 -a -f) ;;
	esac
	nr=$((nr + 1))
	rm -rf "${DIR:?}/$nr"
	mkdir "$DIR/$nr" && cd "$DIR/$nr" || exit
	echo "spin -a $* $HERE/$model.pml; gcc ${how[*]} pan.c -o pan; ./pan ${args[*]}" >how
	{ time {
		spin -a "$@" "$HERE/$model.pml" &&
		gcc "$optimize" -w "${how[@]}" pan.c -o pan &&
		timeout 900 ./pan "${args[@]}"
	} >log 2>&1; } 2>cpu
	seconds=$(awk '{ printf "%.1f", $1 + $2 }' cpu)
	found=$(sed -n -e 's/^pan:[0-9]*: assertion violated \([^ ]*\).*/\1/p' \
		-e 's/^pan:[0-9]*: acceptance cycle.*/every_transition_ends/p' \
		-e 's/^pan:[0-9]*: invalid end state.*/a_deadlock/p' log | head -n 1)
	states=$(sed -n 's/^ *\([0-9.e+]*\) states, stored.*/\1/p' log)
	depth=$(sed -n 's/.*depth reached \([0-9]*\),.*/\1/p' log)
	# An incomplete search proves nothing.
	if [ -z "$states" ] || grep -q -e '^error' -e 'too small' -e 'out of memory' log; then
		tail -n 20 log
		complain "$model $*: the search is not complete"
	fi
}

# search PROPERTIES MODEL FLAGS...: search the unchanged protocol
search()
{
	local property properties=$1 result=holds
	shift

	case $1 in
	# Optimizing takes longer than the search.
	callbacks | states)	run -O0 "$@" ;;
	*)			run -O2 "$@" ;;
	esac
	if [ -n "$found" ] || [ -z "$states" ]; then
		result="FAILED: ${found:-no end}"
		bad=1
	fi
	printf '%-12s%-34s%9s%8s%9s  %s\n' "$1" "${*:2}" "$states" "$depth" "$seconds" "$result"
	for property in $properties; do
		searches[$property]="${searches[$property]} $nr"
		visited[$property]=$(awk -v a="${visited[$property]}" -v b="$states" \
			'BEGIN { printf "%d", a + b }')
	done
}

# broken PROPERTY MODEL BREAK FLAGS...: search a break, which must violate this property
broken()
{
	local property=$1 model=$2 name=$3
	shift 3

	# Ignore violations of other properties. The end of transitions is a claim, not an
	# assertion.
	[ "$property" = every_transition_ends ] || set -- "-DONLY=$property" "$@"
	run -O0 "$model" "-DBREAK_$name" "$@"
	if [ "$found" = "$property" ]; then
		printf '%-12s%-30s%s\n' "$model" "$name" "$property"
		breaks[$property]=$((${breaks[$property]:-0} + 1))
	else
		printf '%-12s%-30s%s\n' "$model" "$name" "NOT FOUND by $property"
		bad=1
	fi
}

# happens MODEL NAME FLAGS...: search for a run in which this happens
happens()
{
	local model=$1 name=$2
	shift 2

	run -O0 "$model" "-DWITNESS=$name" "$@"
	if [ "$found" = 0 ]; then
		printf '%-12s%-30s%s\n' "$model" "$name" "after $depth steps"
	else
		printf '%-12s%-30s%s\n' "$model" "$name" "NEVER"
		bad=1
	fi
}

command -v spin gcc >/dev/null || { echo "check.sh: spin and gcc are needed"; exit 1; }

echo "The protocol as it is"
printf '%-12s%-34s%9s%8s%9s  %s\n' model with states depth seconds result
search "$TASKS" transition -DTASKS=2
search "$TASKS nop_is_known" transition -DTASKS=2 -DREPLACE
search "$TASKS" transition -DTASKS=1 -DSLOTS=2
search "$TASKS nop_is_known" transition -DTASKS=1 -DREPLACE -DFORCE
search every_transition_ends transition -DTASKS=2 -DREPLACE -DLIVE
search every_transition_ends transition -DTASKS=2 -DFIRST=SLEEPER -DLIVE
search "$TASKS" memory
search "$TASKS" memory -DCOND_RESCHED
search "$OWED" callbacks
search "$OWED" callbacks -DNOPS
search "$STATES" states
search "$STATES" states -DSTACKED
search "$STATES" states -DSETS
search "$STATES" states -DAPART
search "$STATES" states -DCONTAINS
search "$STATES" states -DBOUND=ALL
search "$STATES" states -DBOUND=ALL -DSTACKED
search "$STATES" states -DBOUND=ALL -DAPART
search "$STATES" states -DBOUND=ALL -DCONTAINS
search "$STATES" states -DBOUND=1
search "$STATES" states -DBOUND=2
search "$STATES" states -DBOUND=1 -DSTACKED
search "$STATES" states -DBOUND=2 -DSTACKED
search "$STATES" states -DBOUND=3 -DCONTAINS

echo
echo "Breaks of it, and the property that finds each"
printf '%-12s%-30s%s\n' model break "found by"
one=(-DTASKS=1 -DREPLACE)
broken flag_means_state transition FLAG_BEFORE_STATE "${one[@]}"
broken safe_point transition PASS_UNCHECKED "${one[@]}"
broken one_universe transition PASS_UNCHECKED "${one[@]}"
broken safe_point transition COND_RESCHED_UNCHECKED "${one[@]}"
broken safe_point transition CHECK_WHILE_IT_RUNS "${one[@]}"
broken one_universe transition NO_ENTRY_RANGE "${one[@]}"
broken one_universe transition HANDLER_PREEMPTIBLE "${one[@]}"
broken nothing_freed_in_use transition HANDLER_PREEMPTIBLE "${one[@]}"
broken none_left_behind transition SWITCH_PREEMPTIBLE "${one[@]}"
broken one_universe transition PENDING_BEFORE_REDIRECT "${one[@]}" -DNEVER_REFUSED
broken safe_point transition OLD_STACK_TABLE "${one[@]}"
broken none_left_behind transition REVERSE_WITHOUT_WAIT "${one[@]}"
broken every_transition_ends transition REVERSE_WITHOUT_WAIT "${one[@]}" -DLIVE
broken safe_point transition REVERSE_KEEPS_PENDING "${one[@]}"
broken every_transition_ends transition REVERSE_KEEPS_PENDING "${one[@]}" -DLIVE
broken one_universe transition PATCHED_WITHOUT_WAIT "${one[@]}"
broken nothing_freed_in_use transition PATCHED_WITHOUT_WAIT "${one[@]}"
broken one_universe transition UNPATCHED_WITHOUT_WAIT "${one[@]}"
broken nothing_freed_in_use transition UNPATCHED_WITHOUT_WAIT "${one[@]}"
broken one_universe transition FLAG_CLEARED_BEFORE_WAIT "${one[@]}"
broken one_universe transition IDLE_BEFORE_WAIT "${one[@]}"
broken nop_is_known transition NOP_FLAG_DROPPED "${one[@]}"
broken nothing_freed_in_use transition NOP_FREED_BEFORE_WAIT "${one[@]}"
broken nothing_freed_in_use transition RETIRES_WHAT_IS_ABOVE "${one[@]}"
broken nothing_freed_in_use transition FORCED_CODE_FREED "${one[@]}" -DFORCE
broken none_left_behind transition NO_FINAL_PASS -DTASKS=1 -DSLOTS=2
broken none_left_behind transition FORK_NO_FLAG -DTASKS=1 -DSLOTS=2
broken none_left_behind transition FORK_NO_STATE -DTASKS=1 -DSLOTS=2
broken none_left_behind transition FORK_UNLOCKED -DTASKS=1 -DSLOTS=2
broken every_transition_ends transition PASS_FINDS_NOBODY -DTASKS=1 -DFIRST=SLEEPER -DLIVE
broken flag_means_state memory INIT_WMB
broken one_universe memory INIT_WMB
broken flag_means_state memory HANDLER_RMB
broken one_universe memory HANDLER_RMB
broken one_universe memory START_WMB
broken one_universe memory START_WMB -DCOND_RESCHED
broken safe_point memory CLEAR_NOT_ORDERED
broken one_universe memory PUSH_NOT_ORDERED
broken safe_point memory COND_RESCHED_RMB -DCOND_RESCHED
broken safe_point memory TABLE_NOT_ORDERED -DCOND_RESCHED
broken one_universe memory SCHEDULER_ORDERS_NOTHING
broken one_universe memory WAIT_ORDERS_NOTHING
broken one_universe memory PATCHED_WITHOUT_WAIT
broken nothing_freed_in_use memory UNPATCHED_WITHOUT_WAIT
broken none_left_behind memory REVERSE_WITHOUT_WAIT
broken once_per_arrival callbacks WITHDRAW_UNASKED
broken once_per_arrival callbacks RELEASE_UNASKED
broken once_per_arrival callbacks REVERSE_PUBLISHES
broken once_per_arrival callbacks LIVE_IN_TRANSITION
broken only_while_loaded callbacks NOT_LOADED
broken nothing_lost callbacks NOT_WITHDRAWN
broken nothing_lost callbacks NOT_FORGOTTEN
broken nothing_lost callbacks NOT_RELEASED_WHEN_REFUSED
broken nothing_lost callbacks NOT_RELEASED_WHEN_GOING
broken nothing_lost callbacks REFUSED_BUT_NOT_REVERTED
broken redirected_in_between callbacks RELEASE_WHILE_REDIRECTED
broken nothing_freed_in_use callbacks FINDS_WHAT_IS_NOT_ALIVE
broken nothing_freed_in_use callbacks GOING_IS_ALIVE
broken none_runs_unpatched callbacks ALIVE_ONLY_IF_NAMED
broken nothing_freed_in_use callbacks RETIRES_WHAT_IS_ABOVE
broken once_per_arrival states EACH_OWNER_REMOVES -DSTACKED
broken withdrawn_in_time states EACH_TAKES_THE_OTHER
broken nothing_lost states KEPT_NOT_PUBLISHED
broken nothing_lost states STAGE_NOT_PASSED_ON
broken nothing_lost states MODULE_NOT_WITHDRAWN -DBOUND=ALL
broken withdrawn_in_time states PUBLISHED_IN_TRANSITION -DBOUND=ALL
broken withdrawn_in_time states PUBLISHED_IN_ONE_DIRECTION -DBOUND=ALL
broken nothing_lost states SETTLED_WITHOUT_WITHDRAWAL -DBOUND=2 -DSTACKED
broken only_while_loaded states STALE_WITHOUT_MODULE -DBOUND=ALL
broken one_holder states STAGE_NOT_PASSED_ON
broken data_is_current states NOT_INHERITED
broken data_is_current states INHERITED_FROM_OLDER -DBOUND=1
broken data_is_current states DATA_NOT_FORGOTTEN
broken data_is_current states DATA_KEPT_WITHOUT_MODULE -DBOUND=ALL
broken refused_as_before states REPLACES_TOO_EARLY
broken newest_removes states HOLDER_REMOVES
broken sets_apart states SETS_IGNORED -DAPART
broken sets_apart states CONFLICT_IGNORED -DSETS

echo
echo "What must happen in it"
printf '%-12s%-30s%s\n' model what found
for what in AT_EXIT BY_STACK_CHECK IN_COND_RESCHED IN_ANOTHER_FUNCTION HELD_BY_STACK \
	ASKED_FOR_OLDER CALLED_A_NOP REPLACED_ONE STANDS_ABOVE_REPLACING; do
	happens transition $what "${one[@]}"
done
happens transition BORN_UNSWITCHED -DTASKS=1 -DSLOTS=2
happens transition RUNS_FORCED_CODE "${one[@]}" -DFORCE
for what in AT_EXIT IN_COND_RESCHED ASKED_FOR_OLDER OVERTAKEN REVERSED; do
	happens memory $what -DCOND_RESCHED
done
for what in CAME_IN_TRANSITION LEFT_IN_TRANSITION LEFT_WHEN_LIVE REFUSED_BY_THE_SECOND \
	REPLACED_WITH_MODULE VETOED_WHEN_PREPARED STANDS_ABOVE_REPLACING; do
	happens callbacks $what
done
for what in INHERITED STAGE_PASSED_ON REMOVED_BY_REPLACE REMOVAL_REVERSED; do
	happens states $what
done
happens states SHARED_REMOVED -DSTACKED
happens states KEPT_WHEN_DISABLED -DSTACKED
happens states SET_REFUSED -DSETS
happens states SET_CONTAINED -DCONTAINS
happens states CAME_WITH_MODULE -DBOUND=ALL
happens states LEFT_WITH_MODULE -DBOUND=ALL

echo
echo "The properties"
printf '%-23s%9s%10s%8s  %s\n' property searches states breaks "what it says"
for property in $TASKS nop_is_known every_transition_ends $OWED $STATES; do
	[ -n "${searches[$property]}" ] || continue
	printf '%-23s%9s%10s%8s  %s\n' "$property" "$(wc -w <<<"${searches[$property]}")" \
		"${visited[$property]}" "${breaks[$property]:-0}" "${SAYS[$property]}"
	# A property that no break violates may be impossible to violate.
	[ -n "${breaks[$property]}" ] || complain "no break is found by $property"
	searches[$property]=
done

[ $bad -eq 0 ] || exit 1
echo
echo "The protocol holds, and every break of it is found: $nr searches in $SECONDS seconds."
