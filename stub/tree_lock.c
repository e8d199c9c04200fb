/* SPDX-License-Identifier: Apache-2.0 */
#include "tree_lock.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "remove_tree.h"

/* A directory without a lock is being made or removed; after this long whoever did that is dead. */
enum { UNLOCKED_SECONDS = 600, OWNER_SIZE = 128 };
#define NEW_LOCK "lock.new"

void tree_name(char name[TREE_NAME_SIZE], uint64_t bits)
{
	snprintf(name, TREE_NAME_SIZE, TREE_PREFIX "%016" PRIx64, bits);
}

bool tree_is_name(const char *name)
{
	return strlen(name) == TREE_NAME_SIZE - 1 && strncmp(name, TREE_PREFIX, strlen(TREE_PREFIX)) == 0 &&
	       strspn(name + strlen(TREE_PREFIX), "0123456789abcdef") == 16;
}

/* Machine and boot, one line. A lock can be judged only where it was taken: some network file systems keep
 * flock(2) to the machine. */
static void describe_owner(char line[OWNER_SIZE])
{
	struct utsname system = {0};
	char boot[40] = "-";
	uname(&system);
	int file = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
	if (file >= 0) {
		ssize_t got = read(file, boot, 36);
		boot[got > 0 ? got : 0] = '\0';
		close(file);
	}
	snprintf(line, OWNER_SIZE, "%.64s %s\n", system.nodename, boot);
}

int tree_lock_create(int parent, const char *name)
{
	if (mkdirat(parent, name, 0700) != 0)
		return -1;
	int saved;
	int lock = -1;
	int directory = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	/* A default ACL or an odd umask may have made it something else. */
	if (directory < 0 || fchmod(directory, 0700) != 0)
		goto failed;
	lock = openat(directory, NEW_LOCK, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (lock < 0)
		goto failed;
	char owner[OWNER_SIZE];
	describe_owner(owner);
	if (write(lock, owner, strlen(owner)) != (ssize_t)strlen(owner))
		goto failed;
	/* Where there are no locks nobody gets one, so nobody takes the tree for stale either. */
	if (flock(lock, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK)
		goto failed;
	if (renameat(directory, NEW_LOCK, directory, TREE_LOCK) != 0)
		goto failed;
	close(directory);
	return lock;
failed:
	saved = errno;
	if (lock >= 0)
		close(lock);
	if (directory >= 0) {
		unlinkat(directory, NEW_LOCK, 0);
		close(directory);
	}
	unlinkat(parent, name, AT_REMOVEDIR);
	errno = saved;
	return -1;
}

/* A tree without a lock: made or removed right now, or left so by a crash; such a leftover is empty. */
static enum tree_state judge_unlocked(int parent, const char *name, int directory)
{
	struct stat status;
	if (fstat(directory, &status) != 0 || time(NULL) - status.st_ctime < UNLOCKED_SECONDS)
		return TREE_BUSY;
	unlinkat(directory, NEW_LOCK, 0);
	unlinkat(parent, name, AT_REMOVEDIR);
	return TREE_GONE;
}

static enum tree_state judge_lock(int lock, bool wait)
{
	char owner[OWNER_SIZE], mine[OWNER_SIZE];
	describe_owner(mine);
	ssize_t got = pread(lock, owner, sizeof owner - 1, 0);
	owner[got > 0 ? got : 0] = '\0';
	size_t machine = strcspn(mine, " ") + 1;
	bool foreign = strncmp(owner, mine, machine) != 0;
	while (flock(lock, wait ? LOCK_EX : LOCK_EX | LOCK_NB) != 0)
		if (errno != EINTR)
			return TREE_BUSY;
	struct stat status;
	if (fstat(lock, &status) != 0 || status.st_nlink == 0)
		return TREE_GONE;
	return foreign ? TREE_FOREIGN : TREE_STALE;
}

enum tree_state tree_lock_probe(int parent, const char *name, bool wait, int *lock)
{
	*lock = -1;
	int directory = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct stat status;
	if (directory < 0)
		return TREE_GONE;
	enum tree_state state = TREE_GONE;
	if (fstat(directory, &status) != 0 || status.st_uid != geteuid() || (status.st_mode & 0777) != 0700)
		goto done;
	*lock = openat(directory, TREE_LOCK, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
	if (*lock < 0 && errno == ENOENT)
		state = judge_unlocked(parent, name, directory);
	if (*lock >= 0)
		state = judge_lock(*lock, wait);
	if (state != TREE_STALE && *lock >= 0) {
		close(*lock);
		*lock = -1;
	}
done:
	close(directory);
	return state;
}

int tree_lock_remove(int parent, const char *name)
{
	int directory = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (directory < 0)
		return errno == ENOENT ? 0 : -1;
	int result = remove_tree(directory, TREE_ROOT);
	int saved = errno;
	close(directory);
	errno = saved;
	return result == 0 ? remove_tree(parent, name) : -1;
}
