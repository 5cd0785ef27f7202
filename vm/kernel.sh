#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# kernel.sh [--stock]: combine stock and our tree in build/linux, configure, build bzImage and the
# modules in build/kernel, and install the modules in build/root. With --stock build stock alone
# in build/stock, for `make bench`. VARIANT: see common.sh.

# shellcheck source=vm/common.sh
. "$(dirname "$0")/common.sh"
# shellcheck source=vm/tree-files.sh
. "$VM/tree-files.sh"

stock=
[ "$1" = --stock ] && stock=y

# Print the inputs of the kernel. If they equal the stamp of the last build, the kernel is up to
# date.
identity()
{
	cat "$BUILD/stock.id"
	[ -e "$BUILD/stock.list" ] && sha256sum "$BUILD/stock.list"
	gcc --version | head -n 1
	if [ -n "$stock" ]; then
		sha256sum "$VM"/config/base "$VM"/{kernel,overlay,common}.sh
		return
	fi
	# Scripts and documentation are copied too, but are not built.
	cd "$TOP" && our_files | grep -Ev '^(Documentation|tools)/' | xargs -r sha256sum
	sha256sum vm/config/{base,ours} ${VARIANT:+"vm/config/$VARIANT"} \
		vm/{kernel,overlay,tree-files,common}.sh
}

# wanted_options: print the options of the fragments, the last one first. Those of config/ours
# need our Kconfig files.
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
	# Kconfig drops options whose dependencies are missing, without a message.
	refused=$(grep -vxFf "$KOBJ/.config" "$options" | grep -v ' is not set$')
	[ -z "$refused" ] && return
	echo "These options did not take:"
	sed 's/^/  /' <<<"$refused"
	rm -f "$options"
	exit 1
}

# Exported: run_step runs it in another shell.
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

# Create the stock tree without ours. Each writer replaces files by new ones, so that the trees
# can share the others.
copy_stock()
{
	rm -rf "$LINUX"
	cp -al "$SHARED" "$LINUX"
	"$VM/overlay.sh" --stock "$LINUX" "$PRISTINE"
}
export -f copy_stock
export SHARED=$LINUX BUILD VM PRISTINE

"$VM/stock-source.sh" || exit
lock_build
if [ -n "$stock" ]; then
	[ ! -e "$PRISTINE/$MANIFEST" ] || die "the tree has our core in it already: $KSRC"
	use_stock
	mkdir -p "$BUILD/stock"
else
	"$VM/overlay.sh" "$LINUX" "$PRISTINE" >"$LOG/overlay.log" ||
		{ cat "$LOG/overlay.log"; exit 1; }
fi
identity >"$STAMP.new"
if cmp -s "$STAMP.new" "$STAMP" && [ -e "$BZIMAGE" ] && [ -d "$ROOT/lib/modules" ]; then
	rm -f "$STAMP.new"
	exit 0
fi
rm -f "$STAMP"
[ -n "$stock" ] && run_step copy-stock "copying stock" bash -ec copy_stock
configure
run_step kernel "building the ${stock:+stock }${VARIANT:+$VARIANT }kernel" bash -c 'kmake bzImage modules'
run_step modules "installing modules" bash -ec install_modules
mv "$STAMP.new" "$STAMP"
