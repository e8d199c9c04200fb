/* SPDX-License-Identifier: Apache-2.0
 * payload_mutate IMAGE SEED COUNT SCRATCH: damages the image COUNT times, each time otherwise, reads it in
 * every way and extracts every fourth to the empty directory SCRATCH. Ends with the number that could be
 * opened; a hang ends it by SIGALRM, what the sanitizers find by abort(). */
#include <fcntl.h>
#include <ftw.h>
#include <inttypes.h>
#include <sys/mman.h>
#include <unistd.h>

#include "extract.h"
#include "payload_exercise.h"

#define SECONDS_FOR_ONE 20

static uint64_t state;

/* xorshift64*: the same sequence everywhere. */
static uint64_t next_random(uint64_t below)
{
	state ^= state >> 12;
	state ^= state << 25;
	state ^= state >> 27;
	return (state * UINT64_C(2685821657736338717) >> 16) % below;
}

static void change(unsigned char *bytes, size_t size, size_t tables)
{
	static const uint64_t telling[] = {0,
	                                   1,
	                                   0x7f,
	                                   0x80,
	                                   0xff,
	                                   0x7fff,
	                                   0x8000,
	                                   0xffff,
	                                   0x7fffffff,
	                                   0x80000000,
	                                   0xffffffff,
	                                   0x7fffffffffffffff,
	                                   0xffffffffffffffff};
	/* Most of an image is data; what is worth damaging are superblock and tables. */
	size_t where = next_random(8) == 0   ? next_random(96)
	               : next_random(8) == 0 ? next_random(size)
	                                     : tables + next_random(size - tables);
	switch (next_random(4)) {
	case 0:
		bytes[where] ^= (unsigned char)(1u << next_random(8));
		break;
	case 1:
		bytes[where] = (unsigned char)next_random(256);
		break;
	default: {
		size_t width = (size_t)1 << next_random(4);
		uint64_t value = telling[next_random(sizeof telling / sizeof *telling)];
		for (size_t i = 0; i < width && where + i < size; i++)
			bytes[where + i] = (unsigned char)(value >> 8 * i);
	}
	}
}

static int remove_one(const char *path, const struct stat *status, int type, struct FTW *ftw)
{
	(void)status, (void)type;
	return ftw->level == 0 ? 0 : remove(path);
}

/* Directories first get their permissions back. */
static int unlock_one(const char *path, const struct stat *status, int type, struct FTW *ftw)
{
	(void)status, (void)ftw;
	return type == FTW_D || type == FTW_DNR ? chmod(path, 0700) : 0;
}

static void extract(int fd, uint64_t size, const char *scratch)
{
	struct fault fault = {0};
	struct payload *payload = payload_open(fd, 0, size, &fault);
	if (payload == NULL)
		return;
	int directory = open(scratch, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct extract_request request = {
	    .payload = payload, .root = "/", .directory = directory, .threads = 3};
	if (extract_tree(&request, &fault) != 0 && fault.text[0] == '\0')
		abort();
	close(directory);
	payload_close(payload);
	nftw(scratch, unlock_one, 16, FTW_PHYS);
	nftw(scratch, remove_one, 16, FTW_PHYS | FTW_DEPTH);
}

int main(int argc, char **argv)
{
	if (argc != 5)
		return 2;
	state = strtoull(argv[2], NULL, 10) * 2 + 1;
	unsigned long count = strtoul(argv[3], NULL, 10), opened = 0;
	int source = open(argv[1], O_RDONLY | O_CLOEXEC);
	struct stat status;
	if (source < 0 || fstat(source, &status) != 0)
		return 2;
	size_t size = (size_t)status.st_size, tables;
	unsigned char *original = malloc(size), *bytes = malloc(size);
	if (read(source, original, size) != (ssize_t)size)
		return 2;
	memcpy(&tables, original + 64, 8);
	FILE *sink = fopen("/dev/null", "w");
	for (unsigned long i = 0; i < count; i++) {
		memcpy(bytes, original, size);
		for (uint64_t changes = 1 + next_random(4); changes > 0; changes--)
			change(bytes, size, tables);
		size_t length = next_random(16) == 0 ? next_random(size + 1) : size;
		int fd = memfd_create("image", MFD_CLOEXEC);
		if (write(fd, bytes, length) != (ssize_t)length)
			return 2;
		alarm(SECONDS_FOR_ONE);
		opened += (unsigned long)exercise_payload(fd, length, sink);
		if (i % 4 == 0)
			extract(fd, length, argv[4]);
		alarm(0);
		close(fd);
	}
	fclose(sink);
	free(original);
	free(bytes);
	close(source);
	printf("%lu of %lu could be opened\n", opened, count);
	return 0;
}
