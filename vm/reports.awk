#!/usr/bin/awk -f
# SPDX-License-Identifier: GPL-2.0
#
# reports.awk CONSOLE: print what the kernel complains about, each complaint with the lines that
# follow it; status 1 when there is any.
#
# A complaint stands at the start of a message, after at most one "subsystem: " word, so that
# tests may write of BUG: and WARNING: in the middle of a sentence.

BEGIN {
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

END { exit found ? 1 : 0 }
