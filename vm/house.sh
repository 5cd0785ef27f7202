# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# Sourced by what moves files between this repository and a kernel tree: which parts are ours.

# Wholly ours as soon as we have a Makefile there: what else the host keeps there is removed.
# shellcheck disable=SC2034 # used by those that source this file
REPLACED=kernel/livepatch

# What integrate leaves in the user's tree: what we wrote there.  The kernel's git ignores it.
# shellcheck disable=SC2034
MANIFEST=.livepatch-core.sha256

# Laid over: a file of ours wins by its name, the host's other files stay.
HOUSE=(
	"$REPLACED"
	Documentation/ABI/testing/sysfs-kernel-livepatch
	Documentation/livepatch
	include/linux/livepatch.h
	include/trace/events/livepatch.h
	lib/livepatch
	samples/livepatch
	tools/testing/selftests/livepatch
	tools/verification/livepatch
)

# The host's files that get a line from us; edit_file says which.
# shellcheck disable=SC2034
EDITED=(
	lib/Makefile
)

# What stock-test takes from the host besides the livepatch tests themselves.
# shellcheck disable=SC2034
STOCK_TESTS=(
	tools/testing/selftests/lib.mk
	tools/testing/selftests/kselftest
	tools/testing/selftests/kselftest.h
	tools/testing/selftests/kselftest_harness.h
)

# our_files [PATH]: every file of ours that belongs in a kernel tree, as a path in it.  A core
# without a Makefile is not finished: then the host's stays, and so does the header it needs.
our_files()
{
	local path

	for path in "${@:-${HOUSE[@]}}"; do
		[ -e "$TOP/$path" ] || continue
		case "$path" in
		"$REPLACED" | include/*)
			[ -e "$TOP/$REPLACED/Makefile" ] || continue ;;
		esac
		(cd "$TOP" && find "$path" -type f \
			! -name '*.o' ! -name '*.ko' ! -name '*.mod' ! -name '*.mod.c' \
			! -name '.*.cmd' ! -name Module.symvers ! -name modules.order \
			! -name '*~' ! -name '*.orig' ! -name '*.rej' ! -name '.*.sw?')
	done | sort
}

# edit_file PATH: stdin is the host's file, stdout the same with our line in it, once
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

# kernel_version TREE: as its Makefile says
kernel_version()
{
	sed -n 's/^VERSION = *//p; s/^PATCHLEVEL = */./p; s/^SUBLEVEL = */./p' "$1/Makefile" |
		head -n 3 | tr -d '\n'
}

# check_version TREE: 6.12 is what this core is written for
check_version()
{
	[ -f "$1/Makefile" ] && [ -f "$1/Kconfig" ] && [ -d "$1/kernel" ] ||
		die "$1 is not a kernel source tree"
	case "$(kernel_version "$1")" in
	6.12.*)	;;
	*)	die "$1 is Linux $(kernel_version "$1"); this core is for 6.12.y" ;;
	esac
}
