/* SPDX-License-Identifier: Apache-2.0
 * A static program for test images that does what the lines on its standard input say, one line of answer for
 * each: a sum over what was read, or the name of the error. It prints `ready PID` once every page it is made
 * of is in memory, so that it goes on when the file system under it is gone. It ends with status 0 at the end
 * of input. */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static int held = -1;
static const unsigned char *mapped;
static size_t mapped_size;
static sigjmp_buf on_bus_error;
static volatile sig_atomic_t caught[65];

static void fail(int error)
{
	static const struct {
		int number;
		const char *name;
	} names[] = {
	    {ECHILD, "ECHILD"}, {ECONNABORTED, "ECONNABORTED"}, {EIO, "EIO"},       {ENOENT, "ENOENT"},
	    {EROFS, "EROFS"},   {ENOTCONN, "ENOTCONN"},         {EACCES, "EACCES"},
	};
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		if (names[i].number == error) {
			printf("%s\n", names[i].name);
			return;
		}
	}
	printf("errno %d\n", error);
}

/* FNV-1a, continued. */
static uint32_t sum(uint32_t hash, const unsigned char *bytes, size_t size)
{
	for (size_t i = 0; i < size; i++)
		hash = (hash ^ bytes[i]) * 16777619u;
	return hash;
}

static void read_rest(int file)
{
	static unsigned char bytes[65536];
	uint32_t hash = 2166136261u;
	ssize_t got = -1;
	if (file >= 0)
		while ((got = read(file, bytes, sizeof bytes)) > 0)
			hash = sum(hash, bytes, (size_t)got);
	if (got < 0)
		fail(errno);
	else
		printf("%08x\n", hash);
}

static void read_file(const char *path)
{
	int file = open(path, O_RDONLY | O_CLOEXEC);
	read_rest(file);
	if (file >= 0)
		close(file);
}

static void hold(const char *path)
{
	held = open(path, O_RDONLY | O_CLOEXEC);
	if (held < 0)
		fail(errno);
	else
		puts("held");
}

static void map(const char *path, int flags)
{
	struct stat status;
	int file = open(path, O_RDONLY | O_CLOEXEC);
	void *address = MAP_FAILED;
	if (file >= 0 && fstat(file, &status) == 0)
		address = mmap(NULL, (size_t)status.st_size, PROT_READ, flags, file, 0);
	if (address == MAP_FAILED) {
		fail(errno);
	} else {
		mapped = address;
		mapped_size = (size_t)status.st_size;
		puts("mapped");
	}
	if (file >= 0)
		close(file);
}

static void bus_error(int signal)
{
	siglongjmp(on_bus_error, signal);
}

static void touch(void)
{
	signal(SIGBUS, bus_error);
	if (sigsetjmp(on_bus_error, 1) != 0)
		puts("SIGBUS");
	else
		printf("%08x\n", sum(2166136261u, mapped, mapped_size));
	signal(SIGBUS, SIG_DFL);
}

/* Start `path` in `count` processes at once; say how they ended, if all ended alike. */
static void execute(const char *path, int count)
{
	int first = 0, status, ends[2], error = 0;
	bool alike = true;
	if (pipe2(ends, O_CLOEXEC) != 0)
		abort();
	fflush(stdout);
	for (int i = 0; i < count; i++) {
		pid_t child = fork();
		if (child == 0) {
			execl(path, path, (char *)NULL);
			error = errno;
			_exit(write(ends[1], &error, sizeof error) == sizeof error ? 1 : 2);
		}
		if (child < 0)
			abort();
	}
	close(ends[1]);
	for (int i = 0; i < count; i++) {
		if (wait(&status) < 0)
			abort();
		alike = alike && (i == 0 || status == first);
		first = status;
	}
	if (read(ends[0], &error, sizeof error) == sizeof error)
		fail(error);
	else if (!alike)
		puts("not alike");
	else if (WIFSIGNALED(first))
		printf("signal %d\n", WTERMSIG(first));
	else
		printf("exit %d\n", WEXITSTATUS(first));
	close(ends[0]);
}

