/* SPDX-License-Identifier: Apache-2.0
 * Ubuntu 23.10 and later create user namespaces for everybody, but give rights in them only to programs that
 * an AppArmor profile names by path. A bundle's own launcher has no fixed path; an installed one has. */
#ifndef RUNDLE_APPARMOR_PROFILE_H
#define RUNDLE_APPARMOR_PROFILE_H

#include <stdbool.h>
#include <stddef.h>

#include "bundle.h"

/* Whether this host restricts user namespaces so. */
bool apparmor_restricts_namespaces(void);

/* Append to `text` (of `size` bytes) the commands, one a line, by which an administrator installs the
 * launcher out of `bundle` where the header prefers it, with a profile that lets it work. */
void apparmor_append_commands(const struct bundle *bundle, char *text, size_t size);

#endif
