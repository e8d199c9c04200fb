/* SPDX-License-Identifier: Apache-2.0
 * fuse_damage IMAGE [DIRECTORY [READERS]]: reads lines `NAME OFFSET=HEX[,OFFSET=HEX...]` from standard input.
 * Each is a copy of the image with these bytes at these offsets, which is asked what the kernel would ask,
 * then checked, and, with DIRECTORY, mounted there by the server and gone through by READERS processes at
 * once. Prints a line for each: NAME<TAB>opened?<TAB>EIO inside<TAB>EIO by the kernel<TAB>most memory,
 * kB<TAB>findings<TAB>first finding Ends with status 1 at an answer that is neither right nor EIO, at a
 * damaged server and at one that does not end. */
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check_payload.h"
#include "fuse_exercise.h"
#include "fuse_server.h"
#include "tree_reader.h"

#define SECONDS_FOR_ONE 30
#define SERVERS 2u

static struct exercise exercise;

static _Noreturn void fail(const char *name, const char *what)
{
	fprintf(stderr, "%s: %s\n", name, what);
	exit(1);
}

/* `changes` as above; -1 when it cannot be understood. */
static int apply(unsigned char *bytes, size_t size, char *changes)
{
	for (char *change = strtok(changes, ","); change != NULL; change = strtok(NULL, ",")) {
		char *hex;
		size_t offset = strtoull(change, &hex, 10);
		if (*hex++ != '=')
			return -1;
		for (unsigned byte; sscanf(hex, "%2x", &byte) == 1; hex += 2) {
			if (offset >= size)
				return -1;
			bytes[offset++] = (unsigned char)byte;
		}
	}
	return 0;
}

/* The first finding and their number. */
static uint64_t check(int fd, size_t size, char first[1024])
{
	struct check_report report;
	struct fault fault = {0};
	char *text = NULL;
	size_t length = 0;
	FILE *stream = open_memstream(&text, &length);
	check_report_open(&report, stream, false, size, 0);
	if (check_payload(&report, fd, 0, size, true, &fault) != 0)
		check_report_fault(&report, "error", 0, "%s", fault.text);
	fclose(stream);
	snprintf(first, 1024, "%.*s", (int)strcspn(text, "\n"), text);
	free(text);
	return report.count;
}

static unsigned long peak_memory(pid_t pid)
{
	char path[64], line[256];
	unsigned long kilobytes = 0;
	snprintf(path, sizeof path, "/proc/%d/status", pid);
	FILE *file = fopen(path, "re");
	while (file != NULL && fgets(line, sizeof line, file) != NULL)
		sscanf(line, "VmHWM: %lu kB", &kilobytes);
	if (file != NULL)
		fclose(file);
	return kilobytes;
}

static _Noreturn void serve(const char *name, int image, size_t size, const char *directory, int ready)
{
	int devices[SERVERS];
	char options[128];
	struct fault fault = {0};
	struct payload *payload = payload_open(image, 0, size, &fault);
	for (unsigned i = 0; i < SERVERS; i++)
		devices[i] = open("/dev/fuse", O_RDWR | O_CLOEXEC);
	snprintf(options, sizeof options, "fd=%d,rootmode=40000,user_id=0,group_id=0,default_permissions",
	         devices[0]);
	if (payload == NULL || devices[SERVERS - 1] < 0 ||
	    mount("damaged", directory, "fuse.rundle", MS_RDONLY | MS_NOSUID | MS_NODEV, options) != 0)
		fail(name, "cannot be mounted");
	const struct fuse_server_request request = {
	    .devices = devices,
	    .device_count = SERVERS,
	    .payload = payload,
	    .root = payload_root(payload),
	    .owners = true,
	};
	close(ready);
	int result = fuse_serve(&request, &fault);
	/* Threads of the server may still run: what they hold is not lost. */
	_exit(result == 0 ? 0 : 1);
}

