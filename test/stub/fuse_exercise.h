/* SPDX-License-Identifier: Apache-2.0
 * Asks fuse_answer() what the kernel would ask about a tree, and aborts when an answer is one that the kernel
 * refuses or that leaves the documented ranges. For images that are damaged: which answers are errors does
 * not matter, that an error is EIO does. */
#ifndef RUNDLE_FUSE_EXERCISE_H
#define RUNDLE_FUSE_EXERCISE_H

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "fuse_operations.h"

#define EXERCISE_NODES 4096u
#define EXERCISE_NAMES 64u

struct exercise_node {
	uint64_t id;
	uint32_t mode;
	uint64_t size;
};

/* The first names of a listing, to be looked up. */
struct exercise_names {
	unsigned count;
	char name[EXERCISE_NAMES][256];
};

/* A reader of one tree: what it was told about, and how much it may still ask. */
struct exercise {
	struct fuse_server_request server;
	char *reply;
	struct exercise_node nodes[EXERCISE_NODES]; /* the first is the root */
	unsigned count, next;
	unsigned requests;          /* left */
	unsigned failed, heard;     /* answers with EIO, and all */
	struct payload_block ahead; /* to be decoded before it is asked for, if its size is not 0 */
};

#define EXPECT(condition)                                                                                    \
	do {                                                                                                 \
		if (!(condition)) {                                                                          \
			fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition);              \
			abort();                                                                             \
		}                                                                                            \
	} while (0)

/* `length` bytes of body go behind the header. Errors other than EIO and `also` are a fault of the server. */
static int exercise_ask(struct exercise *exercise, uint32_t opcode, uint64_t node, const void *body,
                        size_t length, int also)
{
	struct fuse_in_header header = {
	    .len = (uint32_t)(sizeof header + length), .opcode = opcode, .unique = 1, .nodeid = node};
	struct fuse_request request = {
	    .header = &header, .body = body, .length = length, .reply = exercise->reply};
	int result = fuse_answer(&exercise->server, &request);
	struct payload_block ahead = exercise->ahead;
	exercise->ahead.stored = 0;
	if (ahead.stored != 0)
		payload_load_ahead(exercise->server.payload, &ahead);
	EXPECT(result >= 0 || result == -EIO || result == -also);
	EXPECT(result <= (int)FUSE_REPLY_MAX);
	exercise->heard++;
	exercise->failed += result == -EIO;
	return result;
}

/* What fs/fuse/dir.c checks (fuse_invalid_attr), and what a reader may rely on. */
static void exercise_attributes(const struct fuse_attr *attributes)
{
	uint32_t type = attributes->mode & S_IFMT;
	EXPECT(type == S_IFREG || type == S_IFDIR || type == S_IFLNK || type == S_IFCHR || type == S_IFBLK ||
	       type == S_IFIFO || type == S_IFSOCK);
	EXPECT((attributes->mode & ~(uint32_t)(S_IFMT | 07777)) == 0);
	EXPECT(attributes->size <= INT64_MAX && attributes->nlink > 0 && attributes->ino > 0);
	EXPECT(attributes->blocks <= attributes->size / 512 + 1);
	EXPECT(attributes->rdev == 0 || type == S_IFCHR || type == S_IFBLK);
	EXPECT(type != S_IFLNK || (attributes->size > 0 && attributes->size < PATH_MAX));
}

static void exercise_entry(struct exercise *exercise, const struct fuse_entry_out *entry)
{
	EXPECT(entry->nodeid > FUSE_ROOT_ID);
	exercise_attributes(&entry->attr);
	for (unsigned i = 0; i < exercise->count; i++) {
		if (exercise->nodes[i].id == entry->nodeid) {
			EXPECT(exercise->nodes[i].mode == entry->attr.mode);
			return;
		}
	}
	if (exercise->count < EXERCISE_NODES)
		exercise->nodes[exercise->count++] =
		    (struct exercise_node){entry->nodeid, entry->attr.mode, entry->attr.size};
}

static void exercise_lookup(struct exercise *exercise, uint64_t node, const char *name)
{
	int length = exercise_ask(exercise, FUSE_LOOKUP, node, name, strlen(name) + 1, EIO);
	const struct fuse_entry_out *entry = (const void *)exercise->reply;
	EXPECT(length < 0 || length == sizeof *entry);
	if (length > 0 && entry->nodeid != 0)
		exercise_entry(exercise, entry);
}

/* One answer's entries; the offset behind the last. fs/fuse/readdir.c refuses the whole answer otherwise. */
static uint64_t exercise_entries(struct exercise *exercise, const char *bytes, size_t length, bool plus,
                                 uint64_t offset, struct exercise_names *names)
{
	while (length > 0) {
		size_t before = plus ? offsetof(struct fuse_direntplus, dirent) : 0;
		EXPECT(length >= before + FUSE_NAME_OFFSET);
		const struct fuse_dirent *entry = (const void *)(bytes + before);
		size_t size = FUSE_DIRENT_ALIGN(before + FUSE_NAME_OFFSET + entry->namelen);
		EXPECT(entry->namelen > 0 && entry->namelen <= 255 && size <= length);
		EXPECT(memchr(entry->name, '/', entry->namelen) == NULL);
		EXPECT(memchr(entry->name, '\0', entry->namelen) == NULL);
		EXPECT(entry->ino != 0 && entry->type != 0);
		/* The low half counts bytes of the listing. */
		EXPECT((uint32_t)entry->off > (uint32_t)offset && entry->off <= INT64_MAX);
		bool dot = entry->name[0] == '.' &&
		           (entry->namelen == 1 || (entry->namelen == 2 && entry->name[1] == '.'));
		EXPECT(dot == (offset < 2));
		if (plus && ((const struct fuse_direntplus *)bytes)->entry_out.nodeid != 0) {
			const struct fuse_entry_out *child =
			    &((const struct fuse_direntplus *)bytes)->entry_out;
			EXPECT(!dot && (child->attr.mode & S_IFMT) >> 12 == entry->type);
			EXPECT(child->attr.ino == entry->ino);
			exercise_entry(exercise, child);
		}
		if (!dot && names->count < EXERCISE_NAMES)
			snprintf(names->name[names->count++], sizeof *names->name, "%.*s",
			         (int)entry->namelen, entry->name);
		offset = entry->off;
		bytes += size;
		length -= size;
	}
	return offset;
}

