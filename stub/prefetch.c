/* SPDX-License-Identifier: Apache-2.0 */
#include "prefetch.h"

#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "own_arch.h"

/* Of a larger program the rest may never be read. */
enum { LIMIT = 8 << 20 };

/* Where Debian, Fedora, SUSE, Arch and Alpine have loader and C library. */
static const char *const libraries[] = {
    "/lib/" OWN_ARCH_NAME "-linux-gnu/libc.so.6",
    "/lib64/libc.so.6",
    "/lib/ld-musl-" OWN_ARCH_NAME ".so.1",
};

/* Whether it is a regular file, which then is in the cache. */
static bool prefetch_file(struct payload *payload, uint64_t root, const char *path)
{
	struct payload_inode inode;
	if (payload_resolve_path(payload, root, path, &inode) != 0 || !S_ISREG(inode.mode))
		return false;
	uint32_t step = payload_block_size(payload);
	for (uint64_t offset = 0; offset < inode.size && offset < LIMIT; offset += step)
		payload_prefetch(payload, &inode, offset);
	return true;
}

static void prefetch_program(struct payload *payload, uint64_t root, const struct prefetch_request *request)
{
	char candidate[PATH_MAX];
	if (strchr(request->program, '/') != NULL) {
		prefetch_file(payload, root, request->program);
		return;
	}
	for (const char *next = request->search; next != NULL;) {
		size_t length = strcspn(next, ":");
		int size =
		    snprintf(candidate, sizeof candidate, "%.*s/%s", (int)length, next, request->program);
		next = next[length] == ':' ? next + length + 1 : NULL;
		if (length < PATH_MAX && size > 0 && (size_t)size < sizeof candidate &&
		    prefetch_file(payload, root, candidate))
			return;
	}
}

void prefetch_startup(struct payload *payload, uint64_t root, const struct prefetch_request *request)
{
	prefetch_program(payload, root, request);
	for (size_t i = 0; i < sizeof libraries / sizeof *libraries; i++)
		if (prefetch_file(payload, root, libraries[i]))
			return;
}
