#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# overlay.sh [--dry-run] [--stock] TREE PRISTINE: lay our files over the stock tree TREE, or
# remove them with --stock. PRISTINE has the stock files that may be replaced. Only files that
# differ are written, so that make only rebuilds what they affect. Prints a line for each file:
# added, replaced, edited, removed, or restored.

# shellcheck source=vm/common.sh
. "$(dirname "$0")/common.sh"
# shellcheck source=vm/tree-files.sh
. "$VM/tree-files.sh"

dry=
[ "$1" = --dry-run ] && dry=y && shift
# Without files of ours the result is stock.
[ "$1" = --stock ] && TOP=/nonexistent && shift
tree=$1 pristine=$2

# put SOURCE PATH VERB
put()
{
	cmp -s "$1" "$tree/$2" && return
	echo "$3 $2"
	[ -n "$dry" ] && return
	mkdir -p "$tree/$(dirname "$2")"
	# Replace the file by a new one: a concurrent reader keeps the old one.
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

# The files of stock that stay, and our files.
stock_files=$(cd "$pristine" && for path in "${TREE_FILES[@]}"; do
	[ -e "$path" ] && find "$path" -type f
done | sort)
# Files from an earlier run are not files of stock.
if [ -e "$pristine/$MANIFEST" ]; then
	stock_files=$(comm -23 <(echo "$stock_files") \
		<(sed 's/^[0-9a-f]*  //' "$pristine/$MANIFEST" | sort))
fi
ours=$(our_files)
[ -e "$TOP/$REPLACED/Makefile" ] && stock_files=$(grep -v "^$REPLACED/" <<<"$stock_files")
stay=$(comm -23 <(echo "$stock_files") <(echo "$ours"))

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

present=$(cd "$tree" && for path in "${TREE_FILES[@]}"; do
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
