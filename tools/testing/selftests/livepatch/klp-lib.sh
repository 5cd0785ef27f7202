# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# What the klp-*.sh scripts share.  A test is a function that runs in a subshell; the first check
# that does not hold says what was expected and what came, and ends it.  Whatever a test leaves
# behind - tasks, patches, modules - is cleared away before the next, so tests mostly do not care.

KLP_DIR=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=/dev/null
. "$KLP_DIR/../kselftest/ktap_helpers.sh"

# The errors of the tools are told apart by their texts.
export LC_ALL=C

KLP_SYSFS=/sys/kernel/livepatch
: "${KLP_TIMEOUT:=60}"		# seconds; only ever waited for when something is wrong
KLP_TMP=
declare -A KLP_KO		# module name -> path of its file

# --- what a test says ---------------------------------------------------------------------------

# klp_fail LINE...: the test has failed, and this is why
klp_fail()
{
	printf '%s\n' "$@" | sed 's/^/# /'
	# Not even a pipe that this is the end of hides it.
	: > "$KLP_TMP/failed"
	exit "$KSFT_FAIL"
}

# klp_skip REASON: the test cannot be made here
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

# klp_until WHAT COMMAND...: waits until the command succeeds
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

# A short sleep that costs no process.
klp_nap()
{
	read -r -t 0.02 -u "$KLP_NAP_FD"
	return 0
}

# --- the log ------------------------------------------------------------------------------------

# All of it comes through one descriptor that stays open, so that only what is new is ever read.
# It is kept in two files: what came during this test, and what came since the last mark.

klp_fetch_log()
{
	local record text=''

	# Each read is one record; the error that ends this is that there is no other.
	dd bs=16384 iflag=nonblock <&"$KLP_KMSG_FD" > "$KLP_TMP/records" 2>/dev/null

	while IFS= read -r record; do
		# Lines that begin with a blank say more about the record before.
		[ "${record:0:1}" = ' ' ] || text+=${record#*;}$'\n'
	done < "$KLP_TMP/records"
	printf '%s' "$text" >> "$KLP_TMP/log-of-test"
	printf '%s' "$text" >> "$KLP_TMP/log"
}

# klp_mark: from here on the log counts
klp_mark()
{
	klp_fetch_log
	: > "$KLP_TMP/log"
}

# klp_log: what the core, the test modules and the samples have said since the mark
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

# klp_expect_log < EXPECTED: exactly these lines; then starts anew
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

# --- the trace ----------------------------------------------------------------------------------

# A script that calls klp_record has all livepatch events of a test recorded in a trace instance of
# its own, in the order in which they happened.  klp_expect_trace compares them in short: names
# without "test_klp_", no durations, and what one object of a patch goes through on one line:
#
#	patch: request enable
#	patch vmlinux: pre_patch 0, patch_hook_1 0, patched 2
#	patch: start patching
#	patch vmlinux: post_patch
#	patch: complete patching, done enable 0
#
# A callback has the name of its kind; a hook that of its function.  "patched" and "unpatched" come
# with the number of functions, "done" with the request and its result.

KLP_TRACE=
KLP_NL=$'\n'
KLP_TRACE_PATIENCE=$((KLP_TIMEOUT / 4))	# what a transition does last comes after its files say 0
declare -A KLP_ERRNOS=(
	[-5]=-EIO [-12]=-ENOMEM [-16]=-EBUSY [-17]=-EEXIST [-19]=-ENODEV [-22]=-EINVAL
	[-33]=-EDOM [-35]=-EDEADLK [-125]=-ECANCELED
)

# klp_record: to be called after klp_setup
klp_record()
{
	local dir=$KLP_TRACING/instances/klp

	[ -d "$KLP_TRACING/events/livepatch" ] || klp_skip_all "the kernel has no livepatch events"
	# One that a killed script has left goes.
	[ ! -d "$dir" ] || rmdir "$dir"
	mkdir "$dir" || klp_skip_all "no trace instance"
	KLP_TRACE=$dir

	# A clock that only counts: no two events are at the same time.
	echo counter > "$dir/trace_clock"
	echo 0 > "$dir/options/context-info"
	echo 0 > "$dir/options/annotate"
	echo 1 > "$dir/events/livepatch/enable"
	klp_record_tasks 0
}

# klp_record_tasks 1|0: whether the events of single tasks are recorded
klp_record_tasks()
{
	echo "$1" > "$KLP_TRACE/events/livepatch/klp_task_switched/enable"
	echo "$1" > "$KLP_TRACE/events/livepatch/klp_task_held/enable"
}

# The events since the last comparison, one in each element of KLP_EVENTS.
klp_read_trace()
{
	mapfile -t -s "$KLP_TRACE_SEEN" KLP_EVENTS < "$KLP_TRACE/trace"
}

# klp_trace_mark [OPEN]: from here on events count.  A transition says that it is over before the
# last events have come, so this waits until no more requests than so many have no answer yet.
klp_trace_mark()
{
	klp_until "all but ${1:-0} requests have been answered" klp_trace_settled "${1:-0}"
	KLP_TRACE_SEEN=${#KLP_EVENTS[@]}
}

klp_trace_settled()
{
	local line open=0

	mapfile -t KLP_EVENTS < "$KLP_TRACE/trace"
	for line in "${KLP_EVENTS[@]}"; do
		case $line in
		klp_request:*)		open=$((open + 1)) ;;
		klp_request_done:*)	open=$((open - 1)) ;;
		esac
	done
	[ "$open" -le "$1" ]
}

