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

void payload_cache_close(struct payload_cache *cache)
{
	while (cache->newest != NULL) {
		struct cached_block *block = cache->newest;
		cache->newest = block->older;
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
		return block;
	}
	struct cached_block *block = malloc(sizeof *block + cache->block_size);
	if (block != NULL)
		cache->count++;
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
	free(block);
}

void payload_cache_release(struct payload_cache *cache, struct cached_block *block)
{
	pthread_mutex_lock(&cache->lock);
	unpin(cache, block);
	pthread_mutex_unlock(&cache->lock);
}

static struct cached_block *load_block(struct payload_cache *cache, uint64_t key, payload_cache_loader *load,
                                       void *context, struct fault *fault)
{
	struct cached_block *block = take_free(cache), **bucket = bucket_of(cache, key);
	if (block == NULL) {
		if (fault != NULL)
			fault_set(fault, ENOMEM, "reading the payload");
		errno = ENOMEM;
		return NULL;
	}
	block->key = key;
	block->pins = 1;
	block->state = LOADING;
	block->chain = *bucket;
	*bucket = block;
	pthread_mutex_unlock(&cache->lock);
	int result = load(context, block, fault);
	int error = errno;
	pthread_mutex_lock(&cache->lock);
	block->state = result == 0 ? LOADED : FAILED;
	pthread_cond_broadcast(&cache->loaded);
	if (result == 0)
		return block;
	unchain(cache, block);
	unpin(cache, block);
	errno = error;
	return NULL;
}

struct cached_block *payload_cache_acquire(struct payload_cache *cache, uint64_t key,
                                           payload_cache_loader *load, void *context, struct fault *fault)
{
	struct cached_block *block;
	pthread_mutex_lock(&cache->lock);
	for (;;) {
		for (block = *bucket_of(cache, key); block != NULL && block->key != key;)
			block = block->chain;
		if (block == NULL) {
			block = load_block(cache, key, load, context, fault);
			break;
		}
		if (block->pins++ == 0)
			leave_idle_list(cache, block);
		while (block->state == LOADING)
			pthread_cond_wait(&cache->loaded, &cache->lock);
		if (block->state == LOADED)
			break;
		/* The other thread failed; find out why for oneself. */
		unpin(cache, block);
	}
	pthread_mutex_unlock(&cache->lock);
	return block;
}
