/* SPDX-License-Identifier: Apache-2.0
 * Where the faults that a check finds go. */
#ifndef RUNDLE_CHECK_REPORT_H
#define RUNDLE_CHECK_REPORT_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "json.h"

/* After this many the rest is only counted. */
#define CHECK_REPORT_MAX 100

struct check_report {
	FILE *stream;
	bool as_json;
	struct json json;
	uint64_t count;
};

/* Begin a report about a bundle of `bytes` bytes with `sections` sections. */
void check_report_open(struct check_report *report, FILE *stream, bool as_json, uint64_t bytes,
                       uint32_t sections);

/* `section` is what holds the fault, `offset` where in the bundle. */
void check_report_fault(struct check_report *report, const char *section, uint64_t offset, const char *format,
                        ...) __attribute__((format(printf, 4, 5)));

void check_report_close(struct check_report *report);

#endif
