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

/* Try what a start needs, by doing it, and write what was found to `stream`: for people, the verdict first,
 * or with options->json as one line (README.md, "The report of --verify"). Leaves nothing behind. 0 when a
 * start runs in the best tier, 2 in a lesser one, 1 when it does not run; -1 with a fault when it could not
 * be tried. */
int verify_host(FILE *stream, const struct bundle *bundle, const struct launch_config *config,
                const struct options *options, struct fault *fault);

#endif
