/* SPDX-License-Identifier: Apache-2.0 */
#include "bundle.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "little_endian.h"

#define FORMAT_MAJOR 1
#define TABLE_HEADER_SIZE 16
#define TABLE_ENTRY_SIZE 64
#define TABLE_MAX_SIZE 65536
#define FLAG_REQUIRED 1u

static const unsigned char footer_magic[8] = {0x89, 'R', 'U', 'N', 'D', 'L', 'E', '\n'};
static const unsigned char table_magic[8] = {'R', 'N', 'D', 'L', 'T', 'A', 'B', 'L'};

int bundle_read(int fd, void *buffer, size_t length, uint64_t offset)
{
	unsigned char *next = buffer;
	while (length > 0) {
		ssize_t count = pread(fd, next, length, (off_t)offset);
		if (count < 0 && errno == EINTR)
			continue;
		if (count == 0)
			errno = EIO;
		if (count <= 0)
			return -1;
		next += count;
		offset += (uint64_t)count;
		length -= (size_t)count;
	}
	return 0;
}

uint32_t bundle_architecture(const char *name)
{
	return strcmp(name, "x86_64") == 0    ? BUNDLE_ARCH_X86_64
	       : strcmp(name, "aarch64") == 0 ? BUNDLE_ARCH_AARCH64
	                                      : BUNDLE_ARCH_NONE;
}

const char *bundle_architecture_name(uint32_t arch)
{
	return arch == BUNDLE_ARCH_X86_64 ? "x86_64" : arch == BUNDLE_ARCH_AARCH64 ? "aarch64" : "unknown";
}

const char *bundle_section_name(uint32_t kind)
{
	switch (kind) {
	case SECTION_HEADER:
		return "header";
	case SECTION_LAUNCHER:
		return "launcher";
	case SECTION_PAYLOAD:
		return "payload";
	case SECTION_LAUNCH_CONFIG:
		return "launch config";
	case SECTION_MANIFEST:
		return "manifest";
	case SECTION_PROOT:
		return "auxiliary program PRoot";
	default:
		return "section of unknown kind";
	}
}

static int wrong_size(const struct bundle *bundle, uint64_t expected, struct fault *fault)
{
	if (bundle->size < expected)
		fault_set(fault, 0,
		          "reading %s: the file is truncated: it has %" PRIu64 " bytes of %" PRIu64
		          ", %" PRIu64 " are missing",
		          bundle->path, bundle->size, expected, expected - bundle->size);
	else
		fault_set(fault, 0,
		          "reading %s: the file is extended: it has %" PRIu64 " bytes instead of %" PRIu64
		          ", %" PRIu64 " too many",
		          bundle->path, bundle->size, expected, bundle->size - expected);
	return fault_hint(fault, "copy or download the file again");
}

