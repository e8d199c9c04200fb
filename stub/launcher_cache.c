/* SPDX-License-Identifier: Apache-2.0 */
#include "launcher_cache.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "helper_process.h"
#include "launcher_cache_place.h"
#include "own_copy.h"
#include "sha256.h"

#define VARIABLE "RUNDLE_LAUNCHER_CACHE"
#define PREFIX "launcher-"
#define UNFINISHED "unfinished"

enum {
	LAUNCHERS_KEPT = 4,
	ENTRY_LIMIT = 1024,
	REMEMBER_USE = 600,
	NAME_SIZE = sizeof PREFIX + 2 * SHA256_SIZE
};

static const off_t size_limit = 16 << 20;

/* Nanoseconds that this start has the processors for itself. */
enum { PAUSE = 20000000 };

struct launcher {
	unsigned char *bytes;
	size_t size;
	char name[NAME_SIZE];
};

/* The `size` bytes of `file`, in malloc'ed memory; NULL when it has less. */
static unsigned char *read_bytes(int file, size_t size)
{
	unsigned char *bytes = malloc(size);
	size_t done = 0;
	while (bytes != NULL && done < size) {
		ssize_t got = pread(file, bytes + done, size - done, (off_t)done);
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0) {
			free(bytes);
			return NULL;
		}
		done += (size_t)got;
	}
	return bytes;
}

/* The program that the kernel executes here. Under an emulator that is the emulator, whose SHA-256 no header
 * looks for: they answer for /proc/self/exe, not for this name. */
static int read_launcher(struct launcher *launcher)
{
	struct stat status;
	unsigned char digest[SHA256_SIZE];
	int file = open("/proc/thread-self/exe", O_RDONLY | O_CLOEXEC);
	launcher->bytes = NULL;
	if (file >= 0 && fstat(file, &status) == 0 && status.st_size > 0 && status.st_size <= size_limit) {
		launcher->size = (size_t)status.st_size;
		launcher->bytes = read_bytes(file, launcher->size);
	}
	if (file >= 0)
		close(file);
	if (launcher->bytes == NULL)
		return -1;
	sha256_of(launcher->bytes, launcher->size, digest);
	memcpy(launcher->name, PREFIX, strlen(PREFIX));
	sha256_hex(digest, launcher->name + strlen(PREFIX));
	return 0;
}

