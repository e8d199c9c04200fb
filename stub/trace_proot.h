/* SPDX-License-Identifier: Apache-2.0
 * PRoot as the bundle carries it: an auxiliary program beside the launcher (README.md, "Tiers"). */
#ifndef RUNDLE_TRACE_PROOT_H
#define RUNDLE_TRACE_PROOT_H

#include <stdbool.h>

#include "bundle.h"
#include "fault.h"

/* Whether the bundle has one for this machine. */
bool trace_proot_is_there(const struct bundle *bundle);

/* Write it to the new file `name` (0700) in `directory`. Returns 0, or -1 with a fault. */
int trace_proot_unpack(const struct bundle *bundle, int directory, const char *name, struct fault *fault);

#endif
