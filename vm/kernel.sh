#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# kernel.sh [--stock]: bring the host and our tree together in build/linux, configure, build bzImage
# and the modules into build/kernel, install the modules into build/root.  With --stock the same of
# the host alone, in build/stock: what `make bench` compares with.  VARIANT: see common.sh.

# shellcheck source=vm/common.sh
. "$(dirname "$0")/common.sh"
# shellcheck source=vm/house.sh
. "$VM/house.sh"

stock=
[ "$1" = --stock ] && stock=y

# All that the kernel depends on.  Equal to the stamp of the last build means nothing to do.
identity()
{
	cat "$BUILD/host.id"
	[ -e "$BUILD/host.list" ] && sha256sum "$BUILD/host.list"
	gcc --version | head -n 1
	if [ -n "$stock" ]; then
		sha256sum "$VM"/config/base "$VM"/{kernel,lay-in,common}.sh
		return
	fi
	# Scripts and text are laid in too, but nothing is built of them.
	cd "$TOP" && our_files | grep -Ev '^(Documentation|tools)/' | xargs -r sha256sum
	sha256sum vm/config/{base,ours} ${VARIANT:+"vm/config/$VARIANT"} \
		vm/{kernel,lay-in,house,common}.sh
}

# wanted_options: what the fragments ask for, the last one first.  Those of config/ours are asked for
# once our Kconfig brings them in; until then the host builds without.
wanted_options()
{
	local fragments=("$VM/config/base")

	grep -qs '^source.*lib/livepatch' "$LINUX/$REPLACED/Kconfig" &&
		fragments+=("$VM/config/ours")
	[ -z "$VARIANT" ] || fragments+=("$VM/config/$VARIANT")
	sed '/^# CONFIG_/!{/^#/d}; /^$/d' "${fragments[@]}" |
		tac | awk '{ match($0, /CONFIG_[A-Z0-9_]+/) } !seen[substr($0, RSTART, RLENGTH)]++'
}

configure()
{
	local options=$KOBJ/wanted.config refused

	mkdir -p "$KOBJ"
	wanted_options >"$options.new"
	if [ ! -e "$KOBJ/.config" ] || ! cmp -s "$options.new" "$options"; then
		mv "$options.new" "$options"
		KCONFIG_ALLCONFIG=$options run_step config "configuring" bash -c "kmake allnoconfig"
	fi
	# Kconfig drops in silence what it cannot give.
	refused=$(grep -vxFf "$KOBJ/.config" "$options" | grep -v ' is not set$')
	[ -z "$refused" ] && return
	echo "These options did not take:"
	sed 's/^/  /' <<<"$refused"
	rm -f "$options"
	exit 1
}

# Lower case: run_step runs it in a shell of its own.
export -f kmake
export LINUX KOBJ ROOT

install_modules()
{
	rm -rf "$ROOT.new"
	kmake modules_install INSTALL_MOD_PATH="$ROOT.new"
	rm -rf "$ROOT"
	mv "$ROOT.new" "$ROOT"
}
export -f install_modules

# The host's tree without ours.  Whatever writes to either tree puts a new file in place of the
# old one, so that the two can share the rest.
copy_host()
{
	rm -rf "$LINUX"
	cp -al "$SHARED" "$LINUX"
	"$VM/lay-in.sh" --host "$LINUX" "$PRISTINE"
}
export -f copy_host
export SHARED=$LINUX BUILD VM PRISTINE

"$VM/host.sh" || exit
lock_build
if [ -n "$stock" ]; then
	[ ! -e "$PRISTINE/$MANIFEST" ] || die "the host has our core in it already: $KSRC"
	use_stock
	mkdir -p "$BUILD/stock"
else
	"$VM/lay-in.sh" "$LINUX" "$PRISTINE" >"$LOG/lay-in.log" ||
		{ cat "$LOG/lay-in.log"; exit 1; }
fi
identity >"$STAMP.new"
if cmp -s "$STAMP.new" "$STAMP" && [ -e "$BZIMAGE" ] && [ -d "$ROOT/lib/modules" ]; then
	rm -f "$STAMP.new"
	exit 0
fi
rm -f "$STAMP"
[ -n "$stock" ] && run_step copy-host "copying the host" bash -ec copy_host
configure
run_step kernel "building the ${stock:+stock }${VARIANT:+$VARIANT }kernel" bash -c 'kmake bzImage modules'
run_step modules "installing modules" bash -ec install_modules
mv "$STAMP.new" "$STAMP"
