#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# run-scripts.sh [-c] LIMIT DIR SCRIPT...: inside the guest, run each script of DIR for at most LIMIT
# seconds and report it as a KTAP result.  What a script prints is KTAP of its own, shown
# indented, or with -c a comment.

prefix='  '
[ "$1" = -c ] && prefix='# ' && shift
limit=$1
cd "$2" || exit 1
shift 2

echo "KTAP version 1"
echo "1..$#"
number=0
failed=0
for script in "$@"; do
	number=$((number + 1))
	echo "# running $script"
	timeout -k 10 "$limit" bash "./$script" </dev/null 2>&1 | sed -u "s/^/$prefix/"
	rc=${PIPESTATUS[0]}
	case $rc in
	0)	echo "ok $number $script" ;;
	4)	echo "ok $number $script # SKIP" ;;
	124 | 137)
		echo "not ok $number $script # took more than $limit seconds"
		failed=1
		;;
	*)	echo "not ok $number $script # exit status $rc"
		failed=1
		;;
	esac
done
exit $failed
