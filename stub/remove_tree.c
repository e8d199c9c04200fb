/* SPDX-License-Identifier: Apache-2.0 */
#include "remove_tree.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "mount_table.h"

/* Directories open at once. What lies deeper is first moved up to the top, so neither descriptors nor stack
 * bound the depth that can be removed. */
enum { DEPTH_LIMIT = 24, NFS_RETRIES = 20 };

/* struct open_how and a flag of openat2(2), which musl does not declare. */
struct how {
	uint64_t flags, mode, resolve;
};
enum { NO_MOUNT_CROSSING = 0x01 };

struct removal {
	int top;
	unsigned long moved; /* directories moved up so far, for their names */
	int error;           /* the first one */
};

/* Open the directory itself, never a link or what is mounted on it (EXDEV). */
static int open_here(int parent, const char *name, uint64_t flags)
{
	const struct how how = {flags | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC, 0, NO_MOUNT_CROSSING};
	int directory = (int)syscall(SYS_openat2, parent, name, &how, sizeof how);
	if (directory >= 0 || (errno != ENOSYS && errno != EPERM))
		return directory;
	directory = openat(parent, name, (int)how.flags);
	if (directory >= 0 && mount_id(directory) != mount_id(parent)) {
		close(directory);
		return errno = EXDEV, -1;
	}
	return directory;
}

/* Open a directory for reading and make it writable, for only then can it be emptied or moved. Its mode is
 * changed through a descriptor, so that no link can stand in for it. */
static int open_writable(int parent, const char *name)
{
	int handle = open_here(parent, name, O_PATH);
	if (handle < 0)
		return -1;
	struct stat status;
	if (fstat(handle, &status) == 0 && (status.st_mode & S_IRWXU) != S_IRWXU) {
		char path[48];
		snprintf(path, sizeof path, "/proc/self/fd/%d", handle);
		chmod(path, S_IRWXU);
	}
	close(handle);
	return open_here(parent, name, O_RDONLY);
}

static void note(struct removal *removal)
{
	if (removal->error == 0)
		removal->error = errno;
}

/* Remove the emptied directory. On NFS a file that somebody still has open lives on for a moment. */
static void remove_empty(struct removal *removal, int parent, const char *name)
{
	for (int attempt = 0; unlinkat(parent, name, AT_REMOVEDIR) != 0; attempt++) {
		if ((errno != ENOTEMPTY && errno != EEXIST) || attempt == NFS_RETRIES ||
		    removal->error != 0) {
			note(removal);
			return;
		}
		nanosleep(&(struct timespec){.tv_nsec = 50000000}, NULL);
	}
}

static void move_up(struct removal *removal, int parent, const char *name)
{
	int directory = open_writable(parent, name);
	if (directory < 0) {
		note(removal);
		return;
	}
	close(directory);
	char moved[40];
	int result;
	do { /* an earlier removal that was cut short may have left such a name */
		snprintf(moved, sizeof moved, ".rundle-moved-%lu", removal->moved++);
		result = renameat(parent, name, removal->top, moved);
	} while (result != 0 && (errno == EEXIST || errno == ENOTEMPTY || errno == ENOTDIR));
	if (result != 0)
		note(removal);
}

/* Empty an open directory, which is closed. */
static void empty(struct removal *removal, int directory, unsigned depth)
{
	DIR *stream = fdopendir(directory);
	if (stream == NULL) {
		note(removal);
		close(directory);
		return;
	}
	struct dirent *entry;
	while ((entry = readdir(stream)) != NULL) {
		const char *name = entry->d_name;
		if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
			continue;
		if (entry->d_type != DT_DIR) {
			if (unlinkat(directory, name, 0) == 0 || errno == ENOENT)
				continue;
			if (errno != EISDIR && errno != EPERM && errno != EBUSY) {
				note(removal);
				continue;
			}
		}
		if (depth == DEPTH_LIMIT) {
			move_up(removal, directory, name);
			continue;
		}
		int below = open_writable(directory, name);
		if (below < 0) {
			if (errno != ENOENT)
				note(removal);
			continue;
		}
		empty(removal, below, depth + 1);
		remove_empty(removal, directory, name);
	}
	closedir(stream);
}

int remove_tree(int parent, const char *name)
{
	struct removal removal = {.top = open_writable(parent, name)};
	if (removal.top < 0)
		return errno == ENOENT ? 0 : -1;
	unsigned long before;
	do { /* again, when deep directories have come up */
		before = removal.moved;
		int again = openat(removal.top, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (again < 0)
			note(&removal);
		else
			empty(&removal, again, 1);
	} while (removal.moved != before && removal.error == 0);
	close(removal.top);
	remove_empty(&removal, parent, name);
	return removal.error == 0 ? 0 : (errno = removal.error, -1);
}
