/* SPDX-License-Identifier: Apache-2.0
 * Files by which the container knows its host and its user. */
#ifndef RUNDLE_IDENTITY_FILES_H
#define RUNDLE_IDENTITY_FILES_H

#include <stdbool.h>

#include "fault.h"
#include "identity.h"

/* Bind the host's hosts, hostname, resolv.conf, machine-id and, where the image has a file of its own,
 * localtime into /etc inside `root`, read-only. What either side lacks or does not allow is left out. */
void identity_files_bind_host(int root);

/* How a file comes into the container: `path` is to hold `first` and then `rest`. 0, or -1 with a fault. */
typedef int identity_place(void *context, const char *path, const char *first, const char *rest,
                           struct fault *fault);

/* Give /etc/passwd and /etc/group inside `root` a line for `identity`, first, unless they have it: as copies
 * that `place` puts over the image's files. Returns 0, or -1 with a fault. */
int identity_files_add_user(int root, const struct identity *identity, identity_place *place, void *context,
                            struct fault *fault);

/* Tell apt, if the image has it, that it cannot become another user: for a user 0 that is none outside. */
int identity_files_tell_apt(int root, identity_place *place, void *context, struct fault *fault);

/* Place copies of what identity_files_bind_host binds, but for localtime. */
int identity_files_copy_host(identity_place *place, void *context, struct fault *fault);

#endif
