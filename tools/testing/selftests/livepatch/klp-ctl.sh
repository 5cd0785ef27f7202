#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# klpctl of tools/livepatch/: its commands, exit codes and output, as root and as another user, on a
# terminal and in a pipe. KLP_TOOLS or PATH has the program.

# shellcheck source-path=SCRIPTDIR source=klp-lib.sh
. "$(dirname "$0")/klp-lib.sh"

P=test_klp_patch
P2=test_klp_patch2
T=test_klp_target
H=test_klp_hold
DONE=0 FAILED=1 USAGE=2 TIMED_OUT=3 REFUSED=4 REVERSED=5
KLPCTL=${KLP_TOOLS:+$KLP_TOOLS/klpctl}
SCHEMA=$KLP_DIR/../../../livepatch/klpctl.schema.json

# klpctl may be built with sanitizers. A report ends it with an exit code that no test expects.
export ASAN_OPTIONS=exitcode=99 LSAN_OPTIONS=exitcode=99
export UBSAN_OPTIONS=halt_on_error=1:exitcode=99:print_stacktrace=1

# ctl CODE ARGUMENT...: run klpctl, which must end with this code. Sets SAID to what it prints
ctl()
{
	local code=$1 got=0
	shift

	SAID=$("$KLPCTL" "$@" 2>&1) || got=$?
	[ "$got" = "$code" ] || klp_fail "klpctl $* ends with $got instead of $code:" "$SAID"
}

# says PATTERN...: check that the last output has lines that match these extended expressions
says()
{
	local pattern

	for pattern; do
		grep -qE -- "$pattern" <<< "$SAID" || klp_fail "no line matches '$pattern':" "$SAID"
	done
}

