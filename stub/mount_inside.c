/* SPDX-License-Identifier: Apache-2.0 */
#include "mount_inside.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "mount_attributes.h"

enum { FD_PATH_SIZE = 48 };

/* A path for a descriptor: mount(2) takes no descriptors. */
static const char *fd_path(char path[FD_PATH_SIZE], int descriptor)
{
	snprintf(path, FD_PATH_SIZE, "/proc/self/fd/%d", descriptor);
	return path;
}

static int open_target(int root, const char *target, enum path_missing missing, struct fault *fault)
{
	int descriptor = path_inside_open(root, target, missing);
	if (descriptor >= 0)
		return descriptor;
	int error = errno;
	if (missing == PATH_FAIL || (error != EROFS && error != EACCES && error != EPERM))
		return fault_set(fault, error, "opening the mount point %.400s in the container", target);
	fault_set(fault, error, "creating the mount point %.400s in the tree", target);
	return fault_hint(
	    fault, "The tree is not yours to change: mount onto a directory that it has, or start from a "
	           "tree of your own.");
}

static bool is_directory(int descriptor)
{
	struct stat status;
	return fstat(descriptor, &status) == 0 && S_ISDIR(status.st_mode);
}

static int explain(int source, int point, const char *target, int error, struct fault *fault)
{
	if (error == ENOENT && access("/proc/self", F_OK) != 0) {
		fault_set(fault, error, "mounting %.400s", target);
		return fault_hint(fault, "The host has no /proc: mount -t proc proc /proc");
	}
	if (error == ENOTDIR || is_directory(source) != is_directory(point))
		return fault_set(fault, 0, "mounting %.400s: %s", target,
		                 is_directory(source) ? "a directory cannot be mounted on a file"
		                                      : "a file cannot be mounted on a directory");
	return fault_set(fault, error, "mounting %.400s in the container", target);
}

int mount_inside_bind(int root, int source, const char *target, enum path_missing missing, bool recursive,
                      unsigned long set, unsigned long clear, struct fault *fault)
{
	char from[FD_PATH_SIZE], to[FD_PATH_SIZE];
	int point = open_target(root, target, missing, fault);
	if (point < 0)
		return -1;
	fd_path(from, source);
	fd_path(to, point);
	int result = mount(from, to, NULL, MS_BIND | (recursive ? MS_REC : 0), NULL);
	/* In a user namespace what lies below other mounts must stay covered: only a recursive bind does
	 * that. */
	if (result != 0 && errno == EINVAL && !recursive)
		result = mount(from, to, NULL, MS_BIND | MS_REC, NULL);
	if (result != 0)
		explain(source, point, target, errno, fault);
	close(point);
	if (result != 0 || (set == 0 && clear == 0))
		return result;
	/* Opened again the path leads to what is mounted now. */
	point = open_target(root, target, PATH_FAIL, fault);
	if (point < 0)
		return -1;
	if (mount_attributes_change(point, recursive, set, clear) != 0)
		result = fault_set(fault, errno, "setting the flags of the mount %.400s", target);
	close(point);
	return result;
}

int mount_inside_new(int root, const char *type, const char *target, enum path_missing missing,
                     unsigned long flags, const char *data, struct fault *fault)
{
	char to[FD_PATH_SIZE];
	int point = open_target(root, target, missing, fault);
	if (point < 0)
		return -1;
	int result = mount(type, fd_path(to, point), type, flags, data);
	if (result != 0)
		fault_set(fault, errno, "mounting a new %s on %.400s in the container", type, target);
	close(point);
	return result;
}
