/* SPDX-License-Identifier: Apache-2.0
 * The file that marks a complete tree and says of which payload (README.md, "Extracted trees"). */
#ifndef RUNDLE_TREE_MARKER_H
#define RUNDLE_TREE_MARKER_H

enum tree_marking {
	TREE_MARKED,       /* a complete tree of this payload */
	TREE_OTHER_BUNDLE, /* a complete tree of another one */
	TREE_EMPTY,        /* a directory without entries */
	TREE_UNKNOWN,      /* anything else */
};

/* Look into a directory for the tree of the payload `id`. */
enum tree_marking tree_marker_check(int directory, const char *id);

/* Mark the tree in `directory`, which must be writable. Returns 0, or -1 with errno. */
int tree_marker_write(int directory, const char *id);

#endif
