/* SPDX-License-Identifier: Apache-2.0 */
#include "storage.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "stale_trees.h"

/* Besides the contents: what an inode and a half-used last block take, and what others may take meanwhile. */
enum { BYTES_PER_INODE = 4096, SPARE_BYTES = 4 << 20, SPARE_INODES = 64 };

enum { CANDIDATES = 9, TMPFS = 0x01021994, RAMFS = (int)0x858458f6 };

struct candidate {
	char path[PATH_MAX];
	bool may_create;
};

struct choice {
	struct candidate candidates[CANDIDATES];
	size_t count;
	const struct storage_need *need;
	char refusals[sizeof((struct fault *)0)->text];
};

/* A path is taken when it is absolute; one that is not set, or relative, is passed over without a word. */
static void add(struct choice *choice, const char *directory, const char *below, bool may_create)
{
	if (directory == NULL || directory[0] != '/')
		return;
	struct candidate *candidate = &choice->candidates[choice->count];
	int length = snprintf(candidate->path, sizeof candidate->path, "%s%s", directory, below);
	if (length < 0 || (size_t)length >= sizeof candidate->path)
		return;
	for (size_t i = 0; i < choice->count; i++)
		if (strcmp(choice->candidates[i].path, candidate->path) == 0)
			return;
	candidate->may_create = may_create;
	choice->count++;
}

static void list_candidates(struct choice *choice, const char *preferred, const char *bundle_path)
{
	static char bundle[PATH_MAX], current[PATH_MAX];
	add(choice, preferred, "", false);
	add(choice, getenv("TMPDIR"), "", false);
	add(choice, "/tmp", "", false);
	add(choice, "/var/tmp", "", false);
	add(choice, getenv("HOME"), "/.cache", true);
	if (bundle_path != NULL && realpath(bundle_path, bundle) != NULL) {
		char *slash = strrchr(bundle, '/');
		slash[slash == bundle] = '\0';
		add(choice, bundle, "", false);
	}
	add(choice, getcwd(current, sizeof current), "", false);
	/* Usually in memory, and small: better than no start. */
	add(choice, "/dev/shm", "", false);
	add(choice, getenv("XDG_RUNTIME_DIR"), "", false);
}

static void refuse(struct choice *choice, const char *path, const char *reason)
{
	size_t used = strlen(choice->refusals);
	snprintf(choice->refusals + used, sizeof choice->refusals - used, "%s%.100s (%s)",
	         used > 0 ? ", " : "", path, reason);
}

static bool in_memory(int directory)
{
	struct statfs status;
	return fstatfs(directory, &status) == 0 &&
	       ((int)status.f_type == TMPFS || (int)status.f_type == RAMFS);
}

static int probe_file(int directory)
{
	int file = openat(directory, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0700);
	if (file >= 0 || (errno != EOPNOTSUPP && errno != EISDIR && errno != ENOENT && errno != EINVAL))
		return file;
	char name[64]; /* the file system or the kernel has no nameless files */
	snprintf(name, sizeof name, ".rundle-probe-%ld", (long)getpid());
	file = openat(directory, name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0700);
	if (file >= 0)
		unlinkat(directory, name, 0);
	return file;
}

int storage_can_execute(int directory)
{
	int file = probe_file(directory);
	if (file < 0)
		return -1;
	long size = sysconf(_SC_PAGESIZE);
	int result = ftruncate(file, size) == 0 && pwrite(file, "", 1, 0) == 1 ? 0 : -1;
	void *code = MAP_FAILED;
	if (result == 0)
		code = mmap(NULL, (size_t)size, PROT_READ | PROT_EXEC, MAP_PRIVATE, file, 0);
	int saved = errno;
	if (code != MAP_FAILED)
		munmap(code, (size_t)size);
	close(file);
	errno = saved;
	return code == MAP_FAILED ? -1 : 0;
}

int storage_has_room(int directory, const char *path, const struct storage_need *need, struct fault *fault)
{
	struct statvfs status;
	if (fstatvfs(directory, &status) != 0)
		return fault_set(fault, errno, "finding the free space of %.200s", path);
	uint64_t wanted = need->size + need->inodes * BYTES_PER_INODE + SPARE_BYTES;
	uint64_t space = (uint64_t)status.f_bavail * status.f_frsize;
	if (space < wanted)
		return fault_set(fault, 0, "%.200s has no room: %llu MB free, %llu MB needed", path,
		                 (unsigned long long)space / 1000000,
		                 (unsigned long long)wanted / 1000000 + 1);
	/* Some file systems make inodes as they go and report none. */
	if (status.f_files != 0 && status.f_favail < need->inodes + SPARE_INODES)
		return fault_set(fault, 0, "%.200s has no room: %llu more files possible, %llu needed", path,
		                 (unsigned long long)status.f_favail, (unsigned long long)need->inodes);
	return 0;
}

static int open_candidate(const struct candidate *candidate)
{
	int directory = open(candidate->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (directory >= 0 || errno != ENOENT || !candidate->may_create || mkdir(candidate->path, 0700) != 0)
		return directory;
	return open(candidate->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static bool has_room(struct choice *choice, int directory, const char *path)
{
	struct fault reason = {0};
	if (storage_has_room(directory, path, choice->need, &reason) == 0)
		return true;
	stale_trees_remove(directory);
	reason = (struct fault){0};
	if (storage_has_room(directory, path, choice->need, &reason) == 0)
		return true;
	const char *figures = strstr(reason.text, ": ");
	refuse(choice, path, figures != NULL ? figures + 2 : strerror(reason.error));
	return false;
}

/* Try one candidate if it is in memory or not, as wanted: 0 when it is the one. */
static int try_candidate(struct choice *choice, const struct candidate *candidate, bool memory,
                         struct storage *storage)
{
	int directory = open_candidate(candidate);
	if (directory < 0) {
		if (!memory)
			refuse(choice, candidate->path, strerror(errno));
		return -1;
	}
	if (in_memory(directory) != memory)
		goto refused;
	if (storage_can_execute(directory) != 0) {
		refuse(choice, candidate->path, errno == EPERM ? "mounted noexec" : strerror(errno));
		goto refused;
	}
	if (!has_room(choice, directory, candidate->path))
		goto refused;
	storage->directory = directory;
	storage->memory = memory;
	memcpy(storage->path, candidate->path, sizeof storage->path);
	return 0;
refused:
	close(directory);
	return -1;
}

int storage_choose(const char *preferred, const char *bundle_path, const struct storage_need *need,
                   struct storage *storage, struct fault *fault)
{
	static struct choice choice;
	choice = (struct choice){.need = need};
	list_candidates(&choice, preferred, bundle_path);
	for (int memory = 0; memory <= 1; memory++)
		for (size_t i = 0; i < choice.count; i++)
			if (try_candidate(&choice, &choice.candidates[i], memory, storage) == 0)
				return 0;
	fault_set(fault, 0, "no directory can hold the tree: %.900s", choice.refusals);
	return fault_hint(fault, "Name one that can: TMPDIR=DIR, or --target DIR to keep the tree there.");
}

void storage_visit(const char *preferred, const char *bundle_path, storage_visitor *visitor, void *context)
{
	static struct choice choice;
	choice = (struct choice){.need = NULL};
	list_candidates(&choice, preferred, bundle_path);
	for (size_t i = 0; i < choice.count; i++) {
		int directory = open(choice.candidates[i].path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		visitor(context, choice.candidates[i].path, directory);
		if (directory >= 0)
			close(directory);
	}
}
