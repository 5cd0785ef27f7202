#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Calls of a function that a livepatch and another user of ftrace share: in both orders, with one
# function and with one of a batch of 50, through replace and disable. The function is a system
# call that no other program uses. Each user is checked by what it sees of one call, and each call
# by its result.

# shellcheck source-path=SCRIPTDIR source=klp-lib.sh
. "$(dirname "$0")/klp-lib.sh"
# shellcheck source-path=SCRIPTDIR source=klp-tasks-lib.sh
. "$(dirname "$0")/klp-tasks-lib.sh"

P=test_klp_patch
P2=test_klp_patch2
P3=test_klp_patch3
B=test_klp_batch
I=test_klp_ipmodify
K=test_klp_probe

ONE=objects=vmlinux:priority
BATCH=$ONE,$B:parts
FUNCTION=
FAIL=/sys/kernel/debug/fail_function

# Results of the function: without a patch, with P, with P2, with P3, and those of its other users.
ORIGINAL=99
PATCHED=1001
PATCHED2=1002
PATCHED3=1003
FAIL_RESULT=-12
OVERRIDE_RESULT=-61
FMOD_RESULT=-33
DIVERT_RESULT=-18

declare -A TITLE=(
	[livepatch]="another livepatch"
	[fail_function]="fail_function"
	[override]="a BPF program with bpf_override_return()"
	[fmod_ret]="a BPF fmod_ret program"
	[kprobe]="a kprobe without a post_handler"
	[kprobe_post]="a kprobe with a post_handler"
	[fexit]="a BPF fexit program"
	[fentry]="a BPF fentry program"
	[graph]="the function_graph tracer"
	[kretprobe]="a kretprobe"
	[fprobe]="an fprobe without an exit handler"
	[fprobe_exit]="an fprobe with an exit handler"
	[ftrace_ops]="an ftrace_ops"
	[ipmodify]="an ftrace_ops with IPMODIFY"
	[divert]="an ftrace_ops that changes the address without IPMODIFY"
	[tracer]="the function tracer"
)
# In the order of the table in Documentation/livepatch/coexistence.rst.
USERS=(
	livepatch fail_function kprobe_post ipmodify override divert fmod_ret fexit fentry kprobe
	kretprobe fprobe fprobe_exit graph tracer ftrace_ops
)

# --- users of ftrace ------------------------------------------------------------------------------

# Each has attach_USER and detach_USER, and seen_USER RESULT, which checks what the user has seen of
# the one call since forget_calls. A user that cannot exist here skips the test in attach_USER.
# attach_USER sets REFUSED to the name of the error.

REFUSED=

attach_fail_function()
{
	[ -e $FAIL/inject ] || klp_skip "no $FAIL: CONFIG_FAIL_FUNCTION=y"
	klp_set $FAIL/task-filter N
	klp_set $FAIL/probability 100
	klp_set $FAIL/times 1000000
	klp_set $FAIL/verbose 0
	REFUSED=$(klp_write $FAIL/inject "$FUNCTION")
	[ -n "$REFUSED" ] || klp_set "$FAIL/$FUNCTION/retval" "$(printf '%#x' $FAIL_RESULT)"
}

detach_fail_function()
{
	klp_set $FAIL/inject "!$FUNCTION"
}

seen_fail_function()
{
	:
}

attach_kprobe_post()
{
	[ -f "${KLP_KO[$K]}" ] || klp_skip "no module $K: kprobes do not use ftrace here"
	REFUSED=$(klp_insmod $K func="$FUNCTION")
}

detach_kprobe_post()
{
	klp_unload $K
}

seen_kprobe_post()
{
	:
}

# attach_bpf KIND [RESULT]: attach a BPF program
attach_bpf()
{
	local said

	[ -e /sys/kernel/btf/vmlinux ] || klp_skip "no BTF: CONFIG_DEBUG_INFO_BTF=y"
	klp_tool klp_bpf
	coproc BPF { exec "$KLP_TOOL" "$1" "$FUNCTION" "${2:-0}" 2>&1; }
	BPF_TOOL=$BPF_PID
	read -r said <&"${BPF[0]}"
	[ "$said" = attached ] || klp_fail "klp_bpf $*: $said"
}

