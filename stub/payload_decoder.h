/* SPDX-License-Identifier: Apache-2.0
 * zstd decoding contexts with their input buffers, made on demand and used again. */
#ifndef RUNDLE_PAYLOAD_DECODER_H
#define RUNDLE_PAYLOAD_DECODER_H

#include <pthread.h>
#include <stddef.h>
#include <sys/types.h>

struct payload_decoder {
	struct payload_decoder *next;
	void *context;
	unsigned char input[];
};

struct payload_decoders {
	pthread_mutex_t lock;
	struct payload_decoder *idle;
	size_t input_size;
};

void payload_decoders_open(struct payload_decoders *decoders, size_t input_size);
void payload_decoders_close(struct payload_decoders *decoders);

/* A decoder for the calling thread alone until it is given back; NULL when memory is short. */
struct payload_decoder *payload_decoder_take(struct payload_decoders *decoders);
void payload_decoder_give(struct payload_decoders *decoders, struct payload_decoder *decoder);

/* Decode `length` bytes of decoder->input, which must be zstd frames that give at most `capacity` bytes in
 * all. Returns how many, or -1 with `*reason` saying what is wrong. */
ssize_t payload_decoder_run(struct payload_decoder *decoder, size_t length, void *buffer, size_t capacity,
                            const char **reason);

#endif
