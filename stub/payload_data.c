/* SPDX-License-Identifier: Apache-2.0
 * Contents of regular files: a list of blocks, and for some files a tail in a fragment shared with other
 * files. */
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>

#include "little_endian.h"
#include "payload_internal.h"

#define FRAGMENT_ENTRY_SIZE 16u
#define SIZES_AT_ONCE 256u

static struct payload_checkpoint *checkpoint_of(struct payload *payload, uint64_t reference, uint64_t index)
{
	uint64_t hash = (reference * 31 + index / CHECKPOINT_STEP) * UINT64_C(0x9e3779b97f4a7c15);
	return &payload->checkpoints[(hash >> 32) % CHECKPOINT_COUNT];
}

/* The checkpoint at or before block `index` that is nearest to it, if one is still known. */
static void find_checkpoint(struct payload *payload, const struct payload_inode *inode, uint64_t index,
                            struct payload_blocks *blocks)
{
	if (index < CHECKPOINT_STEP)
		return;
	pthread_mutex_lock(&payload->checkpoint_lock);
	for (uint64_t at = index / CHECKPOINT_STEP * CHECKPOINT_STEP, tries = CHECKPOINT_COUNT;
	     at > 0 && tries > 0; at -= CHECKPOINT_STEP, tries--) {
		struct payload_checkpoint *known = checkpoint_of(payload, inode->reference, at);
		if (known->reference == inode->reference && known->blocks.index == at) {
			*blocks = known->blocks;
			break;
		}
	}
	pthread_mutex_unlock(&payload->checkpoint_lock);
}

static void keep_checkpoint(struct payload *payload, const struct payload_inode *inode,
                            const struct payload_blocks *blocks)
{
	if (blocks->index == 0 || blocks->index % CHECKPOINT_STEP != 0)
		return;
	pthread_mutex_lock(&payload->checkpoint_lock);
	*checkpoint_of(payload, inode->reference, blocks->index) =
	    (struct payload_checkpoint){inode->reference, *blocks};
	pthread_mutex_unlock(&payload->checkpoint_lock);
}

int payload_open_blocks(struct payload *payload, const struct payload_inode *inode, uint64_t index,
                        struct payload_blocks *blocks, struct fault *fault)
{
	if (!S_ISREG(inode->mode) || index > inode->file.block_count)
		return payload_fault(fault, EINVAL, "reading block %" PRIu64 " of inode %" PRIu32, index,
		                     inode->number);
	*blocks = (struct payload_blocks){inode->where, 0, inode->file.start};
	find_checkpoint(payload, inode, index, blocks);
	while (blocks->index < index) {
		unsigned char sizes[4 * SIZES_AT_ONCE];
		uint64_t count = SIZES_AT_ONCE - blocks->index % SIZES_AT_ONCE;
		if (count > index - blocks->index)
			count = index - blocks->index;
		if (payload_read_metadata(payload, &payload->inodes, &blocks->position, sizes,
		                          (size_t)count * 4, fault) != 0)
			return -1;
		for (uint64_t i = 0; i < count; i++)
			blocks->offset += le32(sizes + 4 * i) & STORED_SIZE;
		blocks->index += count;
		keep_checkpoint(payload, inode, blocks);
	}
	return 0;
}

int payload_next_block(struct payload *payload, const struct payload_inode *inode,
                       struct payload_blocks *blocks, struct payload_block *block, struct fault *fault)
{
	if (blocks->index >= inode->file.block_count)
		return 0;
	unsigned char size[4];
	if (payload_read_metadata(payload, &payload->inodes, &blocks->position, size, sizeof size, fault) !=
	    0)
		return -1;
	uint64_t left = inode->size - (blocks->index << payload->block_log);
	block->stored = le32(size);
	block->length = left < payload->block_size ? (uint32_t)left : payload->block_size;
	block->offset = blocks->offset;
	uint32_t stored = block->stored & STORED_SIZE;
	if (stored > payload->block_size || block->offset > payload->bytes_used ||
	    stored > payload->bytes_used - block->offset)
		return payload_corrupt(fault,
		                       "inode %" PRIu32 ": block %" PRIu64 " is said to have %" PRIu32
		                       " bytes at %" PRIu64,
		                       inode->number, blocks->index, stored, block->offset);
	if (stored == 0)
		block->stored = 0;
	blocks->offset += stored;
	blocks->index++;
	return 1;
}

