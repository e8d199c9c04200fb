/* SPDX-License-Identifier: Apache-2.0
 * The directory with the payload's tree: obtained by extraction, or found where an earlier start kept it
 * (README.md, "Extracted trees"). */
#ifndef RUNDLE_TREE_H
#define RUNDLE_TREE_H

#include <limits.h>
#include <stdbool.h>

#include "bundle.h"
#include "cleaner.h"
#include "fault.h"
#include "launch_config.h"

/* A program in the root directory of a trial's tree that does nothing: the launcher, with `probe`. */
#define TREE_TRIAL "launcher"

struct tree_request {
	const struct bundle *bundle;
	const struct launch_config *config;
	const char *target;    /* directory that holds or gets the tree; NULL: a temporary one */
	const char *temporary; /* directory to try first for a temporary tree; may be NULL */
	bool keep;             /* without a target: ./NAME is the target */
	bool extract_only;     /* as keep, and the tree need not be able to execute */
	bool quiet;            /* neither progress nor notices */
	bool trial; /* in place of the payload's tree one with TREE_TRIAL alone, which is never kept */
};

struct tree {
	int directory;       /* the root directory of the tree, open for reading */
	char path[PATH_MAX]; /* the same, absolute; its last component names it in its parent */
	bool temporary;      /* goes away with the last process of the container */
	struct cleaner cleaner;
};

/* Make the tree available: a complete one of this bundle in the target is used as it is, otherwise the
 * payload is extracted. A helper that cleans up after an end of any kind is running before anything exists
 * on disk. As root (with CAP_CHOWN) owners are restored. Returns 0, or -1 with a fault; nothing is left
 * behind then. */
int tree_obtain(const struct tree_request *request, struct tree *tree, struct fault *fault);

/* Remove what tree_obtain has made for a trial. */
void tree_end_trial(struct tree *tree);

/* Make a temporary directory without a tree, named by tree->path, for what a start needs beside one that is
 * kept. It goes away as a temporary tree does. Returns 0, or -1 with a fault. */
int tree_make_apart(const struct tree_request *request, struct tree *tree, struct fault *fault);

/* Close the descriptors of `tree`. A temporary one goes away when this process and the container have. */
void tree_close(struct tree *tree);

#endif
