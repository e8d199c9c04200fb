/* SPDX-License-Identifier: Apache-2.0 */
#include "payload_decoder.h"

#include <stdlib.h>
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
