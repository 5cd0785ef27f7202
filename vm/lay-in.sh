#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# lay-in.sh [--dry-run] [--host] TREE PRISTINE: make TREE what the host (PRISTINE holds its copies of
# the files concerned) is with our files in it, or with --host without them.  Only files that differ
# are written, so that make rebuilds only what they touch.  Prints a line for each file: added,
# replaced, edited, removed, or restored to the host's.

# shellcheck source=vm/common.sh
. "$(dirname "$0")/common.sh"
# shellcheck source=vm/house.sh
. "$VM/house.sh"

dry=
[ "$1" = --dry-run ] && dry=y && shift
# The host alone is what comes of a repository without files.
[ "$1" = --host ] && TOP=/nonexistent && shift
tree=$1 pristine=$2

# put SOURCE PATH VERB
put()
{
	cmp -s "$1" "$tree/$2" && return
	echo "$3 $2"
	[ -n "$dry" ] && return
	mkdir -p "$tree/$(dirname "$2")"
	# A new file under the final name: what reads the old one meanwhile keeps it.
	cp "$1" "$tree/$2.new$$"
	[ -x "$1" ] && chmod 755 "$tree/$2.new$$"
	mv "$tree/$2.new$$" "$tree/$2"
}

drop()
{
	echo "removed $1"
	[ -n "$dry" ] && return
	rm -f "$tree/$1"
	rmdir -p --ignore-fail-on-non-empty "$tree/$(dirname "$1")" 2>/dev/null
}

# What the host gives, less what we replace wholly, and what we give.
hosts=$(cd "$pristine" && for path in "${HOUSE[@]}"; do
	[ -e "$path" ] && find "$path" -type f
done | sort)
# What we laid there before is not the host's, even when we no longer have it.
if [ -e "$pristine/$MANIFEST" ]; then
	hosts=$(comm -23 <(echo "$hosts") <(sed 's/^[0-9a-f]*  //' "$pristine/$MANIFEST" | sort))
fi
ours=$(our_files)
[ -e "$TOP/$REPLACED/Makefile" ] && hosts=$(grep -v "^$REPLACED/" <<<"$hosts")
stay=$(comm -23 <(echo "$hosts") <(echo "$ours"))

for path in $ours; do
	if [ -e "$tree/$path" ]; then
		put "$TOP/$path" "$path" replaced
	else
		put "$TOP/$path" "$path" added
	fi
done
for path in $stay; do
	put "$pristine/$path" "$path" restored
done

present=$(cd "$tree" && for path in "${HOUSE[@]}"; do
	[ -e "$path" ] && find "$path" -type f
done | sort)
for path in $(comm -13 <(sort <<<"$ours"$'\n'"$stay") <(echo "$present")); do
	drop "$path"
done

edited=$(mktemp)
trap 'rm -f "$edited"' EXIT
for path in "${EDITED[@]}"; do
	[ -e "$pristine/$path" ] || die "$pristine/$path is missing"
	edit_file "$path" <"$pristine/$path" >"$edited"
	put "$edited" "$path" edited
done