/* Fills table_offset and table_size; `digest` is the table's. */
static int read_footer(struct bundle *bundle, uint64_t expected_size, unsigned char digest[SHA256_SIZE],
                       struct fault *fault)
{
	if (expected_size != 0 && bundle->size != expected_size)
		return wrong_size(bundle, expected_size, fault);
	unsigned char footer[BUNDLE_FOOTER_SIZE], own[SHA256_SIZE];
	if (bundle->size < sizeof footer)
		return fault_set(fault, 0, "reading %s: %" PRIu64 " bytes are too few for a bundle",
		                 bundle->path, bundle->size);
	if (bundle_read(bundle->fd, footer, sizeof footer, bundle->size - sizeof footer) != 0)
		return fault_set(fault, errno, "reading the footer of %s", bundle->path);
	if (memcmp(footer, footer_magic, sizeof footer_magic) != 0) {
		fault_set(fault, 0,
		          "reading %s: no bundle footer at its end (%" PRIu64
		          " bytes): not a bundle, truncated, extended or damaged",
		          bundle->path, bundle->size);
		return fault_hint(fault, "copy or download the file again");
	}
	/* The version comes before the checksum: another major may place the checksum elsewhere. */
	if (le16(footer + 8) != FORMAT_MAJOR)
		return fault_set(fault, 0,
		                 "reading %s: bundle format version %u.%u is unknown, this launcher reads %u",
		                 bundle->path, le16(footer + 8), le16(footer + 10), FORMAT_MAJOR);
	sha256_of(footer, 96, own);
	if (memcmp(own, footer + 96, sizeof own) != 0 || le32(footer + 12) != BUNDLE_FOOTER_SIZE) {
		fault_set(fault, 0, "reading %s: the footer is damaged: its checksum differs", bundle->path);
		return fault_hint(fault, "copy or download the file again");
	}
	if (le64(footer + 64) != bundle->size)
		return wrong_size(bundle, le64(footer + 64), fault);
	bundle->table_offset = le64(footer + 16);
	bundle->table_size = le64(footer + 24);
	uint64_t end = bundle->size - sizeof footer;
	if (bundle->table_size < TABLE_HEADER_SIZE || bundle->table_size > TABLE_MAX_SIZE ||
	    bundle->table_offset > end || bundle->table_size > end - bundle->table_offset)
		return fault_set(fault, 0,
		                 "reading %s: the footer places the section table at %" PRIu64 ", %" PRIu64
		                 " bytes, which cannot be",
		                 bundle->path, bundle->table_offset, bundle->table_size);
	memcpy(digest, footer + 32, SHA256_SIZE);
	return 0;
}

/* One entry: unknown kinds, bounds, order. `end` is where the section before ends. */
static int check_section(const struct bundle *bundle, const struct section *section, uint64_t end,
                         struct fault *fault)
{
	if (section->flags & FLAG_REQUIRED &&
	    (section->kind < SECTION_HEADER || section->kind > SECTION_PROOT))
		return fault_set(fault, 0,
		                 "reading %s: it needs section kind %" PRIu32
		                 ", which this launcher does not know",
		                 bundle->path, section->kind);
	uint64_t table_end = bundle->table_offset + bundle->table_size;
	uint64_t limit = bundle->size - BUNDLE_FOOTER_SIZE;
	if (section->offset < end || section->offset > limit || section->size > limit - section->offset ||
	    (section->size > 0 && section->offset < table_end &&
	     section->offset + section->size > bundle->table_offset))
		return fault_set(fault, 0,
		                 "reading %s: the table places the %s at %" PRIu64 ", %" PRIu64
		                 " bytes, which overlaps or lies outside",
		                 bundle->path, bundle_section_name(section->kind), section->offset,
		                 section->size);
	for (uint32_t i = 0; i < bundle->count; i++) {
		const struct section *other = &bundle->sections[i];
		if (other != section && other->kind == section->kind && other->arch == section->arch &&
		    other->index == section->index)
			return fault_set(fault, 0, "reading %s: the table lists the same %s twice",
			                 bundle->path, bundle_section_name(section->kind));
	}
	return 0;
}

static int parse_table(struct bundle *bundle, const unsigned char *table, struct fault *fault)
{
	uint32_t count = le32(table + 8), entry_size = le32(table + 12);
	if (memcmp(table, table_magic, sizeof table_magic) != 0 || count < 1 || count > BUNDLE_MAX_SECTIONS ||
	    entry_size < TABLE_ENTRY_SIZE || entry_size > TABLE_MAX_SIZE ||
	    bundle->table_size != TABLE_HEADER_SIZE + (uint64_t)count * entry_size)
		return fault_set(fault, 0, "reading %s: the section table is malformed", bundle->path);
	uint64_t end = 0;
	for (uint32_t i = 0; i < count; i++) {
		const unsigned char *entry = table + TABLE_HEADER_SIZE + (size_t)i * entry_size;
		struct section *section = &bundle->sections[i];
		section->kind = le32(entry);
		section->arch = le32(entry + 4);
		section->flags = le32(entry + 8);
		section->index = le32(entry + 12);
		section->offset = le64(entry + 16);
		section->size = le64(entry + 24);
		memcpy(section->sha256, entry + 32, SHA256_SIZE);
		bundle->count = i + 1;
		if (check_section(bundle, section, end, fault) != 0)
			return -1;
		end = section->offset + section->size;
	}
	return 0;
}

