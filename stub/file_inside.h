/* SPDX-License-Identifier: Apache-2.0
 * Small files of the container: reading the image's, and putting others in their place. */
#ifndef RUNDLE_FILE_INSIDE_H
#define RUNDLE_FILE_INSIDE_H

#include "fault.h"

/* The contents of the file `path` inside `root` as a malloc'ed string, at most 4 MiB; empty when there is
 * none or it cannot be read. NULL without memory. */
char *file_inside_read(int root, const char *path);

/* Show a file with the contents `first` and `rest` at `path` inside `root`. It lives on the container's /run,
 * which must be mounted. In somebody else's tree that lacks the file nothing happens. Returns 0, or -1 with a
 * fault. */
int file_inside_cover(int root, const char *path, const char *first, const char *rest, struct fault *fault);

#endif
