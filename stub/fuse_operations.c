/* SPDX-License-Identifier: Apache-2.0 */
#include "fuse_operations.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>

/* The tree never changes, so entries and attributes stay valid; ten years in seconds, because some kernels
 * overflow on more. */
#define VALID_SECONDS 315360000u

/* Node ids are inode references moved by 2, because 0 and FUSE_ROOT_ID (1) are taken: no table of nodes is
 * needed and FUSE_FORGET means nothing. */
static uint64_t reference_of(const struct fuse_server_request *server, uint64_t node)
{
	return node == FUSE_ROOT_ID ? server->root : node - 2;
}

static int read_node(const struct fuse_server_request *server, uint64_t node, struct payload_inode *inode)
{
	if (node == 0)
		return -ESTALE;
	return payload_read_inode(server->payload, reference_of(server, node), inode, NULL) < 0 ? -errno : 0;
}

static void fill_attributes(const struct fuse_server_request *server, const struct payload_inode *inode,
                            struct fuse_attr *attributes)
{
	/* As the kernel's own squashfs counts: what regular files hold beside holes, whatever stores it. */
	uint64_t occupied = 0;
	if (S_ISREG(inode->mode) && inode->file.sparse < inode->size)
		occupied = inode->size - inode->file.sparse;
	*attributes = (struct fuse_attr){
	    .ino = inode->number,
	    .size = inode->size,
	    .blocks = occupied / 512 + (occupied % 512 != 0),
	    .mode = inode->mode,
	    .nlink = inode->nlink,
	    .uid = server->owners ? inode->uid : server->uid,
	    .gid = server->owners ? inode->gid : server->gid,
	    .blksize = 4096,
	};
	attributes->mtime = attributes->atime = attributes->ctime = (uint64_t)inode->mtime;
	if (S_ISCHR(inode->mode) || S_ISBLK(inode->mode))
		/* The kernel's own encoding of a device number (new_encode_dev). */
		attributes->rdev = (inode->minor & 0xffu) | inode->major << 8 | (inode->minor & ~0xffu) << 12;
}

/* A directory entry is believed only when both sides agree. A listing refers to inodes that were written
 * before it, and a directory's inode is written after its listing: so all references lead back in the table,
 * and one that leads on would let a damaged image loop. */
static int read_child(const struct fuse_server_request *server, const struct payload_inode *directory,
                      const struct payload_entry *entry, struct payload_inode *child)
{
	if (payload_read_inode(server->payload, entry->reference, child, NULL) < 0)
		return -errno;
	if ((child->mode & S_IFMT) != entry->type || child->number != entry->number)
		return -EIO;
	if (S_ISDIR(child->mode) &&
	    (child->directory.parent != directory->number || child->reference >= directory->reference))
		return -EIO;
	return 0;
}

static void fill_entry(const struct fuse_server_request *server, const struct payload_inode *inode,
                       struct fuse_entry_out *out)
{
	*out = (struct fuse_entry_out){
	    .nodeid = inode->reference + 2,
	    .entry_valid = VALID_SECONDS,
	    .attr_valid = VALID_SECONDS,
	};
	fill_attributes(server, inode, &out->attr);
}

static int answer_lookup(const struct fuse_server_request *server, const struct fuse_request *request)
{
	const char *name = request->body;
	size_t length = strnlen(name, request->length);
	if (length == request->length)
		return -EINVAL;
	struct payload_inode directory, child;
	int error = read_node(server, request->header->nodeid, &directory);
	if (error < 0)
		return error;
	struct fuse_entry_out *out = (struct fuse_entry_out *)request->reply;
	struct payload_entry entry;
	if (length > PAYLOAD_NAME_MAX)
		return -ENAMETOOLONG;
	if (payload_lookup(server->payload, &directory, name, length, &entry, NULL) < 0) {
		if (errno != ENOENT)
			return -errno;
		/* Node 0 lets the kernel remember that there is no such name. */
		*out = (struct fuse_entry_out){.entry_valid = VALID_SECONDS};
		return sizeof *out;
	}
	error = read_child(server, &directory, &entry, &child);
	if (error < 0)
		return error;
	fill_entry(server, &child, out);
	return sizeof *out;
}