static int read_table(struct bundle *bundle, const unsigned char digest[SHA256_SIZE], struct fault *fault)
{
	size_t size = (size_t)bundle->table_size;
	unsigned char own[SHA256_SIZE], *table = malloc(size);
	if (table == NULL)
		return fault_set(fault, ENOMEM, "reading the section table of %s", bundle->path);
	int result = -1;
	if (bundle_read(bundle->fd, table, size, bundle->table_offset) != 0) {
		fault_set(fault, errno, "reading the section table of %s", bundle->path);
	} else if (sha256_of(table, size, own), memcmp(own, digest, sizeof own) != 0) {
		fault_set(fault, 0, "reading %s: the section table is damaged: its checksum differs",
		          bundle->path);
		fault_hint(fault, "copy or download the file again");
	} else {
		result = parse_table(bundle, table, fault);
	}
	free(table);
	return result;
}

static int read_trailer(struct bundle *bundle, uint64_t expected_size, struct fault *fault)
{
	struct stat status;
	if (fstat(bundle->fd, &status) != 0)
		return fault_set(fault, errno, "opening the bundle %s", bundle->path);
	if (!S_ISREG(status.st_mode))
		return fault_set(fault, 0, "opening the bundle %s: not a regular file", bundle->path);
	bundle->size = (uint64_t)status.st_size;
	unsigned char digest[SHA256_SIZE];
	if (read_footer(bundle, expected_size, digest, fault) != 0)
		return -1;
	return read_table(bundle, digest, fault);
}

int bundle_open(struct bundle *bundle, const char *path, uint64_t expected_size, struct fault *fault)
{
	memset(bundle, 0, sizeof *bundle);
	bundle->fd = -1;
	size_t length = strlen(path);
	if (length >= sizeof bundle->path)
		return fault_set(fault, ENAMETOOLONG, "opening the bundle %.64s...", path);
	memcpy(bundle->path, path, length + 1);
	/* O_NONBLOCK: a fifo in the bundle's place must not hang the launcher before fstat sees it. */
	bundle->fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (bundle->fd < 0)
		return fault_set(fault, errno, "opening the bundle %s", path);
	if (read_trailer(bundle, expected_size, fault) == 0)
		return 0;
	bundle_close(bundle);
	return -1;
}

const struct section *bundle_section(const struct bundle *bundle, enum section_kind kind, uint32_t arch,
                                     uint32_t index)
{
	for (uint32_t i = 0; i < bundle->count; i++) {
		const struct section *section = &bundle->sections[i];
		if (section->kind == kind && section->arch == arch && section->index == index)
			return section;
	}
	return NULL;
}

void *bundle_read_section(const struct bundle *bundle, const struct section *section, size_t limit,
                          struct fault *fault)
{
	const char *name = bundle_section_name(section->kind);
	if (section->size > limit) {
		fault_set(fault, 0, "reading the %s of %s: %" PRIu64 " bytes, at most %zu are allowed", name,
		          bundle->path, section->size, limit);
		return NULL;
	}
	unsigned char *bytes = malloc((size_t)section->size + 1);
	if (bytes == NULL) {
		fault_set(fault, ENOMEM, "reading the %s of %s", name, bundle->path);
		return NULL;
	}
	if (bundle_read(bundle->fd, bytes, (size_t)section->size, section->offset) != 0) {
		fault_set(fault, errno, "reading the %s of %s", name, bundle->path);
		free(bytes);
		return NULL;
	}
	bytes[section->size] = '\0';
	return bytes;
}

void bundle_close(struct bundle *bundle)
{
	if (bundle->fd >= 0)
		close(bundle->fd);
	bundle->fd = -1;
}