detach_bpf()
{
	local stdin=${BPF[1]}

	exec {stdin}>&-
	wait "$BPF_TOOL" || klp_fail "klp_bpf ended with status $?"
}

# seen_bpf [RESULT]: check that the program was called once, and which result it has seen
seen_bpf()
{
	local calls result

	echo >&"${BPF[1]}"
	read -r calls result <&"${BPF[0]}"
	klp_expect "calls that the BPF program has seen" 1 "$calls"
	[ -z "${1:-}" ] || klp_expect "result that the BPF program has seen" "$1" "$result"
}

attach_override()
{
	klp_has_option CONFIG_BPF_KPROBE_OVERRIDE
	attach_bpf override $OVERRIDE_RESULT
}

attach_fmod_ret()
{
	klp_has_option CONFIG_FUNCTION_ERROR_INJECTION
	attach_bpf fmod_ret $FMOD_RESULT
}

attach_fexit()
{
	attach_bpf fexit
}

attach_fentry()
{
	attach_bpf fentry
}

seen_override()
{
	seen_bpf
}

seen_fmod_ret()
{
	seen_bpf
}

seen_fexit()
{
	seen_bpf "$1"
}

seen_fentry()
{
	seen_bpf
}

# klp_has_option NAME: skip the test if the kernel is known to lack the option
klp_has_option()
{
	[ ! -r /proc/config.gz ] || zcat /proc/config.gz | grep -qx "$1=y" || klp_skip "no $1=y"
}

# attach_event DEFINITION: create and enable a probe event
attach_event()
{
	instance coexist
	[ -w "$(probe_file)" ] || klp_skip "no probe events"
	{ echo "$1" >> "$(probe_file)"; } 2>/dev/null || klp_skip "no event '$1'"
	klp_set "$INSTANCE/events/klp/probe/enable" 1
}

detach_event()
{
	klp_set "$INSTANCE/events/klp/probe/enable" 0
	{ echo "-:klp/probe" >> "$(probe_file)"; } || klp_fail "the probe cannot be removed"
	rmdir "$INSTANCE"
	INSTANCE=
}

# seen_event [RESULT]: check that the event was sent once, and with which result
seen_event()
{
	local line

	line=$(grep ' probe: ' "$INSTANCE/trace")
	klp_expect "events of the probe" 1 "$(grep -c . <<< "$line")"
	[ -z "${1:-}" ] || klp_expect "result in the event" "result=$1" "${line##* }"
}

attach_kprobe()
{
	attach_event "p:klp/probe $FUNCTION"
}

attach_kretprobe()
{
	# shellcheck disable=SC2016 # the kernel's name of the result
	attach_event "r:klp/probe $FUNCTION"' result=$retval:s64'
}

attach_fprobe()
{
	klp_has_option CONFIG_FPROBE_EVENTS
	attach_event "f:klp/probe $FUNCTION"
}

attach_fprobe_exit()
{
	klp_has_option CONFIG_FPROBE_EVENTS
	# shellcheck disable=SC2016
	attach_event "f:klp/probe $FUNCTION%return"' result=$retval:s64'
}

seen_kprobe()
{
	seen_event
}

seen_kretprobe()
{
	seen_event "$1"
}

seen_fprobe()
{
	seen_event
}

seen_fprobe_exit()
{
	seen_event "$1"
}

attach_tracer()
{
	instance coexist
	klp_set "$INSTANCE/set_ftrace_filter" "$FUNCTION"
	klp_set "$INSTANCE/current_tracer" function
}

detach_tracer()
{
	klp_set "$INSTANCE/current_tracer" nop
	rmdir "$INSTANCE"
	INSTANCE=
}

seen_tracer()
{
	klp_expect "traced calls" 1 "$(grep -c ": $FUNCTION <-" "$INSTANCE/trace")"
}

