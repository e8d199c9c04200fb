/* SPDX-License-Identifier: Apache-2.0
 * Inodes: 16 common bytes, then a body by type. Types 1 to 7 are the basic ones, 8 to 14 the same with more
 * fields. */
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>

#include "little_endian.h"
#include "payload_internal.h"

enum { DIRECTORY = 1, FILE_TYPE, SYMLINK, BLOCK_DEVICE, CHARACTER_DEVICE, FIFO, SOCKET, EXTENDED };

#define COMMON_SIZE 16

static const uint32_t format_bits[] = {0, S_IFDIR, S_IFREG, S_IFLNK, S_IFBLK, S_IFCHR, S_IFIFO, S_IFSOCK};
static const unsigned char body_sizes[] = {0, 16, 16, 8, 8, 8, 4, 4, 24, 40, 8, 12, 12, 8, 8};

/* Linux keeps 12 bits of the major and 20 of the minor number in one word (new_encode_dev in linux/kdev_t.h).
 */
static void parse_device(struct payload_inode *inode, uint32_t device)
{
	inode->major = (device & 0xfff00) >> 8;
	inode->minor = (device & 0xff) | (device >> 12 & 0xfff00);
}

/* What a table can hold at best: three stored bytes a metadata block. */
static uint64_t table_room(const struct payload_table *table)
{
	return ((table->end - table->start) / 3 + 1) * METADATA_SIZE;
}

static int parse_directory(struct payload *payload, struct payload_inode *inode, const unsigned char *body,
                           bool extended, struct payload_position behind, struct fault *fault)
{
	uint32_t block = extended ? le32(body + 8) : le32(body);
	uint32_t size = extended ? le32(body + 4) : le16(body + 8);
	inode->nlink = extended ? le32(body) : le32(body + 4);
	inode->directory.parent = le32(body + 12);
	if (extended) {
		inode->directory.index_count = le16(body + 16);
		inode->directory.index = behind;
		inode->where.offset = le16(body + 18);
		inode->xattrs = le32(body + 20);
	} else {
		inode->where.offset = le16(body + 10);
	}
	/* The size counts 3 bytes for "." and "..", which are not stored. */
	if (size < 3 || size - 3 > table_room(&payload->directories) || inode->where.offset >= METADATA_SIZE)
		return payload_corrupt(fault, "inode %" PRIu32 ": a directory of size %" PRIu32,
		                       inode->number, size);
	inode->size = size - 3;
	inode->where.block = payload->directories.start + block;
	return 0;
}

static int parse_file(struct payload *payload, struct payload_inode *inode, const unsigned char *body,
                      bool extended, struct payload_position behind, struct fault *fault)
{
	inode->nlink = 1;
	if (extended) {
		inode->file.start = le64(body);
		inode->size = le64(body + 8);
		inode->file.sparse = le64(body + 16);
		inode->nlink = le32(body + 24);
		inode->xattrs = le32(body + 36);
		body += 28;
	} else {
		inode->file.start = le32(body);
		inode->size = le32(body + 12);
		body += 4;
	}
	inode->file.fragment = le32(body);
	inode->file.fragment_offset = le32(body + 4);
	inode->where = behind;
	inode->file.block_count = inode->size >> payload->block_log;
	uint32_t tail = (uint32_t)(inode->size & (payload->block_size - 1));
	if (inode->file.fragment == NO_FRAGMENT) {
		inode->file.block_count += tail > 0;
	} else if (tail == 0) {
		return payload_corrupt(fault, "inode %" PRIu32 ": a fragment without bytes", inode->number);
	} else if (inode->file.fragment >= payload->fragment_count ||
	           inode->file.fragment_offset > payload->block_size - tail) {
		return payload_corrupt(
		    fault, "inode %" PRIu32 ": fragment %" PRIu32 " offset %" PRIu32 " does not exist",
		    inode->number, inode->file.fragment, inode->file.fragment_offset);
	}
	/* The list of block sizes must fit into the inode table, and positions in a file are off_t. */
	if (inode->size > INT64_MAX || inode->file.block_count > table_room(&payload->inodes) / 4 ||
	    inode->file.start > payload->bytes_used)
		return payload_corrupt(fault, "inode %" PRIu32 ": a file of %" PRIu64 " bytes at %" PRIu64,
		                       inode->number, inode->size, inode->file.start);
	return 0;
}

