/* SPDX-License-Identifier: Apache-2.0 */
#include "payload_walk.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "payload_internal.h"

/* A directory that has been entered and not left. */
struct frame {
	struct payload_listing listing;
	size_t path_length;
	uint64_t reference;
	uint32_t number;
};

/* Inodes with several names, and directories, by number: open addressing, number 0 is an empty place. */
struct known_inode {
	uint32_t number;
	uint64_t reference;
};

struct payload_walk {
	struct payload *payload;
	struct payload_inode root;
	bool begun;
	struct frame *frames;
	size_t depth, frame_capacity;
	char *path;
	size_t path_capacity;
	struct known_inode *known;
	size_t known_count, known_capacity; /* a power of two */
	uint64_t inodes;                    /* visited so far */
};

struct payload_walk *payload_walk_open(struct payload *payload, const struct payload_inode *root,
                                       struct fault *fault)
{
	if (!S_ISDIR(root->mode)) {
		payload_fault(fault, ENOTDIR, "walking through inode %" PRIu32 " of the payload",
		              root->number);
		return NULL;
	}
	struct payload_walk *walk = calloc(1, sizeof *walk);
	if (walk != NULL) {
		walk->payload = payload;
		walk->root = *root;
		walk->path_capacity = 1024;
		walk->path = calloc(1, walk->path_capacity);
		walk->known_capacity = 1024;
		walk->known = calloc(walk->known_capacity, sizeof *walk->known);
		if (walk->path != NULL && walk->known != NULL)
			return walk;
	}
	payload_walk_close(walk);
	payload_fault(fault, ENOMEM, "walking through the payload");
	return NULL;
}

void payload_walk_close(struct payload_walk *walk)
{
	if (walk == NULL)
		return;
	free(walk->frames);
	free(walk->path);
	free(walk->known);
	free(walk);
}

static struct known_inode *place_of(struct known_inode *known, size_t capacity, uint32_t number)
{
	size_t place = number * UINT32_C(0x9e3779b1) & (capacity - 1);
	while (known[place].number != 0 && known[place].number != number)
		place = (place + 1) & (capacity - 1);
	return &known[place];
}

static int grow_known(struct payload_walk *walk)
{
	size_t capacity = walk->known_capacity * 2;
	struct known_inode *known = calloc(capacity, sizeof *known);
	if (known == NULL)
		return -1;
	for (size_t i = 0; i < walk->known_capacity; i++) {
		if (walk->known[i].number != 0)
			*place_of(known, capacity, walk->known[i].number) = walk->known[i];
	}
	free(walk->known);
	walk->known = known;
	walk->known_capacity = capacity;
	return 0;
}

/* Was this inode visited before? 1 or 0; -1 on error. Files with a single name are only counted. */
static int know(struct payload_walk *walk, const struct payload_inode *inode, struct fault *fault)
{
	if (S_ISDIR(inode->mode) || inode->nlink > 1) {
		if (walk->known_count * 2 >= walk->known_capacity && grow_known(walk) != 0)
			return payload_fault(fault, ENOMEM, "walking through the payload");
		struct known_inode *place = place_of(walk->known, walk->known_capacity, inode->number);
		if (place->number != 0) {
			if (S_ISDIR(inode->mode))
				return payload_corrupt(fault, "a directory with two places");
			if (place->reference != inode->reference)
				return payload_corrupt(fault, "two inodes have number %" PRIu32,
				                       inode->number);
			return 1;
		}
		*place = (struct known_inode){inode->number, inode->reference};
		walk->known_count++;
	}
	if (++walk->inodes > walk->payload->inode_count)
		return payload_corrupt(fault, "there are more than the %" PRIu32 " inodes announced",
		                       walk->payload->inode_count);
	return 0;
}

static int push(struct payload_walk *walk, const struct payload_inode *inode, struct fault *fault)
{
	if (walk->depth == walk->frame_capacity) {
		size_t capacity = walk->frame_capacity == 0 ? 32 : walk->frame_capacity * 2;
		struct frame *frames = realloc(walk->frames, capacity * sizeof *frames);
		if (frames == NULL)
			return payload_fault(fault, ENOMEM, "walking through the payload");
		walk->frames = frames;
		walk->frame_capacity = capacity;
	}
	struct frame *frame = &walk->frames[walk->depth];
	if (payload_open_listing(walk->payload, inode, 0, &frame->listing, fault) != 0)
		return -1;
	frame->path_length = strlen(walk->path);
	frame->reference = inode->reference;
	frame->number = inode->number;
	walk->depth++;
	return 0;
}

