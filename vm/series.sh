#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# series.sh: write the changes of integrate as patches for git am to OUT. vm/series.list assigns
# files to patches. The base is KSRC or the package. Only the affected files are read. The patches
# in patches/ of the architectures in WITH, or of that of the tree, follow unchanged.

# shellcheck source=vm/common.sh
. "$(dirname "$0")/common.sh"
# shellcheck source=vm/tree-files.sh
. "$VM/tree-files.sh"
# shellcheck source=vm/host-patches.sh
. "$VM/host-patches.sh"

[ -n "$OUT" ] || die "where to?  make series OUT=DIR [KSRC=DIR]"
compgen -G "$OUT/*.patch" >/dev/null && die "$OUT holds patches already"
if [ -n "$KSRC" ]; then
	[ -d "$KSRC" ] || die "KSRC=$KSRC is not a folder"
	check_version "$KSRC"
	stock=$KSRC host=$KSRC
else
	"$VM/stock-source.sh" || exit
	stock=$PRISTINE host=$SHARED
fi
hosts=$(with_hosts "$host") || exit
# shellcheck disable=SC2086 # a list of words
mapfile -t patches < <(host_patches $hosts)
check_host_paths "${patches[@]}"
mkdir -p "$OUT" || exit

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
base=$work/base repo=$work/repo end=$work/end
mkdir "$base"
for path in "${TREE_FILES[@]}" "${EDITED[@]}"; do
	[ -e "$stock/$path" ] || continue
	mkdir -p "$base/$(dirname "$path")"
	cp -a "$stock/$path" "$base/$path"
done
for path in $(host_paths "${patches[@]}"); do
	[ -e "$host/$path" ] || continue
	mkdir -p "$base/$(dirname "$path")"
	cp -a "$host/$path" "$base/$path"
done
cp -a "$base" "$repo"
cp -a "$base" "$end"
"$VM/overlay.sh" "$end" "$base" >"$work/plan" || die "$(cat "$work/plan")"
apply_host "$base" "$end" "${patches[@]}" || die "a patch for ${hosts//$'\n'/ and } does not fit"
[ -s "$work/plan" ] || die "$stock holds this tree already; the series is for a pristine one"

git_in()
{
	git -C "$repo" -c core.autocrlf=false -c commit.gpgsign=false "$@"
}

git init -q "$repo"
git_in config user.name >/dev/null || git_in config user.name "livepatch core"
git_in config user.email >/dev/null || git_in config user.email "livepatch@localhost"
# Ignore files must not exclude a file.
git_in add -A -f
git_in commit -q --no-verify -m "stock"
start=$(git_in rev-parse HEAD)

cut -d' ' -f2 "$work/plan" | sort >"$work/left"

# commit_step: commit the files that match the globs of this step
commit_step()
{
	local path glob count=0

	[ -n "$subject" ] || return
	while read -r path; do
		for glob in $globs; do
			# shellcheck disable=SC2053 # a glob is meant
			[[ $path == $glob ]] || continue
			mkdir -p "$repo/$(dirname "$path")"
			if [ -e "$end/$path" ]; then
				cp -p "$end/$path" "$repo/$path"
			else
				rm "$repo/$path"
			fi
			echo "$path"
			break
		done
	done <"$work/left" >"$work/taken"
	count=$(wc -l <"$work/taken")
	[ "$count" -gt 0 ] || return
	comm -23 "$work/left" "$work/taken" >"$work/left.new"
	mv "$work/left.new" "$work/left"
	git_in add -A -f
	printf '%s\n\n%s\n' "$subject" "$body" |
		git_in commit -q --no-verify -s -F -
}

subject='' globs='' body=''
set -f
while IFS= read -r line; do
	case "$line" in
	'##'*)	;;
	'= '*)
		commit_step
		subject=${line#= } globs='' body=''
		;;
	'+ '*)	globs+=" ${line#+ }" ;;
	*)	body+=$line$'\n' ;;
	esac
done <"$VM/series.list"
commit_step
set +f
for path in "${patches[@]}"; do
	git_in am -q "$path" || die "$path cannot be committed"
done

if [ -s "$work/left" ]; then
	echo "series: vm/series.list has no step for:"
	sed 's/^/  /' "$work/left"
	exit 1
fi
diff -r -x .git "$repo" "$end" || die "the steps do not add up to what integrate gives"
git_in format-patch -q --no-renames --no-signature -o "$OUT" "$start" || exit
echo "series: $(git_in rev-list --count "$start"..) patches in $OUT"
