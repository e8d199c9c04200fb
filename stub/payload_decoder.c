/* SPDX-License-Identifier: Apache-2.0 */
#include "payload_decoder.h"

#include <stdlib.h>

/* Decoding without a buffer between input and output is there in the static library alone. */
#define ZSTD_STATIC_LINKING_ONLY
#define ZSTD_DISABLE_DEPRECATE_WARNINGS
#include <zstd.h>

void payload_decoders_open(struct payload_decoders *decoders, size_t input_size)
{
	*decoders = (struct payload_decoders){.input_size = input_size};
	pthread_mutex_init(&decoders->lock, NULL);
}

void payload_decoders_close(struct payload_decoders *decoders)
{
	while (decoders->idle != NULL) {
		struct payload_decoder *decoder = decoders->idle;
		decoders->idle = decoder->next;
		ZSTD_freeDCtx(decoder->context);
		free(decoder);
	}
	pthread_mutex_destroy(&decoders->lock);
}

struct payload_decoder *payload_decoder_take(struct payload_decoders *decoders)
{
	pthread_mutex_lock(&decoders->lock);
	struct payload_decoder *decoder = decoders->idle;
	if (decoder != NULL)
		decoders->idle = decoder->next;
	pthread_mutex_unlock(&decoders->lock);
	if (decoder != NULL)
		return decoder;
	decoder = malloc(sizeof *decoder + decoders->input_size);
	if (decoder == NULL)
		return NULL;
	decoder->context = ZSTD_createDCtx();
	if (decoder->context != NULL)
		return decoder;
	free(decoder);
	return NULL;
}

void payload_decoder_give(struct payload_decoders *decoders, struct payload_decoder *decoder)
{
	pthread_mutex_lock(&decoders->lock);
	decoder->next = decoders->idle;
	decoders->idle = decoder;
	pthread_mutex_unlock(&decoders->lock);
}

ssize_t payload_decoder_run(struct payload_decoder *decoder, size_t length, void *buffer, size_t capacity,
                            const char **reason)
{
	size_t result = ZSTD_decompressDCtx(decoder->context, buffer, capacity, decoder->input, length);
	if (!ZSTD_isError(result))
		return (ssize_t)result;
	*reason = ZSTD_getErrorName(result);
	return -1;
}

void payload_decoder_begin(struct payload_decoder *decoder, uint64_t source, uint32_t size)
{
	decoder->source = source;
	decoder->left = size;
	ZSTD_decompressBegin(decoder->context);
}

size_t payload_decoder_wants(struct payload_decoder *decoder)
{
	size_t wanted = ZSTD_nextSrcSizeToDecompress(decoder->context);
	if (wanted == 0 && decoder->left > 0) { /* another frame */
		ZSTD_decompressBegin(decoder->context);
		wanted = ZSTD_nextSrcSizeToDecompress(decoder->context);
	}
	return wanted;
}

ssize_t payload_decoder_continue(struct payload_decoder *decoder, size_t wanted, unsigned char *buffer,
                                 size_t length, size_t capacity, const char **reason)
{
	size_t result = ZSTD_decompressContinue(decoder->context, buffer + length, capacity - length,
	                                        decoder->input, wanted);
	decoder->source += wanted;
	decoder->left -= (uint32_t)wanted;
	if (!ZSTD_isError(result))
		return (ssize_t)result;
	*reason = ZSTD_getErrorName(result);
	return -1;
}

bool payload_decoder_hold(struct payload_decoders *decoders)
{
	pthread_mutex_lock(&decoders->lock);
	bool granted = decoders->held < PAYLOAD_DECODERS_HELD_MAX;
	decoders->held += granted;
	pthread_mutex_unlock(&decoders->lock);
	return granted;
}

void payload_decoder_let_go(struct payload_decoders *decoders)
{
	pthread_mutex_lock(&decoders->lock);
	decoders->held--;
	pthread_mutex_unlock(&decoders->lock);
}
