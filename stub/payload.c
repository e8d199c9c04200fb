/* SPDX-License-Identifier: Apache-2.0
 * The superblock, and reading and decoding stored bytes. */
#include "payload.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "bundle.h"
#include "little_endian.h"
#include "payload_internal.h"

#define SQUASHFS_MAGIC 0x73717368u
#define COMPRESSOR_ZSTD 6

int payload_fault(struct fault *fault, int error, const char *format, ...)
{
	if (fault != NULL) {
		char text[sizeof fault->text];
		va_list arguments;
		va_start(arguments, format);
		vsnprintf(text, sizeof text, format, arguments);
		va_end(arguments);
		fault_set(fault, error, "%s", text);
	}
	errno = error;
	return -1;
}

int payload_read(struct payload *payload, uint64_t offset, void *buffer, size_t length, const char *what,
                 struct fault *fault)
{
	if (offset > payload->bytes_used || length > payload->bytes_used - offset)
		return payload_corrupt(fault, "%s: %zu bytes at %" PRIu64 " lie outside of it", what, length,
		                       offset);
	if (bundle_read(payload->fd, buffer, length, payload->offset + offset) != 0)
		return payload_fault(fault, errno, "reading the payload's %s: %zu bytes at %" PRIu64, what,
		                     length, offset);
	return 0;
}

int payload_decode(struct payload *payload, uint64_t offset, uint32_t stored, void *buffer, size_t capacity,
                   size_t *length, struct fault *fault)
{
	uint32_t size = stored & STORED_SIZE;
	if (stored & ~(STORED_SIZE | STORED_PLAIN) || size == 0 || size > payload->block_size ||
	    (stored & STORED_PLAIN && size > capacity))
		return payload_corrupt(fault, "data block at %" PRIu64 " has an impossible size of %" PRIu32,
		                       offset, size);
	if (stored & STORED_PLAIN) {
		*length = size;
		return payload_read(payload, offset, buffer, size, "data block", fault);
	}
	struct payload_decoder *decoder = payload_decoder_take(&payload->decoders);
	if (decoder == NULL)
		return payload_fault(fault, ENOMEM, "reading the payload");
	int result = payload_read(payload, offset, decoder->input, size, "data block", fault);
	if (result == 0) {
		const char *reason;
		ssize_t decoded = payload_decoder_run(decoder, size, buffer, capacity, &reason);
		if (decoded < 0)
			result = payload_corrupt(fault, "data block at %" PRIu64 ": %s", offset, reason);
		else
			*length = (size_t)decoded;
	}
	payload_decoder_give(&payload->decoders, decoder);
	return result;
}

/* The tables that follow the inodes and directories have no start of their own in the superblock, only their
 * lists of pointers have; where the first of these lies, the directory table has ended. */
static int parse_tables(struct payload *payload, const unsigned char *block, struct fault *fault)
{
	uint64_t ids = le64(block + 48), xattrs = le64(block + 56), inodes = le64(block + 64);
	uint64_t directories = le64(block + 72), fragments = le64(block + 80), exports = le64(block + 88);
	uint64_t end = payload->bytes_used;
	const struct {
		const char *name;
		uint64_t pointers;
	} others[] = {{"owners", ids},
	              {"extended attributes", xattrs},
	              {"fragments", payload->fragment_count > 0 ? fragments : NO_TABLE},
	              {"exports", exports}};
	for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
		uint64_t pointers = others[i].pointers;
		if (pointers == NO_TABLE)
			continue;
		if (pointers <= directories || pointers >= payload->bytes_used)
			return payload_corrupt(fault, "the table of %s is said to be at %" PRIu64,
			                       others[i].name, pointers);
		if (pointers < end)
			end = pointers;
	}
	if (ids == NO_TABLE || inodes < SUPERBLOCK_SIZE || directories <= inodes || directories > end)
		return payload_corrupt(fault,
		                       "its inodes at %" PRIu64 ", directories at %" PRIu64
		                       " and owners at %" PRIu64 " do not follow each other",
		                       inodes, directories, ids);
	payload->inodes = (struct payload_table){"inode table", inodes, directories};
	payload->directories = (struct payload_table){"directory table", directories, end};
	payload->others =
	    (struct payload_table){"tables behind the directories", directories, payload->bytes_used};
	payload->id_pointers = ids;
	payload->fragment_pointers = fragments;
	payload->xattr_pointers = xattrs == NO_TABLE ? 0 : xattrs;
	return 0;
}

