/* SPDX-License-Identifier: Apache-2.0 */
#include "container_processes.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { PARENT_NAMESPACE = 0xb702, NESTING_LIMIT = 40 }; /* NS_GET_PARENT, Linux 4.9 */
enum { KILL_ROUNDS = 2000, KILL_PAUSE_NS = 1000000 };

/* Whether the user namespace that `path` shows is `wanted` or lies in it. */
static bool in_user_namespace(int proc, const char *path, uint64_t wanted, uint64_t own)
{
	struct stat status;
	if (fstatat(proc, path, &status, 0) != 0 || status.st_ino == own)
		return false;
	if (status.st_ino == wanted)
		return true;
	int namespace = openat(proc, path, O_RDONLY | O_CLOEXEC);
	bool found = false;
	for (int level = 0; namespace >= 0 && !found && level < NESTING_LIMIT; level++) {
		int parent = ioctl(namespace, PARENT_NAMESPACE);
		close(namespace);
		namespace = parent;
		found = parent >= 0 && fstat(parent, &status) == 0 && status.st_ino == wanted;
	}
	if (namespace >= 0)
		close(namespace);
	return found;
}

struct search {
	const struct container_mark *mark;
	int proc;
	uint64_t own_user_namespace;
};

/* Whether the file that the task executes lies below the temporary directory: PRoot runs every program by a
 * loader that it has put there. */
static bool executes_below(const struct search *search, const char *path)
{
	char name[64], link[PATH_MAX], *found = link;
	const char *temporary = search->mark->temporary;
	if (temporary[0] == '\0')
		return false;
	snprintf(name, sizeof name, "%.48s/exe", path);
	ssize_t length = readlinkat(search->proc, name, link, sizeof link - 1);
	link[length > 0 ? length : 0] = '\0';
	while ((found = strstr(found, temporary)) != NULL && found[strlen(temporary)] != '/')
		found++;
	return found != NULL;
}

/* Judge one task, `path` being PID or PID/task/TID. Returns 1 or 0, -1 when it shows nothing about itself. */
static int judge(const struct search *search, const char *path)
{
	char name[PATH_MAX];
	struct stat status;
	uint64_t wanted = search->mark->mount_namespace;
	bool seen = false;
	snprintf(name, sizeof name, "%s/ns/mnt", path);
	if (fstatat(search->proc, name, &status, 0) == 0) {
		seen = true;
		if (wanted != 0 && status.st_ino == wanted)
			return 1;
	} else if (errno == EACCES || errno == EPERM) {
		return 0; /* another user's */
	}
	wanted = search->mark->root_inode;
	snprintf(name, sizeof name, "%s/root", path);
	if (wanted != 0 && fstatat(search->proc, name, &status, 0) == 0 && status.st_ino == wanted &&
	    status.st_dev == search->mark->root_device)
		return 1;
	wanted = search->mark->user_namespace;
	snprintf(name, sizeof name, "%s/ns/user", path);
	if (wanted != 0 && in_user_namespace(search->proc, name, wanted, search->own_user_namespace))
		return 1;
	return seen && executes_below(search, path) ? 1 : seen ? 0 : -1;
}

/* A process whose first thread has ended lives on in the others. */
static int judge_threads(const struct search *search, const char *process)
{
	char path[PATH_MAX];
	snprintf(path, sizeof path, "%s/task", process);
	int directory = openat(search->proc, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *threads = directory < 0 ? NULL : fdopendir(directory);
	if (threads == NULL) {
		if (directory >= 0)
			close(directory);
		return 0;
	}
	int result = 0;
	struct dirent *entry;
	while (result <= 0 && (entry = readdir(threads)) != NULL) {
		if (entry->d_name[0] == '.')
			continue;
		snprintf(path, sizeof path, "%.20s/task/%.20s", process, entry->d_name);
		result = judge(search, path);
	}
	closedir(threads);
	return result > 0;
}

/* Call `visit` for each, until it returns true. Their number, -1 when /proc cannot be read. */
static int visit_all(const struct container_mark *mark, bool (*visit)(void *context, pid_t pid),
                     void *context)
{
	int descriptor = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *processes = descriptor < 0 ? NULL : fdopendir(descriptor);
	struct stat status;
	if (processes == NULL || fstatat(descriptor, "self/ns/user", &status, 0) != 0) {
		if (processes != NULL)
			closedir(processes);
		else if (descriptor >= 0)
			close(descriptor);
		return -1;
	}
	const struct search search = {mark, descriptor, status.st_ino};
	int count = 0;
	bool enough = false;
	struct dirent *entry;
	while (!enough && (entry = readdir(processes)) != NULL) {
		char *end;
		long pid = strtol(entry->d_name, &end, 10);
		if (*end != '\0' || pid <= 0 || pid == getpid())
			continue;
		int result = judge(&search, entry->d_name);
		if (result < 0)
			result = judge_threads(&search, entry->d_name);
		if (result <= 0)
			continue;
		count++;
		enough = visit(context, (pid_t)pid);
	}
	closedir(processes);
	return count;
}

static bool take_first(void *context, pid_t pid)
{
	*(pid_t *)context = pid;
	return true;
}

int container_processes_find(const struct container_mark *mark, pid_t *found)
{
	return visit_all(mark, take_first, found);
}

static bool send(void *context, pid_t pid)
{
	kill(pid, *(const int *)context);
	return false;
}

void container_processes_signal(const struct container_mark *mark, int signal)
{
	/* A process that dies may have made another one meanwhile. */
	for (int round = 0; visit_all(mark, send, &signal) > 0 && signal == SIGKILL && round < KILL_ROUNDS;
	     round++)
		nanosleep(&(struct timespec){.tv_nsec = KILL_PAUSE_NS}, NULL);
}

static bool stop_threads(void *context, pid_t pid)
{
	char path[32];
	(void)context;
	snprintf(path, sizeof path, "/proc/%ld/task", (long)pid);
	DIR *threads = opendir(path);
	struct dirent *entry;
	while (threads != NULL && (entry = readdir(threads)) != NULL)
		if (entry->d_name[0] != '.')
			syscall(SYS_tgkill, pid, atoi(entry->d_name), SIGSTOP);
	if (threads != NULL)
		closedir(threads);
	return false;
}

void container_processes_stop(const struct container_mark *mark)
{
	visit_all(mark, stop_threads, NULL);
}
