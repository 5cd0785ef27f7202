#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# deps.sh [--matrix] [--check]: install the packages of vm/packages, and those that ARCH or `make
# build-matrix` needs, which are missing. Unpack those of vm/packages.daemons into build/daemons.

# shellcheck source=vm/common.sh
. "$(dirname "$0")/common.sh"

# matrix_packages: print the compilers of all architectures
matrix_packages()
{
	printf '%s\n' "${MATRIX_PACKAGES[@]}"
	for KLP_ARCH in "${ARCHES[@]}"; do
		# shellcheck source=vm/arch.sh
		. "$VM/arch.sh"
		printf '%s\n' "${COMPILER[@]}"
	done
}

more=("${COMPILER[@]}" "${PACKAGES[@]}")
if [ "$1" = --matrix ]; then
	shift
	mapfile -t more < <(matrix_packages)
fi
wanted=$(sed '/^#/d; /^$/d' "$VM/packages" && printf '%s\n' "${more[@]}" | sed '/^$/d')
if ! command -v dpkg-query >/dev/null; then
	[ "$1" = --check ] && exit 0
	echo "This is no Debian; install what these packages hold by your own means:"
	sed '/^#/d; /^$/d; s/^/  /' - "$VM/packages.daemons" <<<"$wanted"
	exit 1
fi

# KSRC replaces the source package.
[ -n "$KSRC" ] && wanted=$(grep -v '^linux-source' <<<"$wanted")

# shellcheck disable=SC2086 # a list of words, here and below
have=$(dpkg-query -W -f='${Package} ${db:Status-Status}\n' $wanted 2>/dev/null |
	sed -n 's/ installed$//p' | sort -u)
missing=$(comm -23 <(sort -u <<<"$wanted") <(echo "$have") | xargs)

# Daemons are unpacked, which needs no root. Guests with another root than this system run none.
mapfile -t daemons < <(sed '/^#/d; /^$/d' "$VM/packages.daemons")
packed=
[ -n "$DEBIAN" ] || printf '%s\n' "${daemons[@]}" | cmp -s - "$DAEMONS/.stamp" || packed=y

if [ -z "$missing$packed" ]; then
	[ "$1" = --check ] || echo "deps: all packages are installed"
	exit 0
fi

if [ -n "$missing" ] && [ "$(id -u)" -ne 0 ]; then
	echo "Packages are missing.  As root, run:"
	echo "  apt-get update && apt-get install --no-install-recommends $missing"
	exit 1
fi

export DEBIAN_FRONTEND=noninteractive
mkdir -p "$LOG"
apt_get()
{
	# No stdin: apt must not wait for an answer.
	apt-get -q "$@" </dev/null >>"$LOG/deps.log" 2>&1 && return
	tail -n 30 "$LOG/deps.log"
	die "apt-get failed: $*; the whole of it is in $LOG/deps.log"
}

unpack_daemons()
{
	local package new=$DAEMONS.new

	rm -rf "$DAEMONS" "$new"
	mkdir -p "$new/packages"
	cd "$new/packages" || exit
	# Without a sandbox: the user _apt may not be able to write here.
	apt_get -o APT::Sandbox::User=root download "${daemons[@]}"
	for package in *.deb; do
		dpkg-deb -x "$package" "$new" || die "cannot unpack $package"
	done
	rm -rf "$new/packages"
	printf '%s\n' "${daemons[@]}" >"$new/.stamp"
	mv "$new" "$DAEMONS"
}

: >"$LOG/deps.log"
[ "$(id -u)" -ne 0 ] || apt_get update
if [ -n "$missing" ]; then
	echo "deps: installing $missing"
	# shellcheck disable=SC2086
	apt_get install -y --no-install-recommends $missing
fi
if [ -n "$packed" ]; then
	echo "deps: unpacking ${daemons[*]}"
	unpack_daemons
fi
