# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# Common functions of the klp-*.sh scripts. A test is a function that runs in a subshell. The
# first failed check prints the expected and the actual value, and ends the test. Tasks, patches
# and modules that a test leaves are removed before the next test.

KLP_DIR=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=/dev/null
. "$KLP_DIR/../kselftest/ktap_helpers.sh"

# The names of errors are derived from the messages of the tools.
export LC_ALL=C

KLP_SYSFS=/sys/kernel/livepatch
: "${KLP_TIMEOUT:=60}"		# seconds; only ever waited for when something is wrong
KLP_TMP=
declare -A KLP_KO		# module name -> path of its file

# --- results of checks ----------------------------------------------------------------------------

# klp_fail LINE...: fail the test, with these lines as the reason
klp_fail()
{
	printf '%s\n' "$@" | sed 's/^/# /'
	# Also valid at the end of a pipe.
	: > "$KLP_TMP/failed"
	exit "$KSFT_FAIL"
}

# klp_skip REASON: skip the test
klp_skip()
{
	echo "# $1"
	exit "$KSFT_SKIP"
}

# klp_expect WHAT EXPECTED GOT
klp_expect()
{
	[ "$2" = "$3" ] && return
	klp_fail "$1:" "  expected: $2" "       got: $3"
}

# klp_until WHAT COMMAND...: wait until the command succeeds
klp_until()
{
	local what=$1 deadline=$((SECONDS + KLP_TIMEOUT))
	shift

	until "$@"; do
		[ "$SECONDS" -lt "$deadline" ] ||
			klp_fail "still not so after $KLP_TIMEOUT s: $what"
		klp_nap
	done
}

# Sleep for a short time without a new process.
klp_nap()
{
	read -r -t 0.02 -u "$KLP_NAP_FD"
	return 0
}

# --- the log --------------------------------------------------------------------------------------

# A descriptor of /dev/kmsg stays open, so that each record is read once. Two files keep the
# records of this test, and those since the last mark.

klp_fetch_log()
{
	local record text=''

	# Each read returns one record. The error at the end means that there is no other one.
	dd bs=16384 iflag=nonblock <&"$KLP_KMSG_FD" > "$KLP_TMP/records" 2>/dev/null

	while IFS= read -r record; do
		# Lines that begin with a blank continue the previous record.
		[ "${record:0:1}" = ' ' ] || text+=${record#*;}$'\n'
	done < "$KLP_TMP/records"
	printf '%s' "$text" >> "$KLP_TMP/log-of-test"
	printf '%s' "$text" >> "$KLP_TMP/log"
}

# klp_mark: start a new section of the log
klp_mark()
{
	klp_fetch_log
	: > "$KLP_TMP/log"
}

# klp_log: print the lines of the core, the test modules and the samples since the mark
klp_log()
{
	local line

	klp_fetch_log
	while IFS= read -r line; do
		case $line in
		*': '*taint*' kernel'*)	;;
		'livepatch: '* | livepatch_* | test_klp_*)	echo "$line" ;;
		esac
	done < "$KLP_TMP/log"
}

# klp_expect_log < EXPECTED: expect exactly these lines since the mark, and set a new mark
klp_expect_log()
{
	local expected got

	IFS= read -r -d '' expected
	klp_log > "$KLP_TMP/got"
	IFS= read -r -d '' got < "$KLP_TMP/got"
	if [ "$expected" != "$got" ]; then
		printf '%s' "$expected" > "$KLP_TMP/expected"
		klp_fail "the log is not as expected (- has not come, + has come):" \
			"$(diff -U100 "$KLP_TMP/expected" "$KLP_TMP/got" | tail -n +4)"
	fi
	: > "$KLP_TMP/log"
}

# shellcheck source-path=SCRIPTDIR source=klp-trace-lib.sh
. "${BASH_SOURCE[0]%/*}/klp-trace-lib.sh"

# --- files ----------------------------------------------------------------------------------------

