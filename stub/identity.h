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

/* Describe the caller (effective ids) as the host's user database does: /etc/passwd; where the caller is not
 * in there, $USER, $HOME and $SHELL if they are believable, since a login sets them; else `getent`, which
 * asks LDAP, SSSD and the like; else those variables and the number. Always gives a usable answer, and the
 * same one when called again. No field holds a colon or a control character. The name of a group that is not
 * in /etc/group is being asked for meanwhile: */
void identity_lookup(struct identity *identity);

/* Wait, at most 5 s, for the group's name, which identity_lookup gives then. To be called by the process that
 * called identity_lookup first, before it turns into another program. */
void identity_await_group(void);

#endif
