/* SPDX-License-Identifier: GPL-2.0 */
/* The policy that the target test_klp_fleet has for its livepatches. */
#ifndef TEST_KLP_FLEET_H
#define TEST_KLP_FLEET_H

/**
 * struct fleet_policy - what goes wrong on this machine
 * @veto:	version of the livepatch that pre_patch refuses, 0 for none
 * @panic:	version of the livepatch that panics in post_patch, 0 for none
 */
struct fleet_policy {
	int veto;
	int panic;
};

extern struct fleet_policy test_klp_fleet_policy;

#endif /* TEST_KLP_FLEET_H */
