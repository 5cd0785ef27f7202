#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# shell.sh [COMMAND]: a root shell in the guest, or one command. The guest gets the terminal if
# there is one. Output to a file has no carriage returns.

# shellcheck source=vm/common.sh
. "$(dirname "$0")/common.sh"

if [ -t 0 ] && [ -t 1 ]; then
	# An interactive shell has a long time limit.
	exec "$VM/guest.sh" -i -t "$([ -n "$1" ] && echo 900 || echo 86400)" -- "$1"
fi
[ -n "$1" ] || die "no terminal for a shell; say RUN='command'"
exec "$VM/guest.sh" -t 900 -- "$1"
