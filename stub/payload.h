/* SPDX-License-Identifier: Apache-2.0
 * Reading a payload: a SquashFS 4.0 image with zstd, inside a bundle or a file of its own.
 *
 * All functions may be called by several threads at once. Memory is bounded by the caches (PAYLOAD_CACHE_*)
 * and does not depend on the image. Whatever the image holds, a function either gives values inside the
 * documented ranges or fails with -1, errno and fault.error EIO, and a fault that says what is wrong where.
 * Other errors: ENOMEM, what pread(2) says, and those named below. Errors that are part of normal use
 * (ENOENT, ENOTDIR, ENODATA) set errno and fault too; `fault` may be NULL when the text is not wanted. */
#ifndef RUNDLE_PAYLOAD_H
#define RUNDLE_PAYLOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "fault.h"

#define PAYLOAD_CACHE_METADATA (8u << 20)
#define PAYLOAD_CACHE_DATA (32u << 20)
#define PAYLOAD_NAME_MAX 255
#define PAYLOAD_NO_XATTRS 0xffffffffu

struct payload;

/* Where something stands in a table of metadata blocks. */
struct payload_position {
	uint64_t block;  /* offset of the metadata block from the start of the image */
	uint32_t offset; /* in the decoded block */
};

struct payload_inode {
	uint64_t reference; /* names the inode: below 2^48 */
	uint32_t number;    /* from 1; the same for all names of a file */
	uint32_t mode;      /* S_IFMT | 07777 */
	uint32_t uid, gid;
	uint32_t nlink; /* not 0 */
	int64_t mtime;  /* seconds since 1970 */
	uint64_t size;  /* bytes of a file or of a link's target; length of the listing for a directory */
	uint32_t major, minor;
	uint32_t xattrs;               /* PAYLOAD_NO_XATTRS if none */
	struct payload_position where; /* list of block sizes, listing, or link target */
	union {
		struct {
			uint64_t start;       /* of the first data block in the image */
			uint64_t block_count; /* without the fragment */
			uint64_t sparse;      /* bytes in holes, as the image claims */
			uint32_t fragment;    /* 0xffffffff if none */
			uint32_t fragment_offset;
		} file;
		struct {
			uint32_t parent; /* inode number */
			uint32_t index_count;
			struct payload_position index;
		} directory;
	};
};

struct payload_entry {
	uint64_t reference;
	uint32_t number; /* from 1 to payload_inode_count */
	uint32_t type;   /* S_IFMT bits */
	uint64_t cookie; /* for payload_open_listing: go on behind this entry */
	size_t length;   /* of the name, 1 to 255 */
	char name[PAYLOAD_NAME_MAX + 1];
};

/* Where a reader stands in a directory's listing; holds no resources, may be copied. */
struct payload_listing {
	struct payload_position position;
	uint64_t inode_block;  /* of the entries that follow, from the table's start */
	uint32_t number_base;  /* what their inode numbers are relative to */
	uint32_t size, offset; /* of the listing; of the next entry or header */
	uint32_t run_offset, run_count,
	    run_index; /* entries come in runs under a header; count 0: a header is next */
};

/* Open the image of at most `size` bytes at `offset` of `fd`. The descriptor is used by pread(2) only, stays
 * the caller's, and must stay open. NULL with a fault when this is no image that can be read. */
struct payload *payload_open(int fd, uint64_t offset, uint64_t size, struct fault *fault);
void payload_close(struct payload *payload);

/* Let the cache of decoded contents take at most `bytes` instead of PAYLOAD_CACHE_DATA, though never less
 * than four blocks; before other threads read. */
void payload_limit_data(struct payload *payload, size_t bytes);

uint64_t payload_root(const struct payload *payload);        /* reference of the root directory */
uint32_t payload_inode_count(const struct payload *payload); /* as the image claims */
uint32_t payload_block_size(const struct payload *payload);  /* 4096 to 1048576 */
uint64_t payload_bytes_used(const struct payload *payload);  /* what follows in the section is padding */
uint64_t payload_data_bytes(const struct payload *payload); /* length of the area with blocks and fragments */

int payload_read_inode(struct payload *payload, uint64_t reference, struct payload_inode *inode,
                       struct fault *fault);

