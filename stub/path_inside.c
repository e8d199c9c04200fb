/* SPDX-License-Identifier: Apache-2.0 */
#include "path_inside.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { LINK_LIMIT = 40, PENDING_SIZE = 4 * PATH_MAX };

/* struct open_how and flags of openat2(2), which musl does not declare. */
struct how {
	uint64_t flags, mode, resolve;
};
enum { NO_MAGIC_LINKS = 0x02, IN_ROOT = 0x10 };

struct walk {
	int root;
	int at;                 /* the directory reached so far */
	char reached[PATH_MAX]; /* its path below the root without links, "a/b"; empty for the root */
	char pending[PENDING_SIZE];
	size_t next; /* start of what is left in `pending` */
	unsigned links;
};

static int replace(struct walk *walk, int descriptor)
{
	if (descriptor < 0)
		return -1;
	close(walk->at);
	walk->at = descriptor;
	return 0;
}

/* Go to `walk->reached` again from the root; its components are no links. */
static int revisit(struct walk *walk)
{
	int at = openat(walk->root, ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	char path[PATH_MAX];
	memcpy(path, walk->reached, sizeof path);
	char *state = NULL;
	for (char *name = strtok_r(path, "/", &state); at >= 0 && name != NULL;
	     name = strtok_r(NULL, "/", &state)) {
		int below = openat(at, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		int saved = errno;
		close(at);
		errno = saved;
		at = below;
	}
	return replace(walk, at);
}

static int go_up(struct walk *walk)
{
	char *slash = strrchr(walk->reached, '/');
	if (slash != NULL)
		*slash = '\0';
	else
		walk->reached[0] = '\0';
	return revisit(walk);
}

/* Put the target of the link `descriptor` in front of what is left. */
static int expand_link(struct walk *walk, int descriptor)
{
	char target[PATH_MAX];
	ssize_t length = readlinkat(descriptor, "", target, sizeof target - 1);
	if (length < 0)
		return -1;
	size_t left = strlen(walk->pending + walk->next);
	if (++walk->links > LINK_LIMIT)
		return errno = ELOOP, -1;
	if ((size_t)length + 1 + left + 1 > sizeof walk->pending)
		return errno = ENAMETOOLONG, -1;
	memmove(walk->pending + length + 1, walk->pending + walk->next, left + 1);
	memcpy(walk->pending, target, (size_t)length);
	walk->pending[length] = '/';
	walk->next = 0;
	if (target[0] != '/')
		return 0;
	walk->reached[0] = '\0';
	return revisit(walk);
}

static bool met_read_only;

bool path_inside_was_read_only(void)
{
	bool was = met_read_only;
	met_read_only = false;
	return was;
}

static int create(struct walk *walk, const char *name, bool last, enum path_missing missing)
{
	if (missing == PATH_FAIL)
		return errno = ENOENT, -1;
	int result = -1;
	if (!last || missing == PATH_MAKE_DIRECTORY) {
		result = mkdirat(walk->at, name, 0755);
	} else {
		int file = openat(walk->at, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
		if (file >= 0)
			result = close(file);
	}
	if (result != 0 && errno == EROFS)
		met_read_only = true;
	if (result != 0 && errno != EEXIST)
		return -1;
	return openat(walk->at, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
}

/* Take the next component of `pending` into `name`: 1, or 0 when there is none. */
static int next_component(struct walk *walk, char name[NAME_MAX + 1], bool *last)
{
	char *start = walk->pending + walk->next;
	start += strspn(start, "/");
	size_t length = strcspn(start, "/");
	if (length == 0)
		return 0;
	if (length > NAME_MAX)
		return errno = ENAMETOOLONG, -1;
	memcpy(name, start, length);
	name[length] = '\0';
	walk->next = (size_t)(start - walk->pending) + length;
	*last = start[length + strspn(start + length, "/")] == '\0';
	return 1;
}

/* One step down to `name`. Returns 1 when `walk->at` is the end of the path. */
static int step(struct walk *walk, const char *name, bool last, enum path_missing missing)
{
	if (strcmp(name, ".") == 0)
		return 0;
	if (strcmp(name, "..") == 0)
		return go_up(walk);
	int below = openat(walk->at, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (below < 0 && errno == ENOENT)
		below = create(walk, name, last, missing);
	if (below < 0)
		return -1;
	struct stat status;
	if (fstatat(below, "", &status, AT_EMPTY_PATH) != 0)
		return close(below), -1;
	if (S_ISLNK(status.st_mode)) {
		int result = expand_link(walk, below);
		int saved = errno;
		close(below);
		errno = saved;
		return result;
	}
	if (!S_ISDIR(status.st_mode)) {
		if (!last)
			return close(below), errno = ENOTDIR, -1;
		return replace(walk, below) == 0 ? 1 : -1;
	}
	size_t used = strlen(walk->reached);
	if (used + 1 + strlen(name) + 1 > sizeof walk->reached)
		return close(below), errno = ENAMETOOLONG, -1;
	snprintf(walk->reached + used, sizeof walk->reached - used, "%s%s", used > 0 ? "/" : "", name);
	return replace(walk, below);
}

int path_inside_walk(int root, const char *path, enum path_missing missing)
{
	struct walk walk = {.root = root};
	if (strlen(path) >= sizeof walk.pending)
		return errno = ENAMETOOLONG, -1;
	memcpy(walk.pending, path, strlen(path) + 1);
	walk.at = openat(root, ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (walk.at < 0)
		return -1;
	for (;;) {
		char name[NAME_MAX + 1];
		bool last = false;
		int result = next_component(&walk, name, &last);
		if (result == 0)
			return walk.at;
		if (result > 0)
			result = step(&walk, name, last, missing);
		if (result > 0)
			return walk.at;
		if (result < 0) {
			int saved = errno;
			close(walk.at);
			errno = saved;
			return -1;
		}
	}
}

int path_inside_open(int root, const char *path, enum path_missing missing)
{
	const struct how how = {.flags = O_PATH | O_CLOEXEC, .resolve = IN_ROOT | NO_MAGIC_LINKS};
	int found = (int)syscall(SYS_openat2, root, path, &how, sizeof how);
	/* EPERM: seccomp filters of old container engines; EAGAIN: something was renamed meanwhile. */
	bool decided = found >= 0 || (errno != ENOENT && errno != ENOSYS && errno != EPERM &&
	                              errno != EAGAIN && errno != EINVAL);
	if (decided || (errno == ENOENT && missing == PATH_FAIL))
		return found;
	return path_inside_walk(root, path, missing);
}

bool path_inside_exists(int root, const char *path)
{
	int found = path_inside_open(root, path, PATH_FAIL);
	if (found >= 0)
		close(found);
	return found >= 0;
}