static bool holds(int cache, const char *name, const struct launcher *launcher)
{
	struct stat status;
	int file = openat(cache, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (file < 0)
		return false;
	unsigned char *bytes = NULL;
	if (fstat(file, &status) == 0 && S_ISREG(status.st_mode) && status.st_uid == geteuid() &&
	    (status.st_mode & 07777) == 0500 && status.st_nlink == 1 &&
	    (size_t)status.st_size == launcher->size)
		bytes = read_bytes(file, launcher->size);
	bool same = bytes != NULL && memcmp(bytes, launcher->bytes, launcher->size) == 0;
	free(bytes);
	close(file);
	return same;
}

static bool executes(int cache, const char *name)
{
	static char launcher[] = "launcher", verb[] = "probe";
	static char *const arguments[] = {launcher, verb, NULL};
	int status;
	pid_t child = fork();
	if (child == 0) {
		syscall(SYS_execveat, cache, name, arguments, environ, 0); /* Linux 3.19 */
		_exit(127);
	}
	while (child > 0 && waitpid(child, &status, 0) < 0)
		if (errno != EINTR)
			return false;
	return child > 0 && status == 0;
}

static int write_unfinished(int cache, const struct launcher *launcher)
{
	size_t done = 0;
	unlinkat(cache, UNFINISHED, 0);
	int file = openat(cache, UNFINISHED, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0500);
	while (file >= 0 && done < launcher->size) {
		ssize_t put = write(file, launcher->bytes + done, launcher->size - done);
		if (put < 0 && errno == EINTR)
			continue;
		if (put <= 0)
			break;
		done += (size_t)put;
	}
	/* An open one could not be executed. */
	return file >= 0 && close(file) == 0 && done == launcher->size ? 0 : -1;
}

/* Remove what is no launcher, and the launcher that was not used for the longest time. Returns whether there
 * are still too many. */
static bool remove_one(int cache)
{
	char oldest[NAME_SIZE] = "";
	struct timespec oldest_use = {0};
	unsigned count = 0;
	int listed = openat(cache, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *stream = listed < 0 ? NULL : fdopendir(listed);
	struct dirent *entry;
	for (unsigned i = 0; stream != NULL && i < ENTRY_LIMIT && (entry = readdir(stream)) != NULL; i++) {
		struct stat status;
		const char *name = entry->d_name;
		if (strncmp(name, PREFIX, strlen(PREFIX)) != 0 || strlen(name) != NAME_SIZE - 1) {
			if (strcmp(name, ".") != 0 && strcmp(name, "..") != 0)
				unlinkat(cache, name, 0);
			continue;
		}
		if (fstatat(cache, name, &status, AT_SYMLINK_NOFOLLOW) != 0)
			continue;
		const struct timespec use = status.st_mtim;
		if (count++ == 0 || use.tv_sec < oldest_use.tv_sec ||
		    (use.tv_sec == oldest_use.tv_sec && use.tv_nsec < oldest_use.tv_nsec)) {
			memcpy(oldest, name, sizeof oldest);
			oldest_use = use;
		}
	}
	if (stream != NULL)
		closedir(stream);
	return count > LAUNCHERS_KEPT && unlinkat(cache, oldest, 0) == 0 && count - 1 > LAUNCHERS_KEPT;
}

static void fill(void)
{
	struct launcher launcher;
	struct timespec left = {.tv_nsec = PAUSE};
	while (nanosleep(&left, &left) != 0 && errno == EINTR)
		;
	umask(077);
	int cache = launcher_cache_open();
	if (cache < 0 || read_launcher(&launcher) != 0)
		return;
	/* One that is good as far as this user can make it so may still not execute. */
	if (holds(cache, launcher.name, &launcher)) {
		if (!executes(cache, launcher.name))
			unlinkat(cache, launcher.name, 0);
	} else if (write_unfinished(cache, &launcher) == 0 && executes(cache, UNFINISHED)) {
		renameat(cache, UNFINISHED, cache, launcher.name);
	}
	while (remove_one(cache))
		;
}

void launcher_cache_fill(void)
{
	const char *wanted = getenv(VARIABLE);
	if (wanted != NULL && strcmp(wanted, "no") == 0)
		return;
	if (wanted != NULL && strcmp(wanted, "retry") == 0)
		unsetenv(VARIABLE);
	pid_t helper = helper_fork();
	if (helper == 0) {
		/* A helper that ends before the program must not stay as its dead child. */
		if (fork() == 0) {
			helper_detach("rundle-cache", NULL, 0);
			fill();
		}
		_exit(0);
	}
	while (helper > 0 && waitpid(helper, NULL, __WALL) < 0 && errno == EINTR)
		;
}

void launcher_cache_used(const char *path)
{
	static const char *const variables[] = {"TMPDIR", "XDG_RUNTIME_DIR"};
	struct stat status;
	time_t now = time(NULL);
	if (stat(path, &status) != 0 || (now >= status.st_mtime && now - status.st_mtime < REMEMBER_USE) ||
	    utimensat(AT_FDCWD, path, NULL, AT_SYMLINK_NOFOLLOW) != 0)
		return;
	for (size_t i = 0; i < sizeof variables / sizeof *variables; i++) {
		const char *directory = getenv(variables[i]);
		if (directory != NULL && directory[0] == '/')
			own_copy_clean(directory);
	}
	own_copy_clean("/dev/shm");
	own_copy_clean("/tmp");
}
