/* SPDX-License-Identifier: Apache-2.0
 * What the payload_*.c files share. Format facts: Linux Documentation/filesystems/squashfs.rst and
 * fs/squashfs/squashfs_fs.h (SquashFS 4.0). */
#ifndef RUNDLE_PAYLOAD_INTERNAL_H
#define RUNDLE_PAYLOAD_INTERNAL_H

#include <pthread.h>

#include "payload.h"
#include "payload_cache.h"
#include "payload_decoder.h"

#define METADATA_SIZE 8192u
#define SUPERBLOCK_SIZE 96u
#define NO_TABLE UINT64_MAX
#define NO_FRAGMENT 0xffffffffu
#define STORED_PLAIN (1u << 24) /* data block or fragment: not compressed */
#define STORED_SIZE (STORED_PLAIN - 1)

/* Metadata blocks that follow each other; offsets from the start of the image. */
struct payload_table {
	const char *name; /* for messages */
	uint64_t start, end;
};

/* A place in a file's block list that was reached once: spares large files the way from the start. */
struct payload_checkpoint {
	uint64_t reference;
	struct payload_blocks blocks; /* index 0: unused */
};

#define CHECKPOINT_STEP 2048u /* blocks: their sizes fill one metadata block */
#define CHECKPOINT_COUNT 512u

struct payload {
	int fd;
	uint64_t offset; /* of the image in the file */
	uint64_t bytes_used;
	uint32_t inode_count, block_size, fragment_count, id_count, xattr_count;
	unsigned block_log;
	uint64_t root;
	uint32_t *ids;
	struct payload_table inodes, directories, others;
	uint64_t id_pointers, fragment_pointers, xattr_pointers, xattr_start; /* xattr_pointers 0: no table */
	struct payload_cache metadata, data;
	struct payload_decoders decoders;
	pthread_mutex_t checkpoint_lock;
	struct payload_checkpoint checkpoints[CHECKPOINT_COUNT];
	payload_follower *follower; /* NULL: nobody wants to know */
	void *follower_context;
};

/* Record what is wrong with the image or could not be read: sets errno and, where there is one, the fault.
 * -1. */
int payload_fault(struct fault *fault, int error, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
#define payload_corrupt(fault, ...) payload_fault(fault, EIO, "the payload is corrupt: " __VA_ARGS__)

/* Read bytes of the image; a range outside of it is corruption. `what` is for the message. */
int payload_read(struct payload *payload, uint64_t offset, void *buffer, size_t length, const char *what,
                 struct fault *fault);

/* Copy `length` decoded bytes at `position` of a table and move the position behind them. */
int payload_read_metadata(struct payload *payload, const struct payload_table *table,
                          struct payload_position *position, void *buffer, size_t length,
                          struct fault *fault);

/* The position `skip` decoded bytes further on. */
int payload_skip_metadata(struct payload *payload, const struct payload_table *table,
                          struct payload_position *position, uint64_t skip, struct fault *fault);

/* The position of entry `index` of `entry_size` bytes in a table that is reached through a list of pointers.
 */
int payload_locate_entry(struct payload *payload, uint64_t pointers, uint32_t index, uint32_t entry_size,
                         struct payload_position *position, struct fault *fault);

/* Decode a data block or fragment into the cache until `needed` bytes of it are there, or all of them: a
 * payload_cache_loader's work. A server goes no further than it has to. */
int payload_load_block(struct payload *payload, const struct payload_block *block,
                       struct cached_block *cached, size_t needed, struct fault *fault);

/* Give up a block's decoder. */
void payload_drop_decoder(struct payload_cache *cache, struct cached_block *block);

struct acquired {
	struct cached_extent extent;
	bool first; /* the block was not there, or nobody had asked for it since it was decoded ahead: */
	bool hit;
};

/* A block of which the first `needed` bytes are decoded, or all that there are, pinned until it is released.
 * NULL with a fault on failure. */
struct cached_block *payload_acquire_block(struct payload *payload, const struct payload_block *block,
                                           size_t needed, struct acquired *acquired, struct fault *fault);

/* Tell the follower what comes after a block that was asked for the first time: the next one of the list, or
 * the fragment behind `fragment`. */
void payload_follow_blocks(struct payload *payload, const struct payload_inode *inode,
                           const struct payload_blocks *behind, bool hit);
void payload_follow_fragment(struct payload *payload, uint32_t fragment, bool hit);

/* Where fragment `index` is stored. */
int payload_locate_fragment(struct payload *payload, uint32_t index, struct payload_block *fragment,
                            struct fault *fault);

/* Read and decode `stored` bytes (bit 24: plain) at `offset` to at most `capacity` bytes; `*length` is how
 * many. */
int payload_decode(struct payload *payload, uint64_t offset, uint32_t stored, void *buffer, size_t capacity,
                   size_t *length, struct fault *fault);

#endif
