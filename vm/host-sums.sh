#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# host-sums.sh TREE: for the maintainer; add the checksums of a pristine host's livepatch files to
# vm/host.sha256, by which integrate tells a host's file from a changed one.

# shellcheck source=vm/common.sh
. "$(dirname "$0")/common.sh"
# shellcheck source=vm/house.sh
. "$VM/house.sh"

tree=$(cd "$1" && pwd -P) || exit
check_version "$tree"
[ -e "$tree/$MANIFEST" ] && die "$tree is not pristine"
sums=$VM/host.sha256

{
	grep -v '^#' "$sums" 2>/dev/null
	cd "$tree" && find "${HOUSE[@]}" -type f -exec sha256sum {} + 2>/dev/null
} | sort -u -k2 -k1 >"$sums.new"
{
	echo "# SPDX-License-Identifier: GPL-2.0"
	echo "# The livepatch files of known hosts; written by vm/host-sums."
	cat "$sums.new"
} >"$sums"
rm "$sums.new"
