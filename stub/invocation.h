/* SPDX-License-Identifier: Apache-2.0
 * How the header, or the builder, runs the launcher: `LAUNCHER VERB SIZE BUNDLE [ARG...]` (README.md,
 * "Protocol"). */
#ifndef RUNDLE_INVOCATION_H
#define RUNDLE_INVOCATION_H

#include <stdint.h>

#include "fault.h"

/* Started in another way it says so. No other program holds this text: --setup-host knows its files by it. */
#define LAUNCHER_MARK "this is the launcher of rundle bundles, and does nothing by itself"

enum verb { VERB_PROBE, VERB_TEMPORARY, VERB_INSTALLED, VERB_CACHED, VERB_UNPACK, VERB_INSIDE };

struct invocation {
	enum verb verb;
	const char *launcher; /* argv[0] */
	uint64_t bundle_size; /* as the header knows it, 0 when it does not */
	const char *bundle;
	int argument_count;
	char *const *arguments; /* the user's, closed by NULL */
};

/* Understand the launcher's own argument vector. With the verbs `probe` and `inside`
 * nothing more is set than `launcher`. */
int invocation_read(struct invocation *invocation, int argc, char *const *argv, struct fault *fault);

/* The path by which the bundle was started, for messages. */
const char *invocation_bundle(void);

#endif
