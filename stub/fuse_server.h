/* SPDX-License-Identifier: Apache-2.0
 * Serving a payload to the kernel over the raw FUSE protocol (linux/fuse.h, kernel 4.18 or later). */
#ifndef RUNDLE_FUSE_SERVER_H
#define RUNDLE_FUSE_SERVER_H

#include <stdbool.h>
#include <sys/types.h>

#include "fault.h"
#include "payload.h"

struct fuse_server_request {
	int device; /* /dev/fuse, already given to mount(2) */
	struct payload *payload;
	uint64_t root; /* inode reference of the directory that becomes the root */
	/* Report the owners of the payload; otherwise everything belongs to uid:gid. */
	bool owners;
	uid_t uid;
	gid_t gid;
	unsigned threads; /* 0: one for each core in the affinity mask, at most 8 */
};

/* Answer requests until the kernel ends the connection, which it does when the last reference to the mount is
 * gone. Returns 0 then, or -1 with a fault (EPROTO: the kernel speaks another protocol). */
int fuse_serve(const struct fuse_server_request *request, struct fault *fault);

#endif
