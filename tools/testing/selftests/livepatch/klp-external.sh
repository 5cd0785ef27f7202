#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Livepatches in the form that klp-build creates: a description in init sections, which the init of
# the module copies to allocated memory.

# shellcheck source-path=SCRIPTDIR source=klp-lib.sh
. "$(dirname "$0")/klp-lib.sh"

E=test_klp_external
E2=test_klp_external2
T=test_klp_target

CMDLINE=$(< /proc/cmdline)

# expect_effect PATCH: check the functions of vmlinux and of the target
expect_effect()
{
	klp_expect_file /proc/cmdline "$1"
	klp_expect_line $T first original
	klp_expect_line $T second "$1"
}

t_loaded()
{
	klp_load $T
	klp_mark
	klp_enable $E
	klp_expect_log <<-END
		livepatch: enabling patch '$E'
		$E: pre_patch vmlinux
		$E: pre_patch $T
		livepatch: '$E': starting patching transition
		$E: post_patch vmlinux
		$E: post_patch $T
		livepatch: '$E': patching complete
	END
	expect_effect $E
	klp_expect_file "$KLP_SYSFS/$E/$T/patched" 1
	[ -d "$KLP_SYSFS/$E/$T/test_klp_target_twin,2" ] || klp_fail "the position is not in sysfs"

	klp_disable $E
	klp_expect_log <<-END
		$E: pre_unpatch vmlinux
		$E: pre_unpatch $T
		livepatch: '$E': starting unpatching transition
		$E: post_unpatch vmlinux
		$E: post_unpatch $T
		livepatch: '$E': unpatching complete
	END
	klp_expect_file /proc/cmdline "$CMDLINE"
	klp_expect_line $T second original
	klp_unload $E
	klp_expect_nothing_left $E
}

t_later()
{
	klp_enable $E
	for _ in 1 2; do
		klp_mark
		klp_load $T
		klp_expect_log <<-END
			livepatch: applying patch '$E' to loading module '$T'
			$E: pre_patch $T
			$E: post_patch $T
			$T: init
		END
		expect_effect $E
		klp_unload $T
		klp_expect_log <<-END
			$T: exit
			$E: pre_unpatch $T
			livepatch: reverting patch '$E' on unloading module '$T'
			$E: post_unpatch $T
		END
	done
	klp_expect_file /proc/cmdline $E
}

t_replaced()
{
	klp_load $T
	klp_enable $E
	klp_mark
	klp_enable $E2 replace=1
	klp_wait_gone $E
	klp_expect_log <<-END
		livepatch: enabling patch '$E2'
		$E2: pre_patch vmlinux
		$E2: pre_patch $T
		livepatch: '$E2': starting patching transition
		$E2: post_patch vmlinux
		$E2: post_patch $T
		livepatch: '$E2': patching complete
	END
	expect_effect $E2
	klp_unload $E
	expect_effect $E2
	klp_enable $E replace=1
	klp_wait_gone $E2
	klp_unload $E2
	expect_effect $E
}

# The init frees the description after the error.
t_refused()
{
	klp_load $T
	klp_mark
	klp_load_fails ENODEV $E veto=1
	klp_log | grep -q "^$E: post_unpatch vmlinux$" ||
		klp_fail "post_unpatch of vmlinux has not run"
	klp_log | grep -q "^$E: post_unpatch $T$" && klp_fail "post_unpatch of the target has run"
	klp_expect_nothing_left $E
}

klp_setup $E $E2 $T test_klp_patch

klp_main \
	"loaded vmlinux and a loaded target: effect, callbacks, position, sysfs" \
	"later a target that is loaded, unloaded and loaded" \
	"replaced atomic replace in both directions, and unloading the replaced one" \
	"refused pre_patch refuses the patch, and the init frees the description"
