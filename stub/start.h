/* SPDX-License-Identifier: Apache-2.0
 * The steps of a start, in order; main.c goes through them for the program, --verify for a trial. */
#ifndef RUNDLE_START_H
#define RUNDLE_START_H

#include "bundle.h"
#include "container.h"
#include "fault.h"
#include "launch_config.h"
#include "options.h"
#include "plan.h"
#include "served_payload.h"
#include "tree.h"

struct start {
	const struct bundle *bundle;
	const struct launch_config *config;
	const struct options *options;
	struct plan plan;
	struct tree_request wanted;
	struct container_request container;
	struct tree tree;             /* tier `extract` */
	struct served_payload server; /* tier `mount` */
};

/* Settle what is to be done, before anything is. `start` stays where it is: its parts point to one another.
 * Returns 0, or -1 with a fault about what the command line, the settings or the bundle say. */
int start_prepare(struct start *start, const struct bundle *bundle, const struct launch_config *config,
                  struct options *options, struct fault *fault);

/* Tier `mount`: start the server and mount the payload. Returns 0, this process being in the user namespace
 * if there is one; or -1 with a fault of what does not work here, and nothing has changed for this process.
 */
int start_mount_payload(struct start *start, struct fault *fault);

/* Behind start_mount_payload or tree_obtain(&start->wanted, &start->tree): make this process one of the
 * container. Returns 0, or -1 with a fault; the process must not go on then. */
int start_enter(struct start *start, struct fault *fault);

#endif
