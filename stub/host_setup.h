/* SPDX-License-Identifier: Apache-2.0
 * `sudo ./app.run --setup-host`: the launcher where an AppArmor profile can name it. */
#ifndef RUNDLE_HOST_SETUP_H
#define RUNDLE_HOST_SETUP_H

#include <stddef.h>

#include "bundle.h"
#include "fault.h"
#include "options.h"

/* The header prefers what root has put there (src/bundle/header.ts); the number is the format's. */
#define HOST_LAUNCHER_DIRECTORY "/usr/local/libexec/rundle"
#define HOST_LAUNCHER_NAME "launcher-1"
#define HOST_LAUNCHER HOST_LAUNCHER_DIRECTORY "/" HOST_LAUNCHER_NAME

/* Install this bundle's launcher and, where AppArmor can restrict user namespaces, a profile that grants them
 * to it; with options->remove take both away. Says on standard output what will be done, and asks unless
 * options->yes. Nothing is changed when a directory could be written by others than root, or when a file is
 * there that is not ours; what a failure has begun is undone. Returns the exit status: 0, or 1 when the
 * answer was no; -1 with a fault. */
int host_setup(const struct bundle *bundle, const struct options *options, struct fault *fault);

/* The command that does so for the bundle at `path`, quoted for a shell: `sudo ./app.run --setup-host`. */
void host_setup_command(const char *path, char *text, size_t size);

#endif
