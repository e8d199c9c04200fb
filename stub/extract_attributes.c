/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "extract_internal.h"

/* What a file system, or a user namespace without that owner, does not support is reported and the rest goes
 * on. */
static int refused(struct extract *extract, int error, const char *path, const char *what)
{
	if (error != EPERM && error != EINVAL && error != EOPNOTSUPP && error != ENOSYS)
		return extract_fail(extract, error, path, "setting the attributes of");
	char reason[512];
	snprintf(reason, sizeof reason, "%s: %s", what, strerror(error));
	extract_left_out(extract, path, reason);
	return 0;
}

struct xattr_target {
	struct extract *extract;
	int fd;           /* of the object */
	const char *name; /* of an object that was not opened: relative to fd, a directory */
	const char *path;
};

static int set_xattr(const struct xattr_target *target, const char *name, const void *value, size_t size)
{
	if (target->name == NULL)
		return fsetxattr(target->fd, name, value, size, 0);
	/* No call sets attributes relative to a directory; this path cannot lead anywhere else. */
	char path[64 + PAYLOAD_NAME_MAX];
	snprintf(path, sizeof path, "/proc/self/fd/%d/%s", target->fd, target->name);
	return lsetxattr(path, name, value, size, 0);
}

static int visit_xattr(void *context, const char *name, const void *value, size_t size)
{
	struct xattr_target *target = context;
	char reason[512];
	int error = 0;
	if (!target->extract->request->owners && strncmp(name, "user.", 5) != 0) {
		snprintf(reason, sizeof reason, "extended attribute %s: only root can set it", name);
	} else {
		if (set_xattr(target, name, value, size) == 0)
			return 0;
		error = errno;
		snprintf(reason, sizeof reason, "extended attribute %s: %s", name, strerror(error));
	}
	if (error == EIO || error == EDQUOT || error == ENOMEM)
		return extract_fail(target->extract, error, target->path, "setting the attributes of");
	extract_left_out(target->extract, target->path, reason);
	return 0;
}

static int copy_xattrs(struct extract *extract, int fd, const char *name, const struct payload_inode *inode,
                       const char *path)
{
	struct xattr_target target = {extract, fd, name, path};
	struct fault fault = {0};
	if (payload_visit_xattrs(extract->payload, inode, visit_xattr, &target, &fault) == 0)
		return 0;
	return extract_fail_with(extract, &fault, path);
}

/* Access and modification time alike: when somebody reads the tree is nothing the image knows. */
static void times_of(const struct payload_inode *inode, struct timespec times[2])
{
	times[0] = times[1] = (struct timespec){.tv_sec = inode->mtime};
}

/* A change of owner takes away setuid bits and capabilities, so it comes first; user.* attributes need write
 * permission, so they come before the mode; everything before the times. */
int extract_attributes(struct extract *extract, int fd, const struct payload_inode *inode, const char *path)
{
	struct timespec times[2];
	times_of(inode, times);
	if (extract->request->owners && fchown(fd, inode->uid, inode->gid) != 0 &&
	    refused(extract, errno, path, "owner") != 0)
		return -1;
	if (copy_xattrs(extract, fd, NULL, inode, path) != 0)
		return -1;
	if (fchmod(fd, inode->mode & 07777) != 0 && refused(extract, errno, path, "mode") != 0)
		return -1;
	if (futimens(fd, times) != 0 && refused(extract, errno, path, "times") != 0)
		return -1;
	return 0;
}

int extract_link_attributes(struct extract *extract, int directory, const char *name,
                            const struct payload_inode *inode, const char *path)
{
	struct timespec times[2];
	times_of(inode, times);
	if (extract->request->owners &&
	    fchownat(directory, name, inode->uid, inode->gid, AT_SYMLINK_NOFOLLOW) != 0 &&
	    refused(extract, errno, path, "owner") != 0)
		return -1;
	if (copy_xattrs(extract, directory, name, inode, path) != 0)
		return -1;
	if (utimensat(directory, name, times, AT_SYMLINK_NOFOLLOW) != 0 &&
	    refused(extract, errno, path, "times") != 0)
		return -1;
	return 0;
}
