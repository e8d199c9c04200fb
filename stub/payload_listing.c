/* SPDX-License-Identifier: Apache-2.0
 * Directories. A listing is a sequence of runs: a header (how many entries, the inode block and the number
 * they are relative to), then up to 256 entries. A cookie for resuming is the offset of the next entry or
 * header (32 bits), how far back its header lies (20 bits), and its index in the run (9 bits); 0 is the start
 * of the listing. */
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>

#include "little_endian.h"
#include "payload_internal.h"

#define RUN_HEADER_SIZE 12u
#define RUN_MAX 256u
#define ENTRY_SIZE 8u
#define INDEX_SIZE 12u

static const uint32_t format_bits[] = {0, S_IFDIR, S_IFREG, S_IFLNK, S_IFBLK, S_IFCHR, S_IFIFO, S_IFSOCK};

static int read_listing(struct payload *payload, struct payload_listing *listing, void *buffer,
                        uint32_t length, struct fault *fault)
{
	if (length > listing->size - listing->offset)
		return payload_corrupt(fault, "a directory's listing ends inside an entry");
	listing->offset += length;
	return payload_read_metadata(payload, &payload->directories, &listing->position, buffer, length,
	                             fault);
}

static int read_run_header(struct payload *payload, struct payload_listing *listing, struct fault *fault)
{
	unsigned char header[RUN_HEADER_SIZE];
	listing->run_offset = listing->offset;
	if (read_listing(payload, listing, header, sizeof header, fault) != 0)
		return -1;
	listing->run_index = 0;
	listing->run_count = le32(header);
	listing->inode_block = le32(header + 4);
	listing->number_base = le32(header + 8);
	if (listing->run_count++ >= RUN_MAX)
		return payload_corrupt(fault, "a directory's listing has a run of more than %u entries",
		                       RUN_MAX);
	return 0;
}

static bool name_is_valid(const char *name, size_t length)
{
	if (memchr(name, '/', length) != NULL || memchr(name, '\0', length) != NULL)
		return false;
	return !(name[0] == '.' && (length == 1 || (length == 2 && name[1] == '.')));
}

static uint64_t cookie_of(const struct payload_listing *listing)
{
	if (listing->run_index >= listing->run_count)
		return listing->offset;
	return listing->offset | (uint64_t)(listing->offset - listing->run_offset) << 32 |
	       (uint64_t)listing->run_index << 52;
}

int payload_next_entry(struct payload *payload, struct payload_listing *listing, struct payload_entry *entry,
                       struct fault *fault)
{
	if (listing->run_index >= listing->run_count) {
		if (listing->offset >= listing->size)
			return 0;
		if (read_run_header(payload, listing, fault) != 0)
			return -1;
	}
	unsigned char fixed[ENTRY_SIZE];
	if (read_listing(payload, listing, fixed, sizeof fixed, fault) != 0)
		return -1;
	unsigned type = le16(fixed + 4);
	entry->length = le16(fixed + 6) + (size_t)1;
	if (type == 0 || type >= sizeof format_bits / sizeof *format_bits || entry->length > PAYLOAD_NAME_MAX)
		return payload_corrupt(fault, "a directory entry of type %u with a name of %zu bytes", type,
		                       entry->length);
	if (read_listing(payload, listing, entry->name, (uint32_t)entry->length, fault) != 0)
		return -1;
	entry->name[entry->length] = '\0';
	if (!name_is_valid(entry->name, entry->length))
		return payload_corrupt(fault, "\"%s\" (%zu bytes) is no name for a directory entry",
		                       entry->name, entry->length);
	/* The number is a signed difference: the wrap-around of unsigned addition gives the same bits. */
	entry->number = listing->number_base + (uint32_t)(int16_t)le16(fixed + 2);
	if (entry->number == 0 || entry->number > payload->inode_count)
		return payload_corrupt(fault,
		                       "the directory entry \"%s\" is for inode %" PRIu32 " of %" PRIu32,
		                       entry->name, entry->number, payload->inode_count);
	entry->reference = listing->inode_block << 16 | le16(fixed);
	entry->type = format_bits[type];
	listing->run_index++;
	entry->cookie = cookie_of(listing);
	return 1;
}

static int not_a_directory(const struct payload_inode *inode, struct fault *fault)
{
	return payload_fault(fault, ENOTDIR, "reading inode %" PRIu32 " as a directory", inode->number);
}

/* The directory's index names, for about each metadata block of the listing, the first run there: read its
 * next entry. `name` has room for PAYLOAD_NAME_MAX + 2 bytes. */
