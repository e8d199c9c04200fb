/* SPDX-License-Identifier: Apache-2.0
 * limit NAME COMMAND...: runs COMMAND as root of a user and a mount namespace in which users are themselves
 * and /proc/sys/user/NAME is 0. Other processes keep their limits. Must be root. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static void die(const char *what)
{
	perror(what);
	exit(2);
}

static void write_file(const char *path, const char *text)
{
	int file = open(path, O_WRONLY | O_CLOEXEC);
	if (file < 0 || write(file, text, strlen(text)) != (ssize_t)strlen(text))
		die(path);
	close(file);
}

/* From outside, where one may map more than oneself. */
static void map_users(pid_t process)
{
	static const char *const maps[] = {"uid_map", "gid_map"};
	char path[64];
	for (int i = 0; i < 2; i++) {
		snprintf(path, sizeof path, "/proc/%d/%s", process, maps[i]);
		write_file(path, "0 0 65536\n");
	}
}

int main(int argc, char **argv)
{
	char path[128], byte;
	int ends[2], status;
	pid_t command = getpid(), child;
	if (argc < 3 || pipe2(ends, O_CLOEXEC) != 0 || (child = fork()) < 0)
		die("usage: limit NAME COMMAND...");
	if (child == 0) {
		if (read(ends[0], &byte, 1) != 1)
			return 2;
		map_users(command);
		return 0;
	}
	if (unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0 || write(ends[1], "", 1) != 1 ||
	    waitpid(child, &status, 0) != child || status != 0)
		die("unshare");
	snprintf(path, sizeof path, "/proc/sys/user/%s", argv[1]);
	write_file(path, "0");
	execvp(argv[2], argv + 2);
	die(argv[2]);
}
