#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# kernel.sh [--stock | --tree]: combine stock and our tree in build/linux, configure, build the
# image and the modules in build/kernel, and install the modules in build/root. With --stock build
# stock alone in build/stock, for `make bench`. With --tree only update the source. ARCH, VARIANT:
# see common.sh.

# shellcheck source=vm/common.sh
. "$(dirname "$0")/common.sh"
# shellcheck source=vm/tree-files.sh
. "$VM/tree-files.sh"
# shellcheck source=vm/host-patches.sh
. "$VM/host-patches.sh"

stock=
[ "$1" = --stock ] && stock=y

# Print the inputs of the kernel. If they equal the stamp of the last build, the kernel is up to
# date.
identity()
{
	cat "$BUILD/stock.id"
	[ -e "$BUILD/stock.list" ] && sha256sum "$BUILD/stock.list"
	"${CROSS}gcc" --version | head -n 1
	if [ -n "$stock" ]; then
		sha256sum "$VM"/config/{base,"$KLP_ARCH"} "$VM"/{kernel,overlay,common,arch}.sh
		return
	fi
	# Scripts and documentation are copied too, but are not built.
	cd "$TOP" && our_files | grep -Ev '^(Documentation|tools)/' | xargs -r sha256sum
	[ ${#patches[@]} -eq 0 ] || sha256sum "${patches[@]#"$TOP"/}"
	sha256sum vm/config/{base,"$KLP_ARCH",ours} ${VARIANT:+"vm/config/$VARIANT"} \
		vm/{kernel,overlay,tree-files,common,arch,host-patches}.sh
}

# wanted_options: print the options of the fragments. Those of config/ours need our Kconfig files.
wanted_options()
{
	local fragments=("$VM/config/base" "$VM/config/$KLP_ARCH")

	grep -qs '^source.*lib/livepatch' "$LINUX/$REPLACED/Kconfig" &&
		fragments+=("$VM/config/ours")
	[ -z "$VARIANT" ] || fragments+=("$VM/config/$VARIANT")
	merge_options "${fragments[@]}"
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

# Create the tree of another architecture: stock, and the patches of the host. In the shared tree
# a patch that changes files of all architectures would concern each of them.
copy_arch()
{
	local verb path

	rm -rf "$LINUX" "$LINUX.new"
	cp -al "$SHARED" "$LINUX.new"
	while read -r verb path; do
		rm -f "$LINUX.new/$path"
		[ "$verb" = patched ] || continue
		mkdir -p "$LINUX.new/$(dirname "$path")"
		cp "$AHOME/host/b/$path" "$LINUX.new/$path"
	done <"$AHOME/host/plan"
	mv "$LINUX.new" "$LINUX"
}
export -f copy_stock copy_arch
export SHARED BUILD VM PRISTINE AHOME

# arch_tree: update the tree of another architecture, if its inputs have changed
arch_tree()
{
	local id

	id=$(cat "$BUILD/stock.id" "$BUILD/stock.list" "${patches[@]}" /dev/null 2>/dev/null |
		sha256sum)
	[ ! -d "$LINUX" ] || [ "$id" != "$(cat "$AHOME/linux.id" 2>/dev/null)" ] || return 0
	rm -rf "$AHOME/host" "$AHOME/linux.id"
	mkdir -p "$AHOME/host"
	stage_host "$AHOME/host" "$SHARED" "${patches[@]}" >"$AHOME/host/plan" ||
		{ cat "$AHOME/host/plan"; exit 1; }
	run_step copy-stock "copying stock" bash -ec copy_arch
	echo "$id" >"$AHOME/linux.id"
}

"$VM/stock-source.sh" || exit
lock_build
mapfile -t patches < <(host_patches "$SRCARCH")
check_host_paths "${patches[@]}"
if [ -n "$stock" ]; then
	[ ! -e "$PRISTINE/$MANIFEST" ] || die "the tree has our core in it already: $KSRC"
	use_stock
	mkdir -p "$AHOME/stock"
else
	[ "$LINUX" = "$SHARED" ] || arch_tree
	"$VM/overlay.sh" "$LINUX" "$PRISTINE" >"$LOG/overlay.log" ||
		{ cat "$LOG/overlay.log"; exit 1; }
fi
[ "$1" != --tree ] || exit 0
identity >"$STAMP.new"
if cmp -s "$STAMP.new" "$STAMP" && [ -e "$KIMAGE" ] && [ -d "$ROOT/lib/modules" ]; then
	rm -f "$STAMP.new"
	exit 0
fi
rm -f "$STAMP"
[ -n "$stock" ] && run_step copy-stock "copying stock" bash -ec copy_stock
configure
title="building the ${stock:+stock }${DEBIAN:+$KLP_ARCH }${VARIANT:+$VARIANT }kernel"
run_step kernel "$title" bash -c "kmake $IMAGE_TARGET modules"
run_step modules "installing modules" bash -ec install_modules
mv "$STAMP.new" "$STAMP"
