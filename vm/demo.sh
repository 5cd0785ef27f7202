#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# demo.sh: boot the guest and run the demo.

# shellcheck source=vm/common.sh
. "$(dirname "$0")/common.sh"

echo
echo "A Linux $(cat "$KOBJ/include/config/kernel.release") guest boots; it takes a few seconds."
echo
build_klpctl
exec "$VM/guest.sh" -n demo -t 300 -- "KLPCTL=$KLPCTL $VM/demo-guest.sh"
