/* SPDX-License-Identifier: Apache-2.0
 * Removing a directory with all it holds. */
#ifndef RUNDLE_REMOVE_TREE_H
#define RUNDLE_REMOVE_TREE_H

/* Remove the directory `name` in the directory `parent` and everything in it, however deep and whatever its
 * modes. Symbolic links are removed, not followed; what is mounted inside is neither entered nor touched, and
 * then stays, with the directories above it. Must not run twice at once on one tree.
 * Returns 0 when it is gone or was not there, -1 with errno when something is left. */
int remove_tree(int parent, const char *name);

#endif