attach_graph()
{
	klp_has_option CONFIG_FUNCTION_GRAPH_RETVAL
	instance coexist
	klp_set "$INSTANCE/set_ftrace_filter" "$FUNCTION"
	[ -z "$(klp_write "$INSTANCE/current_tracer" function_graph)" ] ||
		klp_skip "no function_graph tracer in instances"
	klp_set "$INSTANCE/options/funcgraph-retval" 1
}

detach_graph()
{
	klp_set "$INSTANCE/options/funcgraph-retval" 0
	detach_tracer
}

seen_graph()
{
	klp_expect "traced calls and results" "$FUNCTION(); /* = $(printf '%#x' "$1") */" \
		"$(sed -n "s/.*| *\($FUNCTION()\)/\1/p" "$INSTANCE/trace")"
}

attach_ftrace_ops()
{
	klp_load $I declared=0
	klp_set "$(klp_param $I function)" "$FUNCTION"
}

detach_ftrace_ops()
{
	klp_unload $I
}

seen_ftrace_ops()
{
	klp_expect "calls of the handler" $((HITS + 1)) "$(< "$(klp_param $I hits)")"
}

attach_ipmodify()
{
	# The module stays when its user is refused.
	[ -e /sys/module/$I ] || klp_load $I
	REFUSED=$(klp_write "$(klp_param $I function)" "$FUNCTION")
}

attach_divert()
{
	klp_load $I declared=0 divert=1
	klp_set "$(klp_param $I function)" "$FUNCTION"
}

# detach USER: remove the user, by the function for its kind
detach()
{
	case $1 in
	override | fmod_ret | fexit | fentry)		detach_bpf ;;
	kprobe | kretprobe | fprobe | fprobe_exit)	detach_event ;;
	divert | ipmodify)				detach_ftrace_ops ;;
	*)						"detach_$1" ;;
	esac
}

# seen USER RESULT: check what the user has seen of a call with this result
seen()
{
	case $1 in
	divert | ipmodify)	seen_ftrace_ops ;;
	*)			"seen_$1" "$2" ;;
	esac
}

# forget_calls: clear what the trace and the counter contain of earlier calls
forget_calls()
{
	[ -z "$INSTANCE" ] || klp_set "$INSTANCE/trace" ''
	[ ! -e "$(klp_param $I hits)" ] || HITS=$(< "$(klp_param $I hits)")
}

# alone USER: print the result of the function with this user and without a patch
alone()
{
	case $1 in
	fail_function)	echo $FAIL_RESULT ;;
	override)	echo $OVERRIDE_RESULT ;;
	divert)		echo $DIVERT_RESULT ;;
	fmod_ret)	echo $FMOD_RESULT ;;
	*)		echo $ORIGINAL ;;
	esac
}

# together USER ORDER PATCHED: print the result of the function with this user and with a patch
# whose function returns PATCHED
together()
{
	case $1_$2 in
	# Without a declaration the older ops is called last, and wins.
	override_first | divert_first | fmod_ret_*)	alone "$1" ;;
	*)						echo "$3" ;;
	esac
}

# --- checks ---------------------------------------------------------------------------------------

INSTANCE=
HITS=0

# expect_result WHEN RESULT: check the result of a call
expect_result()
{
	klp_expect "result $1" "$2" "$("$SYSCALL")"
}

# expect_call WHEN USER RESULT: check the result of a call, and what the user sees of the call
expect_call()
{
	forget_calls
	expect_result "$1" "$3"
	seen "$2" "$3"
}