static int answer_getattr(const struct fuse_server_request *server, const struct fuse_request *request)
{
	struct payload_inode inode;
	int error = read_node(server, request->header->nodeid, &inode);
	if (error < 0)
		return error;
	struct fuse_attr_out *out = (struct fuse_attr_out *)request->reply;
	*out = (struct fuse_attr_out){.attr_valid = VALID_SECONDS};
	fill_attributes(server, &inode, &out->attr);
	return sizeof *out;
}

static int answer_readlink(const struct fuse_server_request *server, const struct fuse_request *request)
{
	struct payload_inode inode;
	int error = read_node(server, request->header->nodeid, &inode);
	if (error < 0)
		return error;
	if (payload_read_link(server->payload, &inode, request->reply, NULL) < 0)
		return -errno;
	return (int)strnlen(request->reply, PATH_MAX);
}

static int answer_read(const struct fuse_server_request *server, const struct fuse_request *request)
{
	const struct fuse_read_in *in = request->body;
	if (request->length < sizeof *in)
		return -EINVAL;
	struct payload_inode inode;
	int error = read_node(server, request->header->nodeid, &inode);
	if (error < 0)
		return error;
	size_t size = in->size < FUSE_REPLY_MAX ? in->size : FUSE_REPLY_MAX;
	ssize_t count = payload_read_data(server->payload, &inode, in->offset, request->reply, size, NULL);
	return count < 0 ? -errno : (int)count;
}

/* Positions in a listing: 0 and 1 stand before "." and "..", 2 before the first name, then come the reader's
 * cookies moved by 2. */
struct listing {
	const struct fuse_server_request *server;
	const struct payload_inode *directory;
	char *out;
	size_t used, room;
	bool plus;
};

/* Add one entry; false when there is no more room. `child` is NULL for "." and "..", for which the kernel
 * wants no node. */
static bool add_entry(struct listing *listing, const char *name, size_t length, uint64_t number,
                      uint32_t type, uint64_t next, const struct payload_inode *child)
{
	size_t before = listing->plus ? offsetof(struct fuse_direntplus, dirent) : 0;
	size_t size = FUSE_DIRENT_ALIGN(before + FUSE_NAME_OFFSET + length);
	if (size > listing->room - listing->used)
		return false;
	char *place = listing->out + listing->used;
	memset(place, 0, size);
	if (listing->plus && child)
		fill_entry(listing->server, child, &((struct fuse_direntplus *)place)->entry_out);
	struct fuse_dirent *entry = (struct fuse_dirent *)(place + before);
	entry->ino = number;
	entry->off = next;
	entry->namelen = (uint32_t)length;
	entry->type = type >> 12;
	memcpy(entry->name, name, length);
	listing->used += size;
	return true;
}

static int answer_readdir(const struct fuse_server_request *server, const struct fuse_request *request,
                          bool plus)
{
	const struct fuse_read_in *in = request->body;
	if (request->length < sizeof *in)
		return -EINVAL;
	struct payload_inode directory;
	int error = read_node(server, request->header->nodeid, &directory);
	if (error < 0)
		return error;
	if (!S_ISDIR(directory.mode))
		return -ENOTDIR;
	struct listing listing = {
	    .server = server,
	    .directory = &directory,
	    .out = request->reply,
	    .room = in->size < FUSE_REPLY_MAX ? in->size : FUSE_REPLY_MAX,
	    .plus = plus,
	};
	uint64_t position = in->offset;
	if (position == 0) {
		if (!add_entry(&listing, ".", 1, directory.number, S_IFDIR, 1, NULL))
			return -EINVAL;
		position = 1;
	}
	if (position == 1) {
		uint32_t parent =
		    request->header->nodeid == FUSE_ROOT_ID ? directory.number : directory.directory.parent;
		if (!add_entry(&listing, "..", 2, parent, S_IFDIR, 2, NULL))
			return (int)listing.used;
		position = 2;
	}
	struct payload_listing names;
	if (payload_open_listing(server->payload, &directory, position - 2, &names, NULL) < 0)
		return listing.used > 0 ? (int)listing.used : -errno;
	for (;;) {
		struct payload_entry entry;
		struct payload_inode child;
		int found = payload_next_entry(server->payload, &names, &entry, NULL);
		if (found == 0)
			break;
		/* What was read before damage is still given; the next call meets it first. */
		if (found < 0)
			return listing.used > 0 ? (int)listing.used : -errno;
		/* An entry without node is looked up when it is wanted: a damaged inode hides none of the
		 * others.
		 */
		bool whole = plus && read_child(server, &directory, &entry, &child) == 0;
		if (!add_entry(&listing, entry.name, entry.length, entry.number, entry.type, entry.cookie + 2,
		               whole ? &child : NULL))
			break;
	}
	return (int)listing.used;
}

