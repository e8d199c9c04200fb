/* SPDX-License-Identifier: Apache-2.0
 * The ways to start (design: tiers), and the choice among them. */
#ifndef RUNDLE_TIER_H
#define RUNDLE_TIER_H

#include <stdbool.h>

#include "fault.h"
#include "options.h"

enum tier {
	TIER_MOUNT,   /* the payload is mounted where it is */
	TIER_EXTRACT, /* its tree is written to a directory first */
	TIER_COUNT,
};

/* What --mode and --info call them, closed by NULL; the order is that of preference. */
extern const char *const tier_names[TIER_COUNT + 1];

/* Choose the tier: the one that --mode names; `extract` when a tree is to be kept or used (`kept`); else
 * `mount` when a child process could do what it takes, and otherwise `extract` with a notice of the reason.
 * Returns 0, or -1 with a fault when --mode asks for what does not go together with the other options, or no
 * namespaces can be entered. */
int tier_choose(const struct options *options, bool kept, enum tier *tier, struct fault *fault);

#endif
