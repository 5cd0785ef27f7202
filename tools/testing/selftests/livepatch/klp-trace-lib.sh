# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# Sourced by klp-lib.sh: the trace events of a test, in a short form.

# A script that calls klp_record gets all livepatch events of a test in a trace instance, in their
# order. klp_expect_trace compares them in a short form: names without "test_klp_", no durations,
# and consecutive events of one object of a patch on one line:
#
#	patch: request enable
#	patch vmlinux: pre_patch 0, patch_hook_1 0, patched 2
#	patch: start patching
#	patch vmlinux: post_patch
#	patch: complete patching, done enable 0
#
# A callback is shown by its kind, a hook by its function. "patched" and "unpatched" have the
# number of functions, "done" has the request and its result. The events of a state are those of
# "patch state NUMBER": its callbacks, introduced, inherited, removed.

KLP_TRACE=
KLP_NL=$'\n'
KLP_TRACE_PATIENCE=$((KLP_TIMEOUT / 4))	# what a transition does last comes after its files say 0
declare -A KLP_ERRNOS=(
	[-5]=-EIO [-12]=-ENOMEM [-16]=-EBUSY [-17]=-EEXIST [-19]=-ENODEV [-22]=-EINVAL
	[-33]=-EDOM [-35]=-EDEADLK [-125]=-ECANCELED
)

# klp_record: record the events of each test. Call it after klp_setup.
klp_record()
{
	local dir=$KLP_TRACING/instances/klp

	[ -d "$KLP_TRACING/events/livepatch" ] || klp_skip_all "the kernel has no livepatch events"
	# Remove the instance of a script that was killed.
	[ ! -d "$dir" ] || rmdir "$dir"
	mkdir "$dir" || klp_skip_all "no trace instance"
	KLP_TRACE=$dir

	# A clock that counts events: no two events have the same time.
	echo counter > "$dir/trace_clock"
	echo 0 > "$dir/options/context-info"
	echo 0 > "$dir/options/annotate"
	echo 1 > "$dir/events/livepatch/enable"
	klp_record_tasks 0
}

# klp_record_tasks 1|0: record the events of single tasks, or not
klp_record_tasks()
{
	echo "$1" > "$KLP_TRACE/events/livepatch/klp_task_switched/enable"
	echo "$1" > "$KLP_TRACE/events/livepatch/klp_task_held/enable"
}

# Read the events since the last comparison into the array KLP_EVENTS.
klp_read_trace()
{
	mapfile -t -s "$KLP_TRACE_SEEN" KLP_EVENTS < "$KLP_TRACE/trace"
}

# klp_trace_mark [OPEN]: discard the events so far. A transition is reported as complete before
# its last events, so wait until at most OPEN requests, or none, have no result yet.
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

# klp_callback_in_short PATCH KIND FUNCTION RET: set KLP_SHORT to the short form
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

# klp_join_line HEAD TEXT: append an event to KLP_SHORTENED
klp_join_line()
{
	if [ "$1" = "$KLP_HEAD" ]; then
		KLP_SHORTENED+=", $2"
	else
		KLP_SHORTENED+=$KLP_NL$1:\ $2
		KLP_HEAD=$1
	fi
}

# Set KLP_SHORTENED to the short form of KLP_EVENTS.
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
		klp_state_callback:*"$duration"[0-9]*)
			rest=${rest%"$duration"*} rest=${rest#id=}
			head+=" state ${rest%% *}" rest=${rest#* kind=}
			line=${rest#* ret=}
			KLP_SHORT=${rest%% *}
			[ "$KLP_SHORT" != pre_patch ] || KLP_SHORT+=" ${KLP_ERRNOS[$line]:-$line}"
			;;
		klp_state_*:*)
			line=${line%%:*} rest=${rest#id=}
			head+=" state ${rest%% *}"
			KLP_SHORT=${line#klp_state_}
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

# klp_expect_trace < EXPECTED: expect exactly these events since the last comparison
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
		# Wait for more events only if those so far are right.
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

# The expected events of common steps. All objects have one function and one hook of each kind.

# klp_enabling PATCH OBJECT...: events of enabling a patch
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

# klp_disabling PATCH OBJECT...: events of disabling a patch
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

# klp_unpatched PATCH OBJECT...: events of the end of disabling a patch
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

# Start the trace of a new test.
klp_trace_anew()
{
	[ -n "$KLP_TRACE" ] || return
	klp_record_tasks 0
	: > "$KLP_TRACE/trace"
	KLP_TRACE_SEEN=0
	[ ! -e "$KLP_TMP/some-callbacks" ] || rm "$KLP_TMP/some-callbacks"
}

# klp_some_callbacks: the patches of this test lack callbacks, so the trace does not show what is
# owed
klp_some_callbacks()
{
	: > "$KLP_TMP/some-callbacks"
}

# Check the whole trace of a test after its cleanup: each request has one result, each patched
# object has been unpatched, at most one patch is in transition, and each callback of an object or
# of a system state runs when it is due. All patches with a system state share its callbacks.
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
	# Change the state of an object, which is redirected or not meanwhile.
	function step(from, to, redirected) {
		if (some)
			return
		if (owed[object] + 0 != from)
			wrong("not from the state that the object is in")
		if (redirected != "" && patched[object] + 0 != redirected)
			wrong(redirected ? "not redirected yet" : "redirected")
		owed[object] = to
	}
	# Change the stage of a system state.
	function state_step(from, to) {
		if (!some && stage[id] + 0 != from)
			wrong("not from the stage that the state is in")
		stage[id] = to
	}
	BEGIN { IDLE = 0; PREPARED = 1; LIVE = 2 }
	{
		patch = value("patch")
		object = patch " " value("object")
		request = patch " " value("request")
		id = value("id")
	}
	/^klp_request:/ {
		open[request]++
		wanted[patch] = value("request")
	}
	/^klp_request_done:/ {
		if (--open[request] < 0)
			wrong("a result without a request")
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
	/^klp_state_callback:.* kind=pre_patch / {
		state_step(IDLE, value("ret") + 0 ? IDLE : PREPARED)
	}
	/^klp_state_callback:.* kind=post_patch / { state_step(PREPARED, LIVE) }
	/^klp_state_callback:.* kind=pre_unpatch / { state_step(LIVE, PREPARED) }
	/^klp_state_callback:.* kind=post_unpatch / { state_step(PREPARED, IDLE) }
	/^klp_state_introduced:/ { state_step(PREPARED, PREPARED) }
	/^klp_state_removed:/ { state_step(IDLE, IDLE) }
	/^klp_state_inherited:/ && !some && !stage[id] {
		wrong("the state is not in force")
	}
	END {
		at = NR
		for (name in stage) {
			if (stage[name])
				wrong("state " name " has not been removed")
		}
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