# redirected_count NUMBER: succeed if so many functions have an IPMODIFY ops
redirected_count()
{
	local names

	read -ra names <<< "$(klp_redirected)"
	[ ${#names[@]} -eq "$1" ]
}

# expect_redirected NUMBER: wait until so many functions have an IPMODIFY ops
expect_redirected()
{
	klp_until "$1 functions are redirected" redirected_count "$1"
}

# part_with PATCH: replace the patch of the batch by P3, which changes the other 49 functions. The
# function leaves a batch that stays registered.
part_with()
{
	klp_enable $P3 objects=$B:parts replace=1
	klp_wait_gone "$1"
	klp_unload "$1"
	expect_redirected 49
}

# disable PATCH: disable and unload it, and wait until no function is redirected
disable()
{
	klp_disable "$1"
	klp_unload "$1"
	expect_redirected 0
}

# replace: replace P by P2, which changes the same functions
replace()
{
	klp_enable $P2 "$1" replace=1
	klp_wait_gone $P
	klp_unload $P
}

# The EXIT trap of all tests.
# shellcheck disable=SC2317 # a trap calls it
finish()
{
	[ ! -e "$FAIL/$FUNCTION" ] || echo "!$FUNCTION" > $FAIL/inject
	[ -z "$INSTANCE" ] || [ ! -e "$INSTANCE/options/funcgraph-retval" ] ||
		echo 0 > "$INSTANCE/options/funcgraph-retval"
	undo
}

# no_kprobes: skip the test if kprobes exist. All of them share one ops, which is older than each
# patch then.
no_kprobes()
{
	! grep -q FTRACE /sys/kernel/debug/kprobes/list || klp_skip "a kprobe exists already"
}

# --- rows -----------------------------------------------------------------------------------------

# row_together USER ORDER OBJECTS: a user that may be on a function together with a livepatch
row_together()
{
	local user=$1 order=$2 objects=$3 alone result result2

	alone=$(alone "$user")
	result=$(together "$user" "$order" $PATCHED)
	result2=$(together "$user" "$order" $PATCHED2)

	[ "$order" = later ] || "attach_$user"
	[ "$order" = later ] || expect_call "before the patch" "$user" "$alone"
	klp_enable $P "$objects"
	[ "$order" = first ] || expect_result "before the user" $PATCHED
	[ "$order" = first ] || "attach_$user"
	expect_call "with the patch" "$user" "$result"
	replace "$objects"
	expect_call "after the replacement" "$user" "$result2"
	disable $P2
	expect_call "after the patch" "$user" "$alone"
	detach "$user"
	expect_result "in the end" $ORIGINAL

	# The user goes first.
	[ "$order" = later ] || "attach_$user"
	klp_enable $P "$objects"
	[ "$order" = first ] || "attach_$user"
	expect_call "with the patch again" "$user" "$result"
	detach "$user"
	expect_result "without the user" $PATCHED
	if [ "$objects" = "$BATCH" ]; then
		# The function leaves its batch under a user.
		[ "$order" = later ] || disable $P
		"attach_$user"
		[ "$order" = later ] || klp_enable $P "$objects"
		expect_call "with the patch for the third time" "$user" "$result"
		part_with $P
		expect_call "after the function has left the batch" "$user" "$alone"
		disable $P3
		expect_call "after the rest of the batch" "$user" "$alone"
		detach "$user"
	else
		disable $P
	fi
	expect_result "in the very end" $ORIGINAL
}

# row_excludes USER ORDER OBJECTS: a user that is never on a function together with a livepatch
row_excludes()
{
	local user=$1 order=$2 objects=$3 alone

	alone=$(alone "$user")
	if [ "$order" = first ]; then
		"attach_$user"
		klp_expect "error of the user" "" "$REFUSED"
		expect_redirected 1
		klp_load_fails EBUSY $P "$objects"
		expect_call "with the refused patch" "$user" "$alone"
		expect_redirected 1
		detach "$user"
		expect_result "without the user" $ORIGINAL
	fi
	klp_enable $P "$objects"
	"attach_$user"
	klp_expect "error of the user" EBUSY "$REFUSED"
	expect_result "with the refused user" $PATCHED
	replace "$objects"
	"attach_$user"
	klp_expect "error of the user after the replacement" EBUSY "$REFUSED"
	expect_result "after the replacement" $PATCHED2
	if [ "$objects" = "$BATCH" ]; then
		part_with $P2
		"attach_$user"
		klp_expect "error after the function has left the batch" "" "$REFUSED"
		expect_call "after the function has left the batch" "$user" "$alone"
		disable_beside
	else
		disable $P2
		"attach_$user"
		klp_expect "error after the patch" "" "$REFUSED"
		expect_call "after the patch" "$user" "$alone"
	fi
	detach "$user"
	expect_redirected 0
	expect_result "in the end" $ORIGINAL
}

# disable_beside: disable P3 while the user redirects the function
disable_beside()
{
	klp_disable $P3
	klp_unload $P3
	expect_redirected 1
}

# row_livepatch ORDER OBJECTS: another livepatch. Of one set the newest patch wins, and those of
# two sets exclude each other.
row_livepatch()
{
	local order=$1 objects=$2 lower=$P3 upper=$P low=$PATCHED3 up=$PATCHED

	[ "$order" = first ] || { lower=$P upper=$P3 low=$PATCHED up=$PATCHED3; }
	klp_enable $lower "$objects"
	klp_load_fails EBUSY $upper "$objects" replace_set=1
	expect_result "with one patch" $low
	klp_enable $upper "$objects"
	expect_result "with both patches" $up
	klp_disable $upper
	klp_unload $upper
	expect_result "without the newer patch" $low
	klp_enable $upper "$objects"
	klp_disable $lower
	klp_unload $lower
	expect_result "without the older patch" $up
	klp_enable $lower "$objects"
	expect_result "with the older patch again" $low
	klp_enable $P2 "$objects" replace=1
	klp_wait_gone $lower
	klp_wait_gone $upper
	expect_result "after the replacement of both" $PATCHED2
	klp_unload $P
	klp_unload $P3
	if [ "$objects" = "$BATCH" ]; then
		part_with $P2
		expect_result "after the function has left the batch" $ORIGINAL
		disable $P3
	else
		disable $P2
	fi
	expect_result "in the end" $ORIGINAL
}

# row USER ORDER: all checks of a row, with one function and with a batch
row()
{
	local objects

	trap finish EXIT
	klp_load $B
	case $1 in
	override)	no_kprobes ;;
	esac
	for objects in $ONE $BATCH; do
		case $1 in
		livepatch)
			row_livepatch "$2" "$objects" ;;
		fail_function | kprobe_post | ipmodify)
			row_excludes "$1" "$2" "$objects" ;;
		*)
			row_together "$1" "$2" "$objects" ;;
		esac
	done
}

