/* SPDX-License-Identifier: Apache-2.0
 * The launcher while its program is traced: it stands for the program. */
#ifndef RUNDLE_TRACE_OUTSIDE_H
#define RUNDLE_TRACE_OUTSIDE_H

#include <signal.h>

#include "cleaner.h"
#include "fault.h"
#include "program.h"

struct trace_outside {
	pid_t proot;
	int order;   /* socket to TRACE_CHANNEL */
	int channel; /* for reports */
	struct cleaner *cleaner;
	sigset_t mask; /* the caller's; here everything is blocked */
};

/* Send orders for the program. `remote` is the other end of outside->channel, which is closed here. Returns
 * 0, or -1 with a fault. */
int trace_outside_order(struct trace_outside *outside, int remote, const struct program *program,
                        char *const *environment, int directory, int ruleset, struct fault *fault);

/* Stand for the program from its start on. Returns -1 only, when it was not started. */
int trace_outside_follow(struct trace_outside *outside);

#endif
