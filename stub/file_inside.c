/* SPDX-License-Identifier: Apache-2.0 */
#include "file_inside.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "mount_inside.h"
#include "path_inside.h"

enum { FILE_LIMIT = 4 << 20 };

char *file_inside_read(int root, const char *path)
{
	char *text = calloc(1, FILE_LIMIT + 1), name[48];
	int handle = path_inside_open(root, path, PATH_FAIL);
	if (text == NULL || handle < 0)
		return text;
	struct stat status;
	snprintf(name, sizeof name, "/proc/self/fd/%d", handle);
	int file =
	    fstat(handle, &status) == 0 && S_ISREG(status.st_mode) ? open(name, O_RDONLY | O_CLOEXEC) : -1;
	size_t used = 0;
	while (file >= 0 && used < FILE_LIMIT) {
		ssize_t got = read(file, text + used, FILE_LIMIT - used);
		if (got <= 0)
			break;
		used += (size_t)got;
	}
	if (file >= 0)
		close(file);
	close(handle);
	text[used] = '\0';
	return text;
}

int file_inside_cover(int root, const char *path, const char *first, const char *rest, struct fault *fault)
{
	static const char name[] = ".rundle-file";
	int run = path_inside_open(root, "/run", PATH_FAIL);
	int file = run < 0 ? -1 : openat(run, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	int result = -1;
	if (file < 0 || fchmod(file, 0644) != 0 ||
	    write(file, first, strlen(first)) != (ssize_t)strlen(first) ||
	    write(file, rest, strlen(rest)) != (ssize_t)strlen(rest))
		fault_set(fault, errno, "writing the container's %s", path);
	else
		result = mount_inside_bind(root, file, path, PATH_MAKE_FILE, false, 0, 0, fault);
	if (result != 0 && file >= 0 && !path_inside_exists(root, path)) {
		fault_clear(fault); /* somebody else's tree, which goes without */
		result = 0;
	}
	if (file >= 0) {
		unlinkat(run, name, 0); /* the mount keeps it */
		close(file);
	}
	if (run >= 0)
		close(run);
	return result;
}
