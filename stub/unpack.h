/* SPDX-License-Identifier: Apache-2.0
 * The verb `unpack`: the builder's way to write a bundle's tree (README.md, "Protocol"). */
#ifndef RUNDLE_UNPACK_H
#define RUNDLE_UNPACK_H

#include <stdio.h>

#include "bundle.h"
#include "fault.h"
#include "launch_config.h"

/* Write the tree of `bundle` into the directory `path`, which must be empty or missing, as completely as the
 * caller's rights allow, and list on `report` what could not be written: `path<TAB>reason` lines, bytes below
 * 0x20, 0x7f and `\` as \xNN. After a failure the directory is emptied, and removed when it was missing. */
int unpack_bundle(const struct bundle *bundle, const struct launch_config *config, const char *path,
                  FILE *report, struct fault *fault);

#endif
