/* SPDX-License-Identifier: Apache-2.0
 * What the launcher and its part inside tell one another over a socket. */
#ifndef RUNDLE_TRACE_CHANNEL_H
#define RUNDLE_TRACE_CHANNEL_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "descriptors.h"

/* Where the part inside finds the socket that brings its orders. PRoot has it too, and so another one comes
 * with them: for reports, and by whose end either side knows that the other one is gone. */
enum { TRACE_CHANNEL = 3 };

/* The first order. Its descriptors: the socket for reports, the plan, and a Landlock ruleset if `confined`.
 * The caller's descriptors follow, DESCRIPTORS_MAX at a time, each message being their numbers. The plan is
 * NUL-terminated strings: the working directory, the arguments, the environment. */
struct trace_order {
	uint64_t mask;      /* signals that the caller blocks */
	bool child_ignored; /* SIGCHLD, by the caller; PRoot must not */
	bool confined;
	pid_t group; /* process group */
	uint32_t descriptors;
	uint32_t arguments, variables;
	bool rc;
};

/* A report: first the program's pid, then how wait(2) sees it change. */
struct trace_report {
	pid_t program;
	int status;
};

#endif
