#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# integrate.sh: lay our tree into the user's own, KSRC.  Every check comes before the first write.
# What the host had is overwritten only where it is known: a checksum in vm/host.sha256, the tag
# of the tree's own version in its git, or what an earlier run wrote down in the tree itself.

# shellcheck source=vm/common.sh
. "$(dirname "$0")/common.sh"
# shellcheck source=vm/house.sh
. "$VM/house.sh"

[ -n "$KSRC" ] || die "which tree?  make integrate KSRC=DIR"
[ -d "$KSRC" ] || die "KSRC=$KSRC is not a folder"
KSRC=$(cd "$KSRC" && pwd -P)
[ "$KSRC" != "$TOP" ] || die "KSRC is this repository"
check_version "$KSRC"

manifest=$KSRC/$MANIFEST
plan=$("$VM/lay-in.sh" --dry-run "$KSRC" "$KSRC") || die "cannot tell what to do: $plan"
if [ -z "$plan" ]; then
	echo "integrate: nothing to do, $KSRC holds this tree already"
	exit 0
fi

# known PATH: the tree's file is the host's own, or ours from another time
known()
{
	local sum tag

	sum="$(sha256sum <"$KSRC/$1" | cut -d' ' -f1)  $1"
	grep -qsxF "$sum" "$VM/host.sha256" "$manifest" && return
	tag=v$(kernel_version "$KSRC")
	git -C "$KSRC" cat-file -e "$tag:$1" 2>/dev/null &&
		cmp -s "$KSRC/$1" <(git -C "$KSRC" show "$tag:$1")
}

changed=$(while read -r verb path; do
	case "$verb" in
	# An edit adds a line and leaves the rest, whatever it is.
	replaced | removed)
		known "$path" || echo "$path" ;;
	esac
done <<<"$plan")

if [ -n "$changed" ] && [ "$FORCE" != 1 ]; then
	echo "integrate: $KSRC is Linux $(kernel_version "$KSRC")," \
		"and these files are not as that release has them:"
	sed 's/^/  /' <<<"$changed"
	echo "Nothing was changed.  FORCE=1 overwrites them."
	exit 1
fi

while read -r _ path; do
	dir=$KSRC/$path
	while [ ! -d "$dir" ]; do
		dir=$(dirname "$dir")
	done
	[ -w "$dir" ] || die "no permission to write to $dir; nothing was changed"
done <<<"$plan"

"$VM/lay-in.sh" "$KSRC" "$KSRC" || die "writing to $KSRC failed half-way; run it again"

laid=$(our_files)
# shellcheck disable=SC2086 # a list of paths
(cd "$KSRC" && sha256sum $laid) >"$manifest"
echo "integrate: $(wc -l <<<"$plan") files of $KSRC changed; configure it with CONFIG_LIVEPATCH=y"
