/* SPDX-License-Identifier: Apache-2.0
 * Commands that change what a host refuses, for the kind of host that this is. */
#ifndef RUNDLE_HOST_REMEDY_H
#define RUNDLE_HOST_REMEDY_H

#include "host/host.h"

/* Write the path of a file as one word of a shell that is found without PATH. */
void remedy_quote(char *word, size_t size, const char *path);

/* Whether this is a container of that engine; any with NULL. */
bool remedy_in_container(const struct host *host, const char *engine);

/* For a refusal of namespaces, or of what needs rights in them, with `error`. */
void remedy_namespaces(const struct host *host, struct check *check, int error);

/* For /dev/fuse, which could not be opened or mounted with. */
void remedy_fuse(const struct host *host, struct check *check, int error);

#endif
