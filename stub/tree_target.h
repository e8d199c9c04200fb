/* SPDX-License-Identifier: Apache-2.0
 * Trees that stay: --keep, --target and --extract. */
#ifndef RUNDLE_TREE_TARGET_H
#define RUNDLE_TREE_TARGET_H

#include "tree.h"

/* The name of the file in the root directory that marks a complete tree. */
#define TREE_MARKER ".rundle"

/* Obtain the tree in request->target, or in ./NAME of the bundle. Missing parents of it are created. It is
 * extracted beside its place and renamed when complete; of several starts at once one extracts, the others
 * wait for it. An empty directory may stand in its place; anything else there but this bundle's complete tree
 * is a fault. Returns 0, or -1 with a fault. */
int tree_target_obtain(const struct tree_request *request, struct tree *tree, struct fault *fault);

/* Remove the directories that were created for a trial's target. */
void tree_target_end_trial(void);

#endif
