/* SPDX-License-Identifier: Apache-2.0
 * One mount as the user or the image asks for it. */
#ifndef RUNDLE_MOUNT_SPEC_H
#define RUNDLE_MOUNT_SPEC_H

#include <limits.h>
#include <stdbool.h>

#include "fault.h"

enum mount_action {
	MOUNT_BIND,   /* show `source` of the host at `target` */
	MOUNT_NEW,    /* a new file system of type `type` */
	MOUNT_MOVE,   /* move the mount at `source` (host) to `target` */
	MOUNT_DETACH, /* detach the mount at `target` */
};

enum mount_create {
	CREATE_NONE,
	CREATE_DIRECTORY,
	CREATE_FILE,
	CREATE_AUTO, /* what the source is */
};

struct mount_spec {
	enum mount_action action;
	enum mount_create create; /* of a missing target */
	char source[PATH_MAX];
	char target[PATH_MAX]; /* absolute path inside */
	bool source_inside;    /* `source` is a path inside the container's root, not one of the host */
	bool recursive;        /* bind with submounts */
	bool nofail, silent;
	char type[32];             /* MOUNT_NEW only */
	char data[512];            /* options that the file system's own parser gets */
	unsigned long set;         /* MS_RDONLY, MS_NOSUID, ... to set */
	unsigned long clear;       /* the same, to clear */
	unsigned long propagation; /* MS_PRIVATE, ..., with MS_REC; 0 for none */
};

/* Parse one mount. Forms:
 *   PATH
 *   SRC:DST[:OPTION,...]                   a colon in a name is written `\:`
 *   SRC:DST:TYPE:OPTION,...[:DUMP[:PASS]]  Enroot's form of an fstab line
 *   SRC DST [TYPE] [OPTION,...] [...]      an fstab line; \040 and the like in names
 * With exactly three fields the third is a type if it is the name of one, else options. A mount without a
 * type binds, recursively unless the options say `bind`; a missing target is created. A relative source
 * starts at the current directory. ${VAR} is replaced from `environment`, except a leading ${ENROOT_ROOTFS}
 * in the source, which stands for the container's root. Returns 0, or -1 with a fault that quotes `spec` and
 * names what is wrong. */
int mount_parse(const char *spec, char *const *environment, struct mount_spec *out, struct fault *fault);

#endif