static void exercise_listing(struct exercise *exercise, uint64_t node, uint32_t size, bool plus)
{
	struct exercise_names names = {.count = 0};
	struct fuse_read_in in = {.offset = 0, .size = size};
	int length;
	while (exercise->requests > 0 &&
	       (length = exercise_ask(exercise, plus ? FUSE_READDIRPLUS : FUSE_READDIR, node, &in, sizeof in,
	                              EIO)) > 0) {
		exercise->requests--;
		in.offset =
		    exercise_entries(exercise, exercise->reply, (size_t)length, plus, in.offset, &names);
	}
	for (unsigned i = 0; i < names.count; i++)
		exercise_lookup(exercise, node, names.name[i]);
	exercise_lookup(exercise, node, "no such name");
}

static void exercise_content(struct exercise *exercise, const struct exercise_node *node)
{
	uint64_t page = node->size / 4096;
	uint64_t pages[] = {0, 1, page / 2, page > 0 ? page - 1 : 0, page};
	for (size_t i = 0; i < sizeof pages / sizeof *pages; i++) {
		struct fuse_read_in in = {.offset = pages[i] * 4096, .size = i % 2 == 0 ? 131072 : 4096};
		uint64_t left = in.offset < node->size ? node->size - in.offset : 0;
		int length = exercise_ask(exercise, FUSE_READ, node->id, &in, sizeof in, EIO);
		EXPECT(length < 0 || (uint64_t)length == (left < in.size ? left : in.size));
	}
}

static void exercise_xattrs(struct exercise *exercise, uint64_t node)
{
	struct {
		struct fuse_getxattr_in in;
		char name[256];
	} ask = {.in.size = 0};
	int length = exercise_ask(exercise, FUSE_LISTXATTR, node, &ask.in, sizeof ask.in, EIO);
	EXPECT(length < 0 || length == sizeof(struct fuse_getxattr_out));
	if (length < 0)
		return;
	ask.in.size = 65536;
	length = exercise_ask(exercise, FUSE_LISTXATTR, node, &ask.in, sizeof ask.in, ERANGE);
	if (length <= 0)
		return;
	/* The answer to the next question takes the same place. */
	char *names = malloc((size_t)length);
	EXPECT(names != NULL && exercise->reply[length - 1] == '\0');
	memcpy(names, exercise->reply, (size_t)length);
	int asked = 0;
	for (const char *name = names; name < names + length && asked < 4;
	     name += strlen(name) + 1, asked++) {
		EXPECT(*name != '\0' && strlen(name) <= 255);
		strcpy(ask.name, name);
		exercise_ask(exercise, FUSE_GETXATTR, node, &ask,
		             offsetof(__typeof__(ask), name) + strlen(name) + 1, EIO);
	}
	free(names);
}

/* In the server another thread does this meanwhile. */
static void exercise_follow(void *context, const struct payload_block *next, bool hit)
{
	struct exercise *exercise = context;
	(void)hit;
	exercise->ahead = *next;
}

/* All that there is to know about one node. */
static void exercise_one(struct exercise *exercise, const struct exercise_node *node)
{
	struct fuse_getattr_in in = {0};
	int length = exercise_ask(exercise, FUSE_GETATTR, node->id, &in, sizeof in, EIO);
	EXPECT(length < 0 || length == sizeof(struct fuse_attr_out));
	if (length > 0) {
		const struct fuse_attr *attributes = &((const struct fuse_attr_out *)exercise->reply)->attr;
		exercise_attributes(attributes);
		EXPECT(attributes->mode == node->mode || node->id == FUSE_ROOT_ID);
	}
	exercise_xattrs(exercise, node->id);
	if (S_ISREG(node->mode))
		exercise_content(exercise, node);
	if (S_ISLNK(node->mode)) {
		length = exercise_ask(exercise, FUSE_READLINK, node->id, NULL, 0, EIO);
		EXPECT(length < 0 || (uint64_t)length == node->size);
	}
	if (S_ISDIR(node->mode)) {
		exercise_listing(exercise, node->id, 32768, true);
		exercise_listing(exercise, node->id, 4096, false);
	}
}

/* Go through the tree below `root`, with at most `requests` listings and nodes. The launcher serves
 * directories only. */
static void exercise_served(struct exercise *exercise, struct payload *payload, uint64_t root,
                            unsigned requests)
{
	struct payload_inode directory;
	if (payload_read_inode(payload, root, &directory, NULL) != 0 || !S_ISDIR(directory.mode))
		return;
	*exercise = (struct exercise){.reply = exercise->reply, .requests = requests};
	exercise->server = (struct fuse_server_request){.payload = payload, .root = root, .owners = true};
	payload_set_follower(payload, exercise_follow, exercise);
	exercise->nodes[0] = (struct exercise_node){FUSE_ROOT_ID, S_IFDIR | 0755, 0};
	exercise->count = 1;
	while (exercise->next < exercise->count && exercise->requests > 0) {
		exercise->requests--;
		struct exercise_node node = exercise->nodes[exercise->next++];
		exercise_one(exercise, &node);
	}
}

#endif
