/* SPDX-License-Identifier: Apache-2.0
 * libFuzzer target for the answers of the FUSE server. The input is REQUESTS records of 32 bytes, then an
 * image. Each record is a request of any kind and length, first those records, then what a kernel asks that
 * walks the tree. */
#include <sys/mman.h>
#include <unistd.h>

#include "../../test/stub/fuse_exercise.h"
#include "image_mutator.h"

#define REQUESTS 8u
#define RECORD 32u
#define HEADER (REQUESTS * RECORD)

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

size_t LLVMFuzzerCustomMutator(uint8_t *bytes, size_t size, size_t limit, unsigned seed)
{
	return mutate_image(bytes, size, limit, HEADER, seed);
}

/* Record: opcode (1 byte), node (1 byte: 0 takes it from offset 8, else the n-th inode reference handed out),
 * length of the body (2 bytes), then at 8 node id, and from 16 on the body's first 16 bytes; the rest of it
 * is zero but for a name in the middle. */
static void ask(struct exercise *exercise, const uint8_t *record)
{
	static const uint8_t opcodes[] = {FUSE_LOOKUP, FUSE_GETATTR, FUSE_READLINK,    FUSE_READ,
	                                  FUSE_STATFS, FUSE_READDIR, FUSE_READDIRPLUS, FUSE_GETXATTR,
	                                  FUSE_OPEN,   FUSE_RELEASE, FUSE_LISTXATTR,   FUSE_FORGET};
	uint64_t node = le64(record + 8);
	if (record[1] > 0)
		node = exercise->nodes[record[1] % exercise->count].id;
	size_t length = le16(record + 2) % 512;
	/* Of the very size, so that reading behind it is seen. */
	uint8_t *body = malloc(length > 0 ? length : 1);
	EXPECT(body != NULL);
	memset(body, 0, length);
	memcpy(body, record + 16, length < 16 ? length : 16);
	struct fuse_in_header header = {
	    .opcode = opcodes[record[0] % sizeof opcodes], .unique = 1, .nodeid = node};
	struct fuse_request request = {
	    .header = &header, .body = body, .length = length, .reply = exercise->reply};
	int result = fuse_answer(&exercise->server, &request);
	EXPECT(result <= (int)FUSE_REPLY_MAX && result > -4096);
	free(body);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	static struct exercise exercise;
	struct fault fault = {0};
	if (size < HEADER)
		return 0;
	if (exercise.reply == NULL)
		exercise.reply = malloc(FUSE_REPLY_MAX);
	int fd = memfd_create("image", MFD_CLOEXEC);
	if (fd < 0 || write(fd, bytes + HEADER, size - HEADER) != (ssize_t)(size - HEADER))
		abort();
	struct payload *payload = payload_open(fd, 0, size - HEADER, &fault);
	if (payload != NULL) {
		exercise.count = 0;
		exercise_served(&exercise, payload, payload_root(payload), 64);
		for (unsigned i = 0; i < REQUESTS && exercise.count > 0; i++)
			ask(&exercise, bytes + i * RECORD);
		payload_close(payload);
	}
	close(fd);
	return 0;
}
