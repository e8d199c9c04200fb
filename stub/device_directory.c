/* SPDX-License-Identifier: Apache-2.0 */
#include "device_directory.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "mount_inside.h"

/* Consoles come by the dozen, and no container has a use for them. */
static bool is_wanted(const char *name)
{
	bool console =
	    strncmp(name, "vcs", 3) == 0 || (strncmp(name, "tty", 3) == 0 && isdigit((unsigned char)name[3]));
	return !console && strcmp(name, ".") != 0 && strcmp(name, "..") != 0 && strcmp(name, "shm") != 0 &&
	       strcmp(name, "mqueue") != 0;
}

static void show(int root, int inside, int devices, const char *name)
{
	struct fault ignored = {0};
	struct stat status;
	char path[PATH_MAX];
	if (fstatat(devices, name, &status, AT_SYMLINK_NOFOLLOW) != 0)
		return;
	if (S_ISLNK(status.st_mode)) {
		ssize_t length = readlinkat(devices, name, path, sizeof path - 1);
		path[length > 0 ? length : 0] = '\0';
		if (length > 0)
			(void)!symlinkat(path, inside, name);
		return;
	}
	int source = openat(devices, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (source < 0)
		return;
	snprintf(path, sizeof path, "/dev/%s", name);
	mount_inside_bind(root, source, path, S_ISDIR(status.st_mode) ? PATH_MAKE_DIRECTORY : PATH_MAKE_FILE,
	                  true, 0, 0, &ignored);
	close(source);
}

int device_directory_make(int root, struct fault *fault)
{
	if (mount_inside_new(root, "tmpfs", "/dev", PATH_MAKE_DIRECTORY, MS_NOSUID, "mode=0755", fault) != 0)
		return -1;
	DIR *devices = opendir("/dev");
	int inside = path_inside_open(root, "/dev", PATH_FAIL);
	if (devices == NULL || inside < 0 || mkdirat(inside, "shm", 01777) != 0 ||
	    mkdirat(inside, "mqueue", 0755) != 0)
		fault_set(fault, errno, "making a /dev for the container");
	struct dirent *entry;
	while (fault->text[0] == '\0' && (entry = readdir(devices)) != NULL)
		if (is_wanted(entry->d_name))
			show(root, inside, dirfd(devices), entry->d_name);
	if (devices != NULL)
		closedir(devices);
	if (inside >= 0)
		close(inside);
	return fault->text[0] == '\0' ? 0 : -1;
}
