/* SPDX-License-Identifier: Apache-2.0
 * Paths of the payload with symbolic links, as the kernel would resolve them once it is mounted. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "payload.h"

enum { LINKS_MAX = 40, DEPTH_MAX = PATH_MAX / 2 };

struct walk {
	char rest[PATH_MAX];       /* what is still to be walked */
	uint64_t above[DEPTH_MAX]; /* directories above the present one, the root first */
	unsigned depth, links;
};

/* Put the target of a link before what is left of the path. */
static int prepend(struct walk *walk, const char *target, const char *left)
{
	char joined[PATH_MAX];
	int size = snprintf(joined, sizeof joined, "%s/%s", target, left);
	if (size < 0 || (size_t)size >= sizeof joined)
		return errno = ENAMETOOLONG, -1;
	memcpy(walk->rest, joined, (size_t)size + 1);
	return 0;
}

/* Walk the first `length` bytes of the rest. */
static int step(struct payload *payload, uint64_t root, struct walk *walk, size_t length,
                struct payload_inode *inode)
{
	char target[PATH_MAX];
	struct payload_entry entry;
	struct payload_inode child;
	if (length == 2 && memcmp(walk->rest, "..", 2) == 0)
		return payload_read_inode(payload, walk->depth > 0 ? walk->above[--walk->depth] : root, inode,
		                          NULL);
	if (payload_lookup(payload, inode, walk->rest, length, &entry, NULL) != 0 ||
	    payload_read_inode(payload, entry.reference, &child, NULL) != 0)
		return -1;
	if (!S_ISLNK(child.mode)) {
		if (walk->depth == DEPTH_MAX)
			return errno = ENAMETOOLONG, -1;
		walk->above[walk->depth++] = inode->reference;
		*inode = child;
		return 0;
	}
	if (++walk->links > LINKS_MAX)
		return errno = ELOOP, -1;
	if (payload_read_link(payload, &child, target, NULL) != 0)
		return -1;
	if (target[0] == '/') {
		walk->depth = 0;
		if (payload_read_inode(payload, root, inode, NULL) != 0)
			return -1;
	}
	/* The component itself is still in the rest: it is the one that the target replaces. */
	return prepend(walk, target, walk->rest + length);
}

int payload_resolve_path(struct payload *payload, uint64_t root, const char *path,
                         struct payload_inode *inode)
{
	struct walk walk = {.depth = 0};
	int size = snprintf(walk.rest, sizeof walk.rest, "%s", path);
	if (size < 0 || (size_t)size >= sizeof walk.rest)
		return errno = ENAMETOOLONG, -1;
	if (payload_read_inode(payload, root, inode, NULL) != 0)
		return -1;
	for (;;) {
		size_t slashes = strspn(walk.rest, "/");
		memmove(walk.rest, walk.rest + slashes, strlen(walk.rest + slashes) + 1);
		size_t length = strcspn(walk.rest, "/");
		if (length == 0)
			return 0;
		bool here = length == 1 && walk.rest[0] == '.';
		unsigned links = walk.links;
		if (!here && step(payload, root, &walk, length, inode) != 0)
			return -1;
		if (walk.links == links)
			memmove(walk.rest, walk.rest + length, strlen(walk.rest + length) + 1);
	}
}
