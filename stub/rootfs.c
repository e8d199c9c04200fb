/* SPDX-License-Identifier: Apache-2.0 */
#include "rootfs.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "mount_attributes.h"
#include "namespaces.h"

/* `.` stays what it was when something is mounted on it; by its name in the parent one comes to the mount. */
static int open_covered(const char *path)
{
	char name[NAME_MAX + sizeof "../"];
	struct stat wanted, found;
	const char *last = strrchr(path, '/');
	snprintf(name, sizeof name, "../%.*s", NAME_MAX, last != NULL ? last + 1 : path);
	int root = open(name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (root < 0)
		root = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (root < 0 || (stat(".", &wanted) == 0 && fstat(root, &found) == 0 &&
	                 wanted.st_dev == found.st_dev && wanted.st_ino == found.st_ino))
		return root;
	close(root);
	return errno = ESTALE, -1; /* the tree was moved meanwhile */
}

int rootfs_bind(const char *path, struct fault *fault)
{
	int root = -1;
	if (mount(".", ".", NULL, MS_BIND | MS_REC, NULL) == 0)
		root = open_covered(path);
	if (root < 0)
		return fault_set(fault, errno, "making %.400s the root file system", path);
	if (mount_attributes_change(root, false, MS_NOSUID | MS_NODEV, 0) != 0) {
		fault_set(fault, errno, "setting the flags of the root file system %.400s", path);
		close(root);
		return -1;
	}
	return root;
}

static int refuse(int error, struct fault *fault)
{
	fault_set(fault, error, "changing the root file system (pivot_root, chroot)");
	return namespaces_explain(error, fault);
}

int rootfs_try(const char *directory, struct fault *fault)
{
	if (chroot("/") == 0 && (syscall(SYS_pivot_root, directory, directory) == 0 || errno == EINVAL ||
	                         mount(directory, "/", NULL, MS_MOVE, NULL) == 0 || errno == EINVAL))
		return 0;
	return refuse(errno, fault);
}

int rootfs_enter(int root, struct fault *fault)
{
	if (fchdir(root) != 0)
		return fault_set(fault, errno, "entering the root file system");
	if (syscall(SYS_pivot_root, ".", ".") == 0) {
		/* The old root lies on the new one now, and `.` is below it. */
		if (umount2(".", MNT_DETACH) != 0)
			return fault_set(fault, errno, "detaching the host's file systems");
	} else if (mount(".", "/", NULL, MS_MOVE, NULL) != 0 || chroot(".") != 0) {
		return refuse(errno, fault);
	}
	return chdir("/") == 0 ? 0 : fault_set(fault, errno, "entering the root directory");
}
