#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# klpctl-stock.sh: test klpctl on the kernel of stock, with the test modules of stock.

# shellcheck source=vm/common.sh
. "$(dirname "$0")/common.sh"

build_klpctl
"$VM/stock-build.sh" --stock || exit
selftests=$AHOME/stock/tests/tools/testing/selftests
command="KLPCTL=$KLPCTL MODULES=$selftests/livepatch/test_modules "
command+="KTAP_HELPERS=$selftests/kselftest/ktap_helpers.sh $VM/klpctl-stock-guest.sh"
exec "$VM/guest.sh" -s -n klpctl-stock -t 600 -- "$command"
