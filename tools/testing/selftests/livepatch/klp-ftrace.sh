#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# A livepatch together with other users of ftrace on the same functions, and its registration.

# shellcheck source-path=SCRIPTDIR source=klp-lib.sh
. "$(dirname "$0")/klp-lib.sh"
# shellcheck source-path=SCRIPTDIR source=klp-tasks-lib.sh
. "$(dirname "$0")/klp-tasks-lib.sh"

P=test_klp_patch
P2=test_klp_patch2
H=test_klp_hold
C=test_klp_chain
D=test_klp_direct
K=test_klp_probe

BOTH=objects=vmlinux:cmdline,$T:value
# The function with a direct caller is not the first of its object: each function has to be
# handled.
MORE=objects=vmlinux:version+cmdline,$T:value
CMDLINE=$(< /proc/cmdline)

# --- the function tracer --------------------------------------------------------------------------

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

# expect_traced FUNCTION...: check that the tracer records their calls. No task is forked
# meanwhile: on a debug kernel a fork alone would fill the buffer.
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

# The stack of a traced task is full of returns into the tracer.
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

# --- kprobes --------------------------------------------------------------------------------------

# probe NAME WHAT: set a kprobe that counts
probe()
{
	[ -w "$KLP_TRACING/kprobe_events" ] || klp_skip "no kprobe_events"
	# Append in a single write: other probes may exist.
	{ echo "$2" >> "$KLP_TRACING/kprobe_events"; } 2>/dev/null || return
	klp_set "$INSTANCE/events/klp/$1/enable" 1
}

unprobe()
{
	klp_set "$INSTANCE/events/klp/$1/enable" 0
	{ echo "-:klp/$1" >> "$KLP_TRACING/kprobe_events"; } || klp_fail "klp/$1 cannot be removed"
}

# call_offset FUNCTION: print the offset of the call of ftrace in a function of vmlinux
call_offset()
{
	local at start

	at=$(sed -n "s/^\([0-9a-f]*\) $1$/\1/p" "$KLP_TRACING/available_filter_functions_addrs")
	start=$(sed -n "s/^\([0-9a-f]*\) [tT] $1$/\1/p" /proc/kallsyms)
	[ -n "$at" ] && [ -n "$start" ] || klp_fail "ftrace has no address of $1"
	echo $((0x$at - 0x$start))
}

# probe_all: set probes at the entry of the function of vmlinux and that of the target, in the
# middle of the first one, and at their returns
probe_all()
{
	local offset start

	probe entry "p:klp/entry cmdline_proc_show" || klp_fail "no kprobe at the entry"
	probe target "p:klp/target $T:test_klp_target_value" || klp_fail "no kprobe in $T"
	probe back "r:klp/back cmdline_proc_show" || klp_fail "no kretprobe"
	# The first instruction behind the call of ftrace, which need not be at the entry. ftrace
	# and the architecture refuse a probe within an instruction.
	start=$(call_offset cmdline_proc_show)
	for ((offset = start + 1; offset < start + 30; offset++)); do
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

# expect_hits ENTRY TARGET BACK MIDDLE: check the hits of one call of each function
expect_hits()
{
	local name hits=''

	klp_set "$INSTANCE/trace" ''
	# The builtin read is not used: it seeks back to the end of the line, and the file is
	# generated again.
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
	# The patched function is entered, and then left for the new one.
	expect_hits 1 1 1 0
	klp_disable $P
	expect_versions "$CMDLINE" original
	expect_hits 1 1 1 1
	unprobe_all
	expect_versions "$CMDLINE" original
}

# expect_probed VERSION: check the version of the target, and that the kprobe is hit
expect_probed()
{
	klp_set "$INSTANCE/trace" ''
	klp_expect_line $T value "$1"
	grep -q ' target: ' "$INSTANCE/trace" || klp_fail "the kprobe is not hit"
}

# A kprobe at the entry alone: its handler is called after that of the patch, and must not undo
# it.
t_kprobe_entry_first()
{
	trap undo EXIT
	klp_load $T
	instance probes
	probe target "p:klp/target $T:test_klp_target_value" || klp_skip "no kprobe in $T"
	expect_probed original
	klp_enable $P objects=$T:value
	expect_probed $P
	klp_disable $P
	expect_probed original
	unprobe target
	klp_expect_line $T value original
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

# expect_refused_by_kprobe: check the log of a patch that a kprobe with a post_handler excludes
expect_refused_by_kprobe()
{
	local probe="has a kprobe with post_handler probe_post_handler [$K]"

	klp_mark
	klp_load_fails EBUSY $P objects=vmlinux:cmdline+version
	klp_expect_log <<-END
		livepatch: enabling patch '$P'
		$P: pre_patch vmlinux
		livepatch: failed to register ftrace handler for function 'version_proc_show' (-16)
		livepatch: function 'version_proc_show' is redirected by kprobe_ftrace_handler
		livepatch: function 'version_proc_show' $probe
		livepatch: failed to patch object 'vmlinux'
		livepatch: failed to enable patch '$P'
		$P: post_unpatch vmlinux
		livepatch: '$P': unpatching complete
	END
	klp_expect "what is in $KLP_SYSFS" "" "$(klp_list $KLP_SYSFS)"
	klp_expect "redirected" version_proc_show "$(klp_redirected)"
}

t_kprobe_post_handler()
{
	trap undo EXIT
	KLP_KO[$K]=$(klp_find_module $K)
	[ -f "${KLP_KO[$K]}" ] || klp_skip "no module $K: kprobes do not use ftrace here"
	# On a function without another probe: otherwise it would share that probe, without its
	# own ops.
	klp_load $K func=version_proc_show
	expect_refused_by_kprobe
	# A probe without a post_handler at the same place, which uses the same ops.
	instance probes
	probe other "p:klp/other version_proc_show" || klp_fail "no second kprobe"
	expect_refused_by_kprobe
	unprobe other
	klp_unload $K
	klp_expect "redirected" "" "$(klp_redirected)"

	klp_enable $P objects=vmlinux:cmdline+version
	klp_load_fails EBUSY $K func=version_proc_show
	klp_expect_file /proc/version $P
	klp_disable $P
	klp_load $K func=version_proc_show
}

# A task sleeps in a callee of a function with a kretprobe.
t_kretprobe_asleep()
{
	trap undo EXIT
	klp_load $C
	watch_tasks
	instance probes
	probe back "r:klp/back $C:test_klp_chain_middle" || klp_skip "no kretprobe"
	klp_hold $C /proc/$C
	klp_load $P objects=$C:top
	case $(uname -m) in
	# Its unwinder does not return from the trampoline of a kretprobe.
	ppc*)	expect_held $P "$KLP_HELD" 0 - unreliable ;;
	*)	expect_held $P "$KLP_HELD" 0 test_klp_chain_top ;;
	esac
	klp_release $C
	klp_wait_transition $P
	klp_expect_file /proc/$C "top: $P"
	# The event of the probe is enabled and keeps the module.
	undo
}

