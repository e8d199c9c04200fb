/* SPDX-License-Identifier: Apache-2.0
 * Serving a payload to the kernel over the raw FUSE protocol (linux/fuse.h, kernel 4.18 or later). */
#ifndef RUNDLE_FUSE_SERVER_H
#define RUNDLE_FUSE_SERVER_H

#include <stdbool.h>
#include <sys/types.h>

#include "fault.h"
#include "payload.h"

/* The most threads, each with a descriptor of its own. */
#define FUSE_SERVER_THREADS 8

struct fuse_server_request {
	/* Open descriptors of /dev/fuse, all by the user namespace that mounts; the first was given to
	 * mount(2), and each stands for one thread. */
	const int *devices;
	unsigned device_count; /* 1 to FUSE_SERVER_THREADS */
	struct payload *payload;
	uint64_t root; /* inode reference of the directory that becomes the root */
	/* Report the owners of the payload; otherwise everything belongs to uid:gid. */
	bool owners;
	uid_t uid;
	gid_t gid;
};

/* Answer requests until the kernel ends the connection, which it does when the last reference to the mount is
 * gone. Returns 0 then, or -1 with a fault (EPROTO: the kernel speaks another protocol). */
int fuse_serve(const struct fuse_server_request *request, struct fault *fault);

#endif
