/* SPDX-License-Identifier: Apache-2.0 */
#include "overlay_directory.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "empty_directory.h"

#define MARKER "rundle-overlay"

/* The server of a container that has just ended may need a moment to let go. */
static int lock_patiently(int lock)
{
	enum { TRIES = 200 };
	static const struct timespec pause = {.tv_nsec = 10000000};
	int result = flock(lock, LOCK_EX | LOCK_NB);
	for (int i = 0; result != 0 && errno == EWOULDBLOCK && i < TRIES; i++) {
		nanosleep(&pause, NULL);
		result = flock(lock, LOCK_EX | LOCK_NB);
	}
	return result;
}

static int open_lock(int directory, const char *path, struct fault *fault)
{
	struct stat status;
	int lock = openat(directory, MARKER, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600);
	if (lock < 0 || fstat(lock, &status) != 0 || !S_ISREG(status.st_mode)) {
		fault_set(fault, lock < 0 ? errno : EINVAL, "opening '%.400s/" MARKER "' of --overlay", path);
	} else if (lock_patiently(lock) == 0) {
		return lock;
	} else if (errno == EWOULDBLOCK) {
		fault_set(fault, 0, "the directory '%.400s' of --overlay is in use by another container",
		          path);
		fault_hint(fault, "Wait until that has ended, or name another directory.");
	} else {
		fault_set(fault, errno, "locking '%.400s/" MARKER "' of --overlay", path);
	}
	if (lock >= 0)
		close(lock);
	return -1;
}

/* An empty marker is one that was just made. */
static int claim(int directory, const struct overlay_directory *overlay, const struct launch_config *config,
                 struct fault *fault)
{
	char wanted[PATH_MAX + 128], found[sizeof wanted];
	int length = snprintf(wanted, sizeof wanted, MARKER " 1\nid %s\nroot %s\n", config->id, config->root);
	ssize_t got = pread(overlay->lock, found, sizeof found, 0);
	if (length < 0 || (size_t)length >= sizeof wanted || got < 0)
		return fault_set(fault, got < 0 ? errno : ENAMETOOLONG, "reading '%.400s/" MARKER "'",
		                 overlay->path);
	if (got == length && memcmp(found, wanted, (size_t)length) == 0)
		return 0;
	if (got != 0) {
		fault_set(fault, 0, "the directory '%.400s' of --overlay holds changes to another bundle",
		          overlay->path);
		return fault_hint(fault, "Name another directory, or remove this one.");
	}
	if (!directory_is_empty(directory, MARKER)) {
		(void)unlinkat(directory, MARKER, 0);
		fault_set(fault, 0, "the directory '%.400s' of --overlay holds other things", overlay->path);
		return fault_hint(fault, "Name a new or an empty directory.");
	}
	if (mkdirat(directory, "upper", 0755) != 0 || mkdirat(directory, "work", 0700) != 0 ||
	    pwrite(overlay->lock, wanted, (size_t)length, 0) != length)
		return fault_set(fault, errno, "making the directory '%.400s' of --overlay", overlay->path);
	return 0;
}

static int identify(struct overlay_directory *overlay, int directory, const char *path, struct fault *fault)
{
	char link[48];
	struct stat status;
	snprintf(link, sizeof link, "/proc/self/fd/%d", directory);
	ssize_t length = readlink(link, overlay->path, sizeof overlay->path - 1);
	if (length < 0 || fstat(directory, &status) != 0)
		return fault_set(fault, errno, "finding the directory '%.400s' of --overlay", path);
	overlay->path[length] = '\0';
	overlay->device = status.st_dev;
	overlay->inode = status.st_ino;
	if (status.st_uid == geteuid())
		return 0;
	fault_set(fault, 0, "the directory '%.400s' of --overlay belongs to somebody else", path);
	return fault_hint(fault, "Name a directory of your own.");
}

int overlay_directory_open(struct overlay_directory *overlay, const char *path,
                           const struct launch_config *config, struct fault *fault)
{
	overlay->lock = -1;
	if (mkdir(path, 0700) != 0 && errno != EEXIST)
		return fault_set(fault, errno, "making the directory '%.400s' of --overlay", path);
	int directory = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (directory < 0)
		return fault_set(fault, errno, "opening the directory '%.400s' of --overlay", path);
	int result = identify(overlay, directory, path, fault);
	if (result == 0)
		overlay->lock = open_lock(directory, path, fault);
	if (overlay->lock < 0 || claim(directory, overlay, config, fault) != 0)
		result = -1;
	close(directory);
	return result;
}

int overlay_directory_reopen(const struct overlay_directory *overlay, struct fault *fault)
{
	struct stat status;
	int directory = open(overlay->path, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (directory >= 0 && fstat(directory, &status) == 0 && status.st_dev == overlay->device &&
	    status.st_ino == overlay->inode)
		return directory;
	fault_set(fault, directory < 0 ? errno : ESTALE, "opening the directory '%.400s' of --overlay",
	          overlay->path);
	if (directory >= 0)
		close(directory);
	return -1;
}