static int answer_statfs(const struct fuse_server_request *server, const struct fuse_request *request)
{
	struct fuse_statfs_out *out = (struct fuse_statfs_out *)request->reply;
	*out = (struct fuse_statfs_out){.st = {
	                                    .blocks = payload_bytes_used(server->payload) / 4096 + 1,
	                                    .files = payload_inode_count(server->payload),
	                                    .bsize = 4096,
	                                    .frsize = 4096,
	                                    .namelen = PAYLOAD_NAME_MAX,
	                                }};
	return sizeof *out;
}

/* Both attribute requests ask with size 0 how long the answer would be. */
struct attribute_search {
	const char *wanted; /* NULL: list the names */
	char *out;
	size_t used, room;
	bool found, overflow;
};

static int visit_attribute(void *context, const char *name, const void *value, size_t size)
{
	struct attribute_search *search = context;
	if (search->wanted && strcmp(search->wanted, name) != 0)
		return 0;
	const void *bytes = search->wanted ? value : name;
	size_t length = search->wanted ? size : strlen(name) + 1;
	search->found = true;
	if (search->room > 0) {
		if (length > search->room - search->used) {
			search->overflow = true;
			return 1;
		}
		memcpy(search->out + search->used, bytes, length);
	}
	search->used += length;
	return search->wanted ? 1 : 0;
}

static int answer_attributes(const struct fuse_server_request *server, const struct fuse_request *request,
                             bool list)
{
	const struct fuse_getxattr_in *in = request->body;
	if (request->length < sizeof *in)
		return -EINVAL;
	const char *name = (const char *)request->body + sizeof *in;
	if (!list && strnlen(name, request->length - sizeof *in) == request->length - sizeof *in)
		return -EINVAL;
	struct payload_inode inode;
	int error = read_node(server, request->header->nodeid, &inode);
	if (error < 0)
		return error;
	struct attribute_search search = {
	    .wanted = list ? NULL : name,
	    .out = request->reply,
	    .room = in->size < FUSE_REPLY_MAX ? in->size : FUSE_REPLY_MAX,
	};
	if (inode.xattrs != PAYLOAD_NO_XATTRS &&
	    payload_visit_xattrs(server->payload, &inode, visit_attribute, &search, NULL) < 0)
		return -errno;
	if (search.overflow)
		return -ERANGE;
	if (!list && !search.found)
		return -ENODATA;
	if (in->size > 0)
		return (int)search.used;
	*(struct fuse_getxattr_out *)request->reply =
	    (struct fuse_getxattr_out){.size = (uint32_t)search.used};
	return sizeof(struct fuse_getxattr_out);
}

int fuse_answer(const struct fuse_server_request *server, const struct fuse_request *request)
{
	switch (request->header->opcode) {
	case FUSE_LOOKUP:
		return answer_lookup(server, request);
	case FUSE_GETATTR:
		return answer_getattr(server, request);
	case FUSE_READLINK:
		return answer_readlink(server, request);
	case FUSE_READ:
		return answer_read(server, request);
	case FUSE_READDIR:
		return answer_readdir(server, request, false);
	case FUSE_READDIRPLUS:
		return answer_readdir(server, request, true);
	case FUSE_STATFS:
		return answer_statfs(server, request);
	case FUSE_GETXATTR:
		return answer_attributes(server, request, false);
	case FUSE_LISTXATTR:
		return answer_attributes(server, request, true);
	case FUSE_RELEASE:
	case FUSE_RELEASEDIR:
	case FUSE_FSYNC:
	case FUSE_FSYNCDIR:
	case FUSE_DESTROY:
		return 0;
	default:
		/* Also for FUSE_OPEN and FUSE_OPENDIR: the kernel then opens without asking, from the second
		 * time on. */
		return -ENOSYS;
	}
}
