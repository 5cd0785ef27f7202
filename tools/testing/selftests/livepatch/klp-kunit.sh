#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The KUnit tests of kernel/livepatch. Loads their module, which runs them, and reports each case
# as a test.

# shellcheck source-path=SCRIPTDIR source=klp-lib.sh
. "$(dirname "$0")/klp-lib.sh"

M=klp_kunit
DEBUGFS=/sys/kernel/debug
TESTS=("module loads, and all its cases run without a complaint of the kernel")
PLANNED=0
declare -A RESULT REMARKS	# of each case: "ok" or "not ok" and more; what it has said

# read_suite DIR: read the results of a suite, mostly lines like "    ok 1 CASE"
read_suite()
{
	local line name remarks='' suite=${1##*/} result='^ {4}((not )?ok) [0-9]+ ([^ ]+)(.*)$'

	while IFS= read -r line; do
		case $line in
		'    1..'*)
			PLANNED=$((PLANNED + ${line#*..}))
			remarks=
			continue
			;;
		esac
		if [[ $line =~ $result ]]; then
			name=${suite}_${BASH_REMATCH[3]}
			RESULT[$name]=${BASH_REMATCH[1]}${BASH_REMATCH[4]}
			REMARKS[$name]=$remarks
			remarks=
			TESTS+=("$name KUnit case ${BASH_REMATCH[3]} of $suite")
			eval "t_$name() { report_case $name; }"
		else
			remarks+=$line$KLP_NL
		fi
	done < "$1/results"
}

report_case()
{
	case ${RESULT[$1]} in
	'ok # SKIP '*)	klp_skip "${RESULT[$1]#*SKIP }" ;;
	ok)		;;
	*)		klp_fail "${REMARKS[$1]}" ;;
	esac
}

# Built-in suites have run at boot.
run_cases()
{
	local dir

	if [ ! -d $DEBUGFS/kunit/klp_state ]; then
		klp_need_modules $M
		[ -d /sys/module/kunit ] || modprobe kunit enable=1 ||
			klp_skip_all "no module kunit"
		KLP_SAID=$(klp_insmod $M)
	fi
	[ -d $DEBUGFS/kunit ] || klp_skip_all "no $DEBUGFS/kunit: CONFIG_KUNIT_DEBUGFS=y is needed"

	for dir in "$DEBUGFS"/kunit/klp_*; do
		[ ! -e "$dir/results" ] || read_suite "$dir"
	done
	klp_fetch_log
	mv "$KLP_TMP/log-of-test" "$KLP_TMP/log-of-cases"
}

t_module()
{
	klp_expect "error of loading $M" "" "$KLP_SAID"
	[ ${#RESULT[@]} -gt 0 ] || klp_fail "not one case has run"
	klp_expect "how many cases have run" "$PLANNED" "${#RESULT[@]}"
	# Input of klp_run.
	cat "$KLP_TMP/log-of-cases" >> "$KLP_TMP/log-of-test"
}

klp_setup
KLP_SAID=
run_cases
klp_main "${TESTS[@]}"
