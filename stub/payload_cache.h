/* SPDX-License-Identifier: Apache-2.0
 * Decoded blocks, shared by threads, least recently used out first. A block that several threads want at once
 * is decoded by one of them while the others wait. It may be decoded in part, from its start, and further
 * when somebody wants more of it. */
#ifndef RUNDLE_PAYLOAD_CACHE_H
#define RUNDLE_PAYLOAD_CACHE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "fault.h"

struct cached_block {
	uint64_t key;
	size_t length;     /* bytes decoded so far */
	bool complete;     /* there are no more */
	void *decoder;     /* for the loader's use: what decodes the rest; NULL when complete */
	uint64_t behind;   /* for the loader's use: where the next block is */
	atomic_bool ahead; /* for the loader's use: nobody has asked for it yet */
	/* the cache's own */
	unsigned pins;
	int state;
	struct cached_block *chain, *newer, *older;
	unsigned char bytes[];
};

/* How much of a block there was when it was acquired; more may come meanwhile. */
struct cached_extent {
	size_t length;
	bool complete;
};

struct payload_cache {
	pthread_mutex_t lock;
	pthread_cond_t loaded;
	size_t block_size;
	unsigned count, capacity; /* blocks allocated, and how many when none is pinned */
	unsigned bucket_mask;
	struct cached_block **buckets;
	struct cached_block *newest, *oldest; /* blocks that nobody has pinned */
	/* Called with a block that is given up while it has a decoder; NULL when none ever has. */
	void (*drop)(struct payload_cache *cache, struct cached_block *block);
};

/* Fills block->bytes (room for block_size) behind block->length until that is at least `needed` or the block
 * is complete; and `behind`. A new block has length 0. Returns 0, or -1 with a fault. */
typedef int payload_cache_loader(void *context, struct cached_block *block, size_t needed,
                                 struct fault *fault);

/* 0, or -1 when memory is short. */
int payload_cache_open(struct payload_cache *cache, size_t block_size, size_t budget);
void payload_cache_close(struct payload_cache *cache);

/* The block with that key and at least `needed` decoded bytes, or all of them, loaded if they are not there;
 * pinned until payload_cache_release. `extent` may be NULL. NULL on error. */
struct cached_block *payload_cache_acquire(struct payload_cache *cache, uint64_t key, size_t needed,
                                           payload_cache_loader *load, void *context,
                                           struct cached_extent *extent, struct fault *fault);
void payload_cache_release(struct payload_cache *cache, struct cached_block *block);

#endif