static void list(const char *path)
{
	struct dirent *entry;
	int count = 0;
	DIR *stream = opendir(path);
	if (stream == NULL) {
		fail(errno);
		return;
	}
	errno = 0;
	while ((entry = readdir(stream)) != NULL)
		count += entry->d_name[0] != '.';
	if (errno != 0)
		fail(errno);
	else
		printf("%d\n", count);
	closedir(stream);
}

static void look(const char *path)
{
	struct stat status;
	if (lstat(path, &status) != 0)
		fail(errno);
	else
		printf("%u:%u %o %lld\n", status.st_uid, status.st_gid, status.st_mode & 07777,
		       (long long)status.st_size);
}

static void write_file(const char *path)
{
	int file = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
	if (file < 0 || write(file, "written\n", 8) != 8)
		fail(errno);
	else
		puts("written");
	if (file >= 0)
		close(file);
}

/* The process that was started ends with `status`; its grandchild, in a session of its own, goes on. */
static void become_daemon(int status)
{
	fflush(stdout);
	if (fork() != 0)
		_exit(status);
	setsid();
	if (fork() != 0)
		_exit(0);
	printf("daemon %d\n", getpid());
}

static void count_signal(int signal)
{
	caught[signal]++;
}

static void catch_signals(void)
{
	static const int signals[] = {SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGTSTP};
	struct sigaction action = {.sa_handler = count_signal, .sa_flags = SA_RESTART};
	for (size_t i = 0; i < sizeof signals / sizeof *signals; i++)
		sigaction(signals[i], &action, NULL);
	puts("catching");
}

static void obey(char *line)
{
	char *word = strtok(line, " ");
	char *path = strtok(NULL, " ");
	int number = path != NULL ? atoi(path) : 0;
	if (strcmp(word, "read") == 0)
		read_file(path);
	else if (strcmp(word, "hold") == 0)
		hold(path);
	else if (strcmp(word, "rest") == 0)
		read_rest(held);
	else if (strcmp(word, "map") == 0)
		map(path, MAP_PRIVATE);
	else if (strcmp(word, "share") == 0)
		map(path, MAP_SHARED);
	else if (strcmp(word, "touch") == 0)
		touch();
	else if (strcmp(word, "execute") == 0)
		execute(path, 1);
	else if (strcmp(word, "storm") == 0)
		execute(path, 50);
	else if (strcmp(word, "list") == 0)
		list(path);
	else if (strcmp(word, "look") == 0)
		look(path);
	else if (strcmp(word, "write") == 0)
		write_file(path);
	else if (strcmp(word, "daemon") == 0)
		become_daemon(number);
	else if (strcmp(word, "catch") == 0)
		catch_signals();
	else if (strcmp(word, "caught") == 0)
		printf("%d\n", caught[number]);
	else if (strcmp(word, "wait") == 0)
		fail(wait(NULL) < 0 ? errno : 0);
	else if (strcmp(word, "exit") == 0)
		exit(number);
	else
		puts("what?");
}

/* Bring every page of this program into memory, and keep them there where the limit allows. */
static void stay_in_memory(void)
{
	char line[512];
	unsigned long start, end;
	char readable;
	volatile unsigned char seen;
	(void)mlockall(MCL_CURRENT);
	FILE *maps = fopen("/proc/self/maps", "re");
	while (maps != NULL && fgets(line, sizeof line, maps) != NULL) {
		if (sscanf(line, "%lx-%lx %c", &start, &end, &readable) != 3 || readable != 'r' ||
		    strstr(line, "[v") != NULL)
			continue;
		for (unsigned long page = start; page < end; page += 4096)
			seen = *(const unsigned char *)page;
	}
	(void)seen;
	if (maps != NULL)
		fclose(maps);
}

int main(void)
{
	static char line[4096];
	setvbuf(stdout, NULL, _IOLBF, BUFSIZ);
	stay_in_memory();
	printf("ready %d\n", getpid());
	while (fgets(line, sizeof line, stdin) != NULL) {
		line[strcspn(line, "\n")] = '\0';
		obey(line);
		fflush(stdout);
	}
	return 0;
}
