#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# stock-sums.sh TREE: for the maintainer. Add the checksums of the livepatch files of a stock tree
# to vm/stock.sha256, by which integrate recognizes unchanged files.

# shellcheck source=vm/common.sh
. "$(dirname "$0")/common.sh"
# shellcheck source=vm/tree-files.sh
. "$VM/tree-files.sh"

tree=$(cd "$1" && pwd -P) || exit
check_version "$tree"
[ -e "$tree/$MANIFEST" ] && die "$tree is not pristine"
sums=$VM/stock.sha256

{
	grep -v '^#' "$sums" 2>/dev/null
	cd "$tree" && find "${TREE_FILES[@]}" -type f -exec sha256sum {} + 2>/dev/null
} | sort -u -k2 -k1 >"$sums.new"
{
	echo "# SPDX-License-Identifier: GPL-2.0"
	echo "# The livepatch files of known stock trees; written by vm/stock-sums.sh."
	cat "$sums.new"
} >"$sums"
rm "$sums.new"
