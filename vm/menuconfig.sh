#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# menuconfig.sh: change the options of the guest kernel in a menu, and build it. The options are
# kept until the fragments in vm/config change. VARIANT: see common.sh.

# shellcheck source=vm/common.sh
. "$(dirname "$0")/common.sh"

[ -t 1 ] || die "no terminal for the menu"
lock_build
kmake menuconfig </dev/tty || exit
# The lock is released for kernel.sh. Without the stamp the kernel is built.
exec 9>&-
rm -f "$STAMP"
exec "$VM/kernel.sh"
