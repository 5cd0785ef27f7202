#!/usr/bin/awk -f
# SPDX-License-Identifier: GPL-2.0
#
# reports.awk [-v ours=FILE] CONSOLE: print the reports of the kernel, each with the lines that
# follow it. The status is 1 if there is any.
#
# FILE is a list of functions. A data race counts only if one of them is in its title, or is one
# of the two innermost functions of an access: other data races are not those of the core.
#
# A report is at the start of a message, after at most one "subsystem: " word, so that tests may
# print BUG: and WARNING: within a sentence.

# function_in FIELD: its name, without that of the module
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
	# s390x, ppc64le, arm64
	what = what "|Unable to handle kernel|Internal error: |Call trace:"
	what = what "|(illegal operation|specification exception|addressing exception): "
	what = what "|(protection exception|privileged operation|data exception): "
	what = what "|Kernel stack overflow|Bad kernel stack pointer|Unrecoverable "
	what = what "|(Bad mode in|SError Interrupt|Insufficient stack space)"
	what = what "|Unhandled [^ ]* exception"
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

# The report ends at a line of equal signs.
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
	# The trace of one report contains others: print one range of lines.
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
