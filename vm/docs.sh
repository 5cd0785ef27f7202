#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# docs.sh: build Documentation/livepatch and our file of Documentation/ABI with the Sphinx rules
# of stock into build/docs. Any warning is an error. Needs no kernel.

# shellcheck source=vm/common.sh
. "$(dirname "$0")/common.sh"
# shellcheck source=vm/tree-files.sh
. "$VM/tree-files.sh"

DOCS=$BUILD/docs
ABI=Documentation/ABI/testing/sysfs-kernel-livepatch
COMPLAINTS=$LOG/docs.complaints
bad=0

# Run the rules of stock as `make htmldocs` does.
html()
{
	make -C "$LINUX" O="$DOCS/obj" BUILDDIR="$DOCS" SPHINXDIRS=livepatch htmldocs \
		2>"$COMPLAINTS" && [ -e "$DOCS/livepatch/index.html" ] && return
	cat "$COMPLAINTS"
	return 1
}

# Stock makes one page of the whole Documentation/ABI, which takes minutes. Build only our file.
abi()
{
	local tree=$DOCS/abi-source

	mkdir -p "$tree/${ABI%/*}"
	cp "$LINUX/$ABI" "$tree/$ABI"
	perl "$LINUX/scripts/get_abi.pl" --dir "$tree/Documentation/ABI" validate &&
	perl "$LINUX/scripts/get_abi.pl" --dir "$tree/Documentation/ABI" --rst-source rest \
		>"$tree/index.rst" &&
	sphinx-build -q -C -b html -d "$DOCS/.doctrees/abi" "$tree" "$DOCS/abi"
} 2>>"$COMPLAINTS"
export -f html abi
export LINUX DOCS ABI COMPLAINTS

# Print the files that the text names and that do not exist in the tree. Names with * are globs.
dead_paths()
{
	local page path dirs='arch|Documentation|drivers|fs|include|kernel|lib|mm|net|samples|tools'

	for page in $pages; do
		grep -oP "(?<![\w/.*<>-])($dirs)/[\w./*-]*[\w/*]" "$LINUX/$page" | sort -u |
		while read -r path; do
			compgen -G "$LINUX/$path" >/dev/null || echo "$page: there is no $path"
		done
	done
}

"$VM/stock-source.sh" || exit
lock_build
"$VM/overlay.sh" "$LINUX" "$PRISTINE" >"$LOG/overlay.log" ||
	{ cat "$LOG/overlay.log"; exit 1; }
pages=$(our_files Documentation)

# Sphinx repeats no warnings about pages that it does not read again.
rm -rf "$DOCS"
mkdir -p "$DOCS"
run_step docs "building the documentation" bash -c html
run_step docs-abi "building the ABI page" bash -c abi

# The only line of a clean run is the name of the theme.
if grep -v '^Using [a-z_]* theme$' "$COMPLAINTS"; then
	bad=1
fi
if dead_paths | grep .; then
	bad=1
fi
[ $bad -eq 0 ] || die "not clean"
echo "docs: no complaints, $(wc -w <<<"$pages") files"
echo "  $DOCS/livepatch/index.html"
echo "  $DOCS/abi/index.html"
