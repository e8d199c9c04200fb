/* SPDX-License-Identifier: Apache-2.0 */
#include "check_payload.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "bundle.h"
#include "payload.h"
#include "payload_walk.h"

struct check {
	struct check_report *report;
	struct payload *payload;
	uint64_t offset;
	unsigned char *buffer; /* one block, when contents are decoded, else NULL */
};

/* A corrupt payload is a finding, anything else ends the check. Returns 0 for a finding. */
static int finding(struct check *check, const char *path, struct fault *fault)
{
	if (fault->error != EIO)
		return -1;
	if (path != NULL)
		check_report_fault(check->report, "payload", check->offset, "/%.500s: %s", path, fault->text);
	else
		check_report_fault(check->report, "payload", check->offset, "%s", fault->text);
	fault_clear(fault);
	return 0;
}

static int check_file(struct check *check, const struct payload_inode *inode, struct fault *fault)
{
	struct payload_blocks blocks;
	struct payload_block block;
	int more = payload_open_blocks(check->payload, inode, 0, &blocks, fault);
	while (more == 0 && (more = payload_next_block(check->payload, inode, &blocks, &block, fault)) > 0) {
		more = 0;
		if (check->buffer != NULL && block.stored != 0)
			more = payload_decode_block(check->payload, &block, check->buffer, fault);
	}
	if (more < 0)
		return -1;
	if (payload_tail_length(check->payload, inode) == 0)
		return 0;
	if (check->buffer == NULL)
		return payload_locate_tail(check->payload, inode, &block, fault);
	struct payload_tail tail;
	if (payload_acquire_tail(check->payload, inode, &tail, fault) != 0)
		return -1;
	payload_release_tail(check->payload, &tail);
	return 0;
}

static int ignore_xattr(void *context, const char *name, const void *value, size_t size)
{
	(void)context, (void)name, (void)value, (void)size;
	return 0;
}

/* Does the directory's index lead to this entry? */
static int check_index(struct check *check, const struct payload_inode *inode,
                       const struct payload_entry *entry, struct fault *fault)
{
	struct payload_entry found;
	if (payload_lookup(check->payload, inode, entry->name, entry->length, &found, fault) != 0) {
		if (fault->error == EIO)
			return -1;
		fault_clear(fault);
	} else if (found.cookie == entry->cookie && found.reference == entry->reference) {
		return 0;
	}
	return fault_set(fault, EIO,
	                 "the payload is corrupt: inode %" PRIu32 ": the directory's index leads past \"%s\"",
	                 inode->number, entry->name);
}

/* The kernel and payload_lookup find a name only where the order says it is. */
static int check_directory(struct check *check, const struct payload_inode *inode, struct fault *fault)
{
	struct payload_listing listing;
	struct payload_entry entry;
	char before[PAYLOAD_NAME_MAX + 1] = "";
	bool indexed = check->buffer != NULL && inode->directory.index_count > 0;
	int found = payload_open_listing(check->payload, inode, 0, &listing, fault);
	while (found == 0 && (found = payload_next_entry(check->payload, &listing, &entry, fault)) > 0) {
		if (strcmp(before, entry.name) >= 0)
			return fault_set(
			    fault, EIO,
			    "the payload is corrupt: the names \"%s\" and \"%s\" are out of order", before,
			    entry.name);
		memcpy(before, entry.name, entry.length + 1);
		found = indexed ? check_index(check, inode, &entry, fault) : 0;
	}
	/* A name behind all others makes a reader go through the whole index. */
	if (found == 0 && indexed && payload_lookup(check->payload, inode, "\xff", 1, &entry, fault) != 0) {
		if (fault->error == EIO)
			return -1;
		fault_clear(fault);
	}
	return found;
}

static int check_inode(struct check *check, const struct payload_inode *inode, struct fault *fault)
{
	char target[PATH_MAX];
	int result = 0;
	if (S_ISREG(inode->mode))
		result = check_file(check, inode, fault);
	else if (S_ISLNK(inode->mode))
		result = payload_read_link(check->payload, inode, target, fault);
	else if (S_ISDIR(inode->mode))
		result = check_directory(check, inode, fault);
	if (result != 0)
		return -1;
	return payload_visit_xattrs(check->payload, inode, ignore_xattr, NULL, fault);
}

static int check_tree(struct check *check, struct fault *fault)
{
	struct payload_inode root;
	struct payload_walk *walk = NULL;
	if (payload_read_inode(check->payload, payload_root(check->payload), &root, fault) == 0) {
		if (S_ISDIR(root.mode))
			walk = payload_walk_open(check->payload, &root, fault);
		else
			fault_set(fault, EIO,
			          "the payload is corrupt: its root, inode %" PRIu32 ", is no directory",
			          root.number);
	}
	if (walk == NULL)
		return finding(check, NULL, fault);
	struct payload_visit visit;
	int result = 0;
	do {
		if (payload_walk_next(walk, &visit, fault) != 0)
			result = finding(check, NULL, fault);
		else if ((visit.step == PAYLOAD_ENTER || visit.step == PAYLOAD_ENTRY) && !visit.seen &&
		         check_inode(check, &visit.inode, fault) != 0)
			result = finding(check, visit.path, fault);
	} while (result == 0 && visit.step != PAYLOAD_END && check->report->count < CHECK_REPORT_MAX);
	payload_walk_close(walk);
	return result;
}

int check_payload(struct check_report *report, int fd, uint64_t offset, uint64_t size, bool contents,
                  struct fault *fault)
{
	struct check check = {.report = report, .offset = offset};
	check.payload = payload_open(fd, offset, size, fault);
	if (check.payload == NULL)
		return finding(&check, NULL, fault);
	int result = 0;
	if (contents) {
		check.buffer = malloc(payload_block_size(check.payload));
		if (check.buffer == NULL)
			result = fault_set(fault, ENOMEM, "checking the payload");
	}
	if (result == 0)
		result = check_tree(&check, fault);
	if (result == 0 && check_zeros(report, "padding behind the payload", fd,
	                               offset + payload_bytes_used(check.payload), offset + size) != 0)
		result = fault_set(fault, errno, "reading the payload");
	free(check.buffer);
	payload_close(check.payload);
	return result;
}
