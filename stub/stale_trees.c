/* SPDX-License-Identifier: Apache-2.0 */
#include "stale_trees.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "container_processes.h"
#include "tree_lock.h"

/* A tree outlives its cleaner when that was killed; its lock is free then although programs run in it. */
static bool in_use(int parent, const char *name)
{
	char root[NAME_MAX + 1 + sizeof TREE_ROOT];
	struct stat status = {0}; /* nothing may be there but what traced programs need */
	snprintf(root, sizeof root, "%s/%s", name, TREE_ROOT);
	(void)fstatat(parent, root, &status, AT_SYMLINK_NOFOLLOW);
	struct container_mark mark = {.root_device = status.st_dev, .root_inode = status.st_ino};
	snprintf(mark.temporary, sizeof mark.temporary, "%s", name);
	pid_t one;
	return container_processes_find(&mark, &one) != 0;
}

void stale_trees_remove(int directory)
{
	int again = openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *stream = again < 0 ? NULL : fdopendir(again);
	if (stream == NULL) {
		if (again >= 0)
			close(again);
		return;
	}
	struct dirent *entry;
	while ((entry = readdir(stream)) != NULL) {
		int lock;
		if (!tree_is_name(entry->d_name) ||
		    tree_lock_probe(directory, entry->d_name, false, &lock) != TREE_STALE)
			continue;
		if (!in_use(directory, entry->d_name))
			tree_lock_remove(directory, entry->d_name);
		close(lock);
	}
	closedir(stream);
}
