/* SPDX-License-Identifier: Apache-2.0
 * Private copies of the launcher, which the header makes to start it (README.md, "Protocol"). */
#ifndef RUNDLE_OWN_COPY_H
#define RUNDLE_OWN_COPY_H

/* Remove the copy at the absolute `path`, and clean its directory. A path that does not have the name of a
 * copy is not touched. */
void own_copy_remove(const char *path);

/* Remove from `directory` the copies that were left behind: of the same user, with a dead maker and older
 * than 10 seconds, or older than an hour. What cannot be removed stays. In a huge directory only the first
 * entries are looked at, so that a start takes no longer there. */
void own_copy_clean(const char *directory);

#endif
