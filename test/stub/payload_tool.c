/* SPDX-License-Identifier: Apache-2.0
 * Drives the payload reader on a bare SquashFS image, for the tests.
 *   payload_tool list IMAGE             what a walk finds, one line an inode
 *   payload_tool cat IMAGE PATH [PIECE] a file's bytes, read by payload_read_data in pieces
 *   payload_tool resume IMAGE PATH      a directory's names, the listing opened again behind each entry
 *   payload_tool find IMAGE PATH        lookup of a path
 *   payload_tool served IMAGE PATH      a file's bytes, read from its end backwards as a server reads: blocks
 *                                       decoded in part, and what follows announced on standard error
 *   payload_tool extract IMAGE DIR [THREADS [owners [ROOT]]]
 *   payload_tool progress IMAGE DIR     extract, and print what progress is reported
 *   payload_tool stop IMAGE DIR         extract, stopped at the first report of progress
 *   payload_tool check IMAGE [contents] the faults; 0 if there are none
 * Exit 0, 1 with the fault on standard error, 2 for a usage error. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "check_payload.h"
#include "extract.h"
#include "payload.h"
#include "payload_walk.h"

static int report(const struct fault *fault)
{
	fprintf(stderr, "%s%s%s\n", fault->text, fault->error != 0 ? ": " : "",
	        fault->error != 0 ? strerror(fault->error) : "");
	return 1;
}

static int print_xattr(void *context, const char *name, const void *value, size_t size)
{
	const unsigned char *bytes = value;
	(void)context;
	printf(" %s=", name);
	for (size_t i = 0; i < size; i++)
		printf("%02x", bytes[i]);
	return 0;
}

static int list(struct payload *payload, struct fault *fault)
{
	struct payload_inode root;
	if (payload_read_inode(payload, payload_root(payload), &root, fault) != 0)
		return -1;
	struct payload_walk *walk = payload_walk_open(payload, &root, fault);
	if (walk == NULL)
		return -1;
	struct payload_visit visit;
	int result;
	while ((result = payload_walk_next(walk, &visit, fault)) == 0 && visit.step != PAYLOAD_END) {
		const struct payload_inode *inode = &visit.inode;
		if (visit.step == PAYLOAD_LEAVE)
			continue;
		printf("%06o %" PRIu32 ":%" PRIu32 " %" PRIu32 " %" PRIu64 " %" PRId64 " %" PRIu32 ",%" PRIu32
		       " /%s",
		       inode->mode, inode->uid, inode->gid, inode->nlink,
		       S_ISDIR(inode->mode) ? 0 : inode->size, inode->mtime, inode->major, inode->minor,
		       visit.path);
		char target[PATH_MAX];
		if (S_ISLNK(inode->mode) && (result = payload_read_link(payload, inode, target, fault)) == 0)
			printf(" -> %s", target);
		if (result == 0)
			result = payload_visit_xattrs(payload, inode, print_xattr, NULL, fault);
		putchar('\n');
		if (result != 0)
			break;
	}
	payload_walk_close(walk);
	return result;
}

static int cat(struct payload *payload, const char *path, size_t piece, struct fault *fault)
{
	struct payload_inode inode;
	char *buffer = malloc(piece);
	int result = payload_lookup_path(payload, path, &inode, fault);
	for (uint64_t offset = 0; result == 0;) {
		ssize_t count = payload_read_data(payload, &inode, offset, buffer, piece, fault);
		if (count <= 0) {
			result = (int)count;
			break;
		}
		fwrite(buffer, 1, (size_t)count, stdout);
		offset += (uint64_t)count;
	}
	free(buffer);
	return result;
}

static int resume(struct payload *payload, const char *path, struct fault *fault)
{
	struct payload_inode inode;
	struct payload_entry entry = {.cookie = 0};
	if (payload_lookup_path(payload, path, &inode, fault) != 0)
		return -1;
	for (;;) {
		struct payload_listing listing;
		if (payload_open_listing(payload, &inode, entry.cookie, &listing, fault) != 0)
			return -1;
		int found = payload_next_entry(payload, &listing, &entry, fault);
		if (found <= 0)
			return found;
		printf("%s\n", entry.name);
	}
}

static void left_out(void *context, const char *path, const char *reason)
{
	(void)context;
	printf("%s\t%s\n", path, reason);
}

static atomic_bool stop;

static void print_progress(void *context, uint64_t done, uint64_t total)
{
	(void)context;
	printf("%" PRIu64 " of %" PRIu64 "\n", done, total);
}

static void stop_at_progress(void *context, uint64_t done, uint64_t total)
{
	(void)context, (void)done, (void)total;
	atomic_store(&stop, true);
}

static int extract(struct payload *payload, int argc, char **argv, struct fault *fault)
{
	struct extract_request request = {.payload = payload, .root = "/", .left_out = left_out};
	request.directory = open(argv[3], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (request.directory < 0)
		return fault_set(fault, errno, "opening %s", argv[3]);
	if (strcmp(argv[1], "progress") == 0)
		request.progress = print_progress;
	if (strcmp(argv[1], "stop") == 0) {
		request.progress = stop_at_progress;
		request.stop = &stop;
	}
	if (argc > 4)
		request.threads = (unsigned)atoi(argv[4]);
	if (argc > 5)
		request.owners = strcmp(argv[5], "owners") == 0;
	if (argc > 6)
		request.root = argv[6];
	int result = extract_tree(&request, fault);
	close(request.directory);
	return result;
}

static int check(int fd, uint64_t size, bool contents, struct fault *fault)
{
	struct check_report report;
	check_report_open(&report, stdout, false, size, 0);
	int result = check_payload(&report, fd, 0, size, contents, fault);
	check_report_close(&report);
	if (result == 0 && report.count > 0)
		return fault_set(fault, 0, "%" PRIu64 " faults", report.count);
	return result;
}

static int find(struct payload *payload, const char *path, struct fault *fault)
{
	struct payload_inode inode;
	if (payload_lookup_path(payload, path, &inode, fault) != 0)
		return -1;
	printf("%" PRIu32 " %06o\n", inode.number, inode.mode);
	return 0;
}

static void announce(void *context, const struct payload_block *next, bool hit)
{
	struct payload *payload = context;
	fprintf(stderr, "next %s\n", hit ? "hit" : "miss");
	payload_load_ahead(payload, next);
}

/* Pieces of 10,000 bytes, the last first: each asks a little less of a block than the one before, or more of
 * the next. */