# klp_errno TEXT: print the name of the error in a message of a tool, nothing for an empty message
klp_errno()
{
	case $1 in
	'')				echo ;;
	*'Invalid argument'* | *'Invalid parameters'*)	echo EINVAL ;;
	*'resource busy'*)		echo EBUSY ;;
	*'No such device'*)		echo ENODEV ;;
	*'Unknown symbol'* | *'No such file'*)		echo ENOENT ;;
	*'Invalid module format'* | *'Exec format'*)	echo ENOEXEC ;;
	*'File exists'*)		echo EEXIST ;;
	*'Cannot allocate memory'*)	echo ENOMEM ;;
	*'Numerical argument out of domain'*)		echo EDOM ;;
	*'Permission denied'*)		echo EACCES ;;
	*'No space left'*)		echo ENOSPC ;;
	*'quota exceeded'*)		echo EDQUOT ;;
	*'temporarily unavailable'*)	echo EAGAIN ;;
	*'deadlock'*)			echo EDEADLK ;;
	*)				echo "unknown: $1" ;;
	esac
}

# klp_reads FILE TEXT: succeed if the file consists of this line
klp_reads()
{
	local text

	{ read -r text < "$1"; } 2>/dev/null && [ "$text" = "$2" ]
}

# klp_expect_file FILE TEXT
klp_expect_file()
{
	klp_expect "$1" "$2" "$( { echo "$(< "$1")"; } 2>&1)"
}

# klp_expect_line TARGET NAME TEXT: check the line of that name in the file of the target
klp_expect_line()
{
	local name text

	while read -r name text; do
		[ "$name" = "$2:" ] && break
	done < "/proc/$1"
	klp_expect "line '$2' of /proc/$1" "$3" "$text"
}

# klp_expect_cleared FILE: check that the address in the file, which a relocation has written, is
# 0 again. Only architectures that refuse to overwrite another value clear relocations.
klp_expect_cleared()
{
	! grep -q ' T clear_relocate_add$' /proc/kallsyms || klp_expect_file "$1" 0
}

# klp_write FILE TEXT: write, and print the name of the error if there is one
klp_write()
{
	local said

	# Write in a single write(2). Only open(2) and write(2) can fail.
	said=$( { printf '%s' "$2" > "$1"; } 2>&1)
	klp_errno "$said"
}

# klp_set FILE TEXT: write, which must succeed
klp_set()
{
	local said

	said=$( { printf '%s' "$2" > "$1"; } 2>&1)
	[ -z "$said" ] || klp_fail "$said"
}

# klp_list FOLDER: print the names of its entries
klp_list()
{
	(
		shopt -s nullglob
		cd "$1" && echo *
	)
}

# klp_param MODULE NAME: print the path of a module parameter
klp_param()
{
	echo "/sys/module/$1/parameters/$2"
}

# --- modules and patches --------------------------------------------------------------------------

# klp_need_modules NAME...: find the files of the modules, or skip the whole script
klp_need_modules()
{
	local name

	for name; do
		KLP_KO[$name]=$(klp_find_module "$name")
		[ -f "${KLP_KO[$name]}" ] ||
			klp_skip_all "no module $name: see the file config, or KLP_MODDIR="
	done
}

# klp_find_module NAME: print the path of its file. The files of samples have dashes in their
# names
klp_find_module()
{
	local dir dirs

	[ -n "${KLP_MODDIR:-}" ] || { modinfo -n "$1" 2>/dev/null; return; }
	IFS=: read -r -a dirs <<< "$KLP_MODDIR"
	for dir in "${dirs[@]}"; do
		[ ! -f "$dir/$1.ko" ] || echo "$dir/$1.ko"
		[ "$1" = "${1//_/-}" ] || [ ! -f "$dir/${1//_/-}.ko" ] || echo "$dir/${1//_/-}.ko"
	done | head -n 1
}

