/* SPDX-License-Identifier: Apache-2.0
 * `--info --licenses`: under what licences the programs in the bundle are that did not come with the image.
 */
#ifndef RUNDLE_LICENSES_H
#define RUNDLE_LICENSES_H

#include <stdbool.h>
#include <stdio.h>

#include "bundle.h"
#include "fault.h"

/* Write what the manifest has of them to `stream`: for people a list, and below it the texts; with `json` one
 * object whose member `licenses` is the manifest's. A manifest that says nothing of licences is a fault. */
int licenses_write(FILE *stream, bool json, const struct bundle *bundle, struct fault *fault);

#endif