# --- other rules ----------------------------------------------------------------------------------

# The 50 functions are registered by one ops, or else no test here would test a batch.
t_batch()
{
	klp_load $B
	klp_enable $P $BATCH
	expect_redirected 50
	grep -q ' T arch_ftrace_update_trampoline$' /proc/kallsyms || return 0
	klp_expect "trampolines of the functions" 1 \
		"$(sed -nE 's/.* I .*tramp: ([^ ]*) \(klp_redirect_handler.*/\1/p' \
			"$KLP_TRACING/enabled_functions" | sort -u | wc -l)"
}

# All kprobes share an ops. A kprobe on any function makes it older than the patch.
t_override_age()
{
	trap finish EXIT
	no_kprobes
	attach_event "p:klp/probe cmdline_proc_show"
	klp_enable $P $ONE
	attach_override
	expect_result "with a kprobe that is older than the patch" $OVERRIDE_RESULT
}

# image_size: print the size of the BPF trampoline of the function. It calls the function through
# its stack while it shares the function with an IPMODIFY ops, and directly otherwise.
image_size()
{
	sed -nE "/^$FUNCTION /{n;s/.*direct-->bpf_trampoline_[0-9]*\+0x0\/(0x[0-9a-f]*).*/\1/p}" \
		"$KLP_TRACING/enabled_functions"
}

has_image_size()
{
	[ "$(image_size)" = "$1" ]
}

# attach_mode: attach a program, and set DIRECT to the size of its trampoline
attach_mode()
{
	attach_fexit
	DIRECT=$(image_size)
	[ -n "$DIRECT" ] || klp_fail "the function has no BPF trampoline:" \
		"$(grep -A 1 "^$FUNCTION " "$KLP_TRACING/enabled_functions")"
}

