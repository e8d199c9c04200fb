/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "host/checks.h"
#include "host/filesystem.h"
#include "host/remedy.h"
#include "storage.h"

struct visit {
	struct check *check;
	const char *chosen;
};

/* One line about a directory: what it lies on, its room, whether it can execute. */
static void describe(void *context, const char *path, int directory)
{
	struct visit *visit = context;
	struct statvfs status;
	char type[24];
	int error = errno;
	if (visit->chosen != NULL && strcmp(path, visit->chosen) == 0)
		return;
	check_add(visit->check, "%s%.120s", visit->chosen != NULL ? "; " : ", ", path);
	visit->chosen = visit->chosen != NULL ? visit->chosen : "";
	if (directory < 0) {
		check_add(visit->check, ": %s", strerror(error));
		return;
	}
	filesystem_type(path, type, sizeof type);
	check_add(visit->check, " (%s", type);
	if (fstatvfs(directory, &status) == 0)
		check_add(visit->check, ", %" PRIu64 " MB free",
		          (uint64_t)status.f_bavail * status.f_frsize / 1000000);
	if (storage_can_execute(directory) != 0)
		check_add(visit->check, ", %s", errno == EPERM ? "noexec" : strerror(errno));
	check_add(visit->check, ")");
}

/* The trial of tier extract has chosen one, or said of each why not. */
void look_directories(const struct host *host, struct check *check)
{
	struct visit visit = {check, host->tree_directory};
	char type[24];
	struct statvfs status;
	if (host->tree_directory[0] == '\0') {
		check_fault(check, check_hurts(host), &host->tiers[TIER_EXTRACT].reason);
		check_value(check, "none");
		check_remedy(check, "TMPDIR=/path/that/can/execute %s", host->app);
		return;
	}
	bool shared = filesystem_type(host->tree_directory, type, sizeof type);
	uint64_t room = statvfs(host->tree_directory, &status) == 0
	                    ? (uint64_t)status.f_bavail * status.f_frsize / 1000000
	                    : 0;
	bool used = host->chosen != TIER_MOUNT;
	check_set(check, used && (shared || host->tree_in_memory) ? CHECK_WARN : CHECK_PASS,
	          "%.400s can execute and has room (%s, %" PRIu64 " MB free)%s", host->tree_directory, type,
	          room,
	          shared                 ? ", shared by machines, where extracting is slow"
	          : host->tree_in_memory ? ", which is main memory"
	                                 : "");
	check_value(check, "%s", type);
	check->shown = used;
	if (check->result == CHECK_WARN)
		check_remedy(check, "TMPDIR=/path/on/a/local/disk %s", host->app);
	storage_visit(host->options->temporary, host->bundle->path, describe, &visit);
}

/* Enough for what MPI and data loaders keep there; container engines give 64 MiB. */
enum { SHM_LEAST = 256 << 20 };

void look_shm(const struct host *host, struct check *check)
{
	struct stat status;
	struct statvfs room;
	char type[24], path[64];
	filesystem_type("/dev/shm", type, sizeof type);
	if (stat("/dev/shm", &status) != 0 || statvfs("/dev/shm", &room) != 0) {
		check_set(check, CHECK_WARN, "/dev/shm: %s", strerror(errno));
		check_value(check, "none");
		check_remedy(
		    check, "sudo mkdir -m 1777 /dev/shm && sudo mount -t tmpfs -o mode=1777 tmpfs /dev/shm");
		return;
	}
	uint64_t size = (uint64_t)room.f_blocks * room.f_frsize;
	snprintf(path, sizeof path, "/dev/shm/.rundle-verify-%ld", (long)getpid());
	int file = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	int error = errno;
	void *memory = MAP_FAILED;
	if (file >= 0 && ftruncate(file, 4096) == 0)
		memory = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
	if (file >= 0) {
		unlink(path);
		close(file);
	}
	if (memory != MAP_FAILED)
		munmap(memory, 4096);
	bool open_to_all = (status.st_mode & 07777) == 01777;
	bool good = memory != MAP_FAILED && open_to_all && size >= SHM_LEAST;
	check_set(check, good ? CHECK_PASS : CHECK_WARN, "/dev/shm has %" PRIu64 " MiB (%s, mode %o)%s%s",
	          size >> 20, type, status.st_mode & 07777, memory != MAP_FAILED ? "" : ": ",
	          memory != MAP_FAILED ? "" : strerror(error));
	check_value(check, "%s %o %" PRIu64 "M", type, status.st_mode & 07777, size >> 20);
	if (!open_to_all)
		check_remedy(check, "sudo chmod 1777 /dev/shm");
	if (size < SHM_LEAST && remedy_in_container(host, "docker"))
		check_remedy(check, "docker run --shm-size=2g ...");
	else if (size < SHM_LEAST)
		check_remedy(check, "sudo mount -o remount,size=50%% /dev/shm");
}
