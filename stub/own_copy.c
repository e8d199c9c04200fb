/* SPDX-License-Identifier: Apache-2.0 */
#include "own_copy.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define PREFIX ".rundle-launcher-"

enum { ENTRY_LIMIT = 8192, MAKER_GRACE = 10, AGE_LIMIT = 3600 };

/* The PID in the name of a copy, 0 when it is none. */
static pid_t maker_of(const char *name)
{
	size_t prefix = strlen(PREFIX);
	if (strncmp(name, PREFIX, prefix) != 0)
		return 0;
	const char *digits = name + prefix;
	size_t length = strspn(digits, "0123456789");
	if (length == 0 || length > 9 || digits[length] != '\0')
		return 0;
	return (pid_t)strtol(digits, NULL, 10);
}

static bool left_behind(int directory, const char *name, pid_t maker, time_t now)
{
	struct stat status;
	if (fstatat(directory, name, &status, AT_SYMLINK_NOFOLLOW) != 0 || !S_ISREG(status.st_mode) ||
	    status.st_uid != geteuid())
		return false;
	time_t age = now - status.st_mtime;
	bool dead = kill(maker, 0) != 0 && errno == ESRCH;
	return (dead && age > MAKER_GRACE) || age > AGE_LIMIT;
}

void own_copy_remove(const char *path)
{
	const char *slash = strrchr(path, '/');
	char parent[PATH_MAX];
	if (slash == NULL || (size_t)(slash - path) + 2 > sizeof parent || maker_of(slash + 1) == 0)
		return;
	memcpy(parent, path, (size_t)(slash - path) + 1);
	parent[slash - path + 1] = '\0';
	unlink(path);
	own_copy_clean(parent);
}

void own_copy_clean(const char *directory)
{
	DIR *stream = opendir(directory);
	if (stream == NULL)
		return;
	time_t now = time(NULL);
	struct dirent *entry;
	for (unsigned i = 0; i < ENTRY_LIMIT && (entry = readdir(stream)) != NULL; i++) {
		pid_t maker = maker_of(entry->d_name);
		if (maker != 0 && left_behind(dirfd(stream), entry->d_name, maker, now))
			unlinkat(dirfd(stream), entry->d_name, 0);
	}
	closedir(stream);
}
