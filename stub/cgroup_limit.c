/* SPDX-License-Identifier: Apache-2.0 */
#include "cgroup_limit.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A reader of the limit in one directory, of version 2 or 1; UINT64_MAX when there is none. */
typedef uint64_t limit_reader(const char *directory, bool second);

/* The first `size` - 1 bytes of DIRECTORY/NAME; false when it cannot be read. */
static bool read_text(const char *directory, const char *name, char *text, size_t size)
{
	char path[PATH_MAX];
	if (snprintf(path, sizeof path, "%s/%s", directory, name) >= (int)sizeof path)
		return false;
	int file = open(path, O_RDONLY | O_CLOEXEC);
	if (file < 0)
		return false;
	ssize_t got = read(file, text, size - 1);
	close(file);
	text[got > 0 ? got : 0] = '\0';
	return got > 0;
}

/* The number at the start of a file; UINT64_MAX for "max", for one below zero, and when there is no file. */
static uint64_t read_number(const char *directory, const char *name)
{
	char text[48];
	if (!read_text(directory, name, text, sizeof text) || text[0] < '0' || text[0] > '9')
		return UINT64_MAX;
	errno = 0;
	return strtoull(text, NULL, 10);
}

static uint64_t memory_limit(const char *directory, bool second)
{
	return read_number(directory, second ? "memory.max" : "memory.limit_in_bytes");
}

static uint64_t cpu_limit(const char *directory, bool second)
{
	uint64_t quota, period;
	if (second) {
		char text[64] = "", *end, *last;
		read_text(directory, "cpu.max", text, sizeof text);
		quota = strtoull(text, &end, 10);
		period = strtoull(end, &last, 10);
		if (end == text || last == end)
			return UINT64_MAX;
	} else {
		quota = read_number(directory, "cpu.cfs_quota_us");
		period = quota == UINT64_MAX ? quota : read_number(directory, "cpu.cfs_period_us");
	}
	if (quota == UINT64_MAX || period == 0 || period == UINT64_MAX)
		return UINT64_MAX;
	return quota / period == 0 ? 1 : quota / period;
}

/* The least limit of `path` below `mount` and of all directories above it. In a container without a cgroup
 * namespace the path is one of the host's, and what is mounted begins further down: then only the last steps
 * exist. */
static uint64_t least(const char *mount, bool second, const char *path, limit_reader *read)
{
	char directory[PATH_MAX];
	uint64_t limit = UINT64_MAX;
	size_t start = strlen(mount);
	if (snprintf(directory, sizeof directory, "%s%s", mount, strcmp(path, "/") == 0 ? "" : path) >=
	    (int)sizeof directory)
		return limit;
	for (;;) {
		uint64_t here = read(directory, second);
		if (here < limit)
			limit = here;
		char *slash = strrchr(directory + start, '/');
		if (slash == NULL)
			return limit;
		*slash = '\0';
	}
}

static bool names(const char *controllers, const char *wanted)
{
	size_t length = strlen(wanted);
	for (; *controllers != '\0'; controllers += *controllers == ',') {
		size_t word = strcspn(controllers, ",");
		if (word == length && memcmp(controllers, wanted, length) == 0)
			return true;
		controllers += word;
	}
	return false;
}

/* The lines of /proc/self/cgroup are HIERARCHY:CONTROLLERS:PATH; version 2 has no controllers there. */
static uint64_t limit_of(const char *controller, const char *mount, limit_reader *read)
{
	char text[16384];
	uint64_t limit = UINT64_MAX;
	if (!read_text("/proc/self", "cgroup", text, sizeof text))
		return limit;
	for (char *rest = text, *line; (line = strsep(&rest, "\n")) != NULL;) {
		strsep(&line, ":");
		char *controllers = strsep(&line, ":");
		if (line == NULL || *line != '/')
			continue;
		bool second = *controllers == '\0';
		if (!second && !names(controllers, controller))
			continue;
		uint64_t here = least(second ? "/sys/fs/cgroup" : mount, second, line, read);
		if (here < limit)
			limit = here;
	}
	return limit;
}

uint64_t cgroup_memory_limit(void)
{
	return limit_of("memory", "/sys/fs/cgroup/memory", memory_limit);
}

uint64_t cgroup_cpu_limit(void)
{
	return limit_of("cpu", "/sys/fs/cgroup/cpu", cpu_limit);
}
