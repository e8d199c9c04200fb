/* SPDX-License-Identifier: Apache-2.0
 * Metadata blocks: a 16-bit header (stored size; bit 15: not compressed), then up to 8192 bytes. */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "little_endian.h"
#include "payload_internal.h"

#define METADATA_PLAIN 0x8000u

struct load_request {
	struct payload *payload;
	const struct payload_table *table;
};

static int load_metadata(void *context, struct cached_block *block, size_t needed, struct fault *fault)
{
	(void)needed;
	const struct load_request *request = context;
	struct payload *payload = request->payload;
	const struct payload_table *table = request->table;
	uint64_t offset = block->key;
	struct payload_decoder *decoder = payload_decoder_take(&payload->decoders);
	if (decoder == NULL)
		return payload_fault(fault, ENOMEM, "reading the payload's %s", table->name);
	/* Header and block in one system call: what may follow the block is read in vain. */
	size_t length = 2 + METADATA_SIZE;
	if (table->end - offset < length)
		length = (size_t)(table->end - offset);
	int result = -1;
	if (payload_read(payload, offset, decoder->input, length, table->name, fault) != 0)
		goto give_back;
	unsigned header = le16(decoder->input), stored = header & ~METADATA_PLAIN;
	if (stored == 0 || stored > METADATA_SIZE || stored + 2 > length) {
		payload_corrupt(fault, "metadata block at %" PRIu64 " in the %s has an impossible size of %u",
		                offset, table->name, stored);
		goto give_back;
	}
	block->behind = offset + 2 + stored;
	if (header & METADATA_PLAIN) {
		memcpy(block->bytes, decoder->input + 2, stored);
		block->length = stored;
		result = 0;
		goto give_back;
	}
	const char *reason;
	memmove(decoder->input, decoder->input + 2, stored);
	ssize_t decoded = payload_decoder_run(decoder, stored, block->bytes, METADATA_SIZE, &reason);
	if (decoded < 0)
		payload_corrupt(fault, "metadata block at %" PRIu64 " in the %s: %s", offset, table->name,
		                reason);
	else if (decoded == 0)
		payload_corrupt(fault, "metadata block at %" PRIu64 " in the %s is empty", offset,
		                table->name);
	else
		result = 0;
	block->length = decoded < 0 ? 0 : (size_t)decoded;
give_back:
	block->complete = true;
	payload_decoder_give(&payload->decoders, decoder);
	return result;
}

static struct cached_block *acquire(struct payload *payload, const struct payload_table *table,
                                    uint64_t offset, struct fault *fault)
{
	if (offset < table->start || offset >= table->end || table->end - offset < 3) {
		payload_corrupt(fault, "something refers to offset %" PRIu64 ", outside of the %s", offset,
		                table->name);
		return NULL;
	}
	struct load_request request = {payload, table};
	return payload_cache_acquire(&payload->metadata, offset, 0, load_metadata, &request, NULL, fault);
}

/* Only the last block of a table may be short, so a position behind a short block is nowhere. */
static int step_to_next(const struct payload_table *table, const struct cached_block *block,
                        struct payload_position *position, struct fault *fault)
{
	if (block->length != METADATA_SIZE)
		return payload_corrupt(fault,
		                       "something refers to offset %" PRIu32
		                       " of the metadata block at %" PRIu64 " in the %s, which has %zu bytes",
		                       position->offset, position->block, table->name, block->length);
	position->block = block->behind;
	position->offset -= METADATA_SIZE;
	return 0;
}

int payload_read_metadata(struct payload *payload, const struct payload_table *table,
                          struct payload_position *position, void *buffer, size_t length, struct fault *fault)
{
	unsigned char *next = buffer;
	while (length > 0) {
		struct cached_block *block = acquire(payload, table, position->block, fault);
		if (block == NULL)
			return -1;
		int result = 0;
		if (position->offset >= block->length) {
			result = step_to_next(table, block, position, fault);
		} else {
			size_t part = block->length - position->offset;
			if (part > length)
				part = length;
			memcpy(next, block->bytes + position->offset, part);
			next += part;
			length -= part;
			position->offset += (uint32_t)part;
		}
		payload_cache_release(&payload->metadata, block);
		if (result != 0)
			return -1;
	}
	return 0;
}

int payload_skip_metadata(struct payload *payload, const struct payload_table *table,
                          struct payload_position *position, uint64_t skip, struct fault *fault)
{
	skip += position->offset;
	while (skip >= METADATA_SIZE) {
		struct cached_block *block = acquire(payload, table, position->block, fault);
		if (block == NULL)
			return -1;
		position->offset = METADATA_SIZE;
		int result = step_to_next(table, block, position, fault);
		payload_cache_release(&payload->metadata, block);
		if (result != 0)
			return -1;
		skip -= METADATA_SIZE;
	}
	position->offset = (uint32_t)skip;
	return 0;
}

int payload_locate_entry(struct payload *payload, uint64_t pointers, uint32_t index, uint32_t entry_size,
                         struct payload_position *position, struct fault *fault)
{
	uint32_t per_block = METADATA_SIZE / entry_size;
	unsigned char pointer[8];
	if (payload_read(payload, pointers + (uint64_t)(index / per_block) * 8, pointer, sizeof pointer,
	                 "list of metadata blocks", fault) != 0)
		return -1;
	*position = (struct payload_position){le64(pointer), index % per_block * entry_size};
	return 0;
}
