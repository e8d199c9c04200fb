/* SPDX-License-Identifier: Apache-2.0
 * Everything in a directory that is no directory. An inode with several names is first made in a directory
 * for links at the root, under its number, and linked to each of its places from there: so no directory has
 * to stay open, or writable, until the last of its names is met. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "extract_internal.h"

static int create_symlink(struct extract *extract, int directory, const char *path, const char *name,
                          const struct payload_inode *inode)
{
	char target[PATH_MAX];
	struct fault fault = {0};
	if (payload_read_link(extract->payload, inode, target, &fault) != 0)
		return extract_fail_with(extract, &fault, path);
	if (symlinkat(target, directory, name) != 0)
		return extract_fail(extract, errno, path, "creating the symbolic link");
	return extract_link_attributes(extract, directory, name, inode, path);
}

static int create_special(struct extract *extract, int directory, const char *path, const char *name,
                          const struct payload_inode *inode)
{
	bool device = S_ISCHR(inode->mode) || S_ISBLK(inode->mode);
	if (device && !extract->request->owners) {
		extract_left_out(extract, path, "device: only root can make it");
		return 0;
	}
	dev_t number = device ? makedev(inode->major, inode->minor) : 0;
	if (mknodat(directory, name, inode->mode, number) == 0)
		return extract_link_attributes(extract, directory, name, inode, path);
	if (errno != EPERM && errno != EOPNOTSUPP && errno != ENOSYS && errno != EINVAL)
		return extract_fail(extract, errno, path, "creating");
	char reason[256];
	snprintf(reason, sizeof reason, "%s: %s", device ? "device" : "special file", strerror(errno));
	extract_left_out(extract, path, reason);
	return 0;
}

/* `parent` is NULL when `directory` is the one for links. */
static int create(struct extract *extract, int directory, struct extract_directory *parent, const char *path,
                  const char *name, const struct payload_inode *inode)
{
	if (S_ISREG(inode->mode))
		return extract_queue_file(extract, directory, parent, path, name, inode);
	if (S_ISLNK(inode->mode))
		return create_symlink(extract, directory, path, name, inode);
	return create_special(extract, directory, path, name, inode);
}

static int open_links(struct extract *extract)
{
	uint64_t random;
	if (extract->links >= 0)
		return 0;
	if (getrandom(&random, sizeof random, 0) != sizeof random)
		return extract_fail(extract, errno, "", "making a name for a directory in");
	snprintf(extract->links_name, sizeof extract->links_name, ".rundle-%016" PRIx64, random);
	if (mkdirat(extract->request->directory, extract->links_name, 0700) == 0)
		extract->links = openat(extract->request->directory, extract->links_name,
		                        O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return extract->links >= 0 ? 0 : extract_fail(extract, errno, extract->links_name, "creating");
}

static int create_linked(struct extract *extract, struct extract_directory *parent, const char *path,
                         const char *name, const struct payload_inode *inode, bool seen)
{
	char number[16];
	snprintf(number, sizeof number, "%" PRIu32, inode->number);
	if (open_links(extract) != 0)
		return -1;
	if (!seen && create(extract, extract->links, NULL, path, number, inode) != 0)
		return -1;
	if (linkat(extract->links, number, parent->fd, name, 0) == 0)
		return 0;
	/* Devices that could not be made have been reported under their first name. */
	bool device = S_ISCHR(inode->mode) || S_ISBLK(inode->mode);
	if (errno == ENOENT && device) {
		if (seen)
			extract_left_out(extract, path, "device: only root can make it");
		return 0;
	}
	if (errno != EPERM && errno != EMLINK && errno != EOPNOTSUPP && errno != ENOSYS)
		return extract_fail(extract, errno, path, "creating the hard link");
	char reason[256];
	snprintf(reason, sizeof reason, "hard link, a copy was made: %s", strerror(errno));
	extract_left_out(extract, path, reason);
	return create(extract, parent->fd, parent, path, name, inode);
}

int extract_entry(struct extract *extract, struct extract_directory *parent, const char *path,
                  const char *name, const struct payload_inode *inode, bool seen)
{
	if (inode->nlink > 1)
		return create_linked(extract, parent, path, name, inode, seen);
	return create(extract, parent->fd, parent, path, name, inode);
}

int extract_remove_links(struct extract *extract)
{
	if (extract->links < 0)
		return 0;
	DIR *list = fdopendir(extract->links);
	int result = list == NULL ? -1 : 0;
	struct dirent *entry;
	while (result == 0 && (errno = 0, entry = readdir(list)) != NULL) {
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			result = unlinkat(extract->links, entry->d_name, 0);
	}
	if (result == 0 && errno != 0)
		result = -1;
	if (result == 0)
		result = unlinkat(extract->request->directory, extract->links_name, AT_REMOVEDIR);
	int error = errno;
	if (list != NULL)
		closedir(list);
	else
		close(extract->links);
	extract->links = -1;
	return result == 0 ? 0 : extract_fail(extract, error, extract->links_name, "removing");
}
