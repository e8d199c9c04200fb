/* SPDX-License-Identifier: Apache-2.0 */
#include "mount_attributes.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "mount_table.h"

/* struct mount_attr and flags of mount_setattr(2), which musl does not declare. */
struct attributes {
	uint64_t set, clear, propagation, user_namespace;
};
enum { ATIME_MASK = 0x70, EMPTY_PATH = 0x1000, RECURSIVE = 0x8000, MOUNTS_LIMIT = 4096 };

static const struct {
	unsigned long mount; /* MS_* */
	uint64_t attribute;  /* MOUNT_ATTR_* */
	unsigned long seen;  /* ST_* of statvfs */
} flags[] = {
    {MS_RDONLY, 0x01, ST_RDONLY},         {MS_NOSUID, 0x02, ST_NOSUID},   {MS_NODEV, 0x04, ST_NODEV},
    {MS_NOEXEC, 0x08, ST_NOEXEC},         {MS_NOATIME, 0x10, ST_NOATIME}, {MS_STRICTATIME, 0x20, 0},
    {MS_NODIRATIME, 0x80, ST_NODIRATIME}, {MS_RELATIME, 0, ST_RELATIME},
};
enum { FLAGS = sizeof flags / sizeof *flags };
static const unsigned long access_time = MS_NOATIME | MS_RELATIME | MS_STRICTATIME;

static uint64_t to_attributes(unsigned long mount_flags)
{
	uint64_t attributes = 0;
	for (size_t i = 0; i < FLAGS; i++)
		if ((mount_flags & flags[i].mount) != 0)
			attributes |= flags[i].attribute;
	return attributes;
}

static int set_attributes(int mount_point, bool recursive, unsigned long set, unsigned long clear)
{
	/* The three ways to keep access times are one field: set one, and all are cleared first. */
	struct attributes attributes = {.set = to_attributes(set),
	                                .clear = to_attributes(clear & ~access_time)};
	if ((set & access_time) != 0)
		attributes.clear |= ATIME_MASK;
	attributes.clear &= ~(attributes.set & ~(uint64_t)ATIME_MASK);
	return (int)syscall(SYS_mount_setattr, mount_point, "", EMPTY_PATH | (recursive ? RECURSIVE : 0),
	                    &attributes, sizeof attributes);
}

/* Remount one mount: what it has, changed. */
static int remount(const char *path, unsigned long set, unsigned long clear)
{
	struct statvfs status;
	if (statvfs(path, &status) != 0)
		return -1;
	unsigned long has = 0;
	for (size_t i = 0; i < FLAGS; i++)
		if (flags[i].seen != 0 && (status.f_flag & flags[i].seen) != 0)
			has |= flags[i].mount;
	if ((set & access_time) != 0)
		has &= ~access_time;
	return mount(NULL, path, NULL, MS_REMOUNT | MS_BIND | (has & ~clear) | set, NULL);
}

/* Remount what lies below the mounts `ids` in one pass over mountinfo. A mount is listed behind the one that
 * it is mounted on, as it was made later. */
static int remount_below(FILE *mounts, long *ids, unsigned long set, unsigned long clear)
{
	size_t count = 1, size = 0;
	char *line = NULL;
	int result = 0;
	while (result == 0 && getline(&line, &size, mounts) >= 0) {
		struct mount_line mount;
		if (!mount_line_read(&mount, line))
			continue;
		size_t i = 0;
		while (i < count && ids[i] != mount.parent)
			i++;
		if (i == count)
			continue;
		if (count == MOUNTS_LIMIT) {
			errno = EOVERFLOW;
			result = -1;
			break;
		}
		ids[count++] = mount.id;
		result = remount(mount.point, set, clear);
	}
	free(line);
	return result;
}

static int remount_all(int mount_point, bool recursive, unsigned long set, unsigned long clear)
{
	char path[48];
	snprintf(path, sizeof path, "/proc/self/fd/%d", mount_point);
	if (remount(path, set, clear) != 0)
		return -1;
	if (!recursive)
		return 0;
	long *ids = calloc(MOUNTS_LIMIT, sizeof *ids);
	FILE *mounts = fopen("/proc/self/mountinfo", "re");
	int result = -1;
	if (ids != NULL && mounts != NULL && (ids[0] = mount_id(mount_point)) >= 0)
		result = remount_below(mounts, ids, set, clear);
	if (mounts != NULL)
		fclose(mounts);
	free(ids);
	return result;
}

int mount_attributes_change(int mount_point, bool recursive, unsigned long set, unsigned long clear)
{
	int result = set_attributes(mount_point, recursive, set, clear);
	bool missing = result != 0 && (errno == ENOSYS || errno == EOPNOTSUPP);
	if (missing)
		result = remount_all(mount_point, recursive, set, clear);
	if (result == 0 || errno != EPERM || clear == 0)
		return result;
	return missing ? remount_all(mount_point, recursive, set, 0)
	               : set_attributes(mount_point, recursive, set, 0);
}
