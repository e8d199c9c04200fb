/* SPDX-License-Identifier: Apache-2.0
 * What the benchmark runs beside or inside of what it measures: the same static program for all peers. It
 * reads commands from standard input, one a line, words separated by tabs, and answers each with one line of
 * JSON. Times are nanoseconds.
 *
 *   start PROGRAM [ARG...]            from before fork to the end: {"ns", "status"}
 *   walk DIR                          readdir and lstat of everything: {"ns", "entries"}
 *   read DIR READERS                  every regular file, in the order of readdir: {"ns", "files", "bytes"}
 *   random FILE READS PROCESSES SEED  4 KiB at random places, READS for each process: {"ns", "p50", "reads"}
 *
 * Called `true`, it does nothing: a program for small images. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define WORDS_MAX 128
#define READ_SIZE (128u << 10) /* what cat and cp ask for */
#define PAGE 4096u
#define PROCESSES_MAX 64
/* Readers share the files by handing out this many neighbours at once. */
#define FILES_AT_ONCE 16u
#define CHUNKS_MAX (1u << 20)
/* So that what a measured program leaves behind to be cleaned up does not fall into the next measurement. */
#define PAUSE_NS 10000000

extern char **environ;

static _Noreturn void fail(const char *what, const char *which)
{
	printf("{\"error\":\"%s %s: %s\"}\n", what, which, strerror(errno));
	fflush(stdout);
	exit(1);
}

