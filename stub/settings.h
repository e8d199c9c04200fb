/* SPDX-License-Identifier: Apache-2.0
 * Enroot's ENROOT_* settings that have a meaning for a bundle, from the environment and from --conf files. */
#ifndef RUNDLE_SETTINGS_H
#define RUNDLE_SETTINGS_H

#include "fault.h"
#include "options.h"

/* Apply settings (vectors of NAME=VALUE closed by NULL) to `options`: those of `files` override those of
 * `environment`, and an option on the command line overrides both. Other variables and settings that do not
 * concern a bundle are ignored. A value that is neither yes (y, yes, true, 1) nor no (n, no, false, 0,
 * nothing) is a fault. */
int settings_apply(struct options *options, char *const *environment, char *const *files,
                   struct fault *fault);

#endif