int payload_decode_block(struct payload *payload, const struct payload_block *block, void *buffer,
                         struct fault *fault)
{
	size_t length;
	if (payload_decode(payload, block->offset, block->stored, buffer, block->length, &length, fault) != 0)
		return -1;
	if (length != block->length)
		return payload_corrupt(fault, "data block at %" PRIu64 " has %zu bytes instead of %" PRIu32,
		                       block->offset, length, block->length);
	return 0;
}

uint32_t payload_tail_length(const struct payload *payload, const struct payload_inode *inode)
{
	return inode->file.fragment == NO_FRAGMENT ? 0 : (uint32_t)(inode->size & (payload->block_size - 1));
}

struct load_request {
	struct payload *payload;
	const struct payload_block *block;
	bool missed;
};

/* How many bytes a fragment block decodes to is not stored: anything up to the block size. */
static int load_block(void *context, struct cached_block *block, size_t needed, struct fault *fault)
{
	struct load_request *request = context;
	if (block->length == 0) {
		request->missed = true;
		atomic_store(&block->ahead, false);
	}
	return payload_load_block(request->payload, request->block, block, needed, fault);
}

struct cached_block *payload_acquire_block(struct payload *payload, const struct payload_block *block,
                                           size_t needed, struct acquired *acquired, struct fault *fault)
{
	struct load_request request = {.payload = payload, .block = block};
	struct cached_block *cached = payload_cache_acquire(&payload->data, block->offset, needed, load_block,
	                                                    &request, &acquired->extent, fault);
	acquired->hit = cached != NULL && !request.missed && atomic_exchange(&cached->ahead, false);
	acquired->first = request.missed || acquired->hit;
	return cached;
}

int payload_locate_fragment(struct payload *payload, uint32_t index, struct payload_block *fragment,
                            struct fault *fault)
{
	struct payload_position position;
	unsigned char entry[FRAGMENT_ENTRY_SIZE];
	if (payload_locate_entry(payload, payload->fragment_pointers, index, sizeof entry, &position,
	                         fault) != 0 ||
	    payload_read_metadata(payload, &payload->others, &position, entry, sizeof entry, fault) != 0)
		return -1;
	*fragment = (struct payload_block){le64(entry), le32(entry + 8), payload->block_size};
	uint32_t stored = fragment->stored & STORED_SIZE;
	if (stored == 0 || stored > payload->block_size || fragment->offset > payload->bytes_used ||
	    stored > payload->bytes_used - fragment->offset)
		return payload_corrupt(fault,
		                       "fragment %" PRIu32 " is said to have %" PRIu32 " bytes at %" PRIu64,
		                       index, stored, fragment->offset);
	return 0;
}

int payload_locate_tail(struct payload *payload, const struct payload_inode *inode,
                        struct payload_block *fragment, struct fault *fault)
{
	return payload_locate_fragment(payload, inode->file.fragment, fragment, fault);
}

static int tail_outside(const struct payload_inode *inode, struct fault *fault)
{
	return payload_corrupt(fault, "inode %" PRIu32 ": its tail lies outside of fragment %" PRIu32,
	                       inode->number, inode->file.fragment);
}

int payload_acquire_tail(struct payload *payload, const struct payload_inode *inode,
                         struct payload_tail *tail, struct fault *fault)
{
	struct payload_block block;
	struct acquired acquired;
	if (payload_locate_tail(payload, inode, &block, fault) != 0)
		return -1;
	tail->length = payload_tail_length(payload, inode);
	uint64_t end = (uint64_t)inode->file.fragment_offset + tail->length;
	if (end > payload->block_size)
		return tail_outside(inode, fault);
	tail->block = payload_acquire_block(payload, &block, (size_t)end, &acquired, fault);
	if (tail->block == NULL)
		return -1;
	if (acquired.extent.length < end) {
		payload_release_tail(payload, tail);
		return tail_outside(inode, fault);
	}
	if (acquired.first)
		payload_follow_fragment(payload, inode->file.fragment, acquired.hit);
	uint64_t whole = acquired.extent.complete ? acquired.extent.length : payload->block_size;
	tail->bytes = tail->block->bytes + inode->file.fragment_offset;
	tail->stored = (uint32_t)((uint64_t)(block.stored & STORED_SIZE) * tail->length / whole);
	return 0;
}

