/* SPDX-License-Identifier: Apache-2.0
 * `--info`: what the bundle holds and how it starts. */
#ifndef RUNDLE_INFO_H
#define RUNDLE_INFO_H

#include <stdbool.h>
#include <stdio.h>

#include "bundle.h"
#include "fault.h"
#include "launch_config.h"

/* Write it to `stream` for people, or with `json` as one JSON object that holds the whole manifest too. A
 * manifest that is missing, over 16 MiB or no JSON is left out (`--check` is what finds damage). */
int info_write(FILE *stream, bool json, const struct bundle *bundle, const struct launch_config *config,
               struct fault *fault);

#endif
