/* SPDX-License-Identifier: Apache-2.0
 * Who the caller is. */
#ifndef RUNDLE_IDENTITY_H
#define RUNDLE_IDENTITY_H

#include <limits.h>
#include <sys/types.h>

struct identity {
	uid_t uid;
	gid_t gid;
	char name[256];
	char group[256];
	char home[PATH_MAX]; /* absolute */
	char shell[PATH_MAX];
};

/* Describe the caller (effective ids) as the host's user database does: /etc/passwd, else `getent`, which
 * asks LDAP, SSSD and the like and is started only when needed; else $USER, $HOME and the number. Always
 * gives a usable answer, and the same one when called again. No field holds a colon or a control character.
 */
void identity_lookup(struct identity *identity);

#endif
