/* SPDX-License-Identifier: Apache-2.0
 * Paths of the container, resolved in its root and nowhere else: `..` and absolute symbolic links stop at the
 * root, whoever made them. */
#ifndef RUNDLE_PATH_INSIDE_H
#define RUNDLE_PATH_INSIDE_H

#include <stdbool.h>

/* What to create at the end of a path that does not exist; missing parents become directories. */
enum path_missing {
	PATH_FAIL,
	PATH_MAKE_DIRECTORY, /* 0755 */
	PATH_MAKE_FILE,      /* empty, 0644 */
};

/* Open `path` inside the directory `root` with O_PATH, following symbolic links. Returns a descriptor, or -1
 * with errno: ENOENT, ENOTDIR, ELOOP (more than 40 links), EROFS, EACCES, ... */
int path_inside_open(int root, const char *path, enum path_missing missing);

/* The same, always by walking component by component: what path_inside_open does before Linux 5.6, and when
 * something must be created. */
int path_inside_walk(int root, const char *path, enum path_missing missing);

/* Whether `path` leads to something inside `root`. */
bool path_inside_exists(int root, const char *path);

/* Whether something was to be created since the last call and could not be, because the file system is
 * read-only. */
bool path_inside_was_read_only(void);

#endif
