/* SPDX-License-Identifier: Apache-2.0
 * The ways to start (design: tiers), and the choice among them. */
#ifndef RUNDLE_TIER_H
#define RUNDLE_TIER_H

#include <stdbool.h>

#include "bundle.h"
#include "fault.h"
#include "options.h"

enum tier {
	TIER_MOUNT,   /* the payload is mounted where it is */
	TIER_EXTRACT, /* its tree is written to a directory first */
	TIER_TRACE,   /* over such a tree, without namespaces: PRoot changes the paths of system calls */
	TIER_COUNT,
};

/* What --mode and --info call them, closed by NULL; the order is that of preference. */
extern const char *const tier_names[TIER_COUNT + 1];

/* The tier to try first: the one that --mode names; `extract` when a tree is to be kept or used (`kept`);
 * else `mount`. Returns 0, or -1 with a fault when --mode asks for what does not go together with the other
 * options. */
int tier_first(const struct options *options, bool kept, enum tier *tier, struct fault *fault);

/* Leave the tier `mount`, which failed with `fault`, for the next one, with a notice of the reason unless
 * --quiet is given. Returns 0, or -1 with a fault: that one when --mode allows no other tier, or why none can
 * work. */
int tier_next(const struct bundle *bundle, const struct options *options, enum tier *tier,
              struct fault *fault);

/* Before a tree is extracted: leave the tier `extract` for `trace` where no container can be built around
 * one, unless --mode or --extract was given. As tier_next; also -1 when there is no PRoot for `trace`. */
int tier_settle(const struct bundle *bundle, const struct options *options, enum tier *tier,
                struct fault *fault);

#endif