# klp_insmod FILE|NAME [PARAMETER...]: load a module, and print the name of the error if there is
# one
klp_insmod()
{
	local file=${KLP_KO[$1]:-$1} said
	shift

	said=$(insmod "$file" "$@" 2>&1)
	klp_errno "$said"
}

# klp_load FILE|NAME [PARAMETER...]
klp_load()
{
	klp_expect "error of loading $*" "" "$(klp_insmod "$@")"
}

# klp_load_fails ERRNO FILE|NAME [PARAMETER...]
klp_load_fails()
{
	local errno=$1
	shift

	klp_expect "error of loading $*" "$errno" "$(klp_insmod "$@")"
}

# klp_enable NAME [PARAMETER...]: load a livepatch and wait for the end of its transition
klp_enable()
{
	klp_load "$@"
	klp_wait_transition "$1"
}

klp_wait_transition()
{
	klp_until "the transition of $1 has ended" klp_reads "$KLP_SYSFS/$1/transition" 0
}

# klp_disable NAME: disable a livepatch and wait until it is removed from sysfs
klp_disable()
{
	klp_set "$KLP_SYSFS/$1/enabled" 0
	klp_wait_gone "$1"
}

# klp_disable_persistent NAME: disable a persistent livepatch and wait for the end of its
# transition
klp_disable_persistent()
{
	klp_set "$KLP_SYSFS/$1/enabled" 0
	klp_wait_transition "$1"
}

# klp_enable_again NAME
klp_enable_again()
{
	klp_set "$KLP_SYSFS/$1/enabled" 1
	klp_wait_transition "$1"
}

klp_wait_gone()
{
	klp_until "$1 has left $KLP_SYSFS" klp_absent "$KLP_SYSFS/$1"
}

klp_absent()
{
	[ ! -e "$1" ]
}

# klp_unload NAME: unload a module, as soon as it is unused
klp_unload()
{
	klp_until "the last user of $1 has gone" klp_reads "/sys/module/$1/refcnt" 0
	klp_expect "what rmmod $1 says" "" "$(rmmod "$1" 2>&1)"
}

# klp_redirected: print the functions that have an IPMODIFY ops
klp_redirected()
{
	# With a tracer the list has all functions.
	awk '/ I( |$)/ { print $1 }' "$KLP_TRACING/enabled_functions" | sort | paste -sd ' '
}

# klp_twin_symbol: print a name that two functions of vmlinux have, and the address of the second
# one
klp_twin_symbol()
{
	awk 'NF == 3 && $2 ~ /[tT]/ && $3 !~ /,/ && ++count[$3] == 2 {
			second[$3] = $1
		}
		END {
			for (name in second) {
				if (count[name] != 2)
					continue
				print name, second[name]
				exit
			}
		}' /proc/kallsyms
}

# klp_expect_works: check that a valid patch works, and that nothing is left of it
klp_expect_works()
{
	klp_enable test_klp_patch objects=vmlinux:cmdline
	klp_expect_file /proc/cmdline test_klp_patch
	klp_disable test_klp_patch
	klp_expect_file /proc/cmdline "$KLP_CMDLINE"
	klp_unload test_klp_patch
}

# klp_expect_nothing_left NAME: check that nothing of the module or its patch is left, and that a
# valid patch works
klp_expect_nothing_left()
{
	klp_expect "what is in $KLP_SYSFS" "" "$(klp_list $KLP_SYSFS)"
	klp_expect "functions redirected" "" "$(klp_redirected)"
	klp_absent "/sys/module/$1" || klp_fail "$1 is still loaded"
	klp_expect_file /proc/cmdline "$KLP_CMDLINE"
	klp_expect_works
}

# --- tasks ----------------------------------------------------------------------------------------

# klp_hold MODULE [FILE]: start a task that reads FILE or /proc/test_klp_hold, and sleeps in a
# function of this module. Sets KLP_HELD to its process id
klp_hold()
{
	klp_set "$(klp_param "$1" hold)" 1
	cat "${2:-/proc/test_klp_hold}" > "$KLP_TMP/held.$1" 2>&1 &
	KLP_HELD=$!
	echo "$KLP_HELD" >> "$KLP_TMP/pids"
	klp_until "a task sleeps in $1" klp_reads "$(klp_param "$1" held)" 1
}

