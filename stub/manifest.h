/* SPDX-License-Identifier: Apache-2.0
 * The manifest: JSON that people and tools read, and no start needs. */
#ifndef RUNDLE_MANIFEST_H
#define RUNDLE_MANIFEST_H

#include "bundle.h"
#include "fault.h"

/* Read it into `*manifest`, to be freed; NULL when it is missing, over 16 MiB or no JSON: `--check` is what
 * finds damage. Returns -1 with a fault only when the file cannot be read. */
int manifest_read(const struct bundle *bundle, char **manifest, struct fault *fault);

#endif
