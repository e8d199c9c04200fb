/* SPDX-License-Identifier: Apache-2.0
 * Tier `trace`: PRoot, which changes the paths of a program's system calls, over an extracted tree. It needs
 * no namespace and no privilege (README.md, "Tiers"). */
#ifndef RUNDLE_TRACE_H
#define RUNDLE_TRACE_H

#include "fault.h"
#include "start.h"

/* Start the program of `start` over start->tree. This process stays outside as what the caller knows: it
 * passes signals on, stops with the program, and ends as the program ends. Returns -1 only, with a fault,
 * when nothing was started. */
int trace_run(struct start *start, struct fault *fault);

#endif