# klp_release MODULE: wake the task. Sets KLP_SAID to the text that it has read
klp_release()
{
	klp_set "$(klp_param "$1" hold)" 0
	klp_until "the task has left $1" klp_reads "$(klp_param "$1" held)" 0
	klp_until "the task has read its file" test -s "$KLP_TMP/held.$1"
	# shellcheck disable=SC2034 # for the scripts
	KLP_SAID=$(< "$KLP_TMP/held.$1")
}

# --- tools ----------------------------------------------------------------------------------------

# klp_tool NAME: find the program, in KLP_TOOLS if set, or compile it. Sets KLP_TOOL to its path
klp_tool()
{
	KLP_TOOL=${KLP_TOOLS:-$KLP_DIR}/$1
	[ ! -x "$KLP_TOOL" ] || return 0
	KLP_TOOL=$KLP_TMP/$1
	[ -x "$KLP_TOOL" ] || ${CC:-cc} -o "$KLP_TOOL" "$KLP_DIR/$1.c" -pthread \
		"$KLP_DIR/klp_util.c" 2>/dev/null ||
		klp_skip "$1 is not built and cannot be: make -C $KLP_DIR"
}

# klp_mkrela ARGUMENT...: run the tool of that name
klp_mkrela()
{
	local said

	klp_tool klp_mkrela
	said=$("$KLP_TOOL" "$@" 2>&1) || klp_fail "klp_mkrela $*: $said"
}

# --- running tests --------------------------------------------------------------------------------

klp_skip_all()
{
	ktap_skip_all "$1"
	exit "$KSFT_SKIP"
}

# klp_setup MODULE...: start a script that uses these modules
klp_setup()
{
	ktap_print_header
	[ "$(id -u)" -eq 0 ] || klp_skip_all "must be run as root"
	[ -d "$KLP_SYSFS" ] || klp_skip_all "no $KLP_SYSFS: CONFIG_LIVEPATCH=y is needed"
	klp_need_modules "$@"

	# Other patches on the system would be replaced, and would change stack_order.
	[ -z "$(klp_list "$KLP_SYSFS")" ] || klp_skip_all "livepatches are enabled already"
	[ -z "$(klp_leftovers)" ] || klp_skip_all "in use already: $(klp_leftovers)"

	[ -d /sys/kernel/tracing/events ] || mount -t tracefs nodev /sys/kernel/tracing ||
		klp_skip_all "no tracefs"
	KLP_TRACING=/sys/kernel/tracing
	KLP_CMDLINE=$(< /proc/cmdline)

	KLP_TMP=$(mktemp -d) || klp_skip_all "no folder for temporary files"
	trap klp_end EXIT
	trap 'exit 1' INT TERM HUP

	# A pipe with a writer and without data: a read with a timeout is a sleep.
	mkfifo "$KLP_TMP/nap"
	exec {KLP_NAP_FD}<>"$KLP_TMP/nap"

	exec {KLP_KMSG_FD}< /dev/kmsg
	klp_fetch_log
}

# Clean up at the end of the script, for any reason of the end.
klp_end()
{
	(klp_cleanup)
	[ -z "$KLP_TRACE" ] || rmdir "$KLP_TRACE"
	rm -rf "$KLP_TMP"
}

# klp_ours DIR...: print those directories that exist and have the name of a module of these tests
klp_ours()
{
	local path name

	for path; do
		name=${path##*/}
		[ -e "$path" ] || continue
		[[ $name = test_klp_* || -n ${KLP_KO[$name]:-} ]] && echo "$path"
	done
}

# klp_leftovers: print the loaded modules of these tests, except those of forced patches
klp_leftovers()
{
	local path names=()

	for path in $(klp_ours /sys/module/*); do
		[[ $path != */test_klp_forced* ]] && names+=("${path##*/}")
	done
	echo "${names[*]}"
}

