/* SPDX-License-Identifier: Apache-2.0
 * Contents of regular files. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "extract_internal.h"

/* A file of more than two parts of this size is shared by threads. */
#define PART_BYTES (4u << 20)

static int create(int directory, const char *name)
{
	return openat(directory, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
}

static int write_at(struct extract *extract, const struct extract_file *file, const unsigned char *bytes,
                    size_t length, uint64_t offset)
{
	while (length > 0) {
		ssize_t count = pwrite(file->fd, bytes, length, (off_t)offset);
		if (count < 0 && errno == EINTR)
			continue;
		if (count <= 0)
			return extract_fail(extract, count < 0 ? errno : EIO, file->path, "writing");
		bytes += count;
		offset += (uint64_t)count;
		length -= (size_t)count;
	}
	return 0;
}

static int write_blocks(struct extract *extract, struct extract_part *part, unsigned char *buffer)
{
	struct extract_file *file = part->file;
	struct fault fault = {0};
	uint64_t block_size = payload_block_size(extract->payload);
	while (part->blocks.index < part->end) {
		if (extract_must_stop(extract))
			return -1;
		uint64_t offset = part->blocks.index * block_size;
		struct payload_block block;
		if (payload_next_block(extract->payload, &file->inode, &part->blocks, &block, &fault) < 0)
			return extract_fail_with(extract, &fault, file->path);
		if (block.stored == 0) {
			atomic_store(&file->has_holes, true);
			continue;
		}
		if (payload_decode_block(extract->payload, &block, buffer, &fault) != 0)
			return extract_fail_with(extract, &fault, file->path);
		if (write_at(extract, file, buffer, block.length, offset) != 0)
			return -1;
		extract_progress(extract, block.stored & 0xffffff);
	}
	return 0;
}

static int write_tail(struct extract *extract, struct extract_file *file)
{
	struct payload_tail tail;
	struct fault fault = {0};
	if (payload_tail_length(extract->payload, &file->inode) == 0)
		return 0;
	if (payload_acquire_tail(extract->payload, &file->inode, &tail, &fault) != 0)
		return extract_fail_with(extract, &fault, file->path);
	int result = write_at(extract, file, tail.bytes, tail.length, file->inode.size - tail.length);
	payload_release_tail(extract->payload, &tail);
	extract_progress(extract, tail.stored);
	return result;
}

/* Holes at the end exist only by the file's length. */
static int finish(struct extract *extract, struct extract_file *file)
{
	if (atomic_load(&file->has_holes) && ftruncate(file->fd, (off_t)file->inode.size) != 0)
		return extract_fail(extract, errno, file->path, "setting the length of");
	return extract_attributes(extract, file->fd, &file->inode, file->path);
}

/* Network file systems report a full disk or a quota when the file is closed. */
static void drop(struct extract *extract, struct extract_file *file)
{
	if (file->directory != NULL)
		extract_unpin(extract, file->directory);
	if (file->fd >= 0 && close(file->fd) != 0 && errno != EINTR)
		extract_fail(extract, errno, file->path, "writing");
	free(file);
}

/* One user of the file less; the last one finishes it. */
static void release(struct extract *extract, struct extract_file *file)
{
	if (atomic_fetch_sub(&file->parts, 1) > 1)
		return;
	if (!atomic_load(&extract->failed))
		finish(extract, file);
	drop(extract, file);
}

void extract_part(struct extract *extract, struct extract_part *part, unsigned char *buffer)
{
	struct extract_file *file = part->file;
	int result = extract_must_stop(extract) ? -1 : 0;
	if (result == 0 && file->fd < 0) {
		file->fd = create(file->directory->fd, file->name);
		if (file->fd < 0)
			result = extract_fail(extract, errno, file->path, "creating");
		extract_unpin(extract, file->directory);
		file->directory = NULL;
	}
	if (result == 0)
		result = write_blocks(extract, part, buffer);
	if (result == 0 && part->end == file->inode.file.block_count)
		write_tail(extract, file);
	release(extract, file);
}

/* When all places are taken the walker does some of the work, so it needs no core of its own. */
static void push(struct extract *extract, struct extract_part *part)
{
	while (!extract_queue_push(&extract->queue, part)) {
		struct extract_part other;
		if (extract_queue_pop(&extract->queue, &other, false))
			extract_part(extract, &other, extract->buffer);
	}
}

static struct extract_file *new_file(const char *path, const struct payload_inode *inode)
{
	struct extract_file *file = calloc(1, sizeof *file + strlen(path) + 1);
	if (file == NULL)
		return NULL;
	strcpy(file->path, path);
	file->fd = -1;
	file->inode = *inode;
	atomic_store(&file->parts, 1);
	return file;
}

/* The last part takes over the reference that the file was made with. */
static int queue_parts(struct extract *extract, struct extract_file *file, uint64_t step)
{
	uint64_t count = file->inode.file.block_count, index = 0;
	for (bool last = false; !last; index += step) {
		struct extract_part part = {.file = file};
		struct fault fault = {0};
		last = count - index <= step;
		part.end = last ? count : index + step;
		if (payload_open_blocks(extract->payload, &file->inode, index, &part.blocks, &fault) != 0) {
			extract_fail_with(extract, &fault, file->path);
			release(extract, file);
			return -1;
		}
		if (!last)
			atomic_fetch_add(&file->parts, 1);
		push(extract, &part);
	}
	return 0;
}

int extract_queue_file(struct extract *extract, int directory, struct extract_directory *parent,
                       const char *path, const char *name, const struct payload_inode *inode)
{
	struct extract_file *file = new_file(path, inode);
	if (file == NULL)
		return extract_fail(extract, ENOMEM, path, "creating");
	uint64_t step = PART_BYTES / payload_block_size(extract->payload);
	bool shared = inode->file.block_count > 2 * step;
	if (shared || parent == NULL) {
		file->fd = create(directory, name);
		if (file->fd < 0) {
			extract_fail(extract, errno, path, "creating");
			free(file);
			return -1;
		}
	} else {
		const char *slash = strrchr(file->path, '/');
		file->name = slash != NULL ? slash + 1 : file->path;
		file->directory = parent;
		extract_pin(extract, parent);
	}
	return queue_parts(extract, file, shared ? step : inode->file.block_count + 1);
}
