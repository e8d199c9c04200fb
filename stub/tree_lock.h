/* SPDX-License-Identifier: Apache-2.0
 * Directories of temporary trees and their locks (README.md, "Extracted trees"). */
#ifndef RUNDLE_TREE_LOCK_H
#define RUNDLE_TREE_LOCK_H

#include <stdbool.h>
#include <stdint.h>

#define TREE_PREFIX ".rundle-tree-"
#define TREE_LOCK "lock"
#define TREE_ROOT "root"
enum { TREE_NAME_SIZE = sizeof TREE_PREFIX + 16 };

/* The name of a temporary tree's directory from 64 bits. */
void tree_name(char name[TREE_NAME_SIZE], uint64_t bits);

/* Whether `name` is such a name. */
bool tree_is_name(const char *name);

/* Create the directory `name` (0700) in `parent` with a lock that is held from the moment it can be seen; the
 * lock says on which machine and since which boot. Returns the lock's descriptor, which holds it until it is
 * closed; -1 with errno, EEXIST when the name is taken, and then nothing is left. */
int tree_lock_create(int parent, const char *name);

enum tree_state {
	TREE_GONE,    /* there is none, or it is not ours to touch */
	TREE_BUSY,    /* being created, or its lock is held */
	TREE_STALE,   /* nobody holds its lock */
	TREE_FOREIGN, /* of another machine, where the lock may be held unseen */
};

/* Look at the directory `name` in `parent`. With `wait` a held lock is waited for, and then gives TREE_GONE
 * or TREE_STALE. For TREE_STALE *lock gets the descriptor of the lock, now held by the caller. */
enum tree_state tree_lock_probe(int parent, const char *name, bool wait, int *lock);

/* Remove the directory `name` with its tree, the lock last. Returns 0, or -1 with errno. */
int tree_lock_remove(int parent, const char *name);

#endif
