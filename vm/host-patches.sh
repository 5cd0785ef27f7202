# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# Sourced by scripts that change files of the host: the patches in patches/SRCARCH, which change
# an architecture. They are in the format of git format-patch and are applied in the order of
# their names. tree-files.sh must be sourced before.

# host_patches SRCARCH...: print the paths of the patches
host_patches()
{
	local srcarch

	for srcarch; do
		find "$TOP/patches/$srcarch" -name '*.patch' 2>/dev/null | sort
	done
}

# host_paths PATCH...: print the files of the host that these patches change or create
host_paths()
{
	[ $# -eq 0 ] || sed -n 's|^+++ b/\([^[:blank:]]*\).*|\1|p' "$@" | sort -u
}

# check_host_paths PATCH...: exit if a patch removes a file, or changes one that is ours
check_host_paths()
{
	local path ours

	[ $# -gt 0 ] || return 0
	! grep -l '^+++ /dev/null' "$@" || die "a patch of the host must not remove a file"
	for path in $(host_paths "$@"); do
		for ours in "${TREE_FILES[@]}" "${EDITED[@]}"; do
			case "$path" in
			"$ours" | "$ours"/*)
				die "a patch of the host changes $path, which is ours: $*" ;;
			esac
		done
	done
}

# apply_host FROM TO [-R] PATCH...: copy the affected files of FROM to TO, and apply the patches
# there, or remove them in reverse order. Prints what does not match, and then fails.
apply_host()
{
	local from=$1 to=$2 path reverse='' patches
	shift 2

	[ "$1" != -R ] || { reverse=-R; shift; }
	mkdir -p "$to"
	for path in $(host_paths "$@"); do
		[ -e "$from/$path" ] || continue
		mkdir -p "$to/$(dirname "$path")"
		cp -p "$from/$path" "$to/$path"
	done
	patches=("$@")
	[ -z "$reverse" ] || mapfile -t patches < <(printf '%s\n' "$@" | tac)
	for path in "${patches[@]}"; do
		patch -p1 --fuzz=0 --force --silent --no-backup-if-mismatch --reject-file=- \
			${reverse:+"$reverse"} -d "$to" <"$path" && continue
		echo "${path#"$TOP"/} does not apply"
		return 1
	done
}

# stage_host WORK TREE PATCH...: create the files of the host without patches in WORK/a and with
# them in WORK/b, and print what this changes in the tree: patched PATH, or withdrawn PATH. Prints
# what does not match, and then fails. The tree may have the patches: those of an earlier run of
# integrate are removed first, and others must be the same.
stage_host()
{
	local work=$1 tree=$2 path paths applied=$2/$HOST_DIFF
	shift 2

	mkdir -p "$work"/{a,b}
	[ ! -e "$applied" ] || set -- "$@" "$applied"
	paths=$(host_paths "$@")
	for path in $paths; do
		[ -e "$tree/$path" ] || continue
		mkdir -p "$work/a/$(dirname "$path")"
		cp -p "$tree/$path" "$work/a/$path"
	done
	if [ -e "$applied" ]; then
		set -- "${@:1:$#-1}"
		patch -R -E -p1 --fuzz=0 --force --silent --no-backup-if-mismatch --reject-file=- \
			-d "$work/a" <"$applied" || {
			echo "what an earlier run has changed was changed again, see $applied"
			return 1
		}
	elif [ $# -gt 0 ] && apply_host "$tree" "$work/reversed" -R "$@" >/dev/null 2>&1; then
		return 0
	fi
	cp -a "$work/a/." "$work/b"
	apply_host "$work/a" "$work/b" "$@" || return 1

	for path in $paths; do
		if [ ! -e "$work/b/$path" ]; then
			[ ! -e "$tree/$path" ] || echo "withdrawn $path"
		elif ! cmp -s "$work/b/$path" "$tree/$path"; then
			echo "patched $path"
		fi
	done
}

# with_hosts TREE: print the SRCARCH of each architecture in WITH, or else of the one that the
# configuration of the tree names and that has livepatch in Linux 6.12
with_hosts()
{
	local name

	for name in ${WITH:-$(sed -n 's/^CONFIG_\(S390\|PPC64\)=y$/\1/p' "$1/.config" 2>/dev/null)}; do
		case "$name" in
		s390 | s390x | S390)		echo s390 ;;
		powerpc | ppc64le | PPC64)	echo powerpc ;;
		arm64)				echo arm64 ;;
		*)	die "WITH=$name is not s390x, ppc64le or arm64" ;;
		esac
	done
}
