/* SPDX-License-Identifier: Apache-2.0
 * `--verify`: can this host run the bundle? */
#ifndef RUNDLE_VERIFY_H
#define RUNDLE_VERIFY_H

#include <stdbool.h>
#include <stdio.h>

#include "bundle.h"
#include "fault.h"
#include "launch_config.h"
#include "options.h"

/* Try what a start needs, by doing it, and write one line for each check to `stream`, with the reason of a
 * failure and what makes it work; with options->json as one object
 * {"ok":false,"checks":[{"name","ok","detail","remedy"}]}. Leaves nothing behind. 0 when all is well, 1 when
 * something fails, -1 with a fault when it could not be tried. */
int verify_host(FILE *stream, const struct bundle *bundle, const struct launch_config *config,
                const struct options *options, struct fault *fault);

#endif
