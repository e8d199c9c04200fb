/* SPDX-License-Identifier: Apache-2.0
 * A static program for test images: prints as one JSON object what the process was given, so that
 * a test can compare it with what the caller set. `witness exit N`, `witness signal N` and
 * `witness echo` (arguments, NUL-terminated) do just that instead. */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static void print_string(const char *text)
{
	putchar('"');
	for (const unsigned char *byte = (const unsigned char *)text; *byte; byte++) {
		if (*byte == '"' || *byte == '\\')
			printf("\\%c", *byte);
		else if (*byte < 0x20 || *byte >= 0x7f)
			printf("\\u%04x", *byte);
		else
			putchar(*byte);
	}
	putchar('"');
}

static void print_list(const char *name, char *const *list)
{
	printf(",\"%s\":[", name);
	for (size_t index = 0; list[index]; index++) {
		if (index)
			putchar(',');
		print_string(list[index]);
	}
	putchar(']');
}

static void print_descriptors(void)
{
	printf(",\"descriptors\":[");
	const char *separator = "";
	for (int fd = 0; fd < 1024; fd++) {
		struct stat status;
		if (fstat(fd, &status) == 0) {
			printf("%s%d", separator, fd);
			separator = ",";
		}
	}
	putchar(']');
}

static void print_signals(void)
{
	printf(",\"ignored\":[");
	const char *separator = "";
	for (int number = 1; number < 32; number++) {
		struct sigaction action;
		if (sigaction(number, NULL, &action) == 0 && action.sa_handler == SIG_IGN) {
			printf("%s%d", separator, number);
			separator = ",";
		}
	}
	sigset_t mask;
	sigprocmask(SIG_SETMASK, NULL, &mask);
	printf("],\"blocked\":[");
	separator = "";
	for (int number = 1; number < 32; number++)
		if (sigismember(&mask, number) == 1) {
			printf("%s%d", separator, number);
			separator = ",";
		}
	putchar(']');
}

int main(int argc, char **argv, char **envp)
{
	if (argc == 3 && strcmp(argv[1], "exit") == 0)
		return atoi(argv[2]);
	if (argc == 3 && strcmp(argv[1], "signal") == 0) {
		kill(getpid(), atoi(argv[2]));
		pause();
	}
	if (argc >= 2 && strcmp(argv[1], "echo") == 0) {
		for (int index = 2; index < argc; index++)
			fwrite(argv[index], 1, strlen(argv[index]) + 1, stdout);
		return 0;
	}
	errno = 0;
	pid_t waited = waitpid(-1, NULL, WNOHANG);
	int wait_error = waited < 0 ? errno : 0;
	struct rlimit files;
	getrlimit(RLIMIT_NOFILE, &files);
	struct winsize window = {0};
	int terminal = ioctl(0, TIOCGWINSZ, &window) == 0;
	cpu_set_t cpus;
	sched_getaffinity(0, sizeof cpus, &cpus);
	mode_t mask = umask(0);
	char directory[4096];
	gid_t groups[256];
	int group_count = getgroups(256, groups);
	printf("{\"pid\":%d,\"ppid\":%d,\"pgid\":%d,\"sid\":%d,\"uid\":%d,\"gid\":%d,\"umask\":%d", getpid(),
	       getppid(), getpgrp(), getsid(0), getuid(), getgid(), mask);
	printf(",\"waitErrno\":%d,\"nofile\":%llu,\"terminal\":%d,\"rows\":%d,\"columns\":%d,\"cpus\":%d",
	       wait_error, (unsigned long long)files.rlim_cur, terminal, window.ws_row, window.ws_col,
	       CPU_COUNT(&cpus));
	printf(",\"noNewPrivs\":%d,\"groupCount\":%d,\"foreground\":%d,\"cwd\":",
	       prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0), group_count, tcgetpgrp(0) == getpgrp());
	print_string(getcwd(directory, sizeof directory) ? directory : "");
	print_descriptors();
	print_signals();
	print_list("argv", argv);
	print_list("env", envp);
	puts("}");
	return 0;
}
