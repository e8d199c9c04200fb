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

/* Give /etc/passwd and /etc/group inside `root` a line for `identity`, first, unless they have it: as copies
 * that are bound over the image's files. Needs /run mounted. Returns 0, or -1 with a fault. */
int identity_files_add_user(int root, const struct identity *identity, struct fault *fault);

/* Tell apt, if the image has it, that it cannot become another user: for user 0 of a user namespace with one
 * id. */
int identity_files_tell_apt(int root, struct fault *fault);

#endif
