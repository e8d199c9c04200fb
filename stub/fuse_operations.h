/* SPDX-License-Identifier: Apache-2.0
 * What each FUSE request is answered with: a read-only tree that never changes, so that the kernel may
 * keep every name, attribute, listing and page for as long as it likes. */
#ifndef RUNDLE_FUSE_OPERATIONS_H
#define RUNDLE_FUSE_OPERATIONS_H

#include <linux/fuse.h>
#include <stddef.h>

#include "fuse_server.h"

/* The largest read and listing that is answered at once, in bytes. */
#define FUSE_REPLY_MAX (1u << 20)

struct fuse_request {
	const struct fuse_in_header *header;
	const void *body; /* `length` bytes behind the header */
	size_t length;
	char *reply; /* room for FUSE_REPLY_MAX bytes */
};

/* Answer all requests but FUSE_INIT and those without an answer. Returns the number of bytes in
 * request->reply, or a negative errno value for the kernel. */
int fuse_answer(const struct fuse_server_request *server, const struct fuse_request *request);

#endif
