/* SPDX-License-Identifier: Apache-2.0
 * Extracting the payload into a temporary directory that a cleaner watches over. */
#ifndef RUNDLE_TREE_EXTRACTION_H
#define RUNDLE_TREE_EXTRACTION_H

#include "tree.h"

/* Extract into the new directory `root` of the temporary directory that `tree->cleaner` has made as `name` in
 * `parent`, and open it as tree->directory. `parent_path` is for messages. Returns 0, or -1 with a fault. */
int tree_extraction_run(const struct tree_request *request, struct tree *tree, int parent,
                        const char *parent_path, const char *name, struct fault *fault);

#endif
