/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "extract_internal.h"

#define OPEN_DIRECTORY (O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)

int extract_directories_open(struct extract_directories *directories, size_t limit)
{
	*directories = (struct extract_directories){.limit = limit, .capacity = 64};
	pthread_mutex_init(&directories->lock, NULL);
	directories->open = calloc(directories->capacity, sizeof *directories->open);
	return directories->open == NULL ? -1 : 0;
}

void extract_directories_free(struct extract_directories *directories)
{
	/* Some are left only when extraction failed; their attributes do not matter any more. */
	while (directories->depth > 0) {
		struct extract_directory *directory = directories->open[--directories->depth];
		if (directory->fd >= 0)
			close(directory->fd);
		free(directory);
	}
	free(directories->open);
	pthread_mutex_destroy(&directories->lock);
}

struct extract_directory *extract_current(struct extract *extract)
{
	return extract->directories.open[extract->directories.depth - 1];
}

void extract_pin(struct extract *extract, struct extract_directory *directory)
{
	pthread_mutex_lock(&extract->directories.lock);
	directory->users++;
	pthread_mutex_unlock(&extract->directories.lock);
}

void extract_unpin(struct extract *extract, struct extract_directory *directory)
{
	pthread_mutex_lock(&extract->directories.lock);
	bool last = --directory->users == 0, complete = directory->complete;
	int fd = directory->fd;
	if (last)
		directory->fd = -1;
	pthread_mutex_unlock(&extract->directories.lock);
	if (!last)
		return;
	if (complete && !atomic_load(&extract->failed))
		extract_attributes(extract, fd, &directory->attributes, directory->path);
	close(fd);
	if (complete)
		free(directory);
}

/* Let go of the farthest ancestor that is held when there are too many. It is found again through "..". */
static void release_ancestor(struct extract *extract)
{
	struct extract_directories *all = &extract->directories;
	if (all->depth <= all->limit)
		return;
	struct extract_directory *ancestor = all->open[all->depth - 1 - all->limit];
	if (ancestor->held) {
		ancestor->held = false;
		extract_unpin(extract, ancestor);
	}
}

static int push(struct extract_directories *all, struct extract_directory *directory)
{
	if (all->depth == all->capacity) {
		struct extract_directory **open = realloc(all->open, 2 * all->capacity * sizeof(void *));
		if (open == NULL)
			return -1;
		all->open = open;
		all->capacity *= 2;
	}
	all->open[all->depth++] = directory;
	return 0;
}

static int open_new(struct extract *extract, const char *name)
{
	if (name == NULL)
		return fcntl(extract->request->directory, F_DUPFD_CLOEXEC, 0);
	int parent = extract_current(extract)->fd;
	if (mkdirat(parent, name, 0700) != 0)
		return -1;
	return openat(parent, name, OPEN_DIRECTORY);
}

int extract_enter(struct extract *extract, const char *name, const char *path,
                  const struct payload_inode *inode)
{
	struct extract_directory *directory = calloc(1, sizeof *directory + strlen(path) + 1);
	if (directory == NULL)
		return extract_fail(extract, ENOMEM, path, "creating");
	strcpy(directory->path, path);
	directory->attributes = *inode;
	directory->users = 1;
	directory->held = true;
	directory->fd = open_new(extract, name);
	struct stat status;
	if (directory->fd < 0 || fstat(directory->fd, &status) != 0 ||
	    push(&extract->directories, directory) != 0) {
		extract_fail(extract, errno, path, "creating the directory");
		if (directory->fd >= 0)
			close(directory->fd);
		free(directory);
		return -1;
	}
	directory->device = status.st_dev;
	directory->inode = status.st_ino;
	release_ancestor(extract);
	return 0;
}

/* Open a directory again that is the parent of `child`: what ".." leads to must be what was left. */
static int hold_again(struct extract *extract, struct extract_directory *directory, int child)
{
	pthread_mutex_lock(&extract->directories.lock);
	int error = 0;
	struct stat status;
	if (directory->fd < 0) {
		directory->fd = openat(child, "..", OPEN_DIRECTORY);
		if (directory->fd < 0 || fstat(directory->fd, &status) != 0)
			error = errno;
		else if (status.st_dev != directory->device || status.st_ino != directory->inode)
			error = ESTALE;
	}
	directory->users++;
	directory->held = true;
	pthread_mutex_unlock(&extract->directories.lock);
	return error == 0 ? 0 : extract_fail(extract, error, directory->path, "returning to");
}

int extract_leave(struct extract *extract)
{
	struct extract_directories *all = &extract->directories;
	struct extract_directory *directory = extract_current(extract);
	if (all->depth > 1) {
		struct extract_directory *parent = all->open[all->depth - 2];
		if (!parent->held && hold_again(extract, parent, directory->fd) != 0)
			return -1;
	}
	all->depth--;
	pthread_mutex_lock(&all->lock);
	directory->complete = true;
	pthread_mutex_unlock(&all->lock);
	extract_unpin(extract, directory);
	return atomic_load(&extract->failed) ? -1 : 0;
}