static int parse_symlink(struct payload *payload, struct payload_inode *inode, const unsigned char *body,
                         bool extended, struct payload_position behind, struct fault *fault)
{
	inode->nlink = le32(body);
	inode->size = le32(body + 4);
	inode->where = behind;
	if (inode->size == 0 || inode->size >= PATH_MAX)
		return payload_corrupt(fault, "inode %" PRIu32 ": a symbolic link of %" PRIu64 " bytes",
		                       inode->number, inode->size);
	if (!extended)
		return 0;
	unsigned char xattrs[4];
	if (payload_skip_metadata(payload, &payload->inodes, &behind, inode->size, fault) != 0 ||
	    payload_read_metadata(payload, &payload->inodes, &behind, xattrs, sizeof xattrs, fault) != 0)
		return -1;
	inode->xattrs = le32(xattrs);
	return 0;
}

static int parse_body(struct payload *payload, struct payload_inode *inode, unsigned type,
                      const unsigned char *body, struct payload_position behind, struct fault *fault)
{
	bool extended = type >= EXTENDED;
	switch (extended ? type - 7 : type) {
	case DIRECTORY:
		return parse_directory(payload, inode, body, extended, behind, fault);
	case FILE_TYPE:
		return parse_file(payload, inode, body, extended, behind, fault);
	case SYMLINK:
		return parse_symlink(payload, inode, body, extended, behind, fault);
	case BLOCK_DEVICE:
	case CHARACTER_DEVICE:
		parse_device(inode, le32(body + 4));
		inode->xattrs = extended ? le32(body + 8) : PAYLOAD_NO_XATTRS;
		break;
	default:
		inode->xattrs = extended ? le32(body + 4) : PAYLOAD_NO_XATTRS;
	}
	inode->nlink = le32(body);
	return 0;
}

int payload_read_inode(struct payload *payload, uint64_t reference, struct payload_inode *inode,
                       struct fault *fault)
{
	struct payload_position position = {payload->inodes.start + (reference >> 16),
	                                    (uint32_t)(reference & 0xffff)};
	unsigned char common[COMMON_SIZE], body[40];
	memset(inode, 0, sizeof *inode);
	inode->reference = reference;
	inode->xattrs = PAYLOAD_NO_XATTRS;
	if (reference >> 48 != 0 || position.offset >= METADATA_SIZE)
		return payload_corrupt(fault, "inode reference %" PRIu64 " cannot be", reference);
	if (payload_read_metadata(payload, &payload->inodes, &position, common, sizeof common, fault) != 0)
		return -1;
	unsigned type = le16(common), uid = le16(common + 4), gid = le16(common + 6);
	inode->number = le32(common + 12);
	if (type == 0 || type >= sizeof body_sizes)
		return payload_corrupt(fault, "inode reference %" PRIu64 ": type %u is unknown", reference,
		                       type);
	if (uid >= payload->id_count || gid >= payload->id_count)
		return payload_corrupt(fault, "inode %" PRIu32 ": its owner is not in the table",
		                       inode->number);
	if (inode->number == 0 || inode->number > payload->inode_count)
		return payload_corrupt(fault, "inode number %" PRIu32 " of %" PRIu32, inode->number,
		                       payload->inode_count);
	inode->mode = format_bits[type >= EXTENDED ? type - 7 : type] | (le16(common + 2) & 07777);
	inode->uid = payload->ids[uid];
	inode->gid = payload->ids[gid];
	inode->mtime = le32(common + 8);
	if (payload_read_metadata(payload, &payload->inodes, &position, body, body_sizes[type], fault) != 0 ||
	    parse_body(payload, inode, type, body, position, fault) != 0)
		return -1;
	if (inode->nlink == 0)
		return payload_corrupt(fault, "inode %" PRIu32 ": no links", inode->number);
	if (inode->xattrs != PAYLOAD_NO_XATTRS && inode->xattrs >= payload->xattr_count)
		return payload_corrupt(fault,
		                       "inode %" PRIu32 ": extended attributes %" PRIu32 " do not exist",
		                       inode->number, inode->xattrs);
	return 0;
}

int payload_read_link(struct payload *payload, const struct payload_inode *inode, char *target,
                      struct fault *fault)
{
	if (!S_ISLNK(inode->mode))
		return payload_fault(fault, EINVAL, "reading inode %" PRIu32 " as a symbolic link",
		                     inode->number);
	struct payload_position position = inode->where;
	size_t length = (size_t)inode->size;
	if (payload_read_metadata(payload, &payload->inodes, &position, target, length, fault) != 0)
		return -1;
	target[length] = '\0';
	if (strlen(target) != length)
		return payload_corrupt(fault, "inode %" PRIu32 ": a link target with a NUL", inode->number);
	return 0;
}
