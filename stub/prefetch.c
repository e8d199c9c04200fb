/* SPDX-License-Identifier: Apache-2.0 */
#include "prefetch.h"

#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "own_arch.h"
#include "path_inside.h"

enum {
	PIECE = 128 << 10,       /* what the kernel reads ahead at most for one call */
	BLOCK = 1 << 20,         /* the largest: where one piece was read, the server has all of it */
	PROGRAM_LIMIT = 8 << 20, /* of a larger program the rest may never be read */
	LIBRARY_LIMIT = 2 << 20,
};

/* Where Debian, Fedora, SUSE, Arch and Alpine have loader and C library: most of these are read by any start.
 */
static const char *const libraries[] = {
#if OWN_ARCH == BUNDLE_ARCH_X86_64
    "/lib64/ld-linux-x86-64.so.2",
#else
    "/lib/ld-linux-aarch64.so.1",
#endif
    "/etc/ld.so.cache",
    "/lib/" OWN_ARCH_NAME "-linux-gnu/libc.so.6",
    "/lib64/libc.so.6",
    "/lib/ld-musl-" OWN_ARCH_NAME ".so.1",
};

/* One piece at every `step` bytes. Whether it is a file. */
static bool prefetch_file(int root, const char *path, off_t step, off_t limit)
{
	char name[48];
	struct stat status;
	int found = path_inside_open(root, path, PATH_FAIL);
	if (found < 0)
		return false;
	snprintf(name, sizeof name, "/proc/self/fd/%d", found);
	bool regular = fstat(found, &status) == 0 && S_ISREG(status.st_mode);
	int file = regular ? open(name, O_RDONLY | O_CLOEXEC) : -1;
	close(found);
	for (off_t offset = 0; file >= 0 && offset < status.st_size && offset < limit; offset += step)
		(void)posix_fadvise(file, offset, PIECE, POSIX_FADV_WILLNEED);
	if (file >= 0)
		close(file);
	return regular;
}

static void prefetch_program(int root, const struct prefetch_request *request)
{
	char candidate[PATH_MAX];
	if (strchr(request->program, '/') != NULL) {
		prefetch_file(root, request->program, BLOCK, PROGRAM_LIMIT);
		return;
	}
	for (const char *next = request->search; next != NULL;) {
		size_t length = strcspn(next, ":");
		int size =
		    snprintf(candidate, sizeof candidate, "%.*s/%s", (int)length, next, request->program);
		next = next[length] == ':' ? next + length + 1 : NULL;
		if (length < PATH_MAX && size > 0 && (size_t)size < sizeof candidate &&
		    prefetch_file(root, candidate, BLOCK, PROGRAM_LIMIT))
			return;
	}
}

void prefetch_startup(int root, const struct prefetch_request *request)
{
	prefetch_program(root, request);
	for (size_t i = 0; i < sizeof libraries / sizeof *libraries; i++)
		prefetch_file(root, libraries[i], PIECE, LIBRARY_LIMIT);
}