# --- direct callers -------------------------------------------------------------------------------

# expect_hit: check that reading the file calls the trampoline
expect_hit()
{
	local before after _

	before=$(< "$(klp_param $D hits)")
	read -r _ < /proc/cmdline
	after=$(< "$(klp_param $D hits)")
	klp_expect "calls of the trampoline" $((before + 1)) "$after"
}

# expect_direct SHARED: check that the trampoline is called, and whether it shares the function
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

# A new address of an object that has other patched addresses.
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

# A function of a batch is removed, the others stay.
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
	# The direct caller need not share any longer, although the ops of the address stays.
	klp_until "the direct caller has been told" klp_reads "$(klp_param $D shared)" N
	expect_direct N
	klp_unload $P
	klp_enable $P objects=vmlinux:cmdline
	klp_expect_file /proc/cmdline $P
	expect_direct Y
	klp_disable $P
	expect_direct N
}

# A BPF trampoline that is being changed returns -EAGAIN for some time.
t_direct_busy()
{
	load_direct refuse=11 refusals=5
	klp_mark
	klp_enable $P objects=vmlinux:version+cmdline
	klp_expect_log <<-END
		livepatch: enabling patch '$P'
		$P: pre_patch vmlinux
		livepatch: '$P': starting patching transition
		$P: post_patch vmlinux
		livepatch: '$P': patching complete
	END
	klp_expect_file /proc/cmdline $P
	expect_direct Y
	klp_disable $P
	expect_direct N
}

t_direct_refuses()
{
	local failed="failed to register ftrace handler"

	load_direct refuse=11
	klp_mark
	klp_load_fails EAGAIN $P objects=vmlinux:version+cmdline
	klp_expect_log <<-END
		livepatch: enabling patch '$P'
		$P: pre_patch vmlinux
		livepatch: $failed for 2 functions of object 'vmlinux' (-11)
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

	# The same patch, after the direct caller has been told to agree.
	klp_set "$(klp_param $D refuse)" 0
	klp_enable $P objects=vmlinux:version+cmdline
	klp_expect_file /proc/cmdline $P
	expect_direct Y
}

# The log names the trampoline. The other function of the patch can be registered.
t_direct_blocks()
{
	load_direct refuse=16
	klp_mark
	klp_load_fails EBUSY $P objects=vmlinux:cmdline+version
	klp_log > "$KLP_TMP/said"
	grep -q "^livepatch: failed to register .* for function 'cmdline_proc_show' (-16)$" \
		"$KLP_TMP/said" || klp_fail "the function is not named"
	grep -q "^livepatch: function 'cmdline_proc_show' is redirected by .* \[$D\]$" \
		"$KLP_TMP/said" || klp_fail "the direct caller is not named"
	klp_expect "redirected" "" "$(klp_redirected)"
}