static uint64_t now(void)
{
	struct timespec time;
	clock_gettime(CLOCK_MONOTONIC, &time);
	return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

static void *shared_memory(size_t size)
{
	void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (memory == MAP_FAILED)
		fail("reserving", "memory");
	return memory;
}

static void measure_start(char **argv)
{
	posix_spawn_file_actions_t actions;
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
	nanosleep(&(struct timespec){.tv_nsec = PAUSE_NS}, NULL);
	pid_t pid;
	int status;
	uint64_t start = now();
	errno = posix_spawnp(&pid, argv[0], &actions, NULL, argv, environ);
	if (errno != 0 || waitpid(pid, &status, 0) != pid)
		fail("starting", argv[0]);
	uint64_t end = now();
	posix_spawn_file_actions_destroy(&actions);
	printf("{\"ns\":%llu,\"status\":%d}\n", (unsigned long long)(end - start),
	       WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
}

/* The state of one walk. Other file systems are not entered: a container has its own /proc, which the same
 * tree mounted elsewhere has not. */
struct walk {
	dev_t device;
	uint64_t entries, files, bytes;
	bool read;
	atomic_flag *taken; /* one for each FILES_AT_ONCE files */
	char *buffer;
	bool mine; /* whether the present files fell to this reader */
};

static void read_file(struct walk *walk, int directory, const char *name)
{
	uint64_t index = walk->entries++;
	if (index % FILES_AT_ONCE == 0) {
		if (index / FILES_AT_ONCE >= CHUNKS_MAX)
			fail("counting", "files");
		walk->mine = !atomic_flag_test_and_set(&walk->taken[index / FILES_AT_ONCE]);
	}
	if (!walk->mine)
		return;
	int file = openat(directory, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (file < 0)
		fail("opening", name);
	ssize_t count;
	while ((count = read(file, walk->buffer, READ_SIZE)) > 0)
		walk->bytes += (uint64_t)count;
	if (count < 0)
		fail("reading", name);
	walk->files++;
	close(file);
}

static void walk_directory(struct walk *walk, int fd)
{
	DIR *directory = fdopendir(fd);
	if (directory == NULL)
		fail("opening", "a directory");
	for (struct dirent *entry; (errno = 0, entry = readdir(directory)) != NULL;) {
		const char *name = entry->d_name;
		struct stat status;
		if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
			continue;
		bool enter = entry->d_type == DT_DIR;
		if (!walk->read) {
			if (fstatat(dirfd(directory), name, &status, AT_SYMLINK_NOFOLLOW) != 0)
				fail("looking at", name);
			walk->entries++;
			enter = S_ISDIR(status.st_mode) && status.st_dev == walk->device;
		} else if (entry->d_type == DT_REG) {
			read_file(walk, dirfd(directory), name);
		}
		if (!enter)
			continue;
		int child = openat(dirfd(directory), name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
		if (child < 0)
			fail("opening", name);
		if (walk->read && (fstat(child, &status) != 0 || status.st_dev != walk->device))
			close(child);
		else
			walk_directory(walk, child);
	}
	if (errno != 0)
		fail("listing", "a directory");
	closedir(directory);
}

static void walk_from(struct walk *walk, const char *path)
{
	struct stat status;
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &status) != 0)
		fail("opening", path);
	walk->device = status.st_dev;
	walk_directory(walk, fd);
}

static void measure_walk(const char *path)
{
	struct walk walk = {0};
	uint64_t start = now();
	walk_from(&walk, path);
	printf("{\"ns\":%llu,\"entries\":%llu}\n", (unsigned long long)(now() - start),
	       (unsigned long long)walk.entries);
}

/* Run `work` in `count` processes that begin together; gives the time until the last has ended. */
static uint64_t run_together(unsigned count, void (*work)(unsigned index, void *context), void *context)
{
	int gate[2], failed = 0;
	if (pipe2(gate, O_CLOEXEC) != 0)
		fail("making", "a pipe");
	fflush(stdout);
	for (unsigned index = 0; index < count; index++) {
		pid_t pid = fork();
		if (pid < 0)
			fail("starting", "a reader");
		if (pid == 0) {
			char byte;
			close(gate[1]);
			if (read(gate[0], &byte, 1) != 0)
				fail("waiting for", "the start");
			work(index, context);
			_exit(0);
		}
	}
	uint64_t start = now();
	close(gate[1]);
	close(gate[0]);
	for (unsigned index = 0; index < count; index++) {
		int status;
		wait(&status);
		failed |= status;
	}
	uint64_t end = now();
	if (failed != 0) /* the reader has said why */
		exit(1);
	return end - start;
}

struct reading {
	const char *path;
	atomic_flag *taken;
	_Atomic uint64_t *totals; /* files, bytes */
};

static void read_tree(unsigned index, void *context)
{
	const struct reading *reading = context;
	struct walk walk = {.read = true, .taken = reading->taken, .buffer = malloc(READ_SIZE)};
	(void)index;
	if (walk.buffer == NULL)
		fail("reserving", "memory");
	walk_from(&walk, reading->path);
	reading->totals[0] += walk.files;
	reading->totals[1] += walk.bytes;
}

static void measure_read(const char *path, unsigned readers)
{
	struct reading reading = {
	    .path = path,
	    .taken = shared_memory(CHUNKS_MAX * sizeof *reading.taken),
	    .totals = shared_memory(2 * sizeof *reading.totals),
	};
	uint64_t ns = run_together(readers, read_tree, &reading);
	printf("{\"ns\":%llu,\"files\":%llu,\"bytes\":%llu}\n", (unsigned long long)ns,
	       (unsigned long long)reading.totals[0], (unsigned long long)reading.totals[1]);
	munmap(reading.taken, CHUNKS_MAX * sizeof *reading.taken);
	munmap(reading.totals, 2 * sizeof *reading.totals);
}

struct random_reading {
	const char *path;
	unsigned reads;
	uint64_t seed;
	uint32_t *times;
};

static void read_randomly(unsigned index, void *context)
{
	const struct random_reading *reading = context;
	static char buffer[PAGE];
	struct stat status;
	uint64_t state = (reading->seed + 1) * UINT64_C(0x9e3779b97f4a7c15) ^
	                 ((uint64_t)index + 1) * UINT64_C(0xbf58476d1ce4e5b9);
	int file = open(reading->path, O_RDONLY | O_CLOEXEC);
	if (file < 0 || fstat(file, &status) != 0 || status.st_size < PAGE)
		fail("opening", reading->path);
	for (unsigned i = 0; i < reading->reads; i++) {
		/* xorshift64: the same places for every peer */
		state ^= state << 13;
		state ^= state >> 7;
		state ^= state << 17;
		off_t place = (off_t)((state >> 11) % ((uint64_t)status.st_size / PAGE)) * PAGE;
		uint64_t start = now();
		if (pread(file, buffer, PAGE, place) != PAGE)
			fail("reading", reading->path);
		reading->times[index * reading->reads + i] = (uint32_t)(now() - start);
	}
}

static int compare_times(const void *left, const void *right)
{
	uint32_t a = *(const uint32_t *)left, b = *(const uint32_t *)right;
	return (a > b) - (a < b);
}

static void measure_random(const char *path, unsigned reads, unsigned processes, uint64_t seed)
{
	size_t count = (size_t)reads * processes;
	uint32_t *times = shared_memory(count * sizeof *times);
	struct random_reading reading = {.path = path, .reads = reads, .seed = seed, .times = times};
	uint64_t ns = run_together(processes, read_randomly, &reading);
	qsort(times, count, sizeof *times, compare_times);
	printf("{\"ns\":%llu,\"p50\":%lu,\"reads\":%zu}\n", (unsigned long long)ns,
	       (unsigned long)times[count / 2], count);
	munmap(times, count * sizeof *times);
}

static unsigned number(const char *word, unsigned limit)
{
	unsigned long value = strtoul(word, NULL, 10);
	errno = EINVAL;
	if (value == 0 || value > limit)
		fail("understanding", word);
	return (unsigned)value;
}

static void obey(char **words, unsigned count)
{
	if (count >= 2 && strcmp(words[0], "start") == 0)
		measure_start(words + 1);
	else if (count == 2 && strcmp(words[0], "walk") == 0)
		measure_walk(words[1]);
	else if (count == 3 && strcmp(words[0], "read") == 0)
		measure_read(words[1], number(words[2], PROCESSES_MAX));
	else if (count == 5 && strcmp(words[0], "random") == 0)
		measure_random(words[1], number(words[2], 1u << 20), number(words[3], PROCESSES_MAX),
		               strtoull(words[4], NULL, 10));
	else {
		errno = EINVAL;
		fail("understanding", count > 0 ? words[0] : "an empty line");
	}
	fflush(stdout);
}

int main(int argc, char **argv)
{
	const char *name = argc > 0 ? strrchr(argv[0], '/') : NULL;
	if (argc > 0 && strcmp(name ? name + 1 : argv[0], "true") == 0)
		return 0;
	char *line = NULL;
	size_t room = 0;
	for (ssize_t length; (length = getline(&line, &room, stdin)) > 0;) {
		char *words[WORDS_MAX + 1] = {0}, *rest = line;
		unsigned count = 0;
		if (line[length - 1] == '\n')
			line[length - 1] = '\0';
		for (char *word; count < WORDS_MAX && (word = strsep(&rest, "\t")) != NULL;)
			words[count++] = word;
		obey(words, count);
	}
	free(line);
	return 0;
}
