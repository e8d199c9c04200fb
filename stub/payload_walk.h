/* SPDX-License-Identifier: Apache-2.0
 * Going through a payload's tree, depth first, in the order of the listings, without recursion. */
#ifndef RUNDLE_PAYLOAD_WALK_H
#define RUNDLE_PAYLOAD_WALK_H

#include <stdbool.h>

#include "fault.h"
#include "payload.h"

enum payload_step {
	PAYLOAD_END,   /* everything has been visited */
	PAYLOAD_ENTRY, /* something that is no directory */
	PAYLOAD_ENTER, /* a directory; the next steps are its entries */
	PAYLOAD_LEAVE, /* of the directory entered last and not left yet; only path and name are set */
};

struct payload_visit {
	enum payload_step step;
	const char
	    *path; /* from the walk's root, no leading slash; "" for the root; valid until the next step */
	const char *name; /* last component of path */
	struct payload_inode inode;
	bool seen; /* another name of this inode was visited before */
};

struct payload_walk;

/* A walk that begins by entering `root`, an inode that must be a directory. NULL on error. */
struct payload_walk *payload_walk_open(struct payload *payload, const struct payload_inode *root,
                                       struct fault *fault);

/* The next step. A directory that is met twice (a loop), an entry that does not agree with its inode, and
 * more inodes than the superblock says are corruption. 0, or -1 with a fault that names the path; then the
 * walk may go on: what could not be read is passed over. */
int payload_walk_next(struct payload_walk *walk, struct payload_visit *visit, struct fault *fault);

void payload_walk_close(struct payload_walk *walk);

#endif
