/* SPDX-License-Identifier: Apache-2.0
 * Decoding blocks in part. zstd decodes 128 KiB at a time, from the start: of a block of 1 MiB half is
 * decoded on average for the one small file that is wanted of it. */
#include <errno.h>
#include <inttypes.h>
#include <stddef.h>

#include "payload_internal.h"

static void give_decoder(struct payload *payload, struct cached_block *cached)
{
	payload_decoder_give(&payload->decoders, cached->decoder);
	payload_decoder_let_go(&payload->decoders);
	cached->decoder = NULL;
}

void payload_drop_decoder(struct payload_cache *cache, struct cached_block *block)
{
	give_decoder((struct payload *)((char *)cache - offsetof(struct payload, data)), block);
}

/* All of it at once. */
static int load_whole(struct payload *payload, const struct payload_block *block, struct cached_block *cached,
                      struct fault *fault)
{
	if (payload_decode(payload, block->offset, block->stored, cached->bytes, payload->block_size,
	                   &cached->length, fault) != 0)
		return -1;
	cached->complete = true;
	return 0;
}

static int decode_piece(struct payload *payload, struct cached_block *cached, size_t wanted,
                        struct fault *fault)
{
	struct payload_decoder *decoder = cached->decoder;
	const char *reason;
	if (wanted > decoder->left || wanted > payload->decoders.input_size)
		return payload_corrupt(fault, "data block at %" PRIu64 " is cut off", cached->key);
	if (payload_read(payload, decoder->source, decoder->input, wanted, "data block", fault) != 0)
		return -1;
	ssize_t got = payload_decoder_continue(decoder, wanted, cached->bytes, cached->length,
	                                       payload->block_size, &reason);
	if (got < 0)
		return payload_corrupt(fault, "data block at %" PRIu64 ": %s", cached->key, reason);
	cached->length += (size_t)got;
	return 0;
}

/* Take up a decoder for a new block; 1 when there is none to be kept, so that the block is better decoded
 * whole. */
static int begin(struct payload *payload, const struct payload_block *block, struct cached_block *cached,
                 struct fault *fault)
{
	uint32_t size = block->stored & STORED_SIZE;
	if (block->stored != size || size == 0 || size > payload->block_size ||
	    !payload_decoder_hold(&payload->decoders))
		return 1;
	cached->decoder = payload_decoder_take(&payload->decoders);
	if (cached->decoder == NULL) {
		payload_decoder_let_go(&payload->decoders);
		return payload_fault(fault, ENOMEM, "reading the payload");
	}
	payload_decoder_begin(cached->decoder, block->offset, size);
	return 0;
}

int payload_load_block(struct payload *payload, const struct payload_block *block,
                       struct cached_block *cached, size_t needed, struct fault *fault)
{
	if (cached->decoder == NULL) {
		int whole = payload->follower != NULL ? begin(payload, block, cached, fault) : 1;
		if (whole != 0)
			return whole < 0 ? -1 : load_whole(payload, block, cached, fault);
	}
	while (cached->length < needed) {
		size_t wanted = payload_decoder_wants(cached->decoder);
		if (wanted == 0)
			break;
		if (decode_piece(payload, cached, wanted, fault) != 0) {
			int error = errno;
			give_decoder(payload, cached);
			errno = error;
			return -1;
		}
	}
	if (payload_decoder_wants(cached->decoder) == 0) {
		cached->complete = true;
		give_decoder(payload, cached);
	}
	return 0;
}