/* Serve the image and read it all by several processes. Returns how often they got EIO. */
static unsigned read_mounted(const char *name, int image, size_t size, const char *directory, int readers,
                             unsigned long *memory)
{
	int ready[2], counts[2], status;
	char byte;
	if (pipe2(ready, O_CLOEXEC) != 0 || pipe2(counts, O_CLOEXEC) != 0)
		fail(name, "no pipe");
	fflush(stdout);
	pid_t server = fork();
	if (server == 0) {
		/* Else the end of the last reader would not be the end of what they say. */
		close(ready[0]);
		close(counts[0]);
		close(counts[1]);
		serve(name, image, size, directory, ready[1]);
	}
	close(ready[1]);
	if (read(ready[0], &byte, 1) != 0)
		fail(name, "the server says something");
	close(ready[0]);
	for (int i = 0; i < readers; i++) {
		if (fork() != 0)
			continue;
		struct tree_reader reader = {.name = name};
		alarm(SECONDS_FOR_ONE);
		unsigned failed = read_tree(&reader, directory);
		_exit(write(counts[1], &failed, sizeof failed) == sizeof failed ? 0 : 1);
	}
	unsigned failed = 0;
	close(counts[1]);
	for (int i = 0; i < readers; i++) {
		unsigned one = 0;
		/* A reader that was stopped by its alarm gives none. */
		if (read(counts[0], &one, sizeof one) != sizeof one) {
			umount2(directory, MNT_FORCE | MNT_DETACH);
			fail(name, "a reader did not come to its end");
		}
		failed += one;
	}
	close(counts[0]);
	*memory = peak_memory(server);
	while (umount(directory) != 0 && errno == EBUSY)
		usleep(1000);
	for (int i = 0; i <= readers; i++) {
		pid_t ended = wait(&status);
		if (ended < 0 || status != 0)
			fail(name, ended == server ? "the server did not end well" : "a reader failed");
	}
	return failed;
}

static void one(const char *name, const unsigned char *bytes, size_t size, const char *directory, int readers)
{
	struct fault fault = {0};
	char first[1024] = "";
	unsigned failed = 0;
	unsigned long memory = 0;
	int image = memfd_create("image", MFD_CLOEXEC);
	if (image < 0 || write(image, bytes, size) != (ssize_t)size)
		fail(name, "no memory");
	exercise.failed = exercise.heard = 0;
	struct payload *payload = payload_open(image, 0, size, &fault);
	struct payload_inode root;
	bool served = payload != NULL &&
	              payload_read_inode(payload, payload_root(payload), &root, &fault) == 0 &&
	              S_ISDIR(root.mode);
	if (served)
		exercise_served(&exercise, payload, payload_root(payload), 4000);
	payload_close(payload);
	uint64_t findings = check(image, size, first);
	if (served && directory != NULL)
		failed = read_mounted(name, image, size, directory, readers, &memory);
	printf("%s\t%d\t%u\t%u\t%lu\t%" PRIu64 "\t%s\n", name, served, exercise.failed, failed, memory,
	       findings, first);
	close(image);
}

int main(int argc, char **argv)
{
	char line[4096];
	struct stat status;
	int source = argc > 1 ? open(argv[1], O_RDONLY | O_CLOEXEC) : -1;
	if (source < 0 || fstat(source, &status) != 0)
		return 2;
	size_t size = (size_t)status.st_size;
	unsigned char *original = malloc(size), *bytes = malloc(size);
	exercise.reply = malloc(FUSE_REPLY_MAX);
	if (read(source, original, size) != (ssize_t)size)
		return 2;
	while (fgets(line, sizeof line, stdin) != NULL) {
		char *changes = strrchr(line, ' ');
		if (changes == NULL)
			return 2;
		*changes++ = '\0';
		memcpy(bytes, original, size);
		if (apply(bytes, size, changes) != 0)
			return 2;
		one(line, bytes, size, argc > 2 ? argv[2] : NULL, argc > 3 ? atoi(argv[3]) : 1);
	}
	free(original);
	free(bytes);
	free(exercise.reply);
	close(source);
	return 0;
}
