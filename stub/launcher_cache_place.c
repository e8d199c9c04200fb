/* SPDX-License-Identifier: Apache-2.0 */
#include "launcher_cache_place.h"

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/magic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "remove_tree.h"

#define PREFIX ".rundle-cache-"

enum { ENTRY_LIMIT = 65536, NAME_SIZE = sizeof PREFIX + 16 };

/* Free bytes that must stay for the programs that share the file system. */
static const uint64_t room = 16 << 20;

static const mode_t others_write = S_IWGRP | S_IWOTH;

/* Whether this is root of the first user namespace, to whom /proc/sys belongs. */
static bool is_machine_root(void)
{
	struct stat status;
	return stat("/proc/sys", &status) != 0 || status.st_uid == geteuid();
}

static bool in_memory_and_executable(int directory)
{
	struct statfs status;
	return fstatfs(directory, &status) == 0 &&
	       (status.f_type == TMPFS_MAGIC || status.f_type == RAMFS_MAGIC) &&
	       (status.f_flags & (ST_NOEXEC | ST_RDONLY)) == 0 &&
	       /* ramfs, and tmpfs without a limit, have no blocks */
	       (status.f_blocks == 0 || status.f_bavail >= room / (uint64_t)status.f_bsize);
}

/* Open what may hold cache directories; `own` when it must be this user's. */
static int open_base(const char *path, bool own)
{
	struct stat status;
	int base = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (base < 0)
		return -1;
	if (fstat(base, &status) == 0 && in_memory_and_executable(base) &&
	    (own ? status.st_uid == geteuid() && (status.st_mode & others_write) == 0
	         : (status.st_mode & S_ISVTX) != 0))
		return base;
	close(base);
	return -1;
}

/* Whether `name` is a directory of this user's that nobody else can enter, and no mount. In a user namespace
 * that does not know this user all others seem to be the same one, but nobody can enter theirs. */
static bool is_own_cache(int base, const char *name)
{
	struct stat above, status;
	return strncmp(name, PREFIX, strlen(PREFIX)) == 0 && strlen(name) < NAME_SIZE &&
	       fstatat(base, name, &status, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(status.st_mode) &&
	       status.st_uid == geteuid() && (status.st_mode & 0777) == 0700 && fstat(base, &above) == 0 &&
	       status.st_dev == above.st_dev;
}

static int open_locked(int base, const char *name)
{
	int cache = openat(base, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (cache >= 0 && flock(cache, LOCK_EX | LOCK_NB) == 0)
		return cache;
	if (cache >= 0)
		close(cache);
	return -1;
}

/* The name of this user's next cache directory after `previous` in the order of their names; "" comes before
 * all. */
static bool next_cache(int base, const char *previous, char found[NAME_SIZE])
{
	int listed = openat(base, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *stream = listed < 0 ? NULL : fdopendir(listed);
	struct dirent *entry;
	bool any = false;
	for (unsigned i = 0; stream != NULL && i < ENTRY_LIMIT && (entry = readdir(stream)) != NULL; i++) {
		const char *name = entry->d_name;
		if (strcmp(name, previous) <= 0 || (any && strcmp(name, found) >= 0) ||
		    !is_own_cache(base, name))
			continue;
		memcpy(found, name, strlen(name) + 1); /* is_own_cache has seen its length */
		any = true;
	}
	if (stream != NULL)
		closedir(stream);
	else if (listed >= 0)
		close(listed);
	return any;
}

/* Two first starts at once each make a directory. All later ones agree on the first in the order of names. */
static void remove_others(int base, const char *kept)
{
	char name[NAME_SIZE], previous[NAME_SIZE];
	snprintf(previous, sizeof previous, "%s", kept);
	while (next_cache(base, previous, name)) {
		int other = open_locked(base, name);
		if (other >= 0) {
			remove_tree(base, name);
			close(other);
		}
		memcpy(previous, name, sizeof previous);
	}
}

/* As launcher_cache_open, in one place. */
static int open_in(int base)
{
	char name[NAME_SIZE];
	uint64_t bits;
	if (next_cache(base, "", name)) {
		int cache = open_locked(base, name);
		if (cache >= 0)
			remove_others(base, name);
		return cache;
	}
	if (getrandom(&bits, sizeof bits, 0) != sizeof bits)
		return -1;
	snprintf(name, sizeof name, PREFIX "%016" PRIx64, bits);
	return mkdirat(base, name, 0700) == 0 && is_own_cache(base, name) ? open_locked(base, name) : -1;
}

int launcher_cache_open(void)
{
	const char *runtime = getenv("XDG_RUNTIME_DIR");
	int base = runtime != NULL && runtime[0] == '/' ? open_base(runtime, true) : -1;
	/* A container may have the machine's /dev/shm, and its root be the machine's by number. */
	if (base < 0 && !is_machine_root())
		base = open_base("/dev/shm", false);
	if (base < 0)
		return -1;
	int cache = open_in(base);
	close(base);
	return cache;
}
