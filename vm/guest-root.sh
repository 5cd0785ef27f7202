#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# guest-root.sh: create the root file system of a guest whose programs are not those of this
# system, in build/ARCH/guest-root. Packages of Debian are unpacked, without running their scripts:
# no emulation of the architecture is needed. MIRROR in the environment is a mirror of Debian.

# shellcheck source=vm/common.sh
. "$(dirname "$0")/common.sh"

[ -n "$DEBIAN" ] || exit 0
stamp=$GUEST_ROOT/.stamp

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

create()
{
	rm -rf "$GUEST_ROOT.new"
	mmdebstrap --variant=extract --architectures="$DEBIAN" \
		--include="${packages// /,}" \
		bookworm "$GUEST_ROOT.new" ${MIRROR:+"$MIRROR"}
	complete "$GUEST_ROOT.new"
	echo "$id" >"$GUEST_ROOT.new/.stamp"
	rm -rf "$GUEST_ROOT"
	mv "$GUEST_ROOT.new" "$GUEST_ROOT"
}

id=$(echo "${GUEST_PACKAGES[@]}" "$DEBIAN" | cat - "$0" | sha256sum)
if [ "$id" != "$(cat "$stamp" 2>/dev/null)" ]; then
	lock_build
	export -f create complete
	export id DEBIAN GUEST_ROOT MIRROR packages="${GUEST_PACKAGES[*]}"
	run_step guest-root "unpacking the $KLP_ARCH root" bash -ec create
fi

# The directory of the project is mounted by this script, so it must exist before.
cmp -s "$VM/guest-init.sh" "$GUEST_ROOT/guest-init.sh" && exit
cp "$VM/guest-init.sh" "$GUEST_ROOT/guest-init.sh.$$" &&
	mv "$GUEST_ROOT/guest-init.sh.$$" "$GUEST_ROOT/guest-init.sh"
