/* SPDX-License-Identifier: Apache-2.0
 * `--check`: is every byte of the bundle what the builder wrote? */
#ifndef RUNDLE_CHECK_H
#define RUNDLE_CHECK_H

#include <stdbool.h>
#include <stdio.h>

#include "bundle.h"
#include "fault.h"

/* Hash every section, verify that what lies between them is zero, and walk the structure of each payload.
 * When a payload's hash differs, its files are decoded too, so that the damaged ones are named. Each fault
 * goes to `report`: as a line for people, or, with `json`, as one object
 * {"sections":N,"bytes":N,"faults":[{"section":"payload","offset":N,"message":"..."}],"count":N,"ok":false},
 * offsets from the start of the bundle. Returns 0 when all is well, 1 when faults were found, -1 with a fault
 * when the check itself could not be done (out of memory, unreadable file). */
int check_bundle(const struct bundle *bundle, FILE *report, bool json, struct fault *fault);

#endif
