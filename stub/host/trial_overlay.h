/* SPDX-License-Identifier: Apache-2.0
 * The directory of --overlay in a trial, which must not change what is there. */
#ifndef RUNDLE_HOST_TRIAL_OVERLAY_H
#define RUNDLE_HOST_TRIAL_OVERLAY_H

#include <stdbool.h>

struct trial_overlay {
	const char *path; /* NULL without --overlay */
	bool missing, empty;
};

/* Note what is at `path`. */
void trial_overlay_begin(struct trial_overlay *overlay, const char *path);

/* Remove what a trial has put there. */
void trial_overlay_end(const struct trial_overlay *overlay);

#endif
