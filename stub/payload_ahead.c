/* SPDX-License-Identifier: Apache-2.0
 * Decoding before somebody asks what follows a block that was asked for. Blocks that follow each other are
 * mostly read together, since the payload's order is that of the directories. */
#include "payload_internal.h"

void payload_set_follower(struct payload *payload, payload_follower *follower, void *context)
{
	payload->follower = follower;
	payload->follower_context = context;
}

static void announce(struct payload *payload, const struct payload_block *next, bool hit)
{
	if (next->stored != 0 && (next->stored & STORED_PLAIN) == 0)
		payload->follower(payload->follower_context, next, hit);
}

void payload_follow_blocks(struct payload *payload, const struct payload_inode *inode,
                           const struct payload_blocks *behind, bool hit)
{
	struct payload_blocks blocks = *behind;
	struct payload_block next;
	if (payload->follower != NULL && payload_next_block(payload, inode, &blocks, &next, NULL) > 0)
		announce(payload, &next, hit);
}

void payload_follow_fragment(struct payload *payload, uint32_t fragment, bool hit)
{
	struct payload_block next;
	if (payload->follower != NULL && fragment + 1 < payload->fragment_count &&
	    payload_locate_fragment(payload, fragment + 1, &next, NULL) == 0)
		announce(payload, &next, hit);
}

struct ahead_request {
	struct payload *payload;
	const struct payload_block *block;
};

static int load_ahead(void *context, struct cached_block *block, size_t needed, struct fault *fault)
{
	const struct ahead_request *request = context;
	if (block->length == 0)
		atomic_store(&block->ahead, true);
	return payload_load_block(request->payload, request->block, block, needed, fault);
}

void payload_load_ahead(struct payload *payload, const struct payload_block *block)
{
	struct ahead_request request = {payload, block};
	struct cached_block *cached = payload_cache_acquire(
	    &payload->data, block->offset, payload->block_size, load_ahead, &request, NULL, NULL);
	if (cached != NULL)
		payload_cache_release(&payload->data, cached);
}
