# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# Sourced by scripts that copy files between this repository and a kernel tree: the lists of
# files.

# A directory of which all files are ours: other files of stock are removed.
# shellcheck disable=SC2034 # used by scripts that source this file
REPLACED=kernel/livepatch

# The list of our files that integrate writes to the tree. The .gitignore of the kernel covers it.
# shellcheck disable=SC2034
MANIFEST=.livepatch-core.sha256

# What integrate has changed in files of the host for the architectures that its first line names.
# shellcheck disable=SC2034
HOST_DIFF=.livepatch-core.diff

# Paths that are laid over: our files replace those of the same name, other files of stock stay.
TREE_FILES=(
	"$REPLACED"
	Documentation/ABI/testing/sysfs-kernel-livepatch
	Documentation/livepatch
	include/linux/livepatch.h
	include/linux/livepatch_external.h
	include/linux/livepatch_reloc.h
	include/trace/events/livepatch.h
	lib/livepatch
	samples/livepatch
	tools/livepatch
	tools/testing/selftests/livepatch
	tools/verification/livepatch
)

# Files of stock that get a line from us, see edit_file.
# shellcheck disable=SC2034
EDITED=(
	lib/Makefile
)

# Files that stock-test takes from stock, besides the livepatch tests.
# shellcheck disable=SC2034
STOCK_TESTS=(
	tools/testing/selftests/lib.mk
	tools/testing/selftests/kselftest
	tools/testing/selftests/kselftest.h
	tools/testing/selftests/kselftest_harness.h
)

# our_files [PATH]: print each of our files that belongs in a kernel tree, relative to it. Without
# a Makefile of the core, the core and the header of stock stay.
our_files()
{
	local path

	for path in "${@:-${TREE_FILES[@]}}"; do
		[ -e "$TOP/$path" ] || continue
		case "$path" in
		"$REPLACED" | include/*)
			[ -e "$TOP/$REPLACED/Makefile" ] || continue ;;
		esac
		(cd "$TOP" && find "$path" -type f \
			! -name '*.o' ! -name '*.ko' ! -name '*.mod' ! -name '*.mod.c' \
			! -name '.*.cmd' ! -name Module.symvers ! -name modules.order \
			! -name klpctl ! -name klpctl.8 ! -name klp-convert \
			! \( -name 'klp_*' ! -name '*.*' \) \
			! -name '.klp-convert*' \
			! -name '*~' ! -name '*.orig' ! -name '*.rej' ! -name '.*.sw?')
	done | sort
}

# edit_file PATH: copy stdin to stdout with our line added once
edit_file()
{
	local line

	case "$1" in
	lib/Makefile)
		[ -e "$TOP/lib/livepatch/Makefile" ] || { cat; return; }
		line='obj-$(CONFIG_TEST_LIVEPATCH) += livepatch/'
		awk -v line="$line" '
			$0 == line { seen = 1 }
			{ all[NR] = $0 }
			/^obj-\$\(CONFIG_TEST_LKM\)/ { after = NR }
			END {
				for (i = 1; i <= NR; i++) {
					print all[i]
					if (!seen && i == after)
						print line
				}
				if (!seen && !after)
					print line
			}'
		;;
	*)
		cat
		;;
	esac
}

# kernel_version TREE: print the version from its Makefile
kernel_version()
{
	sed -n 's/^VERSION = *//p; s/^PATCHLEVEL = */./p; s/^SUBLEVEL = */./p' "$1/Makefile" |
		head -n 3 | tr -d '\n'
}

# check_version TREE: exit unless the tree is 6.12, for which this core is written
check_version()
{
	[ -f "$1/Makefile" ] && [ -f "$1/Kconfig" ] && [ -d "$1/kernel" ] ||
		die "$1 is not a kernel source tree"
	case "$(kernel_version "$1")" in
	6.12.*)	;;
	*)	die "$1 is Linux $(kernel_version "$1"); this core is for 6.12.y" ;;
	esac
}
