#!/usr/bin/awk -f
# SPDX-License-Identifier: GPL-2.0
#
# reports.awk [-v ours=FILE] CONSOLE: print what the kernel complains about, each complaint with the
# lines that follow it; status 1 when there is any.
#
# FILE is a list of functions.  A data race is a complaint only when one of them is in its title, or
# among the two innermost of the functions that an access was made by: a kernel that looks for data
# races finds many that are none of ours.
#
# A complaint stands at the start of a message, after at most one "subsystem: " word, so that
# tests may write of BUG: and WARNING: in the middle of a sentence.

# function_in FIELD: its name; after the functions of a module stands the module's
function function_in(field,    symbol)
{
	symbol = $field ~ /^\[/ ? $(field - 1) : $field
	sub(/[+.].*/, "", symbol)
	return symbol
}

function end_race(    i)
{
	for (i = 1; i <= race_lines; i++)
		if (race_is_ours)
			print race[i]
	found += race_is_ours
	foreign += !race_is_ours
	in_race = 0
}

BEGIN {
	while (ours != "" && (getline line <ours) > 0)
		is_ours[line] = 1
	start = "^(\\[ *[0-9]+\\.[0-9]+\\](\\[ *[CT][0-9]+\\])? )?([A-Za-z_0-9]+: )?"
	what = "(WARNING|BUG|KASAN|KCSAN|UBSAN|KFENCE|KMSAN|Oops|PANIC|ODEBUG)(:| )"
	what = what "|(kernel BUG at|Kernel panic|Call Trace:|general protection fault)"
	what = what "|(double fault|stack segment|divide error|invalid opcode|int3):"
	what = what "|(unable to handle|INFO: .*(stall|blocked for more than))"
	what = what "|INFO: (trying to register|lockdep is turned off|possible)"
	what = what "|INFO: (suspicious|inconsistent|recoverable|NMI handler)"
	what = what "|(possible (circular|recursive|irq)|inconsistent lock state|suspicious RCU)"
	what = what "|DEBUG_LOCKS_WARN|unreferenced object|[0-9]+ new suspected memory leaks"
	what = what "|(list_(add|del) corruption|refcount_t: |workqueue lockup)"
	what = what "|cannot create duplicate filename|(rcu_sched|rcu_preempt).*stall"
	pattern = start "(" what ")"
	shown = 60
}

{ sub(/\r$/, "") }

# From here to a line of equal signs.
ours != "" && /: KCSAN: data-race in / || /: KCSAN: assert: race in / {
	in_race = 1
	race_lines = frames = 0
	race_is_ours = is_ours[function_in(NF)] || is_ours[function_in(NF - 2)]
}

in_race {
	race[++race_lines] = $0
	if (/ by (task|interrupt)/)
		frames = 2
	else if (frames-- > 0 && is_ours[function_in(NF)])
		race_is_ours = 1
	if (/={60}/)
		end_race()
	next
}

$0 ~ pattern {
	found++
	# The trace of one complaint is full of others; one window shows them all.
	if (total < 200) {
		if (left <= 0 && found > 1)
			print "..."
		left = shown
	}
}

left > 0 {
	print
	left--
	total++
}

END {
	if (in_race)
		end_race()
	if (foreign)
		print foreign " data races elsewhere"
	exit found ? 1 : 0
}
