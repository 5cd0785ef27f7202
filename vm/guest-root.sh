#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# guest-root.sh: create the root file system of a guest whose programs are not those of this
# system, in build/ARCH/guest-root. Packages of Debian are unpacked, without running their scripts:
# the architecture need not be emulated. MIRROR in the environment is a mirror of Debian, by default
# that of this system.

# shellcheck source=vm/common.sh
. "$(dirname "$0")/common.sh"

[ -n "$DEBIAN" ] || exit 0
stamp=$GUEST_ROOT/.stamp
RELEASE=bookworm

# What the scripts of the packages would have created, as far as tests need it.
complete()
{
	local root=$1

	mkdir -p "$root"/{dev,lib/modules,mnt,proc,root,run,sys,tmp}
	[ -e "$root/bin/sh" ] || ln -s dash "$root/bin/sh"
	ln -sf mawk "$root/usr/bin/awk"
	echo root:x:0:0:root:/root:/bin/bash >"$root/etc/passwd"
	echo root:x:0: >"$root/etc/group"
	# The kernel opens it before guest-init.sh runs. Only root can create it.
	[ -e "$root/dev/console" ] || mknod -m 600 "$root/dev/console" c 5 1 2>/dev/null || :
}

# mirror: print the mirror of this system. The release alone is used, without its updates.
mirror()
{
	apt-get indextargets --format "\$(REPO_URI)" "Codename: $RELEASE" "Created-By: Packages" |
		head -n 1
}

create()
{
	local from=${MIRROR:-$(mirror)}

	rm -rf "$GUEST_ROOT.new"
	mmdebstrap --variant=extract --architectures="$DEBIAN" \
		--include="${packages// /,}" \
		"$RELEASE" "$GUEST_ROOT.new" ${from:+"$from"}
	complete "$GUEST_ROOT.new"
	echo "$id" >"$GUEST_ROOT.new/.stamp"
	rm -rf "$GUEST_ROOT"
	mv "$GUEST_ROOT.new" "$GUEST_ROOT"
}

id=$(echo "${GUEST_PACKAGES[@]}" "$DEBIAN" | cat - "$0" | sha256sum)
if [ "$id" != "$(cat "$stamp" 2>/dev/null)" ]; then
	lock_build
	export -f create complete mirror
	export id RELEASE DEBIAN GUEST_ROOT MIRROR packages="${GUEST_PACKAGES[*]}"
	run_step guest-root "unpacking the $KLP_ARCH root" bash -ec create
fi

# The directory of the project is mounted by this script, so it must exist before.
cmp -s "$VM/guest-init.sh" "$GUEST_ROOT/guest-init.sh" && exit
cp "$VM/guest-init.sh" "$GUEST_ROOT/guest-init.sh.$$" &&
	mv "$GUEST_ROOT/guest-init.sh.$$" "$GUEST_ROOT/guest-init.sh"
