#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# coverage-guest.sh: inside the guest, print what the kernel has counted, as text: nothing else that
# a guest writes outlives it.  Each line begins with "gcov:".

counts=$(mktemp -d /dev/shm/gcov.XXXXXX)
# The files say that they are empty until they are read, which tar would believe.  What runs of the
# KUnit tests is not of interest, nor what they run of inline functions.
find /sys/kernel/debug/gcov -name '*.gcda' ! -name '*_test*' | while read -r file; do
	cat "$file" >"$counts/${file##*/}"
done
tar -C "$counts" -cz . | base64 | sed 's/^/gcov:/'
