/* SPDX-License-Identifier: Apache-2.0
 * Which tiers work: found out by starting in each, up to the program, in a process of its own. */
#ifndef RUNDLE_HOST_TIERS_H
#define RUNDLE_HOST_TIERS_H

#include <limits.h>
#include <stdbool.h>

#include "fault.h"
#include "start.h"
#include "tier.h"

struct tier_finding {
	bool works;
	bool started;        /* it failed where a start does not take another tier any more */
	struct fault reason; /* when it does not */
};

/* Try every tier with the start that is prepared in `start`. `directory` gets the one that a tree would be
 * put into, empty when there is none. Returns the tier that a start would run in, TIER_COUNT for none.
 * Nothing is left behind. */
enum tier tiers_try(const struct start *start, struct tier_finding findings[TIER_COUNT],
                    char directory[PATH_MAX]);

#endif