# expect_direct_after_refusal OBJECTS: check that the direct caller need not share its function
# after the patch has been refused because of another function
expect_direct_after_refusal()
{
	klp_load_fails EBUSY $P "objects=$1"
	klp_until "the direct caller has been told" klp_reads "$(klp_param $D shared)" N
	expect_direct N
	klp_expect_file /proc/cmdline "$CMDLINE"
}

# The registration fails after ftrace has told the direct caller to share its function.
t_direct_other_fails()
{
	KLP_KO[$K]=$(klp_find_module $K)
	[ -f "${KLP_KO[$K]}" ] || klp_skip "no module $K: kprobes do not use ftrace here"
	load_direct
	klp_load $T
	klp_load $K func=version_proc_show
	expect_direct_after_refusal vmlinux:version+cmdline
	expect_direct_after_refusal vmlinux:cmdline+version
	klp_unload $K
	# The core does not reach the object of the direct caller. Only the registration of both
	# objects together has told it.
	klp_load $K func=test_klp_target_value
	expect_direct_after_refusal $T:value,vmlinux:cmdline
	klp_unload $K
	klp_enable $P objects=vmlinux:version+cmdline
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

# --- modules that are loaded later ---------------------------------------------------------------

# late_trampolines: print the number of trampolines of the functions of T and H, or of ftrace_ops on
# architectures where the function refers to one
late_trampolines()
{
	sed -nE 's/^test_klp_[a-z_]* .* I .*(tramp|ops): (0x[0-9a-f]*).*klp_redirect.*/\2/p' \
		"$KLP_TRACING/enabled_functions" | sort -u | wc -l
}

# Modules that are loaded after the patch share a registration, and are unloaded one by one. Only
# some architectures have trampolines of their own for an ops.
t_late_modules()
{
	local count=0

	! grep -q ' T arch_ftrace_update_trampoline$' /proc/kallsyms || count=1
	klp_enable $P objects=$T:value,$H:hold,$C:leaf
	klp_load $T
	klp_load $H
	klp_load $C
	klp_expect "the functions that are redirected" \
		"test_klp_chain_leaf test_klp_hold_wait test_klp_target_value" "$(klp_redirected)"
	klp_expect "the number of their trampolines" $count "$(late_trampolines)"
	klp_unload $H
	klp_expect "the functions that are redirected without $H" \
		"test_klp_chain_leaf test_klp_target_value" "$(klp_redirected)"
	klp_load $H
	klp_expect "the number of trampolines with $H again" $count "$(late_trampolines)"
	klp_expect_file /proc/$H $P
	klp_disable $P
	klp_expect "the functions that are redirected in the end" "" "$(klp_redirected)"
	klp_expect_file /proc/$H original
}

# More modules than one batch has space for, repeatedly.
t_late_reloads()
{
	local i

	klp_enable $P objects=$T:value+extra,$H:hold,$C:leaf+middle
	for ((i = 0; i < 20; i++)); do
		klp_load $T
		klp_load $H
		klp_load $C
		klp_expect_file /proc/$H $P
		klp_unload $C
		klp_unload $T
		klp_unload $H
	done
	klp_expect "the functions that are redirected" "" "$(klp_redirected)"
	klp_disable $P
}

klp_setup $P $P2 $T $H $C
KLP_KO[$D]=$(klp_find_module $D)

klp_main \
	"tracer_first all functions traced, then a patch and its targets" \
	"tracer_later a patch, then all functions traced" \
	"graph a task asleep under the function_graph tracer" \
	"kprobe_first kprobes at entry, middle and return, then a patch" \
	"kprobe_entry_first a kprobe at the entry, then a patch" \
	"kprobe_later a patch, then kprobes at entry, middle and return" \
	"kprobe_post_handler a kprobe with an IPMODIFY ops, and a patch: one excludes the other" \
	"kretprobe_asleep a task asleep below a function with a kretprobe" \
	"direct_first a direct caller, then a patch" \
	"direct_later a patch, then a direct caller" \
	"direct_between a patch, then a direct caller, then a patch of more functions" \
	"direct_replace a direct caller under a patch that is replaced" \
	"direct_given_up a direct caller on one function of two that is not patched any longer" \
	"direct_busy a direct caller that is being changed: the registration is retried" \
	"direct_blocks a direct caller that returns EBUSY: the log names both" \
	"direct_refuses a direct caller that refuses to share: the patch is refused" \
	"direct_other_fails a direct caller, and a patch that another function refuses" \
	"direct_refused a patch, and a direct caller that refuses to share" \
	"direct_and_tracer a direct caller, a tracer and a patch on one function" \
	"late_modules modules that are loaded after the patch share a registration" \
	"late_reloads more of them than a registration has space for"
