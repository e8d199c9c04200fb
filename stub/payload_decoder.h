/* SPDX-License-Identifier: Apache-2.0
 * zstd decoding contexts with their input buffers, made on demand and used again. */
#ifndef RUNDLE_PAYLOAD_DECODER_H
#define RUNDLE_PAYLOAD_DECODER_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct payload_decoder {
	struct payload_decoder *next;
	void *context;
	/* what payload_decoder_begin has begun: the next byte in the image, and how many there are */
	uint64_t source;
	uint32_t left;
	unsigned char input[];
};

struct payload_decoders {
	pthread_mutex_t lock;
	struct payload_decoder *idle;
	size_t input_size;
	unsigned held;
};

/* Decoders that may be kept with blocks which are decoded in part: some 200 KB of memory each. */
#define PAYLOAD_DECODERS_HELD_MAX 12u

void payload_decoders_open(struct payload_decoders *decoders, size_t input_size);
void payload_decoders_close(struct payload_decoders *decoders);

/* A decoder for the calling thread alone until it is given back; NULL when memory is short. */
struct payload_decoder *payload_decoder_take(struct payload_decoders *decoders);
void payload_decoder_give(struct payload_decoders *decoders, struct payload_decoder *decoder);

/* Decode `length` bytes of decoder->input, which must be zstd frames that give at most `capacity` bytes in
 * all. Returns how many, or -1 with `*reason` saying what is wrong. */
ssize_t payload_decoder_run(struct payload_decoder *decoder, size_t length, void *buffer, size_t capacity,
                            const char **reason);

/* Begin to decode the `size` bytes of zstd frames at `source` of the image piece by piece. */
void payload_decoder_begin(struct payload_decoder *decoder, uint64_t source, uint32_t size);

/* How many bytes decoder->input has to hold for the next piece; 0 when all is decoded. More than
 * decoder->left when the frames are cut off. */
size_t payload_decoder_wants(struct payload_decoder *decoder);

/* Decode that piece behind the `length` bytes that `buffer` has got already; as payload_decoder_run. What was
 * decoded before must still be there. */
ssize_t payload_decoder_continue(struct payload_decoder *decoder, size_t wanted, unsigned char *buffer,
                                 size_t length, size_t capacity, const char **reason);

/* Ask whether one more decoder may be kept until payload_decoder_let_go. */
bool payload_decoder_hold(struct payload_decoders *decoders);
void payload_decoder_let_go(struct payload_decoders *decoders);

#endif
