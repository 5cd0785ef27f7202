#!/usr/bin/awk -f
# SPDX-License-Identifier: GPL-2.0
#
# ktap.awk -v scripts=N -v nested=0|1 -v totals=FILE LOG: count the results of vm/run-scripts.sh
# into FILE, as "passed failed skipped", and print what is wrong with them. Without nested each
# script is one result. With nested its own results count, and missing results are failures.

function complain(n, text)
{
	failed += n
	print "# FAILED: " text
}

function start_script(name)
{
	script = name
	plan = -1
	seen = bad = 0
}

function end_script(ok, skip)
{
	done++
	if (!nested) {
		if (skip)
			skipped++
		else if (ok)
			passed++
		else
			failed++
	} else if (skip || (plan == 0 && ok && !seen)) {
		# The whole script was skipped: its results do not count.
		skipped++
	} else {
		if (plan < 0)
			complain(1, script " printed no plan")
		else if (seen < plan)
			complain(plan - seen, script " planned " plan " tests, ran " seen)
		else if (seen > plan)
			complain(1, script " planned " plan " tests, ran " seen)
		else if (!ok && !bad)
			complain(1, script " failed after its tests had passed")
	}
	script = ""
}

/^# running / { start_script($3) }
/^ok [0-9]+/ && script { end_script(1, $0 ~ /# SKIP/) }
/^not ok [0-9]+/ && script { end_script(0, 0) }

nested && script && /^  1\.\.[0-9]+/ { plan = substr($1, 4) + 0 }
nested && script && /^  (not )?ok [0-9]+/ {
	seen++
	if (/# (SKIP|XFAIL)/)
		skipped++
	else if (/^  ok/)
		passed++
	else {
		failed++
		bad++
	}
}

END {
	if (script)
		complain(nested && plan > seen ? plan - seen : 1, script " did not come to its end")
	if (done + (script != "") < scripts)
		complain(scripts - done - (script != ""), "scripts that did not run: " \
			scripts - done - (script != ""))
	print passed + 0, failed + 0, skipped + 0 >totals
}