expect_indirect()
{
	has_image_size "$DIRECT" && klp_fail "$1 the trampoline is as it was: $DIRECT bytes"
	[ -n "$(image_size)" ] || klp_fail "$1 there is no trampoline"
}

# expect_direct WHEN: wait until the trampoline calls the function directly
expect_direct()
{
	klp_until "$1 the trampoline calls the function directly" has_image_size "$DIRECT"
	expect_call "$1" fexit "$2"
}

t_mode_disabled()
{
	trap finish EXIT
	attach_mode
	klp_enable $P $ONE
	expect_indirect "with the patch"
	disable $P
	expect_direct "after the patch" $ORIGINAL
}

t_mode_partial()
{
	trap finish EXIT
	klp_load $B
	attach_mode
	klp_enable $P $BATCH
	expect_indirect "with the patch"
	expect_call "with the patch" fexit $PATCHED
	part_with $P
	expect_direct "after the function has left the batch" $ORIGINAL
	expect_redirected 49
}

# The second user is on the first function of the patch, which is refused then. The trampoline of
# the other function has been told to share it.
t_mode_refused()
{
	local objects

	trap finish EXIT
	[ -f "${KLP_KO[$K]}" ] || klp_skip "no module $K: kprobes do not use ftrace here"
	klp_load $B
	attach_mode
	klp_load $K func=version_proc_show
	for objects in vmlinux:version+priority vmlinux:priority+version \
		$B:parts,vmlinux:version+priority vmlinux:version+priority,$B:parts; do
		klp_load_fails EBUSY $P "objects=$objects"
		expect_direct "after the refused patch of $objects" $ORIGINAL
		klp_until "the kprobe alone redirects" redirected_count 1
	done
	klp_unload $K
	klp_enable $P objects=vmlinux:version+priority
	expect_indirect "with the patch"
}

# A user with IPMODIFY is named, and not the BPF trampoline of the same function, which is newer.
# Of several kprobes those with a post_handler are named.
t_log()
{
	trap finish EXIT
	klp_load $B
	attach_fail_function
	attach_fexit
	attach_event "p:klp/probe $FUNCTION"
	klp_mark
	klp_load_fails EBUSY $P $BATCH
	klp_expect_log <<-END
		livepatch: enabling patch '$P'
		$P: pre_patch vmlinux
		livepatch: failed to register ftrace handler for function '$FUNCTION' (-16)
		livepatch: function '$FUNCTION' is redirected by kprobe_ftrace_handler
		livepatch: function '$FUNCTION' has a kprobe with post_handler fei_post_handler
		livepatch: failed to patch object 'vmlinux'
		livepatch: failed to enable patch '$P'
		$P: post_unpatch vmlinux
		livepatch: '$P': unpatching complete
	END
}

klp_setup $P $P2 $P3 $B $I
KLP_KO[$K]=$(klp_find_module $K)
case $(uname -m) in
x86_64)		FUNCTION=__x64_sys_sched_get_priority_max ;;
s390x)		FUNCTION=__s390x_sys_sched_get_priority_max ;;
aarch64)	FUNCTION=__arm64_sys_sched_get_priority_max ;;
*)		FUNCTION=sys_sched_get_priority_max ;;
esac
klp_tool klp_syscall
SYSCALL=$KLP_TOOL

tests=("batch 50 functions in one registration")
for user in "${USERS[@]}"; do
	for order in first later; do
		eval "t_${user}_$order() { row $user $order; }"
	done
	tests+=("${user}_first ${TITLE[$user]}, then a patch")
	tests+=("${user}_later a patch, then ${TITLE[$user]}")
done

klp_main "${tests[@]}" \
	"override_age a kprobe elsewhere, a patch, then bpf_override_return(): the program wins" \
	"mode_disabled a BPF trampoline calls the function directly after the patch" \
	"mode_partial the same after the function has left a batch" \
	"mode_refused the same after a patch that was refused" \
	"log the log names the user with IPMODIFY, and its kprobe"
