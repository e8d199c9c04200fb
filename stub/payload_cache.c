/* SPDX-License-Identifier: Apache-2.0 */
#include "payload_cache.h"

#include <errno.h>
#include <stdlib.h>

enum { LOADING, LOADED, FAILED };

int payload_cache_open(struct payload_cache *cache, size_t block_size, size_t budget)
{
	*cache = (struct payload_cache){.block_size = block_size};
	cache->capacity = (unsigned)(budget / block_size) > 4 ? (unsigned)(budget / block_size) : 4;
	unsigned buckets = 8;
	while (buckets < cache->capacity)
		buckets *= 2;
	cache->bucket_mask = buckets - 1;
	pthread_mutex_init(&cache->lock, NULL);
	pthread_cond_init(&cache->loaded, NULL);
	cache->buckets = calloc(buckets, sizeof *cache->buckets);
	return cache->buckets == NULL ? -1 : 0;
}

static void drop_decoder(struct payload_cache *cache, struct cached_block *block)
{
	if (block->decoder != NULL)
		cache->drop(cache, block);
	block->decoder = NULL;
}

void payload_cache_close(struct payload_cache *cache)
{
	while (cache->newest != NULL) {
		struct cached_block *block = cache->newest;
		cache->newest = block->older;
		drop_decoder(cache, block);
		free(block);
	}
	free(cache->buckets);
	pthread_cond_destroy(&cache->loaded);
	pthread_mutex_destroy(&cache->lock);
}

static struct cached_block **bucket_of(struct payload_cache *cache, uint64_t key)
{
	return &cache->buckets[(key * UINT64_C(0x9e3779b97f4a7c15) >> 32) & cache->bucket_mask];
}

static void unchain(struct payload_cache *cache, struct cached_block *block)
{
	struct cached_block **link = bucket_of(cache, block->key);
	while (*link != block)
		link = &(*link)->chain;
	*link = block->chain;
}

static void leave_idle_list(struct payload_cache *cache, struct cached_block *block)
{
	*(block->newer != NULL ? &block->newer->older : &cache->newest) = block->older;
	*(block->older != NULL ? &block->older->newer : &cache->oldest) = block->newer;
}

static void enter_idle_list(struct payload_cache *cache, struct cached_block *block)
{
	block->newer = NULL;
	block->older = cache->newest;
	*(cache->newest != NULL ? &cache->newest->newer : &cache->oldest) = block;
	cache->newest = block;
}

/* A block to load into: a new one while there is room, else the one not used for longest. When all are pinned
 * the cache grows beyond its capacity, by at most one block for each thread. */
static struct cached_block *take_free(struct payload_cache *cache)
{
	if (cache->count >= cache->capacity && cache->oldest != NULL) {
		struct cached_block *block = cache->oldest;
		leave_idle_list(cache, block);
		unchain(cache, block);
		drop_decoder(cache, block);
		return block;
	}
	struct cached_block *block = malloc(sizeof *block + cache->block_size);
	if (block != NULL) {
		cache->count++;
		block->decoder = NULL;
	}
	return block;
}

static void unpin(struct payload_cache *cache, struct cached_block *block)
{
	if (--block->pins > 0)
		return;
	if (block->state == LOADED && cache->count <= cache->capacity) {
		enter_idle_list(cache, block);
		return;
	}
	if (block->state == LOADED)
		unchain(cache, block);
	cache->count--;
	drop_decoder(cache, block);
	free(block);
}

void payload_cache_release(struct payload_cache *cache, struct cached_block *block)
{
	pthread_mutex_lock(&cache->lock);
	unpin(cache, block);
	pthread_mutex_unlock(&cache->lock);
}

/* Let the loader work on a pinned block without the lock; false with errno when it failed. */
static bool load(struct payload_cache *cache, struct cached_block *block, size_t needed,
                 payload_cache_loader *loader, void *context, struct fault *fault)
{
	block->state = LOADING;
	pthread_mutex_unlock(&cache->lock);
	int result = loader(context, block, needed, fault);
	int error = errno;
	pthread_mutex_lock(&cache->lock);
	block->state = result == 0 ? LOADED : FAILED;
	pthread_cond_broadcast(&cache->loaded);
	if (result == 0)
		return true;
	unchain(cache, block);
	unpin(cache, block);
	errno = error;
	return false;
}

static struct cached_block *add_block(struct payload_cache *cache, uint64_t key, struct fault *fault)
{
	struct cached_block *block = take_free(cache), **bucket = bucket_of(cache, key);
	if (block == NULL) {
		if (fault != NULL)
			fault_set(fault, ENOMEM, "reading the payload");
		errno = ENOMEM;
		return NULL;
	}
	block->key = key;
	block->length = 0;
	block->complete = false;
	block->pins = 1;
	block->chain = *bucket;
	*bucket = block;
	return block;
}

static struct cached_block *find_block(struct payload_cache *cache, uint64_t key)
{
	struct cached_block *block = *bucket_of(cache, key);
	while (block != NULL && block->key != key)
		block = block->chain;
	return block;
}

struct cached_block *payload_cache_acquire(struct payload_cache *cache, uint64_t key, size_t needed,
                                           payload_cache_loader *loader, void *context,
                                           struct cached_extent *extent, struct fault *fault)
{
	struct cached_block *block;
	pthread_mutex_lock(&cache->lock);
	for (;;) {
		block = find_block(cache, key);
		if (block == NULL) {
			block = add_block(cache, key, fault);
			if (block != NULL && !load(cache, block, needed, loader, context, fault))
				block = NULL;
			break;
		}
		if (block->pins++ == 0)
			leave_idle_list(cache, block);
		while (block->state == LOADING)
			pthread_cond_wait(&cache->loaded, &cache->lock);
		if (block->state == LOADED) {
			if (block->length < needed && !block->complete &&
			    !load(cache, block, needed, loader, context, fault))
				block = NULL;
			break;
		}
		/* The other thread failed; find out why for oneself. */
		unpin(cache, block);
	}
	if (block != NULL && extent != NULL)
		*extent = (struct cached_extent){block->length, block->complete};
	pthread_mutex_unlock(&cache->lock);
	return block;
}
