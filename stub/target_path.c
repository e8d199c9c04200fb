/* SPDX-License-Identifier: Apache-2.0 */
#include "target_path.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Remove the last `count` components, as long as they are empty. */
static void remove_parents(const char *path, unsigned count)
{
	char copy[PATH_MAX];
	memcpy(copy, path, strlen(path) + 1);
	for (; count > 0 && rmdir(copy) == 0; count--) {
		char *slash = strrchr(copy, '/');
		if (slash == NULL || slash == copy)
			return;
		*slash = '\0';
	}
}

/* Create the directories of `path` (modified while at it, and restored) that are missing. */
static int make_parents(char *path, unsigned *created)
{
	for (char *end = path + 1;; end++) {
		if (*end != '/' && *end != '\0')
			continue;
		char saved = *end;
		*end = '\0';
		int result = mkdir(path, 0777);
		int error = errno;
		*end = saved;
		if (result == 0)
			++*created;
		else if (error != EEXIST && error != EROFS && error != EACCES && error != EISDIR)
			return errno = error, -1;
		if (saved == '\0')
			return 0;
	}
}

/* Without trailing slashes; `.` and `..` at the end are resolved. */
static int clean(const char *path, char copy[PATH_MAX], struct fault *fault)
{
	size_t length = strlen(path);
	while (length > 1 && path[length - 1] == '/')
		length--;
	if (length == 0 || length >= PATH_MAX)
		return fault_set(fault, length == 0 ? ENOENT : ENAMETOOLONG, "the target %.400s", path);
	memcpy(copy, path, length);
	copy[length] = '\0';
	struct stat status;
	char resolved[PATH_MAX];
	if (lstat(copy, &status) == 0 && realpath(copy, resolved) != NULL)
		memcpy(copy, resolved, strlen(resolved) + 1);
	return 0;
}

int target_path_open(struct target_path *target, const char *path, struct fault *fault)
{
	char copy[PATH_MAX];
	target->created = 0;
	if (clean(path, copy, fault) != 0)
		return -1;
	char *slash = strrchr(copy, '/');
	const char *name = slash == NULL ? copy : slash + 1;
	if (*name == '\0' || strcmp(name, ".") == 0 || strcmp(name, "..") == 0 || strlen(name) > NAME_MAX)
		return fault_set(fault, EINVAL, "the target %.400s", path);
	memcpy(target->name, name, strlen(name) + 1);
	if (slash == NULL)
		memcpy(copy, ".", sizeof ".");
	else
		slash[slash == copy] = '\0';
	int made = slash == NULL ? 0 : make_parents(copy, &target->created);
	if (made == 0 && realpath(copy, target->parent_path) != NULL) {
		target->parent = open(target->parent_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (target->parent >= 0)
			return 0;
	}
	fault_set(fault, errno, "opening %.400s, which is to hold the target", copy);
	remove_parents(copy, target->created);
	return -1;
}

void target_path_close(struct target_path *target, bool used)
{
	close(target->parent);
	if (!used)
		remove_parents(target->parent_path, target->created);
}
