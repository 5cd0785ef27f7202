#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# integrate.sh: lay our tree over the tree in KSRC. All checks precede the first write. A file is
# replaced only if it is known: by a checksum in vm/stock.sha256, by the tag of the version in the
# git of the tree, or by the list that an earlier run has left.
#
# The patches in patches/ change files of the host. Those of the architecture that the .config of
# the tree names are applied, or those of WITH in the environment: s390x, ppc64le, arm64. What they
# change is in a list that an earlier run has left, and is removed before they are applied again.

# shellcheck source=vm/common.sh
. "$(dirname "$0")/common.sh"
# shellcheck source=vm/tree-files.sh
. "$VM/tree-files.sh"
# shellcheck source=vm/host-patches.sh
. "$VM/host-patches.sh"

[ -n "$KSRC" ] || die "which tree?  make integrate KSRC=DIR"
[ -d "$KSRC" ] || die "KSRC=$KSRC is not a folder"
KSRC=$(cd "$KSRC" && pwd -P)
[ "$KSRC" != "$TOP" ] || die "KSRC is this repository"
check_version "$KSRC"

manifest=$KSRC/$MANIFEST
applied=$KSRC/$HOST_DIFF
plan=$("$VM/overlay.sh" --dry-run "$KSRC" "$KSRC") || die "cannot tell what to do: $plan"

# An architecture that an earlier run was told stays.
hosts=$(with_hosts "$KSRC") || exit
hosts=$({
	echo "$hosts"
	sed -n 's/^with: //p' "$applied" 2>/dev/null
} | xargs -n 1 | sort -u | xargs)
# shellcheck disable=SC2086 # a list of words
mapfile -t patches < <(host_patches $hosts)
check_host_paths "${patches[@]}"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
host_plan=$(stage_host "$work" "$KSRC" "${patches[@]}") || {
	echo "integrate: the patches for ${hosts// / and } do not fit $KSRC:"
	sed 's/^/  /' <<<"$host_plan"
	echo "Nothing was changed."
	exit 1
}

plan=$(printf '%s\n' "$plan" "$host_plan" | sed '/^$/d')
if [ -z "$plan" ]; then
	echo "integrate: nothing to do, $KSRC holds this tree already"
	exit 0
fi

# known PATH: succeed if the file is that of stock, or ours from an earlier run
known()
{
	local sum tag

	sum="$(sha256sum <"$KSRC/$1" | cut -d' ' -f1)  $1"
	grep -qsxF "$sum" "$VM/stock.sha256" "$manifest" && return
	tag=v$(kernel_version "$KSRC")
	git -C "$KSRC" cat-file -e "$tag:$1" 2>/dev/null &&
		cmp -s "$KSRC/$1" <(git -C "$KSRC" show "$tag:$1")
}

changed=$(while read -r verb path; do
	case "$verb" in
	# An edit adds a line and keeps the rest.
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

"$VM/overlay.sh" "$KSRC" "$KSRC" || die "writing to $KSRC failed half-way; run it again"

while read -r verb path; do
	case "$verb" in
	patched)
		mkdir -p "$KSRC/$(dirname "$path")" &&
			cp "$work/b/$path" "$KSRC/$path.new$$" &&
			mv "$KSRC/$path.new$$" "$KSRC/$path" ;;
	withdrawn)
		rm "$KSRC/$path" ;;
	esac || die "writing to $KSRC failed half-way; run it again"
	echo "$verb $path"
done < <(sed '/^$/d' <<<"$host_plan")
[ -z "$host_plan" ] || {
	echo "with: $hosts"
	(cd "$work" && diff -urN a b)
} >"$applied"

laid=$(our_files)
# shellcheck disable=SC2086 # a list of paths
(cd "$KSRC" && sha256sum $laid) >"$manifest"
echo "integrate: $(wc -l <<<"$plan") files of $KSRC changed; configure it with CONFIG_LIVEPATCH=y"
