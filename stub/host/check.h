/* SPDX-License-Identifier: Apache-2.0
 * What one look at the host found. */
#ifndef RUNDLE_HOST_CHECK_H
#define RUNDLE_HOST_CHECK_H

#include <stdbool.h>

#include "fault.h"

enum check_result {
	CHECK_PASS,
	CHECK_INFO, /* nothing to judge, or nothing that a start needs */
	CHECK_WARN, /* a start works, though less well */
	CHECK_FAIL,
};

struct check {
	const char *id, *group;
	enum check_result result;
	bool shown; /* worth a line to people although nothing is wrong */
	char detail[700];
	char value[200];   /* what machines are compared by; empty for none */
	char remedy[1200]; /* commands, one a line */
};

struct host;

/* Fill `check`, whose id and group are set, with what is found on the host. */
typedef void check_function(const struct host *host, struct check *check);

/* What was found, as one sentence without a full stop. */
void check_set(struct check *check, enum check_result result, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The same from a fault, with its errno. */
void check_fault(struct check *check, enum check_result result, const struct fault *fault);

/* Append to the detail, and to the value. */
void check_add(struct check *check, const char *format, ...) __attribute__((format(printf, 2, 3)));
void check_value(struct check *check, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Append a command that makes it better; one that is there already is not repeated. */
void check_remedy(struct check *check, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
