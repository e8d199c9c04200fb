/* SPDX-License-Identifier: Apache-2.0
 * Writing a payload's tree to a directory, on all cores. */
#ifndef RUNDLE_EXTRACT_H
#define RUNDLE_EXTRACT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "fault.h"
#include "payload.h"

struct extract_request {
	struct payload *payload;
	/* Directory inside the payload whose tree is written; "/" for all. */
	const char *root;
	/* An existing empty directory, open for reading (not O_PATH): it becomes the root, with the root's
	 * mode and times. */
	int directory;
	/* Restore uid, gid, device nodes and all extended attributes; needs root. Otherwise everything
	 * belongs to the caller, and only user.* attributes are written. Modes and times are restored either
	 * way. */
	bool owners;
	/* How many threads work, the calling one included; 0: one for each core in the affinity mask. */
	unsigned threads;
	/* Called now and then (at most ten times a second, and once at the end) by one thread at a time:
	 * bytes of the payload's data that were dealt with, and all of them. For a percentage; NULL if not
	 * wanted. */
	void (*progress)(void *context, uint64_t done, uint64_t total);
	/* Called by one thread at a time for what could not be written though the rest could: path from the
	 * root without a leading slash (the root itself: "."), and why. NULL if not wanted. */
	void (*left_out)(void *context, const char *path, const char *reason);
	void *context;
	/* Extraction gives up soon after this becomes true; NULL if not wanted. */
	const atomic_bool *stop;
};

/* Returns 0, or -1 with a fault that names the path; what was written until then is left for the caller to
 * remove. fault.error: EIO (corrupt payload), ECANCELED (stopped), or what the file system said (ENOSPC,
 * EDQUOT, EEXIST ...). Nothing outside `directory` is touched: every name is created with O_EXCL relative to
 * a descriptor. Of the caller's RLIMIT_NOFILE at most half of what is free is used. The umask has no
 * influence. */
int extract_tree(const struct extract_request *request, struct fault *fault);

#endif
