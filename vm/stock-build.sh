#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# stock-build.sh [--stock]: compile the livepatch selftests of stock against our kernel, or against
# that of stock. They are the unchanged files of stock.

# shellcheck source=vm/common.sh
. "$(dirname "$0")/common.sh"

tests=$KHOME/stock-tests
if [ "$1" = --stock ]; then
	use_stock
	tests=$AHOME/stock/tests
fi
stamp=$tests/.stamp

lock_build
if cmp -s "$STAMP" "$stamp"; then
	exit 0
fi

rm -rf "$tests"
mkdir -p "$tests/tools/testing"
cp -a "$PRISTINE/tools/testing/selftests" "$tests/tools/testing/"
export tests KOBJ
run_step stock-build "building the stock tests" bash -c '
	make -C "$tests/tools/testing/selftests/livepatch" KDIR="$KOBJ" \
		ARCH="$SRCARCH" CROSS_COMPILE="$CROSS" CC="ccache ${CROSS}gcc"'
cp "$STAMP" "$stamp"