static int served(struct payload *payload, const char *path, struct fault *fault)
{
	enum { PIECE = 10000 };
	struct payload_inode inode;
	payload_set_follower(payload, announce, payload);
	if (payload_lookup_path(payload, path, &inode, fault) != 0)
		return -1;
	char *bytes = malloc(inode.size + 1);
	for (uint64_t piece = (inode.size + PIECE - 1) / PIECE; piece-- > 0;) {
		size_t wanted = inode.size - piece * PIECE < PIECE ? inode.size - piece * PIECE : PIECE;
		ssize_t got =
		    payload_read_data(payload, &inode, piece * PIECE, bytes + piece * PIECE, wanted, fault);
		if (got != (ssize_t)wanted) {
			free(bytes);
			return got < 0 ? -1 : fault_set(fault, 0, "%zd of %zu bytes", got, wanted);
		}
	}
	fwrite(bytes, 1, inode.size, stdout);
	free(bytes);
	return 0;
}

static int run(int argc, char **argv, struct fault *fault)
{
	const char *verb = argv[1];
	int fd = open(argv[2], O_RDONLY | O_CLOEXEC);
	struct stat status;
	if (fd < 0 || fstat(fd, &status) != 0)
		return fault_set(fault, errno, "opening %s", argv[2]);
	if (strcmp(verb, "check") == 0)
		return check(fd, (uint64_t)status.st_size, argc > 3, fault);
	struct payload *payload = payload_open(fd, 0, (uint64_t)status.st_size, fault);
	int result = -1;
	if (payload == NULL)
		result = -1;
	else if (strcmp(verb, "list") == 0)
		result = list(payload, fault);
	else if (strcmp(verb, "cat") == 0 && argc > 3)
		result = cat(payload, argv[3], argc > 4 ? strtoul(argv[4], NULL, 10) : 1 << 20, fault);
	else if (strcmp(verb, "resume") == 0 && argc > 3)
		result = resume(payload, argv[3], fault);
	else if (strcmp(verb, "find") == 0 && argc > 3)
		result = find(payload, argv[3], fault);
	else if (strcmp(verb, "served") == 0 && argc > 3)
		result = served(payload, argv[3], fault);
	else if ((strcmp(verb, "extract") == 0 || strcmp(verb, "progress") == 0 ||
	          strcmp(verb, "stop") == 0) &&
	         argc > 3)
		result = extract(payload, argc, argv, fault);
	else
		fault_set(fault, EINVAL, "usage: see the head of payload_tool.c");
	payload_close(payload);
	close(fd);
	return result;
}

int main(int argc, char **argv)
{
	struct fault fault = {0};
	if (argc < 3)
		return 2;
	return run(argc, argv, &fault) == 0 && fflush(stdout) == 0 ? 0 : report(&fault);
}
