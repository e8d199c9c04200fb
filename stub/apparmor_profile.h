/* SPDX-License-Identifier: Apache-2.0
 * Ubuntu 23.10 and later create user namespaces for everybody, but give rights in them only to programs that
 * an AppArmor profile names by path. A bundle's own launcher has no fixed path; an installed one has. */
#ifndef RUNDLE_APPARMOR_PROFILE_H
#define RUNDLE_APPARMOR_PROFILE_H

#include <stdbool.h>

#include "fault.h"

/* Where profiles lie, the name of ours there, and what its first line says. */
#define APPARMOR_DIRECTORY "/etc/apparmor.d"
#define APPARMOR_NAME "rundle-launcher"
#define APPARMOR_MARK "# Written by --setup-host of a rundle bundle"

/* The profile of the installed launcher: it may do all that its user may, and make user namespaces. What it
 * executes keeps that profile with a second one stacked on it, which has neither capabilities nor user
 * namespaces; what runs there cannot leave either. */
extern const char apparmor_profile[];

/* Whether this host restricts user namespaces so. */
bool apparmor_restricts_namespaces(void);

/* Why a profile is not needed here or not possible; NULL when one can be loaded. */
const char *apparmor_no_profile(void);

/* Whether the kernel has the profile. */
bool apparmor_loaded(void);

/* Let apparmor_parser read the profile without loading it; load it from APPARMOR_DIRECTORY, in place of one
 * with its name; or take it from the kernel. The fault holds what the parser says. */
int apparmor_check(struct fault *fault);
int apparmor_load(struct fault *fault);
int apparmor_unload(struct fault *fault);

#endif
