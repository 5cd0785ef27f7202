#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# stock-source.sh: prepare the stock source in build/linux, and the files that our tree replaces
# in build/pristine. The tarball of the package is unpacked once. A tree in KSRC is copied, never
# changed. Later only changed files are copied again.

# shellcheck source=vm/common.sh
. "$(dirname "$0")/common.sh"
# shellcheck source=vm/tree-files.sh
. "$VM/tree-files.sh"

LINUX=$SHARED
TARBALL=/usr/src/linux-source-6.12.tar.xz
ID=$BUILD/stock.id		# the stock source that build/linux was made from
LIST=$BUILD/stock.list		# KSRC: every file with its size and time

# List the files of the tree, without those of git and backups of editors.
list_tree()
{
	find "$1" -path "$1/.git" -prune -o ! -type d -printf '%P\t%s\t%T@\n' | sort
}

# Save the stock files that overlay.sh may change.
save_pristine()
{
	local path

	rm -rf "$PRISTINE"
	mkdir -p "$PRISTINE"
	for path in "${TREE_FILES[@]}" "${EDITED[@]}" "${STOCK_TESTS[@]}" "$MANIFEST"; do
		[ -e "$1/$path" ] || continue
		mkdir -p "$PRISTINE/$(dirname "$path")"
		cp -a "$1/$path" "$PRISTINE/$path"
	done
}

start_over()
{
	local dir

	rm -rf "$LINUX" "$LINUX.new" "$ID" "$LIST" \
		"$BUILD"/{kernel,root,kernel.stamp,lint,stock,stock-tests}
	# Of each VARIANT and of each ARCH, of which the root of the guest stays.
	for dir in "$VM"/config/*; do
		dir=$BUILD/${dir##*/}
		[ ! -d "$dir/guest-root" ] ||
			dir=$(find "$dir" -mindepth 1 -maxdepth 1 ! -name 'guest-root*')
		# shellcheck disable=SC2086 # a list of paths
		rm -rf $dir
	done
	mkdir -p "$LINUX.new"
}

unpack()
{
	tar -xJf "$TARBALL" -C "$LINUX.new" --strip-components=1
}

copy_tree()
{
	(cd "$KSRC" && find . -path ./.git -prune -o -print0) |
		tar -C "$KSRC" -c --no-recursion --null -T - | tar -C "$LINUX.new" -x
	clean_tree
}

# A tree that was built in place has objects and a configuration that forbid a build elsewhere.
clean_tree()
{
	[ ! -e "$LINUX.new/.config" ] && [ ! -e "$LINUX.new/include/config" ] ||
		make -C "$LINUX.new" mrproper
}

# Copy the files that differ in the lists, and remove those that are gone.
refresh_tree()
{
	local path

	comm -13 "$LIST" "$LIST.new" | cut -f1 |
	while IFS= read -r path; do
		mkdir -p "$LINUX/$(dirname "$path")"
		rm -f "$LINUX/$path"
		cp -a "$KSRC/$path" "$LINUX/$path"
		echo "$path"
	done
	comm -23 <(cut -f1 "$LIST") <(cut -f1 "$LIST.new") |
	while IFS= read -r path; do
		rm -f "$LINUX/$path"
		echo "gone: $path"
	done
}

lock_build

if [ -n "$KSRC" ]; then
	[ -d "$KSRC" ] || die "KSRC=$KSRC is not a folder"
	KSRC=$(cd "$KSRC" && pwd -P)
	case "$KSRC" in
	"$BUILD"/*)	die "KSRC=$KSRC is a folder that we write to" ;;
	esac
	check_version "$KSRC"
	id="tree $KSRC"
	list_tree "$KSRC" >"$BUILD/stock.list.new"
else
	[ -e "$TARBALL" ] || die "$TARBALL is not there: run make deps, or name a tree with KSRC="
	id="package $(stat -c '%s %Y' "$TARBALL")"
fi

if [ "$id" != "$(cat "$ID" 2>/dev/null)" ]; then
	start_over
	export -f unpack copy_tree clean_tree
	export TARBALL LINUX KSRC
	if [ -n "$KSRC" ]; then
		run_step stock-source "copying $KSRC" bash -ec copy_tree
		mv "$LIST.new" "$LIST"
		save_pristine "$KSRC"
	else
		run_step stock-source "unpacking stock" bash -ec unpack
		save_pristine "$LINUX.new"
	fi
	mv "$LINUX.new" "$LINUX"
	echo "$id" >"$ID"
elif [ -n "$KSRC" ]; then
	if ! cmp -s "$LIST" "$LIST.new"; then
		# Copy the whole tree if it is built in place.
		if [ -e "$KSRC/.config" ] || [ -e "$KSRC/include/config" ]; then
			rm -f "$ID"
			exec "$0"
		fi
		refresh_tree >"$LOG/stock-source.log"
		echo "stock-source: $(grep -c . "$LOG/stock-source.log") files of $KSRC have changed"
		mv "$LIST.new" "$LIST"
		save_pristine "$KSRC"
	fi
	rm -f "$LIST.new"
fi
