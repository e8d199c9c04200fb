/* SPDX-License-Identifier: Apache-2.0
 * What --verify looks at and what it finds. */
#ifndef RUNDLE_HOST_H
#define RUNDLE_HOST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "bundle.h"
#include "host/check.h"
#include "host/facts.h"
#include "host/survey.h"
#include "host/tiers.h"
#include "launch_config.h"
#include "options.h"
#include "requirement.h"

enum { HOST_CHECKS_MAX = 40 };

enum verdict {
	VERDICT_BEST,   /* runs in the best tier */
	VERDICT_NONE,   /* does not run */
	VERDICT_LESSER, /* runs in another tier; the numbers are the exit statuses */
};

struct host {
	const struct bundle *bundle;
	const struct launch_config *config;
	const struct options *options;
	char app[600]; /* the bundle as one word of a shell */
	struct host_facts facts;
	const struct survey *survey;
	struct tier_finding tiers[TIER_COUNT];
	char tree_directory[PATH_MAX]; /* where tier extract would put a tree; empty when there is no place */
	bool tree_in_memory;
	char tier_remedies[TIER_COUNT][1200]; /* commands, one a line */
	enum tier chosen;                     /* by a start; TIER_COUNT for none */
	struct check checks[HOST_CHECKS_MAX];
	size_t check_count;
	struct requirement_finding *requirements; /* as many as config->requirements */
	bool requirements_met;
	enum verdict verdict;
};

/* Try and read all of it. `host` begins as zeros but for bundle, config and options. Returns 0, or -1 with a
 * fault when the look itself failed. */
int host_look(struct host *host, struct fault *fault);

/* The check of that id; NULL when there is none. */
const struct check *host_check(const struct host *host, const char *id);

/* Write what was found, as one line of JSON (README.md, "The report of --verify") or for people. */
void host_write_json(FILE *stream, const struct host *host);
void host_write_text(FILE *stream, const struct host *host);

#endif