# klp_callback_in_short PATCH KIND FUNCTION RET: in KLP_SHORT
klp_callback_in_short()
{
	local function=${3% \[*}

	KLP_SHORT="$2 is $3"
	if [ "$3" = "$function [$1]" ]; then
		case $2/$function in
		"$function/$2" | patch_hook/patch_hook_? | unpatch_hook/unpatch_hook_?)
			KLP_SHORT=$function
			;;
		esac
	fi
	case $2/$4 in
	post_patch/0 | pre_unpatch/0 | post_unpatch/0)	;;
	*)	KLP_SHORT+=" ${KLP_ERRNOS[$4]:-$4}" ;;
	esac
}

# klp_join_line HEAD TEXT: one more event in short in KLP_SHORTENED
klp_join_line()
{
	if [ "$1" = "$KLP_HEAD" ]; then
		KLP_SHORTENED+=", $2"
	else
		KLP_SHORTENED+=$KLP_NL$1:\ $2
		KLP_HEAD=$1
	fi
}

# The events in KLP_EVENTS in short, in KLP_SHORTENED.
klp_shorten_trace()
{
	local line rest patch head duration=' duration_ns='

	KLP_SHORTENED='' KLP_HEAD=''
	for line in "${KLP_EVENTS[@]}"; do
		[[ $line != '#'* ]] || continue
		rest=${line#*: patch=}
		patch=${rest%% *} rest=${rest#* }
		head=$patch KLP_SHORT=
		case $line in
		klp_request:*)
			KLP_SHORT="request ${rest#request=}"
			;;
		klp_request_done:*"$duration"[0-9]*)
			rest=${rest%"$duration"*} rest=${rest#request=}
			line=${rest#* result=}
			KLP_SHORT="done ${rest%% *} ${KLP_ERRNOS[$line]:-$line}"
			;;
		klp_object_patched:* | klp_object_unpatched:*)
			line=${line%%:*} rest=${rest#object=}
			head+=" ${rest% functions=*}"
			KLP_SHORT="${line#klp_object_} ${rest#* functions=}"
			;;
		klp_callback:*"$duration"[0-9]*)
			rest=${rest%"$duration"*} rest=${rest#object=}
			head+=" ${rest%% kind=*}" rest=${rest#* kind=}
			line=${rest#* function=}
			klp_callback_in_short "$patch" "${rest%% *}" "${line% ret=*}" \
				"${line#* ret=}"
			;;
		klp_transition_*:*)
			line=${line%%:*}
			KLP_SHORT="${line#klp_transition_} ${rest#direction=}"
			;;
		*)
			head="not understood" KLP_SHORT=$line
			;;
		esac
		klp_join_line "${head//test_klp_/}" "$KLP_SHORT"
	done
}

# klp_expect_trace < EXPECTED: exactly these events since the last time
klp_expect_trace()
{
	local line expected deadline=$((SECONDS + KLP_TRACE_PATIENCE))

	KLP_SHORTENED='' KLP_HEAD=''
	while IFS= read -r line; do
		[ -z "$line" ] || klp_join_line "${line%%: *}" "${line#*: }"
	done
	expected=$KLP_SHORTENED

	while :; do
		klp_read_trace
		klp_shorten_trace
		[ "$expected" != "$KLP_SHORTENED" ] || break
		# Not yet, or not at all?
		if [[ $expected != "$KLP_SHORTENED"* ]] || [ "$SECONDS" -ge "$deadline" ]; then
			echo "$expected" > "$KLP_TMP/expected"
			echo "$KLP_SHORTENED" > "$KLP_TMP/got"
			klp_fail "the trace is not as expected (- has not come, + has come):" \
				"$(diff -U100 "$KLP_TMP/expected" "$KLP_TMP/got" | tail -n +5)"
		fi
		klp_nap
	done
	KLP_TRACE_SEEN=$((KLP_TRACE_SEEN + ${#KLP_EVENTS[@]}))
}

# What is to be expected where it is not the point of the test.  All objects have one function and
# one hook of each kind.

# klp_enabling PATCH OBJECT...
klp_enabling()
{
	local patch=$1 object
	shift

	echo "$patch: request enable"
	for object; do
		echo "$patch $object: pre_patch 0, patch_hook_1 0, patched 1"
	done
	echo "$patch: start patching"
	for object; do
		echo "$patch $object: post_patch"
	done
	echo "$patch: complete patching, done enable 0"
}

# klp_disabling PATCH OBJECT...
klp_disabling()
{
	local patch=$1 object
	shift

	echo "$patch: request disable"
	for object; do
		echo "$patch $object: pre_unpatch"
	done
	echo "$patch: start unpatching"
	klp_unpatched "$patch" "$@"
	echo "$patch: complete unpatching, done disable 0"
}

# klp_unpatched PATCH OBJECT...: the end of it
klp_unpatched()
{
	local patch=$1 object
	shift

	for object; do
		echo "$patch $object: unpatched 1"
	done
	for object; do
		echo "$patch $object: unpatch_hook_1 0, post_unpatch"
	done
}

# A test begins.
klp_trace_anew()
{
	[ -n "$KLP_TRACE" ] || return
	klp_record_tasks 0
	: > "$KLP_TRACE/trace"
	KLP_TRACE_SEEN=0
	[ ! -e "$KLP_TMP/some-callbacks" ] || rm "$KLP_TMP/some-callbacks"
}

# klp_some_callbacks: the patches of this test lack callbacks, so that what is owed at its end
# cannot be told from the trace
klp_some_callbacks()
{
	: > "$KLP_TMP/some-callbacks"
}

# What must be so in each trace, whatever happens; looked at when a test has been cleared away:
# every request has got its one answer, every object that was patched was unpatched, at most one
# patch is in transition, and no callback runs but from the state that it leads on from.
klp_check_trace()
{
	local said

	[ -n "$KLP_TRACE" ] || return 0
	said=$(awk -v some="$([ -e "$KLP_TMP/some-callbacks" ] && echo 1)" '
	function wrong(text) {
		print text (NR == at ? "" : ": " $0)
	}
	function value(name,	 text) {
		if (!match($0, " " name "=[^ ]*"))
			return ""
		text = substr($0, RSTART, RLENGTH)
		return substr(text, index(text, "=") + 1)
	}
	# An object goes from one state to another, and is redirected meanwhile or not.
	function step(from, to, redirected) {
		if (some)
			return
		if (owed[object] + 0 != from)
			wrong("not from the state that the object is in")
		if (redirected != "" && patched[object] + 0 != redirected)
			wrong(redirected ? "not redirected yet" : "redirected")
		owed[object] = to
	}
	BEGIN { IDLE = 0; PREPARED = 1; LIVE = 2 }
	{
		patch = value("patch")
		object = patch " " value("object")
		request = patch " " value("request")
	}
	/^klp_request:/ {
		open[request]++
		wanted[patch] = value("request")
	}
	/^klp_request_done:/ {
		if (--open[request] < 0)
			wrong("an answer that nobody has asked for")
	}
	/^klp_object_patched:/ && patched[object]++ {
		wrong("patched twice")
	}
	/^klp_object_unpatched:/ && --patched[object] {
		wrong("was not patched")
	}
	/^klp_transition_start:/ {
		if (moving != "" && moving != patch)
			wrong("in the middle of the transition of " moving)
		moving = patch
		direction = value("direction")
	}
	/^klp_transition_(reverse|force|complete):/ && moving != patch {
		wrong("this patch is not in transition")
	}
	/^klp_transition_(force|complete):/ && direction != value("direction") {
		wrong("not the direction it has started with")
	}
	/^klp_transition_reverse:/ && direction == value("direction") {
		wrong("this was the direction before")
	}
	/^klp_transition_complete:/ {
		moving = ""
		if (direction != "patching" || wanted[patch] != "replace")
			next
		for (object in owed) {
			if (index(object, patch " ") != 1)
				owed[object] = IDLE
		}
	}
	/^klp_callback:.* kind=pre_patch / { step(IDLE, value("ret") + 0 ? IDLE : PREPARED, 0) }
	/^klp_callback:.* kind=patch_hook / { step(PREPARED, PREPARED, 0) }
	/^klp_callback:.* kind=post_patch / { step(PREPARED, LIVE, 1) }
	/^klp_callback:.* kind=pre_unpatch / { step(LIVE, PREPARED, 1) }
	/^klp_callback:.* kind=unpatch_hook / { step(PREPARED, PREPARED, 0) }
	/^klp_callback:.* kind=post_unpatch / { step(PREPARED, IDLE, 0) }
	END {
		at = NR
		if (moving != "")
			wrong("still in transition: " moving)
		for (name in open) {
			if (open[name])
				wrong(open[name] " not answered: " name)
		}
		for (name in patched) {
			if (patched[name])
				wrong("still patched: " name)
		}
		for (name in owed) {
			if (owed[name])
				wrong("something is still owed: " name)
		}
	}' "$KLP_TRACE/trace")
	[ -z "$said" ] || klp_fail "the trace cannot be right:" "$said"
}

# --- files --------------------------------------------------------------------------------------

# klp_errno TEXT: the name of the error that a tool complains about; empty for no complaint
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
	*'temporarily unavailable'*)	echo EAGAIN ;;
	*'deadlock'*)			echo EDEADLK ;;
	*)				echo "unknown: $1" ;;
	esac
}

# klp_reads FILE TEXT: whether the file, of one line, holds just this
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

# klp_expect_line TARGET NAME TEXT: what the line of that name in the target's file says
klp_expect_line()
{
	local name text

	while read -r name text; do
		[ "$name" = "$2:" ] && break
	done < "/proc/$1"
	klp_expect "line '$2' of /proc/$1" "$3" "$text"
}

# klp_write FILE TEXT: prints the name of the error if there is one
klp_write()
{
	local said

	# One write(2), and no error from anything but that and open(2).
	said=$( { printf '%s' "$2" > "$1"; } 2>&1)
	klp_errno "$said"
}

# klp_set FILE TEXT: writes, which must succeed
klp_set()
{
	local said

	said=$( { printf '%s' "$2" > "$1"; } 2>&1)
	[ -z "$said" ] || klp_fail "$said"
}

# klp_list FOLDER: what is in there
klp_list()
{
	(
		shopt -s nullglob
		cd "$1" && echo *
	)
}

# klp_param MODULE NAME: path of a module parameter
klp_param()
{
	echo "/sys/module/$1/parameters/$2"
}

# --- modules and patches ------------------------------------------------------------------------

# klp_need_modules NAME...: finds the files, or skips the whole script
klp_need_modules()
{
	local name

	for name; do
		KLP_KO[$name]=$(klp_find_module "$name")
		[ -f "${KLP_KO[$name]}" ] ||
			klp_skip_all "no module $name: see the file config, or KLP_MODDIR="
	done
}

# klp_find_module NAME: path of its file; a sample's has dashes where its name has none
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

# klp_insmod FILE|NAME [PARAMETER...]: prints the name of the error if there is one
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

# klp_enable NAME [PARAMETER...]: loads a livepatch and waits for its transition to end
klp_enable()
{
	klp_load "$@"
	klp_wait_transition "$1"
}

klp_wait_transition()
{
	klp_until "the transition of $1 has ended" klp_reads "$KLP_SYSFS/$1/transition" 0
}

# klp_disable NAME: disables a livepatch and waits until it is gone
klp_disable()
{
	klp_set "$KLP_SYSFS/$1/enabled" 0
	klp_wait_gone "$1"
}

# klp_disable_persistent NAME: likewise for one that stays in sysfs
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

# klp_unload NAME: removes a module that nobody uses, or is about to use no more
klp_unload()
{
	klp_until "the last user of $1 has gone" klp_reads "/sys/module/$1/refcnt" 0
	klp_expect "what rmmod $1 says" "" "$(rmmod "$1" 2>&1)"
}

# klp_redirected: the functions that ftrace calls livepatch for
klp_redirected()
{
	# Beside a tracer the list is that of all functions there are.
	awk '/ I( |$)/ { print $1 }' "$KLP_TRACING/enabled_functions" | sort | paste -sd ' '
}

# klp_twin_symbol: the name of two functions of vmlinux, and the address of the second
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

# --- tasks --------------------------------------------------------------------------------------

# klp_hold MODULE [FILE]: starts a task that sleeps in the version of test_klp_hold_wait(), or of
# what reading FILE calls, that lies in this module; its process id is then in KLP_HELD
klp_hold()
{
	klp_set "$(klp_param "$1" hold)" 1
	cat "${2:-/proc/test_klp_hold}" > "$KLP_TMP/held.$1" 2>&1 &
	KLP_HELD=$!
	echo "$KLP_HELD" >> "$KLP_TMP/pids"
	klp_until "a task sleeps in $1" klp_reads "$(klp_param "$1" held)" 1
}

# klp_release MODULE: lets it go on; what it has read is then in KLP_SAID
klp_release()
{
	klp_set "$(klp_param "$1" hold)" 0
	klp_until "the task has left $1" klp_reads "$(klp_param "$1" held)" 0
	klp_until "the task has read its file" test -s "$KLP_TMP/held.$1"
	# shellcheck disable=SC2034 # for the scripts
	KLP_SAID=$(< "$KLP_TMP/held.$1")
}

# --- tools --------------------------------------------------------------------------------------

# klp_tool NAME: finds the program, compiled here if need be; its path is then in KLP_TOOL.  They
# may have been built in another folder, KLP_TOOLS.
klp_tool()
{
	KLP_TOOL=${KLP_TOOLS:-$KLP_DIR}/$1
	[ ! -x "$KLP_TOOL" ] || return 0
	KLP_TOOL=$KLP_TMP/$1
	[ -x "$KLP_TOOL" ] || ${CC:-cc} -o "$KLP_TOOL" "$KLP_DIR/$1.c" 2>/dev/null ||
		klp_skip "$1 is not built and cannot be: make -C $KLP_DIR"
}

# klp_mkrela ARGUMENT...: the tool of that name
klp_mkrela()
{
	local said

	klp_tool klp_mkrela
	said=$("$KLP_TOOL" "$@" 2>&1) || klp_fail "klp_mkrela $*: $said"
}

# --- running tests ------------------------------------------------------------------------------

klp_skip_all()
{
	ktap_skip_all "$1"
	exit "$KSFT_SKIP"
}

# klp_setup MODULE...: what a script does first, with the modules that it uses
klp_setup()
{
	ktap_print_header
	[ "$(id -u)" -eq 0 ] || klp_skip_all "must be run as root"
	[ -d "$KLP_SYSFS" ] || klp_skip_all "no $KLP_SYSFS: CONFIG_LIVEPATCH=y is needed"
	klp_need_modules "$@"

	# Other people's patches would get replaced, and their stack counted.
	[ -z "$(klp_list "$KLP_SYSFS")" ] || klp_skip_all "livepatches are enabled already"
	[ -z "$(klp_leftovers)" ] || klp_skip_all "in use already: $(klp_leftovers)"

	[ -d /sys/kernel/tracing/events ] || mount -t tracefs nodev /sys/kernel/tracing ||
		klp_skip_all "no tracefs"
	KLP_TRACING=/sys/kernel/tracing

	KLP_TMP=$(mktemp -d) || klp_skip_all "no folder for temporary files"
	trap klp_end EXIT
	trap 'exit 1' INT TERM HUP

	# Nobody writes to this pipe but it has a writer: reading from it just takes time.
	mkfifo "$KLP_TMP/nap"
	exec {KLP_NAP_FD}<>"$KLP_TMP/nap"

	exec {KLP_KMSG_FD}< /dev/kmsg
	klp_fetch_log
}

# Runs when the script ends, whatever ended it.
klp_end()
{
	(klp_cleanup)
	[ -z "$KLP_TRACE" ] || rmdir "$KLP_TRACE"
	rm -rf "$KLP_TMP"
}

# klp_ours DIR...: those of the folders that are there and named for a module of ours
klp_ours()
{
	local path name

	for path; do
		name=${path##*/}
		[ -e "$path" ] || continue
		[[ $name = test_klp_* || -n ${KLP_KO[$name]:-} ]] && echo "$path"
	done
}

# klp_leftovers: our modules that are loaded; those of forced patches have to stay forever
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
	# What it is on may be a module's.
	file=$(klp_param test_klp_ipmodify function)
	[ -e "$file" ] && echo > "$file"

	[ -e "$KLP_TMP/pids" ] || return
	while read -r pid; do
		kill "$pid" 2>/dev/null
	done < "$KLP_TMP/pids"
	rm "$KLP_TMP/pids"
}

# klp_cleanup: lets all tasks go, disables all patches and removes all modules of a test
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

# Writing 0 reverses a transition that is under way; a patch that is leaving refuses it.  A
# persistent one stays until its module is removed.
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

# A test that the kernel complains about has failed, whatever else it found.  A data race may be
# anybody's: who runs a kernel that looks for them has to see whose.
klp_check_complaints()
{
	local log

	klp_fetch_log
	log=$(sed '/^BUG: KCSAN: /,/^=\{60\}/d' "$KLP_TMP/log-of-test")
	case $log in
	*WARNING:* | *BUG:* | *'Call Trace:'* | *Oops*)
		klp_fail "the kernel complains:" "$(grep -A9 -e WARNING: -e BUG: \
			-e 'Call Trace:' -e Oops <<< "$log")"
		;;
	esac
}

# klp_run NAME DESCRIPTION: runs the function t_NAME as a test
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

# klp_main "NAME DESCRIPTION"...: runs these tests, or those that KLP_TESTS names
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