/* The entry `name` of a directory. ENOENT, ENOTDIR. */
int payload_lookup(struct payload *payload, const struct payload_inode *directory, const char *name,
                   size_t length, struct payload_entry *entry, struct fault *fault);

/* The inode at an absolute path; symbolic links are not followed. ENOENT, ENOTDIR. */
int payload_lookup_path(struct payload *payload, const char *path, struct payload_inode *inode,
                        struct fault *fault);

/* Begin to list a directory: with cookie 0 from its start, else behind the entry whose cookie it is. ENOTDIR;
 * EINVAL for a cookie that cannot be one of this directory. */
int payload_open_listing(struct payload *payload, const struct payload_inode *directory, uint64_t cookie,
                         struct payload_listing *listing, struct fault *fault);

/* The next entry, "." and ".." never: 1 and `entry` filled, 0 at the end, -1 on error. Names have 1 to 255
 * bytes without '/' and NUL. */
int payload_next_entry(struct payload *payload, struct payload_listing *listing, struct payload_entry *entry,
                       struct fault *fault);

/* Bytes of a regular file; what lies behind its end is not read. Returns how many. */
ssize_t payload_read_data(struct payload *payload, const struct payload_inode *inode, uint64_t offset,
                          void *buffer, size_t length, struct fault *fault);

/* A piece of a regular file as it is stored. */
struct payload_block {
	uint64_t offset; /* in the image */
	uint32_t stored; /* bytes there, 0 for a hole; bit 24: not compressed */
	uint32_t length; /* bytes of the file */
};

/* Where a reader stands in a file's list of blocks; may be copied. */
struct payload_blocks {
	struct payload_position position;
	uint64_t index;  /* of the next block */
	uint64_t offset; /* of its bytes in the image */
};

/* Called by a reader's thread when it had to have a part of a block decoded, with the block that follows: in
 * the file, or among the fragments. `hit`: the decoded one was there already, by payload_load_ahead. */
typedef void payload_follower(void *context, const struct payload_block *next, bool hit);

/* Have `follower` called from now on; before other threads read. */
void payload_set_follower(struct payload *payload, payload_follower *follower, void *context);

/* Decode a block into the cache for a reader to come. */
void payload_load_ahead(struct payload *payload, const struct payload_block *block);

/* Stand before block `index` (at most inode->file.block_count) of a regular file. */
int payload_open_blocks(struct payload *payload, const struct payload_inode *inode, uint64_t index,
                        struct payload_blocks *blocks, struct fault *fault);

/* The next block: 1, 0 behind the last one (a fragment may follow), -1 on error. */
int payload_next_block(struct payload *payload, const struct payload_inode *inode,
                       struct payload_blocks *blocks, struct payload_block *block, struct fault *fault);

/* Decode a block that is no hole; `buffer` has room for block->length bytes. */
int payload_decode_block(struct payload *payload, const struct payload_block *block, void *buffer,
                         struct fault *fault);

/* How many bytes of the file lie in a fragment, behind its blocks; 0 if it has none. */
uint32_t payload_tail_length(const struct payload *payload, const struct payload_inode *inode);

/* The tail of a file that has one: valid until released. */
struct payload_tail {
	const unsigned char *bytes;
	uint32_t length;
	uint32_t stored;            /* its share of the fragment's stored bytes */
	struct cached_block *block; /* for release */
};

/* The fragment that holds the tail of a file that has one, as it is stored. */
int payload_locate_tail(struct payload *payload, const struct payload_inode *inode,
                        struct payload_block *fragment, struct fault *fault);

int payload_acquire_tail(struct payload *payload, const struct payload_inode *inode,
                         struct payload_tail *tail, struct fault *fault);
void payload_release_tail(struct payload *payload, struct payload_tail *tail);

/* The target of a symbolic link: 1 to 4095 bytes without NUL, and a NUL. `target` has room for PATH_MAX
 * bytes. */
int payload_read_link(struct payload *payload, const struct payload_inode *inode, char *target,
                      struct fault *fault);

/* Calls `visit` for each extended attribute with its full name; a value has at most 65536 bytes. A result
 * other than 0 from `visit` ends the walk and is returned. */
typedef int payload_xattr_visitor(void *context, const char *name, const void *value, size_t size);
int payload_visit_xattrs(struct payload *payload, const struct payload_inode *inode,
                         payload_xattr_visitor *visit, void *context, struct fault *fault);

#endif
