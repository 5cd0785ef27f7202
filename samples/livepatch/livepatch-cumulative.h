/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Numbers that all versions of the cumulative patch and the hotfix agree upon.
 */
#ifndef _LIVEPATCH_CUMULATIVE_H_
#define _LIVEPATCH_CUMULATIVE_H_

/* System states. A number is never used again for another purpose. */
#define SEATS_LIMIT_STATE	0x5ea70001
#define SEATS_USERS_STATE	0x5ea70002	/* also the number of the shadow variables */

/* Replace sets. Set 0 is the one of the cumulative patch. */
#define SEATS_HOTFIX_SET	0x5ea7

#endif /* _LIVEPATCH_CUMULATIVE_H_ */
