/* SPDX-License-Identifier: Apache-2.0
 * Tier `trace`: PRoot, which changes the paths of a program's system calls, over an extracted tree. It needs
 * no namespace and no privilege (README.md, "Tiers"). */
#ifndef RUNDLE_TRACE_H
#define RUNDLE_TRACE_H

#include "bundle.h"
#include "fault.h"
#include "start.h"

/* Start the program of `start` over start->tree. This process stays outside as what the caller knows: it
 * passes signals on, stops with the program, and ends as the program ends. Returns -1 only, with a fault,
 * when nothing was started. */
int trace_run(struct start *start, struct fault *fault);

/* Whether PRoot works here: it traces a process that does nothing, under the filter and from a directory such
 * as a start would choose. All of it in child processes, which leave nothing behind. Returns 0, or -1 with
 * the fault of what failed and its remedy. */
int trace_try(const struct bundle *bundle, struct fault *fault);

#endif
