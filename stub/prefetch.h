/* SPDX-License-Identifier: Apache-2.0
 * Decoding what every start reads while the container is still being built. */
#ifndef RUNDLE_PREFETCH_H
#define RUNDLE_PREFETCH_H

#include <stdint.h>

#include "payload.h"

struct prefetch_request {
	const char *program; /* as it is to be executed: without a slash it is searched */
	const char *search;  /* PATH; may be NULL */
};

/* Decode into the cache of `payload` the start of the program and of the C library, as found below the
 * directory `root`. What is not there is passed over. */
void prefetch_startup(struct payload *payload, uint64_t root, const struct prefetch_request *request);

#endif
