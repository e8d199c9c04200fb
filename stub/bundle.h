/* SPDX-License-Identifier: Apache-2.0
 * A bundle's footer and section table; README.md, "The bundle format". */
#ifndef RUNDLE_BUNDLE_H
#define RUNDLE_BUNDLE_H

#include <limits.h>
#include <stddef.h>
#include <stdint.h>

#include "fault.h"
#include "sha256.h"

#define BUNDLE_FOOTER_SIZE 128
#define BUNDLE_MAX_SECTIONS 256
#define BUNDLE_ARCH_NONE 0
#define BUNDLE_ARCH_X86_64 62
#define BUNDLE_ARCH_AARCH64 183

enum section_kind {
	SECTION_HEADER = 1,
	SECTION_LAUNCHER = 2,
	SECTION_PAYLOAD = 3,
	SECTION_LAUNCH_CONFIG = 4,
	SECTION_MANIFEST = 5,
	SECTION_PROOT = 6,
};

struct section {
	uint32_t kind, arch, flags, index;
	uint64_t offset, size;
	unsigned char sha256[SHA256_SIZE];
};

struct bundle {
	int fd;
	uint64_t size; /* of the whole file */
	uint64_t table_offset, table_size;
	uint32_t count;
	struct section sections[BUNDLE_MAX_SECTIONS]; /* ascending by offset, not overlapping */
	char path[PATH_MAX];                          /* as it was given, for messages */
};

/* Open the bundle at `path` and read its footer and table; every offset and size in `bundle` is then inside
 * the file. `expected_size` is what the header says, 0 when unknown. A truncated and an extended file are
 * reported with both sizes; an unknown major version and an unknown required section are refused.
 * Returns 0, or -1 with a fault; nothing stays open then. */
int bundle_open(struct bundle *bundle, const char *path, uint64_t expected_size, struct fault *fault);

/* The section of that kind, architecture (ELF e_machine) and index; NULL if there is none. */
const struct section *bundle_section(const struct bundle *bundle, enum section_kind kind, uint32_t arch,
                                     uint32_t index);

/* What a section is called in messages: "launch config". */
const char *bundle_section_name(uint32_t kind);

/* The architecture of that name; BUNDLE_ARCH_NONE when it is not known. And back, "unknown" when it has none.
 */
uint32_t bundle_architecture(const char *name);
const char *bundle_architecture_name(uint32_t arch);

/* The section's bytes in malloc'ed memory, with a NUL after the last one. NULL with a fault when it has more
 * than `limit` bytes or cannot be read. Nothing is hashed. */
void *bundle_read_section(const struct bundle *bundle, const struct section *section, size_t limit,
                          struct fault *fault);

/* Read exactly `length` bytes at `offset`: 0, or -1 with errno (EIO: the file ends before). */
int bundle_read(int fd, void *buffer, size_t length, uint64_t offset);

void bundle_close(struct bundle *bundle);

#endif