static int read_index(struct payload *payload, struct payload_position *position, uint32_t *offset,
                      uint32_t *block, char *name, struct fault *fault)
{
	unsigned char fixed[INDEX_SIZE];
	if (payload_read_metadata(payload, &payload->inodes, position, fixed, sizeof fixed, fault) != 0)
		return -1;
	*offset = le32(fixed);
	*block = le32(fixed + 4);
	uint32_t length = le32(fixed + 8);
	if (length > PAYLOAD_NAME_MAX)
		return payload_corrupt(fault, "a directory's index has a name of %" PRIu32 " bytes", length);
	if (payload_read_metadata(payload, &payload->inodes, position, name, length + 1, fault) != 0)
		return -1;
	name[length + 1] = '\0';
	return 0;
}

static void listing_at_start(const struct payload_inode *directory, struct payload_listing *listing)
{
	memset(listing, 0, sizeof *listing);
	listing->position = directory->where;
	listing->size = (uint32_t)directory->size;
}

/* Move a fresh listing to the last indexed run at or before `offset`, or, if there is a `name`, to the last
 * one whose first name is not behind it. */
static int follow_index(struct payload *payload, const struct payload_inode *directory,
                        struct payload_listing *listing, uint32_t offset, const char *name,
                        struct fault *fault)
{
	struct payload_position position = directory->directory.index;
	for (uint32_t i = 0; i < directory->directory.index_count; i++) {
		char first[PAYLOAD_NAME_MAX + 2];
		uint32_t run, block;
		if (read_index(payload, &position, &run, &block, first, fault) != 0)
			return -1;
		if (name != NULL ? strcmp(first, name) > 0 : run > offset)
			break;
		if (run >= listing->size || run < listing->offset)
			return payload_corrupt(fault, "a directory's index points to %" PRIu32, run);
		listing->offset = run;
		listing->position.block = payload->directories.start + block;
		listing->position.offset = (directory->where.offset + run) % METADATA_SIZE;
	}
	return 0;
}

int payload_open_listing(struct payload *payload, const struct payload_inode *directory, uint64_t cookie,
                         struct payload_listing *listing, struct fault *fault)
{
	if (!S_ISDIR(directory->mode))
		return not_a_directory(directory, fault);
	listing_at_start(directory, listing);
	if (cookie == 0)
		return 0;
	uint32_t offset = (uint32_t)cookie, back = (uint32_t)(cookie >> 32) & 0xfffff;
	uint32_t index = (uint32_t)(cookie >> 52);
	if (offset > listing->size || back > offset || (index > 0) != (back > 0) ||
	    (index > 0 && back < RUN_HEADER_SIZE))
		return payload_fault(fault, EINVAL, "resuming the listing of inode %" PRIu32,
		                     directory->number);
	uint32_t run = offset - back;
	if (run == listing->size) {
		listing->offset = run;
		return 0;
	}
	if (follow_index(payload, directory, listing, run, NULL, fault) != 0 ||
	    payload_skip_metadata(payload, &payload->directories, &listing->position, run - listing->offset,
	                          fault) != 0)
		return -1;
	listing->offset = run;
	if (index == 0)
		return 0;
	if (read_run_header(payload, listing, fault) != 0 ||
	    payload_skip_metadata(payload, &payload->directories, &listing->position,
	                          offset - listing->offset, fault) != 0)
		return -1;
	listing->offset = offset;
	listing->run_index = index;
	if (index >= listing->run_count)
		return payload_corrupt(fault, "inode %" PRIu32 ": its listing has no entry at %" PRIu32,
		                       directory->number, offset);
	return 0;
}

int payload_lookup(struct payload *payload, const struct payload_inode *directory, const char *name,
                   size_t length, struct payload_entry *entry, struct fault *fault)
{
	if (!S_ISDIR(directory->mode))
		return not_a_directory(directory, fault);
	char wanted[PAYLOAD_NAME_MAX + 1];
	struct payload_listing listing;
	listing_at_start(directory, &listing);
	if (length > 0 && length < sizeof wanted && memchr(name, '\0', length) == NULL) {
		memcpy(wanted, name, length);
		wanted[length] = '\0';
		if (follow_index(payload, directory, &listing, 0, wanted, fault) != 0)
			return -1;
		int found, order = -1;
		while ((found = payload_next_entry(payload, &listing, entry, fault)) > 0 &&
		       (order = strcmp(entry->name, wanted)) < 0)
			continue;
		if (found < 0)
			return -1;
		if (found > 0 && order == 0)
			return 0;
	}
	return payload_fault(fault, ENOENT, "looking for \"%.*s\" in the payload", (int)(length & 0xfff),
	                     name);
}

int payload_lookup_path(struct payload *payload, const char *path, struct payload_inode *inode,
                        struct fault *fault)
{
	if (payload_read_inode(payload, payload->root, inode, fault) != 0)
		return -1;
	for (;;) {
		path += strspn(path, "/");
		size_t length = strcspn(path, "/");
		if (length == 0)
			return 0;
		struct payload_entry entry;
		if (payload_lookup(payload, inode, path, length, &entry, fault) != 0 ||
		    payload_read_inode(payload, entry.reference, inode, fault) != 0)
			return -1;
		path += length;
	}
}