void payload_release_tail(struct payload *payload, struct payload_tail *tail)
{
	payload_cache_release(&payload->data, tail->block);
}

/* `length` bytes at `offset` of one block: read where it is stored plain, decoded in place when all of it is
 * wanted, and through the cache for a part. */
static int read_from_block(struct payload *payload, const struct payload_inode *inode,
                           const struct payload_blocks *behind, const struct payload_block *block,
                           uint32_t offset, unsigned char *buffer, uint32_t length, struct fault *fault)
{
	if (block->stored == 0) {
		memset(buffer, 0, length);
		return 0;
	}
	if (block->stored == (block->length | STORED_PLAIN))
		return payload_read(payload, block->offset + offset, buffer, length, "data block", fault);
	if (length == block->length)
		return payload_decode_block(payload, block, buffer, fault);
	struct acquired acquired;
	struct cached_block *cached =
	    payload_acquire_block(payload, block, offset + length, &acquired, fault);
	if (cached == NULL)
		return -1;
	if (acquired.first)
		payload_follow_blocks(payload, inode, behind, acquired.hit);
	int result = 0;
	if (acquired.extent.complete ? acquired.extent.length == block->length
	                             : acquired.extent.length >= offset + length)
		memcpy(buffer, cached->bytes + offset, length);
	else
		result = payload_corrupt(fault, "data block at %" PRIu64 " has %zu bytes instead of %" PRIu32,
		                         block->offset, acquired.extent.length, block->length);
	payload_cache_release(&payload->data, cached);
	return result;
}

static int read_blocks(struct payload *payload, const struct payload_inode *inode, uint64_t offset,
                       unsigned char *buffer, size_t length, struct fault *fault)
{
	struct payload_blocks blocks;
	struct payload_block block;
	if (payload_open_blocks(payload, inode, offset >> payload->block_log, &blocks, fault) != 0)
		return -1;
	while (length > 0) {
		if (payload_next_block(payload, inode, &blocks, &block, fault) < 0)
			return -1;
		uint32_t skip = (uint32_t)(offset & (payload->block_size - 1));
		uint32_t part = block.length - skip < length ? block.length - skip : (uint32_t)length;
		if (read_from_block(payload, inode, &blocks, &block, skip, buffer, part, fault) != 0)
			return -1;
		buffer += part;
		offset += part;
		length -= part;
	}
	return 0;
}

ssize_t payload_read_data(struct payload *payload, const struct payload_inode *inode, uint64_t offset,
                          void *buffer, size_t length, struct fault *fault)
{
	if (!S_ISREG(inode->mode))
		return payload_fault(fault, EINVAL, "reading inode %" PRIu32 " as a file", inode->number);
	if (offset >= inode->size)
		return 0;
	if (length > inode->size - offset)
		length = (size_t)(inode->size - offset);
	uint64_t tail_start = inode->size - payload_tail_length(payload, inode);
	size_t in_blocks = 0;
	if (offset < tail_start) {
		in_blocks = length < tail_start - offset ? length : (size_t)(tail_start - offset);
		if (read_blocks(payload, inode, offset, buffer, in_blocks, fault) != 0)
			return -1;
	}
	if (in_blocks < length) {
		struct payload_tail tail;
		if (payload_acquire_tail(payload, inode, &tail, fault) != 0)
			return -1;
		uint64_t skip = offset + in_blocks - tail_start;
		memcpy((unsigned char *)buffer + in_blocks, tail.bytes + skip, length - in_blocks);
		payload_release_tail(payload, &tail);
	}
	return (ssize_t)length;
}
