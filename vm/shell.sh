#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# shell.sh [COMMAND]: a root shell in the guest, or one command.  A terminal is handed to the guest
# where there is one; a command whose output goes elsewhere gets none, and its output comes as
# it is, without carriage returns.

# shellcheck source=vm/common.sh
. "$(dirname "$0")/common.sh"

if [ -t 0 ] && [ -t 1 ]; then
	# Nobody is to be thrown out of a shell while typing.
	exec "$VM/guest.sh" -i -t "$([ -n "$1" ] && echo 900 || echo 86400)" -- "$1"
fi
[ -n "$1" ] || die "no terminal for a shell; say RUN='command'"
exec "$VM/guest.sh" -t 900 -- "$1"
