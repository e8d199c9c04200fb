/* SPDX-License-Identifier: Apache-2.0 */
#include "tree_marker.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "empty_directory.h"
#include "tree_target.h"

enum { MARKER_SIZE = 256 };
static const char first_line[] = "rundle-tree 1\n";

enum tree_marking tree_marker_check(int directory, const char *id)
{
	char text[MARKER_SIZE], expected[MARKER_SIZE];
	int file = openat(directory, TREE_MARKER, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (file < 0)
		return directory_is_empty(directory, NULL) ? TREE_EMPTY : TREE_UNKNOWN;
	struct stat status;
	ssize_t got =
	    fstat(file, &status) == 0 && S_ISREG(status.st_mode) ? read(file, text, sizeof text - 1) : 0;
	close(file);
	text[got > 0 ? got : 0] = '\0';
	snprintf(expected, sizeof expected, "%sid %s\n", first_line, id);
	if (strcmp(text, expected) == 0)
		return TREE_MARKED;
	return strncmp(text, first_line, strlen(first_line)) == 0 ? TREE_OTHER_BUNDLE : TREE_UNKNOWN;
}

int tree_marker_write(int directory, const char *id)
{
	char text[MARKER_SIZE];
	int length = snprintf(text, sizeof text, "%sid %s\n", first_line, id);
	/* The image may have been made from such a tree. */
	if (unlinkat(directory, TREE_MARKER, 0) != 0 && errno != ENOENT)
		return -1;
	int file = openat(directory, TREE_MARKER, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0444);
	if (file < 0)
		return -1;
	bool written = write(file, text, (size_t)length) == length;
	int saved = errno;
	if (close(file) != 0)
		written = false, saved = errno;
	errno = saved;
	return written ? 0 : -1;
}
