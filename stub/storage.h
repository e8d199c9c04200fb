/* SPDX-License-Identifier: Apache-2.0
 * Where a temporary tree can live. */
#ifndef RUNDLE_STORAGE_H
#define RUNDLE_STORAGE_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

#include "fault.h"

struct storage_need {
	uint64_t size;   /* bytes of the regular files */
	uint64_t inodes; /* files, directories and the rest */
};

struct storage {
	int directory; /* open for reading */
	char path[PATH_MAX];
	bool memory; /* tmpfs or ramfs: the tree takes main memory */
};

/* Choose the directory for a temporary tree: the first that is writable, can execute and has room among
 * `preferred` (may be NULL), $TMPDIR, /tmp, /var/tmp, ~/.cache, the directory of `bundle_path`, the current
 * one, /dev/shm and $XDG_RUNTIME_DIR; those in memory come last. ~/.cache is created (0700) when it is needed
 * and can be. Stale trees of the same user are removed where room is short. Returns 0, or -1 with a fault
 * that says for each directory why not. */
int storage_choose(const char *preferred, const char *bundle_path, const struct storage_need *need,
                   struct storage *storage, struct fault *fault);

/* Called with each candidate, open for reading; -1 with errno when it cannot be opened. */
typedef void storage_visitor(void *context, const char *path, int directory);

/* Look at the candidates of storage_choose in its order, without creating one. */
void storage_visit(const char *preferred, const char *bundle_path, storage_visitor *visitor, void *context);

/* Whether files in `directory` can be executed: a file is created there and mapped executable, which a mount
 * with noexec refuses. Returns 0, or -1 with errno: EPERM (noexec), EACCES, ENOSPC, EROFS, ... */
int storage_can_execute(int directory);

/* Whether the file system of `directory` has room: 0, or -1 with a fault that gives both figures. Quotas are
 * not seen. */
int storage_has_room(int directory, const char *path, const struct storage_need *need, struct fault *fault);

#endif
