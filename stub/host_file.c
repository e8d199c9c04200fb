/* SPDX-License-Identifier: Apache-2.0 */
#include "host_file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SIZE_LIMIT = 4 << 20 };

static int check_directory(int fd, const char *path, struct fault *fault)
{
	struct stat status;
	if (fstat(fd, &status) != 0)
		return fault_set(fault, errno, "cannot look at '%.400s'", path);
	if (status.st_uid == 0 && (status.st_mode & (S_IWGRP | S_IWOTH)) == 0)
		return 0;
	fault_set(fault, 0, "'%.400s' can be changed by others than root, so nothing is kept there", path);
	return fault_hint(fault, "chown root '%.200s' && chmod go-w '%.200s'", path, path);
}

/* The directory of a file, each one above it checked. -1 with a fault; or without one when it is missing and
 * not to be made. */
static int open_directory(const struct host_file *file, bool make, struct fault *fault)
{
	char path[PATH_MAX];
	int directory = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	snprintf(path, sizeof path, "%s", file->directory);
	if (directory >= 0 && check_directory(directory, "/", fault) != 0) {
		close(directory);
		return -1;
	}
	for (char *name = path + 1; directory >= 0 && name != NULL;) {
		char *slash = strchr(name, '/');
		if (slash != NULL)
			*slash = '\0';
		int made = make ? mkdirat(directory, name, 0755) : -1;
		int refused = made != 0 ? errno : 0;
		if (made == 0)
			fchmodat(directory, name, 0755, 0);
		int next = openat(directory, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		int error = errno;
		close(directory);
		if (next < 0 && error == ENOENT && !make)
			return -1;
		if (next < 0 && error == ENOENT)
			return fault_set(fault, refused, "cannot make the directory '%.400s'", path);
		if (next < 0)
			return fault_set(fault, error == ELOOP ? ENOTDIR : error,
			                 "cannot use '%.400s' as a directory", path);
		directory = next;
		if (check_directory(directory, path, fault) != 0) {
			close(directory);
			return -1;
		}
		if (slash != NULL)
			*slash = '/';
		name = slash == NULL ? NULL : slash + 1;
	}
	return directory;
}

static bool holds(const char *bytes, size_t size, const char *mark)
{
	size_t length = strlen(mark);
	for (const char *at = bytes; size >= length; at++) {
		const char *next = memchr(at, mark[0], size - length + 1);
		if (next == NULL)
			return false;
		size -= (size_t)(next - at) + 1;
		at = next;
		if (memcmp(at, mark, length) == 0)
			return true;
	}
	return false;
}

/* Whether what is open is another version of the file, or has its very bytes; not that it is ours. */
static int compare(int fd, const struct host_file *file, const struct stat *status,
                   enum host_file_state *state)
{
	if (!S_ISREG(status->st_mode) || status->st_size > SIZE_LIMIT)
		return -1;
	size_t size = (size_t)status->st_size;
	char *bytes = malloc(size + 1);
	bool ours =
	    bytes != NULL && pread(fd, bytes, size, 0) == (ssize_t)size && holds(bytes, size, file->mark);
	bool same = ours && size == file->size && memcmp(bytes, file->bytes, size) == 0 &&
	            status->st_uid == 0 && (status->st_mode & 07777) == file->mode;
	free(bytes);
	*state = same ? HOST_FILE_SAME : HOST_FILE_OTHER;
	return ours ? 0 : -1;
}

int host_file_look(const struct host_file *file, enum host_file_state *state, struct fault *fault)
{
	struct stat status;
	*state = HOST_FILE_MISSING;
	int directory = open_directory(file, false, fault);
	if (directory < 0)
		return fault->text[0] == '\0' ? 0 : -1;
	int fd = openat(directory, file->name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	int error = errno;
	close(directory);
	if (fd < 0 && error == ENOENT)
		return 0;
	int result = fd >= 0 && fstat(fd, &status) == 0 ? compare(fd, file, &status, state) : -1;
	if (fd >= 0)
		close(fd);
	if (result == 0)
		return 0;
	fault_set(fault, 0, "'%s/%s' is there already, and is not what --setup-host writes", file->directory,
	          file->name);
	return fault_hint(fault, "move it away, then try again");
}

static int write_bytes(int fd, const struct host_file *file)
{
	for (size_t done = 0; done < file->size;) {
		ssize_t put = write(fd, (const char *)file->bytes + done, file->size - done);
		if (put < 0 && errno == EINTR)
			continue;
		if (put < 0)
			return -1;
		done += (size_t)put;
	}
	return fchown(fd, 0, 0) == 0 && fchmod(fd, file->mode) == 0 && fsync(fd) == 0 ? 0 : -1;
}

/* The new file has one name, which starts with a dot so that nothing reads it as a profile: nobody but root
 * can put something there, and what a kill leaves is replaced by the next one. */
static void new_name(const struct host_file *file, char name[64])
{
	snprintf(name, 64, ".%s.new", file->name);
}

int host_file_write(const struct host_file *file, struct fault *fault)
{
	char name[64];
	int directory = open_directory(file, true, fault);
	if (directory < 0)
		return -1;
	new_name(file, name);
	while (flock(directory, LOCK_EX) != 0 && errno == EINTR)
		;
	unlinkat(directory, name, 0);
	int fd = openat(directory, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	bool written = fd >= 0 && write_bytes(fd, file) == 0;
	int error = errno;
	if (fd >= 0 && close(fd) != 0 && written) {
		written = false;
		error = errno;
	}
	if (written && renameat(directory, name, directory, file->name) != 0) {
		written = false;
		error = errno;
	}
	if (!written && fd >= 0)
		unlinkat(directory, name, 0);
	if (written)
		fsync(directory);
	close(directory);
	return written ? 0 : fault_set(fault, error, "cannot write '%s/%s'", file->directory, file->name);
}

int host_file_remove(const struct host_file *file, bool directory, struct fault *fault)
{
	char name[64];
	int parent = open_directory(file, false, fault);
	if (parent < 0)
		return fault->text[0] == '\0' ? 0 : -1;
	new_name(file, name);
	unlinkat(parent, name, 0);
	int result = unlinkat(parent, file->name, 0);
	int error = errno;
	close(parent);
	if (result != 0 && error != ENOENT)
		return fault_set(fault, error, "cannot remove '%s/%s'", file->directory, file->name);
	if (directory)
		rmdir(file->directory);
	return 0;
}