static int parse_superblock(struct payload *payload, uint64_t size, struct fault *fault)
{
	unsigned char block[SUPERBLOCK_SIZE];
	payload->bytes_used = size;
	if (size < sizeof block)
		return payload_corrupt(fault, "%" PRIu64 " bytes are too few for a SquashFS image", size);
	if (payload_read(payload, 0, block, sizeof block, "superblock", fault) != 0)
		return -1;
	if (le32(block) != SQUASHFS_MAGIC)
		return payload_corrupt(fault, "it does not begin as a SquashFS image");
	if (le16(block + 28) != 4 || le16(block + 30) != 0)
		return payload_fault(fault, EIO, "the payload is SquashFS %u.%u; only 4.0 can be read",
		                     le16(block + 28), le16(block + 30));
	if (le16(block + 20) != COMPRESSOR_ZSTD)
		return payload_fault(
		    fault, EIO,
		    "the payload is compressed with SquashFS method %u; only 6, zstd, can be read",
		    le16(block + 20));
	payload->inode_count = le32(block + 4);
	payload->block_size = le32(block + 12);
	payload->fragment_count = le32(block + 16);
	payload->block_log = le16(block + 22);
	payload->id_count = le16(block + 26);
	payload->root = le64(block + 32);
	payload->bytes_used = le64(block + 40);
	if (payload->block_log < 12 || payload->block_log > 20 ||
	    payload->block_size != 1u << payload->block_log)
		return payload_corrupt(fault, "its block size is said to be %" PRIu32, payload->block_size);
	if (payload->bytes_used < sizeof block || payload->bytes_used > size)
		return payload_corrupt(fault, "it is said to have %" PRIu64 " bytes, there are %" PRIu64,
		                       payload->bytes_used, size);
	if (payload->id_count == 0)
		return payload_corrupt(fault, "it has no owners");
	return parse_tables(payload, block, fault);
}

static int read_ids(struct payload *payload, struct fault *fault)
{
	payload->ids = malloc(payload->id_count * sizeof *payload->ids);
	if (payload->ids == NULL)
		return payload_fault(fault, ENOMEM, "reading the payload's owners");
	struct payload_position position;
	for (uint32_t i = 0; i < payload->id_count; i++) {
		unsigned char id[4];
		if (i % (METADATA_SIZE / sizeof id) == 0 &&
		    payload_locate_entry(payload, payload->id_pointers, i, sizeof id, &position, fault) != 0)
			return -1;
		if (payload_read_metadata(payload, &payload->others, &position, id, sizeof id, fault) != 0)
			return -1;
		payload->ids[i] = le32(id);
	}
	return 0;
}

static int read_xattr_header(struct payload *payload, struct fault *fault)
{
	unsigned char header[16];
	if (payload->xattr_pointers == 0)
		return 0;
	if (payload_read(payload, payload->xattr_pointers, header, sizeof header, "extended attributes",
	                 fault) != 0)
		return -1;
	payload->xattr_start = le64(header);
	payload->xattr_count = le32(header + 8);
	payload->xattr_pointers += sizeof header;
	return 0;
}

struct payload *payload_open(int fd, uint64_t offset, uint64_t size, struct fault *fault)
{
	struct payload *payload = calloc(1, sizeof *payload);
	if (payload == NULL) {
		payload_fault(fault, ENOMEM, "opening the payload");
		return NULL;
	}
	payload->fd = fd;
	payload->offset = offset;
	if (offset > INT64_MAX || size > INT64_MAX - offset) {
		payload_corrupt(fault, "it is said to lie at %" PRIu64 " with %" PRIu64 " bytes", offset,
		                size);
		free(payload);
		return NULL;
	}
	if (parse_superblock(payload, size, fault) != 0) {
		free(payload);
		return NULL;
	}
	pthread_mutex_init(&payload->checkpoint_lock, NULL);
	size_t input = payload->block_size > METADATA_SIZE + 2 ? payload->block_size : METADATA_SIZE + 2;
	payload_decoders_open(&payload->decoders, input);
	int opened = payload_cache_open(&payload->metadata, METADATA_SIZE, PAYLOAD_CACHE_METADATA);
	opened |= payload_cache_open(&payload->data, payload->block_size, PAYLOAD_CACHE_DATA);
	payload->data.drop = payload_drop_decoder;
	if (opened != 0)
		payload_fault(fault, ENOMEM, "opening the payload");
	else if (read_ids(payload, fault) == 0 && read_xattr_header(payload, fault) == 0)
		return payload;
	int error = errno;
	payload_close(payload);
	errno = error;
	return NULL;
}

void payload_close(struct payload *payload)
{
	if (payload == NULL)
		return;
	payload_cache_close(&payload->metadata);
	payload_cache_close(&payload->data);
	payload_decoders_close(&payload->decoders);
	pthread_mutex_destroy(&payload->checkpoint_lock);
	free(payload->ids);
	free(payload);
}

void payload_limit_data(struct payload *payload, size_t bytes)
{
	size_t blocks = bytes / payload->block_size;
	payload->data.capacity = blocks > 4 ? (unsigned)blocks : 4;
}

uint64_t payload_root(const struct payload *payload)
{
	return payload->root;
}

uint32_t payload_inode_count(const struct payload *payload)
{
	return payload->inode_count;
}

uint32_t payload_block_size(const struct payload *payload)
{
	return payload->block_size;
}

uint64_t payload_bytes_used(const struct payload *payload)
{
	return payload->bytes_used;
}

uint64_t payload_data_bytes(const struct payload *payload)
{
	return payload->inodes.start - SUPERBLOCK_SIZE;
}
