#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# model.sh: search the models of the consistency protocol with spin.  Needs no kernel.

# shellcheck source=vm/common.sh
. "$(dirname "$0")/common.sh"

lock_build
rm -rf "$BUILD/model"
set -o pipefail
"$TOP/tools/verification/livepatch/check.sh" "$BUILD/model" 2>&1 | tee "$LOG/model.log" ||
	die "the models are not as they should be; each search is in $BUILD/model"