# validate: check the last output against the schema
validate()
{
	local said

	said=$(python3 -c '
import json, jsonschema, sys
schema = json.load(open(sys.argv[1]))
for line in sys.stdin.read().replace("}\n{", "}\0{").split("\0"):
    jsonschema.validate(json.loads(line), schema)
' "$SCHEMA" 2>&1 <<< "$SAID") || klp_fail "not as the schema has it:" "$said" "$SAID"
}

# json_valid: return 0 if the input is JSON in UTF-8. Without Python no input is refused
json_valid()
{
	if command -v python3 > /dev/null; then
		python3 -c 'import json, sys; json.loads(sys.stdin.buffer.read().decode())'
	else
		cat > /dev/null
	fi
}

# hold_transition: let a task hold up the transition that enables P
hold_transition()
{
	klp_load $H
	klp_hold $H
	klp_load $P objects=$H:hold
	klp_until "this shell has switched" klp_reads /proc/self/patch_state 1
}

t_usage()
{
	ctl $USAGE no-such-command
	ctl $USAGE --no-such-option
	ctl $USAGE status --yes
	ctl $USAGE load
	ctl $USAGE wait --timeout=x
	ctl $DONE --help
	says "^Usage: klpctl" "Exit codes: 0 done"
	ctl $DONE --version
}

# A name that is a path must not lead to a file of something else.
t_names()
{
	local command long

	mkdir "$KLP_TMP/other"
	echo 1 | tee "$KLP_TMP/other/enabled" > "$KLP_TMP/other/transition"
	for command in disable reverse force; do
		ctl $FAILED $command "../../..$KLP_TMP/other" --no-wait
		says "there is no livepatch"
	done
	klp_expect_file "$KLP_TMP/other/enabled" 1
	long=$(printf 'x%.0s' {1..5000})
	for command in disable enable reverse force status wait blockers unload load uninstall; do
		ctl $FAILED $command ""
		ctl $FAILED $command ..
		ctl $FAILED $command "$long"
	done
}

t_status()
{
	ctl $DONE
	says "^Kernel $(uname -r).* livepatch"
	grep -q "^$P " <<< "$SAID" && klp_fail "a patch that is not loaded:" "$SAID"
	klp_load $T
	klp_enable $P objects=vmlinux:cmdline,$T:value+extra,absent:value
	klp_enable $P2 objects=vmlinux:version replace_set=7 state_id=5 plain_state=0
	ctl $DONE status
	says "extended core\), [0-9]+ livepatches$" "^$P +enabled +1 +0 +2/3 +4 " \
		"^$P2 +enabled +1 +7 +1/1 +1 "
	ctl $DONE status ${P//_/-}
	says "^$P: enabled, last request" "^  vmlinux: patched" "^    test_klp_target_extra" \
		"^  absent: not patched"
	ctl $DONE status $P2
	says "^  5: version 0"
	ctl $FAILED status no_such_patch
}

t_load()
{
	ctl $DONE load "${KLP_KO[$P]}"
	says "^$P: enabled after"
	klp_expect_file $KLP_SYSFS/$P/transition 0
	ctl $FAILED load "${KLP_KO[$P]}"
	says "already loaded"
	ctl $DONE unload $P
	says "^$P: disabled after" "^$P: unloaded"
	klp_absent /sys/module/$P || klp_fail "the module is still loaded"
	ctl $FAILED unload $P
	ctl $FAILED load "${KLP_KO[$T]}"
	says "not a livepatch"
	ctl $FAILED load /no/such/file.ko
}

t_load_refused()
{
	hold_transition
	ctl $REFUSED load "${KLP_KO[$P2]}"
	says "refuses to load the patch: .*EBUSY" "cannot be enabled while '$P' is in transition"
	ctl $REFUSED enable $P
	says "EINVAL"
	klp_release $H
}

# hold_story: let a task sleep in the function that livepatch_story_fix changes. Sets READER to
# its pid
hold_story()
{
	local name

	for name in livepatch_story_sum livepatch_story_fix; do
		KLP_KO[$name]=$(klp_find_module $name)
		[ -f "${KLP_KO[$name]}" ] || klp_skip "no sample module $name"
	done
	klp_load livepatch_story_sum
	echo 1 > "$(klp_param livepatch_story_sum doze)"
	cat /proc/story_sum > "$KLP_TMP/sum" &
	READER=$!
	echo $READER >> "$KLP_TMP/pids"
	klp_until "a task sleeps" klp_reads "$(klp_param livepatch_story_sum sleepers)" 1
}

release_story()
{
	echo 0 > "$(klp_param livepatch_story_sum doze)"
	wait "$READER"
}

# A module whose load has been reversed does not stay loaded.
t_load_reversed()
{
	hold_story
	ctl $REVERSED load --timeout=0.5 --on-timeout=reverse "${KLP_KO[livepatch_story_fix]}"
	says "cat\[$READER\] sleeping in story_sum_show" "^livepatch_story_fix: unloaded"
	klp_absent /sys/module/livepatch_story_fix || klp_fail "the module is still loaded"
	release_story
	klp_unload livepatch_story_sum
}

# A signal ends the program, not the transition.
t_signals()
{
	hold_story
	interrupt INT load "${KLP_KO[livepatch_story_fix]}"
	interrupt TERM wait livepatch_story_fix
	interrupt HUP wait livepatch_story_fix
	start_waiting nohup "$KLPCTL" wait livepatch_story_fix
	kill -HUP $!
	release_story
	wait $! || klp_fail "nohup klpctl wait ends with $?:" "$(< "$KLP_TMP/wait")"
	grep -q "^livepatch_story_fix: enabled" "$KLP_TMP/wait" || klp_fail "$(< "$KLP_TMP/wait")"
	ctl $DONE unload livepatch_story_fix
	klp_unload livepatch_story_sum
}

# interrupt SIGNAL ARGUMENT...: send a signal to klpctl while it waits for livepatch_story_fix
interrupt()
{
	local code=0

	start_waiting "$KLPCTL" "${@:2}"
	kill "-$1" $!
	wait $! || code=$?
	klp_expect "exit code after SIG$1" $FAILED $code
	grep -q "interrupted, the transition continues" "$KLP_TMP/wait" ||
		klp_fail "klpctl does not tell of the signal:" "$(< "$KLP_TMP/wait")"
	klp_expect_file $KLP_SYSFS/livepatch_story_fix/transition 1
}

# start_waiting COMMAND...: start klpctl, until it waits. Its output is in KLP_TMP/wait
start_waiting()
{
	"$@" > "$KLP_TMP/wait" 2>&1 < /dev/null &
	echo $! >> "$KLP_TMP/pids"
	klp_until "klpctl waits" is_waiting $!
}

# is_waiting PID: return 0 if klpctl sleeps in its wait for a transition, where it catches SIGTERM.
# Reject the sleep of klpctl while it reads a forced patch: SIGTERM is not caught there.
is_waiting()
{
	local caught

	caught=$(sed -n 's/^SigCgt:[[:space:]]*//p' "/proc/$1/status")
	((0x${caught:-0} & 1 << (15 - 1))) && grep -q poll "/proc/$1/wchan"
}

# The event of the end tells when the module can be unloaded: nothing is tried twice.
t_unload_first_try()
{
	local i

	for ((i = 0; i < 10; i++)); do
		ctl $DONE load "${KLP_KO[$P]}"
		ctl $DONE unload -v $P
		says "unloaded at try 1$"
	done
}

# Newer patches are unloaded before older ones. A module without an enabled patch does not matter.
t_unload_all()
{
	klp_enable $P2 objects=vmlinux:version persistent=1
	klp_disable_persistent $P2
	klp_enable $P objects=vmlinux:cmdline
	klp_enable test_klp_patch3 objects=vmlinux:cmdline
	ctl $DONE unload --all
	klp_expect "the patches in the order of their unloading" "test_klp_patch3 $P" \
		"$(sed -n 's/^\(.*\): disabled after .*/\1/p' <<< "$SAID" | xargs)"
	says "^$P2: unloaded" "^$P: unloaded" "^test_klp_patch3: unloaded"
	klp_expect "what is in $KLP_SYSFS" "" "$(klp_list $KLP_SYSFS)"
	klp_expect "modules that are loaded" "" "$(grep -o '^test_klp_patch[^ ]*' /proc/modules)"
}

# The stack of each set tells the order of disabling, /proc/modules the order of unloading. They
# differ when a persistent patch has been enabled again.
t_unload_sets()
{
	klp_enable $P2 objects=vmlinux:version persistent=1
	klp_disable_persistent $P2
	klp_enable test_klp_patch3 objects=$T:value replace_set=1
	klp_enable $P objects=vmlinux:cmdline
	klp_enable_again $P2
	ctl $DONE unload --all
	klp_expect "the order" \
		"$P2 disabled $P disabled test_klp_patch3 disabled \
$P unloaded test_klp_patch3 unloaded $P2 unloaded" \
		"$(sed -nE 's/^(.*): (disabled|unloaded).*/\1 \2/p' <<< "$SAID" | xargs)"
}

# Another program loads and unloads the patch that klpctl reads.
t_concurrent()
{
	local i code=0 reader

	read_patches_again > "$KLP_TMP/readers" 2>&1 &
	reader=$!
	echo $reader >> "$KLP_TMP/pids"
	for ((i = 0; i < 20; i++)); do
		ctl $DONE load "${KLP_KO[$P]}"
		ctl $DONE unload $P
	done
	touch "$KLP_TMP/readers.end"
	wait $reader || code=$?
	klp_expect "exit code of the readers" 0 $code
	klp_expect "what the readers print" "" "$(< "$KLP_TMP/readers")"
}

# read_patches_again: run the commands that read all patches until readers.end exists
read_patches_again()
{
	while [ ! -e "$KLP_TMP/readers.end" ]; do
		"$KLPCTL" status --json | json_valid || return
		"$KLPCTL" blockers --json | json_valid || return
		"$KLPCTL" metrics > /dev/null || return
		"$KLPCTL" status > /dev/null || return
	done
}

# Of two programs that unload a patch, one unloads the module and the other finds it unloaded.
t_unload_twice()
{
	local pids=() i code

	klp_load $H
	klp_enable $P objects=$H:hold
	klp_hold $P
	for i in 0 1; do
		"$KLPCTL" unload $P > "$KLP_TMP/unload.$i" 2>&1 &
		pids[i]=$!
		echo $! >> "$KLP_TMP/pids"
		klp_until "klpctl waits" is_waiting $!
	done
	klp_set "$(klp_param $P hold)" 0
	for i in 0 1; do
		code=0
		wait "${pids[i]}" || code=$?
		klp_expect "exit code" $DONE $code
	done
	SAID=$(cat "$KLP_TMP"/unload.*)
	says "^$P: unloaded$"
	klp_expect "lines with 'unloaded'" 2 "$(grep -c "^$P: unloaded" <<< "$SAID")"
}

# With closed standard files the output does not get into a file of sysfs.
t_closed_files()
{
	local code=0

	klp_enable $P objects=vmlinux:cmdline
	"$KLPCTL" status <&- >&- 2>&- || code=$?
	klp_expect "exit code of status" $FAILED $code
	"$KLPCTL" unload $P <&- >&- 2>&- || true
	klp_absent /sys/module/$P || klp_fail "the module is still loaded"
}

t_persistent()
{
	klp_enable $P objects=vmlinux:cmdline persistent=1
	ctl $DONE disable $P
	ctl $DONE status
	says "^$P +disabled "
	ctl $DONE enable $P
	klp_expect_file /proc/cmdline $P
	ctl $DONE disable $P --no-wait
	klp_wait_transition $P
	ctl $FAILED disable no_such_patch
}

t_wait()
{
	ctl $DONE wait
	ctl $FAILED wait no_such_patch
	hold_transition
	ctl $TIMED_OUT wait $P --timeout=0.5
	says "1 of [0-9]+ tasks left" "cat\[$KLP_HELD\] sleeping in test_klp_hold_wait"
	"$KLPCTL" wait > "$KLP_TMP/wait" 2>&1 &
	echo $! >> "$KLP_TMP/pids"
	klp_release $H
	wait $! || klp_fail "klpctl wait ends with $?:" "$(< "$KLP_TMP/wait")"
}

t_reverse()
{
	local code=0

	hold_transition
	start_waiting "$KLPCTL" wait $P
	ctl $DONE reverse $P
	says "^$P: disabled"
	wait $! || code=$?
	klp_expect "exit code of the wait" $REVERSED $code
	ctl $FAILED reverse $P
	klp_release $H
}

t_on_timeout()
{
	klp_load $H
	klp_enable $P objects=$H:hold
	klp_hold $P
	ctl $REVERSED disable $P --timeout=0.5 --on-timeout=reverse
	says "the patch is enabled"
	klp_expect_file $KLP_SYSFS/$P/enabled 1
	ctl $TIMED_OUT disable $P --timeout=0.5 --on-timeout=keep
	klp_expect_file $KLP_SYSFS/$P/enabled 0
	klp_release $P
}

t_force()
{
	hold_transition
	ctl $USAGE force $P < /dev/null
	says "Locks may stay held" "--yes is required"
	klp_expect_file $KLP_SYSFS/$P/transition 1
	ctl $DONE force $P --yes
	klp_expect_file $KLP_SYSFS/$P/transition 0
	ctl $FAILED force $P --yes
	klp_release $H
}

t_blockers()
{
	ctl $DONE blockers
	hold_transition
	ctl $DONE blockers
	says "cat pid $KLP_HELD, user root" "sleeps in test_klp_hold_wait"
	ctl $DONE blockers -v $P
	says "test_klp_hold_wait\+0x"
	ctl $DONE status
	says "^$P +enabling [0-9]+ %"
	klp_release $H
}

# A task that spins in the patched function is running at each check.
t_blockers_running()
{
	klp_reads /sys/devices/system/cpu/cpu1/online 1 || klp_skip "no second processor"
	taskset -pc 0 $BASHPID > /dev/null || klp_skip "no taskset"
	klp_load $H busy=1
	klp_hold $H
	taskset -pc 1 "$KLP_HELD" > /dev/null
	klp_load $P objects=$H:hold
	klp_until "the task is held" reports_task running "was running on a CPU when it was checked"
	says "Wait or reduce the load: it is switched when it returns to user space"
	klp_release $H
}

t_blockers_unreliable()
{
	klp_load $H unreliable=1
	[ -e "$(klp_param $H unreliable)" ] || klp_skip "no stack is unreliable for this unwinder"
	klp_hold $H
	klp_load $P objects=$H:hold
	klp_until "the task is held" reports_task unreliable "cannot be read reliably"
	says "The kernel retries once a second"
	klp_release $H
}

# reports_task REASON WORDS: succeed if the task is a blocker for this reason, and the text has
# these words
reports_task()
{
	ctl $DONE blockers --json
	tr -d ' \n' <<< "$SAID" | grep -q "\"tid\":$KLP_HELD,[^}]*\"reason\":\"$1\"" || return
	ctl $DONE blockers
	grep -A 1 "cat pid $KLP_HELD, user root" <<< "$SAID" | grep -q "$2"
}

t_json()
{
	python3 -c 'import jsonschema' 2>/dev/null || klp_skip "no jsonschema of Python"
	[ -e "$SCHEMA" ] || klp_skip "no $SCHEMA"
	ctl $DONE status --json
	validate
	hold_transition
	klp_load $T
	ctl $DONE status --json
	validate
	says '"name": *"test_klp_hold_wait"' '"state": *"enabling"'
	ctl $DONE blockers --json -v
	validate
	says "\"tid\": *$KLP_HELD" '"reason": *"sleeping"'
	SAID=$("$KLPCTL" check --json "${KLP_KO[$P2]}")
	validate
	klp_release $H
}

t_user()
{
	local user=(setpriv --reuid 65534 --clear-groups)

	command -v setpriv > /dev/null || klp_skip "no setpriv"
	hold_transition
	SAID=$("${user[@]}" "$KLPCTL" status 2>&1) || klp_fail "status ends with $?" "$SAID"
	says "^$P +enabling"
	SAID=$("${user[@]}" "$KLPCTL" blockers 2>&1) || klp_fail "blockers ends with $?" "$SAID"
	says "held"
	SAID=$("${user[@]}" "$KLPCTL" disable $P 2>&1) && klp_fail "the user has disabled it"
	says "root is required"
	klp_expect_file $KLP_SYSFS/$P/enabled 1
	klp_release $H
}

# A line that is rewritten, not several ones.
t_terminal()
{
	command -v script > /dev/null || klp_skip "no script"
	hold_transition
	SAID=$(TERM=vt100 script -qec "$KLPCTL wait --timeout=1.5 $P" /dev/null < /dev/null)
	says $'\r.*enabling [0-9]+ %, 1 task left, .*cat\\[.*\033\\[K'
	klp_release $H
}

t_watch()
{
	start_watch
	klp_enable $P objects=vmlinux:cmdline
	klp_disable $P
	klp_until "the events are printed" grep -q "complete unpatching" "$KLP_TMP/watch"
	klp_until "callbacks are printed" grep -q "post_unpatch" "$KLP_TMP/watch"
	kill -INT $!
	wait $!
	SAID=$(< "$KLP_TMP/watch")
	says "$P: start patching" "$P: complete patching" "pre_patch .*(ms|us|s)"
	! has_instance || klp_fail "the trace instance is left"
}

# The instance of a program that was killed is removed by the next one, the others are not.
t_watch_killed()
{
	local killed living

	start_watch
	killed=$!
	start_watch
	living=$!
	kill -KILL $killed
	wait $killed 2> /dev/null
	has_instance $killed || klp_fail "no instance is left, which the test needs"
	start_watch
	klp_absent "$KLP_TRACING/instances/klpctl-$killed" || klp_fail "the instance is left"
	has_instance $living || klp_fail "the instance of another program was removed"
	kill -HUP $living $!
	wait
	klp_expect "instances" "" "$(cd "$KLP_TRACING/instances" && compgen -G 'klpctl-*')"
}

start_watch()
{
	"$KLPCTL" watch > "$KLP_TMP/watch" 2>&1 &
	echo $! >> "$KLP_TMP/pids"
	klp_until "the trace is read" has_instance $!
}

# has_instance [PID]: succeed if klpctl reads trace events
has_instance()
{
	local dir

	for dir in "$KLP_TRACING"/instances/klpctl-${1:-*}; do
		klp_reads "$dir/events/livepatch/klp_callback/enable" 1 && return
	done
	return 1
}

t_check()
{
	ctl $DONE check "${KLP_KO[$P]}"
	says "^livepatch +" "^vermagic +" "^transition +"
	ctl $FAILED check "${KLP_KO[$T]}"
	klp_enable $P objects=vmlinux:cmdline
	ctl $FAILED check "${KLP_KO[$P]}"
	says "loaded"
}

# A file is copied at a bad moment, or has a name that is not UTF-8.
t_files()
{
	local file=$KLP_TMP/test-klp.ko odd=$KLP_TMP/$'odd\xff\e[1m.ko'

	cp "${KLP_KO[$P]}" "$odd"
	SAID=$("$KLPCTL" check --json "$odd")
	json_valid <<< "$SAID" || klp_fail "no JSON:" "$SAID"
	head -c 10000 "$odd" > "$file"
	refuses_file "$file"
	cp "$odd" "$file"
	# e_shstrndx, the section with the names of the sections.
	printf '\xf0\xf0' | dd of="$file" bs=1 seek=62 conv=notrunc status=none
	refuses_file "$file"
	: > "$file"
	refuses_file "$file"
	refuses_file "$KLP_TMP"
}

refuses_file()
{
	local command

	for command in check load install; do
		ctl $FAILED $command "$1"
	done
}

t_metrics()
{
	klp_enable $P objects=vmlinux:cmdline
	ctl $DONE metrics
	says "^livepatch_patches [1-9]" "^livepatch_patch_state\{.*state=\"enabled\".*\} 1$" \
		"^livepatch_kernel_tainted 1$"
	ctl $DONE metrics --textfile "$KLP_TMP/livepatch.prom"
	grep -q "^livepatch_patches [1-9]" "$KLP_TMP/livepatch.prom" || klp_fail "the file is wrong"
	command -v promtool > /dev/null || klp_skip "no promtool; all else is right"
	promtool check metrics < "$KLP_TMP/livepatch.prom" > "$KLP_TMP/promtool" 2>&1 ||
		klp_fail "$(< "$KLP_TMP/promtool")"
}

# A file that cannot be written completely leaves the old one, and no temporary one. A rename must
# not remove a device.
t_full_disk()
{
	export KLPCTL
	command -v unshare > /dev/null || klp_skip "no unshare"
	[ -d /var/lib ] || klp_skip "no /var/lib"
	klp_enable $P objects=vmlinux:cmdline
	ctl $FAILED metrics --textfile /dev/null
	says "'/dev/null' is not a regular file"
	[ -c /dev/null ] || klp_fail "/dev/null is no device"
	SAID=$("$KLPCTL" status 2>&1 > /dev/full) && klp_fail "status ignores a full disk"
	says "the output cannot be written: No space left on device"
	SAID=$(unshare -m bash -ec '
		page=$(getconf PAGE_SIZE)
		mount -t tmpfs -o size=$((2 * page)) none /var/lib
		echo old > /var/lib/a.prom
		head -c $page /dev/zero > /var/lib/rest
		"$KLPCTL" metrics --textfile /var/lib/a.prom || :
		cat /var/lib/a.prom
		ls -A /var/lib
		"$KLPCTL" install "$0" || :
		find /var/lib -name ".new*" -o -name "*.ko"' "${KLP_KO[$P]}" 2>&1) ||
		klp_fail "a command has failed:" "$SAID"
	klp_expect "output without the path of the module" \
		"$(printf '%s\n' \
			"klpctl: '/var/lib/a.prom' cannot be written: No space left on device" \
			old a.prom rest "klpctl: cannot be copied: No space left on device")" \
		"$(sed "s|: '.*' cannot be copied to '.*'|: cannot be copied|" <<< "$SAID")"
}

# The directory of the system is not touched.
t_install()
{
	export KLPCTL
	command -v unshare > /dev/null || klp_skip "no unshare"
	[ -d /var/lib ] || klp_skip "no /var/lib"
	SAID=$(unshare -m bash -ec '
		mount -t tmpfs none /var/lib
		"$KLPCTL" install "$0"
		"$KLPCTL" list-installed
		"$KLPCTL" load --all
		"$KLPCTL" unload --all
		"$KLPCTL" load test-klp-patch
		"$KLPCTL" uninstall test_klp_patch
		"$KLPCTL" list-installed
		! "$KLPCTL" install "$1"' "${KLP_KO[$P]}" "${KLP_KO[$T]}" 2>&1) ||
		klp_fail "a command has failed:" "$SAID"
	says "^$P: installed" "^$P: enabled after" "^$P: unloaded" "^$P: uninstalled" \
		"^No livepatch is installed"
}

[ -x "$KLPCTL" ] || KLPCTL=$(command -v klpctl)
[ -x "$KLPCTL" ] || klp_skip_all "no klpctl: make -C tools/livepatch"
klp_setup $P $P2 test_klp_patch3 $T $H

klp_main \
	"usage wrong arguments, help" \
	"names that are empty, paths, or too long" \
	"status all patches, and one" \
	"load a module is loaded and unloaded" \
	"load_refused the errno and the reason in the log are shown" \
	"load_reversed a load that is reversed leaves no module" \
	"signals end the program, not the transition" \
	"unload_first_try the module is unloaded when the event has come" \
	"unload_all in the right order" \
	"unload_sets in the order of each set, then of the modules" \
	"unload_twice by two programs" \
	"concurrent a patch that appears and disappears" \
	"closed_files no output gets into a file of sysfs" \
	"persistent disabled and enabled" \
	"wait for a transition, with a limit, and the tasks that hold it up" \
	"reverse a transition, of which another klpctl is told" \
	"on_timeout reverse or keep a transition that takes too long" \
	"force needs --yes without a terminal" \
	"blockers a task that sleeps in a patched function, its user and stack" \
	"blockers_running a task that runs in a patched function" \
	"blockers_unreliable a task whose stack cannot be read" \
	"json the output is as the schema describes it" \
	"user another user sees what the files allow" \
	"terminal the progress is one line" \
	"watch uevents and durations of callbacks" \
	"watch_killed the instance of a killed program is removed" \
	"files that are damaged, or have odd names" \
	"check a module before it is loaded" \
	"metrics are in the format of Prometheus" \
	"full_disk an incomplete file is removed, and no device is replaced" \
	"install modules that are loaded at boot"