klp_let_go()
{
	local path file pid

	for path in $(klp_ours /sys/module/*); do
		for file in "$path"/parameters/{hold,blocked,spin,fork_hold,middle_hold}; do
			[ -e "$file" ] && echo 0 > "$file"
		done
	done
	# Its function may belong to a module.
	file=$(klp_param test_klp_ipmodify function)
	[ -e "$file" ] && echo > "$file"

	[ -e "$KLP_TMP/pids" ] || return
	while read -r pid; do
		kill "$pid" 2>/dev/null
	done < "$KLP_TMP/pids"
	rm "$KLP_TMP/pids"
}

# klp_cleanup: wake all tasks, disable all patches and unload all modules of a test
klp_cleanup()
{
	local path

	klp_let_go
	klp_reads /proc/sys/kernel/ftrace_enabled 1 || echo 1 > /proc/sys/kernel/ftrace_enabled

	for path in $(klp_ours "$KLP_SYSFS"/*); do
		klp_until "clean-up: ${path##*/} is gone" klp_try_disable "$path"
	done
	klp_until "clean-up: all modules are removed" klp_try_remove
}

# Disable a patch. Writing 0 reverses a transition to the enabled state. A patch that is being
# removed refuses it. A persistent one stays until its module is unloaded.
klp_try_disable()
{
	[ -e "$1" ] || return 0
	klp_reads "$1/enabled" 1 && klp_write "$1/enabled" 0 > /dev/null
	klp_reads "$1/enabled" 0 && klp_reads "$1/transition" 0
}

klp_try_remove()
{
	local names

	names=$(klp_leftovers)
	[ -n "$names" ] || return 0
	# shellcheck disable=SC2086 # a list of names
	rmmod $names 2>/dev/null
}

# Fail a test during which the kernel has reported something. A data race may concern other code:
# on a kernel that detects them, vm/reports.awk selects those of the core.
klp_check_complaints()
{
	local log

	klp_fetch_log
	log=$(sed '/^BUG: KCSAN: /,/^=\{60\}/d' "$KLP_TMP/log-of-test")
	case $log in
	*WARNING:* | *BUG:* | *'Call '[Tt]'race:'* | *Oops*)
		klp_fail "the kernel complains:" "$(grep -A9 -e WARNING: -e BUG: \
			-e 'Call [Tt]race:' -e Oops <<< "$log")"
		;;
	esac
}

# klp_run NAME DESCRIPTION: run the function t_NAME as a test
klp_run()
{
	local name=$1 description=$2 result=0

	[ ! -e "$KLP_TMP/failed" ] || rm "$KLP_TMP/failed"
	: > "$KLP_TMP/log-of-test"
	: > "$KLP_TMP/log"
	klp_trace_anew
	( "t_$name" ) || result=$?
	( klp_cleanup ) || result=$KSFT_FAIL
	( klp_check_trace ) || result=$KSFT_FAIL
	( klp_check_complaints ) || result=$KSFT_FAIL
	[ ! -e "$KLP_TMP/failed" ] || result=$KSFT_FAIL

	case $result in
	"$KSFT_PASS")	ktap_test_pass "$name: $description" ;;
	"$KSFT_SKIP")	ktap_test_skip "$name: $description" ;;
	*)		ktap_test_fail "$name: $description" ;;
	esac
}

# klp_main "NAME DESCRIPTION"...: run these tests, or those in KLP_TESTS
klp_main()
{
	local test chosen=()

	for test; do
		case " ${KLP_TESTS:-${test%% *}} " in
		*" ${test%% *} "*)	chosen+=("$test") ;;
		esac
	done

	ktap_set_plan "${#chosen[@]}"
	for test in "${chosen[@]}"; do
		klp_run "${test%% *}" "${test#* }"
	done
	ktap_finished
}
