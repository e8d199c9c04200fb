/* SPDX-License-Identifier: Apache-2.0
 * Reads a mounted tree by system calls: every name, attribute, link and extended attribute, and parts of
 * every file. */
#ifndef RUNDLE_TREE_READER_H
#define RUNDLE_TREE_READER_H

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#define READER_ENTRIES 5000u
#define READER_DEPTH 64u

struct tree_reader {
	const char *name; /* of the image, for messages */
	unsigned entries, depth, failed;
};

/* Errors that are no answer to what was asked end the process. An owner of 2^32 - 1 is nobody: what only
 * owners may do, not even root may. */
static void reader_failed(struct tree_reader *reader, const char *call, const char *path)
{
	if (errno == EIO) {
		reader->failed++;
		return;
	}
	if (errno == EACCES)
		return;
	fprintf(stderr, "%s: %s(%s): %s\n", reader->name, call, path, strerror(errno));
	exit(1);
}

static void read_content(struct tree_reader *reader, int directory, const char *name, off_t size)
{
	static char buffer[200000];
	off_t offsets[] = {0, size / 2, size > 5000 ? size - 5000 : 0, size};
	int fd = openat(directory, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0) {
		reader_failed(reader, "open", name);
		return;
	}
	for (size_t i = 0; i < sizeof offsets / sizeof *offsets; i++) {
		off_t left =
		    size - offsets[i] < (off_t)sizeof buffer ? size - offsets[i] : (off_t)sizeof buffer;
		ssize_t count = pread(fd, buffer, sizeof buffer, offsets[i]);
		/* Pages in front of a damaged one are given. */
		if (count < 0)
			reader_failed(reader, "read", name);
		else if (count < left && pread(fd, buffer, 1, offsets[i] + count) >= 0)
			reader_failed(reader, "a short read that is not explained", name);
	}
	close(fd);
}

static void read_attributes(struct tree_reader *reader, const char *path)
{
	static char names[65536], value[65536];
	ssize_t length = llistxattr(path, names, sizeof names);
	if (length < 0 && errno != E2BIG)
		reader_failed(reader, "listxattr", path);
	for (const char *name = names; name < names + length; name += strlen(name) + 1) {
		/* Where a damaged image has attributes of files with a device, the kernel hides them. */
		if (lgetxattr(path, name, value, sizeof value) < 0 && errno != ENODATA)
			reader_failed(reader, "getxattr", path);
	}
}

static void read_directory(struct tree_reader *reader, int parent, const char *name);

static void read_entry(struct tree_reader *reader, int directory, const char *name)
{
	char target[PATH_MAX], path[64 + NAME_MAX];
	struct stat status;
	if (fstatat(directory, name, &status, AT_SYMLINK_NOFOLLOW) != 0) {
		/* A name that does not stand where the order wants it is listed and not found. */
		if (errno != ENOENT)
			reader_failed(reader, "stat", name);
		return;
	}
	if (status.st_nlink == 0 || status.st_size < 0 || status.st_ino == 0) {
		errno = EINVAL;
		reader_failed(reader, "what stat tells", name);
	}
	snprintf(path, sizeof path, "/proc/self/fd/%d/%s", directory, name);
	read_attributes(reader, path);
	if (S_ISLNK(status.st_mode) && readlinkat(directory, name, target, sizeof target) <= 0)
		reader_failed(reader, "readlink", name);
	if (S_ISREG(status.st_mode))
		read_content(reader, directory, name, status.st_size);
	if (S_ISDIR(status.st_mode) && reader->depth < READER_DEPTH)
		read_directory(reader, directory, name);
}

static void read_directory(struct tree_reader *reader, int parent, const char *name)
{
	int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	DIR *directory = fd >= 0 ? fdopendir(fd) : NULL;
	if (directory == NULL) {
		reader_failed(reader, "opendir", name);
		return;
	}
	reader->depth++;
	for (;;) {
		errno = 0;
		const struct dirent *entry = readdir(directory);
		if (entry == NULL && errno != 0)
			reader_failed(reader, "readdir", name);
		if (entry == NULL || reader->entries++ > READER_ENTRIES)
			break;
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			read_entry(reader, fd, entry->d_name);
	}
	reader->depth--;
	closedir(directory);
}

/* Returns how many calls gave EIO. */
static unsigned read_tree(struct tree_reader *reader, const char *root)
{
	read_directory(reader, AT_FDCWD, root);
	return reader->failed;
}

#endif