/* Append a name to the path of the directory that was entered last. */
static int extend_path(struct payload_walk *walk, const struct payload_entry *entry, struct fault *fault)
{
	size_t start = walk->frames[walk->depth - 1].path_length;
	if (start + entry->length + 2 > walk->path_capacity) {
		char *path = realloc(walk->path, walk->path_capacity * 2);
		if (path == NULL)
			return payload_fault(fault, ENOMEM, "walking through the payload");
		walk->path = path;
		walk->path_capacity *= 2;
	}
	if (start > 0)
		walk->path[start++] = '/';
	memcpy(walk->path + start, entry->name, entry->length + 1);
	return 0;
}

static int enter_root(struct payload_walk *walk, struct payload_visit *visit, struct fault *fault)
{
	walk->begun = true;
	visit->inode = walk->root;
	visit->step = PAYLOAD_ENTER;
	return know(walk, &walk->root, fault) < 0 ? -1 : push(walk, &walk->root, fault);
}

/* What went wrong was found without knowing the path: put it in front. */
static int at_path(const struct payload_walk *walk, struct fault *fault)
{
	if (fault == NULL)
		return -1;
	struct fault inner = *fault;
	fault_clear(fault);
	return fault_set(fault, inner.error, "/%.500s: %.500s", walk->path, inner.text);
}

static int visit_entry(struct payload_walk *walk, const struct payload_entry *entry,
                       struct payload_visit *visit, struct fault *fault)
{
	struct payload_inode *inode = &visit->inode;
	if (payload_read_inode(walk->payload, entry->reference, inode, fault) != 0)
		return -1;
	if (inode->number != entry->number || (inode->mode & S_IFMT) != entry->type)
		return payload_corrupt(fault, "the directory and the inode disagree");
	const struct frame *parent = &walk->frames[walk->depth - 1];
	if (S_ISDIR(inode->mode) && inode->directory.parent != parent->number)
		return payload_corrupt(fault, "the directory has another parent");
	int seen = know(walk, inode, fault);
	if (seen < 0)
		return -1;
	if (S_ISDIR(inode->mode) && inode->reference >= parent->reference)
		return payload_corrupt(fault, "the directory's inode does not lie in front of its parent's");
	visit->seen = seen > 0;
	visit->step = S_ISDIR(inode->mode) ? PAYLOAD_ENTER : PAYLOAD_ENTRY;
	return visit->step == PAYLOAD_ENTER ? push(walk, inode, fault) : 0;
}

static void name_visit(const struct payload_walk *walk, struct payload_visit *visit)
{
	visit->path = walk->path;
	const char *slash = strrchr(walk->path, '/');
	visit->name = slash != NULL ? slash + 1 : walk->path;
}

int payload_walk_next(struct payload_walk *walk, struct payload_visit *visit, struct fault *fault)
{
	visit->step = walk->begun && walk->depth == 0 ? PAYLOAD_END : PAYLOAD_LEAVE;
	visit->seen = false;
	int result = 0;
	if (!walk->begun) {
		result = enter_root(walk, visit, fault);
	} else if (walk->depth > 0) {
		struct frame *frame = &walk->frames[walk->depth - 1];
		struct payload_entry entry;
		walk->path[frame->path_length] = '\0';
		int found = payload_next_entry(walk->payload, &frame->listing, &entry, fault);
		if (found < 0)
			frame->listing = (struct payload_listing){.size = 0}; /* nothing more of it */
		if (found == 0) {
			visit->step = PAYLOAD_LEAVE;
			walk->depth--;
		}
		if (found > 0)
			found = extend_path(walk, &entry, fault) != 0 ? -1 : 1;
		result = found > 0 ? visit_entry(walk, &entry, visit, fault) : found;
	}
	name_visit(walk, visit);
	return result == 0 ? 0 : at_path(walk, fault);
}
