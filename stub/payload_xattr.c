/* SPDX-License-Identifier: Apache-2.0
 * Extended attributes: an inode's index leads to an entry (reference, count, size), that to names and values.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "little_endian.h"
#include "payload_internal.h"

#define ENTRY_SIZE 16u
#define KEY_OUT_OF_LINE 0x100u /* the value's place holds a reference to it */
#define KEY_PREFIX 0xffu
#define NAME_MAX_SIZE 255u
#define VALUE_MAX_SIZE 65536u
/* XATTR_LIST_MAX is 65536 bytes, a name and its NUL take at least two. */
#define COUNT_MAX 32768u

static const char *const prefixes[] = {"user.", "trusted.", "security."};

static int read_name(struct payload *payload, struct payload_position *position, char *name,
                     bool *out_of_line, struct fault *fault)
{
	unsigned char key[4];
	if (payload_read_metadata(payload, &payload->others, position, key, sizeof key, fault) != 0)
		return -1;
	*out_of_line = le16(key) & KEY_OUT_OF_LINE;
	unsigned prefix = le16(key) & KEY_PREFIX, length = le16(key + 2);
	if (prefix >= sizeof prefixes / sizeof *prefixes || length == 0 ||
	    strlen(prefixes[prefix]) + length > NAME_MAX_SIZE)
		return payload_corrupt(fault, "an extended attribute of kind %u with a name of %u bytes",
		                       prefix, length);
	size_t start = strlen(prefixes[prefix]);
	memcpy(name, prefixes[prefix], start);
	if (payload_read_metadata(payload, &payload->others, position, name + start, length, fault) != 0)
		return -1;
	name[start + length] = '\0';
	if (strlen(name) != start + length)
		return payload_corrupt(fault, "an extended attribute's name with a NUL");
	return 0;
}

static int read_size(struct payload *payload, struct payload_position *position, uint32_t *size,
                     struct fault *fault)
{
	unsigned char bytes[4];
	if (payload_read_metadata(payload, &payload->others, position, bytes, sizeof bytes, fault) != 0)
		return -1;
	*size = le32(bytes);
	if (*size > VALUE_MAX_SIZE)
		return payload_corrupt(fault, "an extended attribute's value of %" PRIu32 " bytes", *size);
	return 0;
}

static struct payload_position at_reference(const struct payload *payload, uint64_t reference)
{
	return (struct payload_position){payload->xattr_start + (reference >> 16),
	                                 (uint32_t)(reference & 0xffff)};
}

/* `value` has room for VALUE_MAX_SIZE bytes. */
static int read_value(struct payload *payload, struct payload_position *position, bool out_of_line,
                      unsigned char *value, uint32_t *size, struct fault *fault)
{
	if (read_size(payload, position, size, fault) != 0)
		return -1;
	if (!out_of_line)
		return payload_read_metadata(payload, &payload->others, position, value, *size, fault);
	unsigned char reference[8];
	if (*size != sizeof reference)
		return payload_corrupt(fault, "an extended attribute's reference of %" PRIu32 " bytes",
		                       *size);
	if (payload_read_metadata(payload, &payload->others, position, reference, sizeof reference, fault) !=
	    0)
		return -1;
	struct payload_position elsewhere = at_reference(payload, le64(reference));
	if (read_size(payload, &elsewhere, size, fault) != 0)
		return -1;
	return payload_read_metadata(payload, &payload->others, &elsewhere, value, *size, fault);
}

int payload_visit_xattrs(struct payload *payload, const struct payload_inode *inode,
                         payload_xattr_visitor *visit, void *context, struct fault *fault)
{
	if (inode->xattrs == PAYLOAD_NO_XATTRS)
		return 0;
	struct payload_position position;
	unsigned char entry[ENTRY_SIZE];
	if (payload_locate_entry(payload, payload->xattr_pointers, inode->xattrs, sizeof entry, &position,
	                         fault) != 0 ||
	    payload_read_metadata(payload, &payload->others, &position, entry, sizeof entry, fault) != 0)
		return -1;
	uint32_t count = le32(entry + 8);
	if (count > COUNT_MAX)
		return payload_corrupt(fault, "inode %" PRIu32 ": %" PRIu32 " extended attributes",
		                       inode->number, count);
	position = at_reference(payload, le64(entry));
	unsigned char *value = malloc(VALUE_MAX_SIZE);
	if (value == NULL)
		return payload_fault(fault, ENOMEM, "reading the payload's extended attributes");
	int result = 0;
	while (result == 0 && count-- > 0) {
		char name[NAME_MAX_SIZE + 1];
		bool out_of_line = false;
		uint32_t size = 0;
		result = read_name(payload, &position, name, &out_of_line, fault);
		if (result == 0)
			result = read_value(payload, &position, out_of_line, value, &size, fault);
		if (result == 0)
			result = visit(context, name, value, size);
	}
	free(value);
	return result;
}
