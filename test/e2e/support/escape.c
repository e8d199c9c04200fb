/* SPDX-License-Identifier: Apache-2.0
 * escape HOST NOWHERE: asks every system call, by its number, for two files: one that there is on the host
 * only, and one that there is nowhere. A call that answers differently has seen the host's. Prints a line
 * `NUMBER PATTERN ANSWER ANSWER` for each of those, `io_uring` when that can be had, `foreign N` for a call
 * of another architecture that is answered with anything but ENOSYS, `pid N` for a process that no tracer was
 * told of, and at the end `asked N`. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { LAST = 600, ARGUMENTS = 6, SECONDS = 1 };

/* What stands for an argument in a pattern. */
enum { ZERO, PATH, HERE, BUFFER, TEXT, ONE, OPEN_HOW, MINUS, LINK, HOW_SIZE, DIRECTORY, LIST };

/* Shapes of calls that take a path; each is tried with each number. */
static const unsigned char patterns[][ARGUMENTS] = {
    {PATH},
    {PATH, PATH},
    {PATH, BUFFER},
    {PATH, BUFFER, ONE},
    {PATH, TEXT, BUFFER, HOW_SIZE},
    {PATH, ZERO, ZERO},
    {PATH, ONE},
    {PATH, LIST, LIST},
    {HERE, PATH},
    {HERE, PATH, ZERO, BUFFER},
    {HERE, PATH, BUFFER},
    {HERE, PATH, BUFFER, BUFFER, ZERO},
    {HERE, PATH, BUFFER, ZERO},
    {HERE, PATH, ZERO, ONE, BUFFER},
    {HERE, PATH, BUFFER, HOW_SIZE},
    {HERE, PATH, ONE, ZERO, ZERO},
    {HERE, PATH, LIST, LIST, ZERO},
    {HERE, PATH, HERE, PATH},
    {HERE, PATH, HERE, PATH, ONE},
    {HERE, PATH, ZERO, TEXT, BUFFER, HOW_SIZE},
    {HERE, PATH, ZERO, BUFFER, HOW_SIZE},
    {HERE, PATH, ZERO, BUFFER, BUFFER, ZERO},
    {HERE, PATH, OPEN_HOW, HOW_SIZE},
    {TEXT, PATH},
    {TEXT, PATH, ZERO, ZERO},
    {TEXT, HERE, PATH},
    {ONE, PATH, ZERO, BUFFER},
    {MINUS, ONE, ONE, HERE, PATH},
    {ZERO, PATH, ZERO, BUFFER},
    {DIRECTORY, PATH, ZERO},
    {LINK, ZERO, ZERO},
    {HERE, LINK, ZERO},
};
enum { COUNT = sizeof patterns / sizeof *patterns };

struct answers {
	int done;
	long of[COUNT][2];
};

/* Calls that end, stop or split this process, and those that would do harm as root. */
static int is_left_out(int number)
{
	static const int numbers[] = {
	    SYS_exit,    SYS_exit_group, SYS_rt_sigreturn, SYS_clone,   SYS_kill,    SYS_tkill,
	    SYS_tgkill,  SYS_reboot,     SYS_sync,         SYS_vhangup, SYS_setsid,  SYS_rt_sigsuspend,
	    SYS_seccomp, SYS_ptrace,     SYS_ppoll,        SYS_close,   SYS_mq_open, SYS_mq_unlink,
	    SYS_brk,     SYS_pselect6,   SYS_unshare,
#ifdef SYS_fork
	    SYS_fork,    SYS_vfork,      SYS_pause,        SYS_alarm,
#endif
	};
	for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
		if (numbers[i] == number)
			return 1;
	return number == 435; /* clone3 */
}

static int directory;
static char buffer[1 << 16], asked_path[4096], link_path[4200];

static long value(unsigned char what, const char *path)
{
	static const uint64_t open_how[3];
	static char *list[] = {"x", NULL};
	switch (what) {
	case PATH:
		return (long)path;
	case LINK:
		snprintf(link_path, sizeof link_path, "/proc/self/root%s", path);
		return (long)link_path;
	case HERE:
		return AT_FDCWD;
	case BUFFER:
		memset(buffer, 0, sizeof buffer);
		return (long)buffer;
	case TEXT:
		return (long)"user.text";
	case ONE:
		return 1;
	case OPEN_HOW:
		return (long)open_how;
	case MINUS:
		return -1;
	case HOW_SIZE:
		return sizeof open_how;
	case DIRECTORY:
		return directory;
	case LIST:
		return (long)list;
	}
	return 0;
}

static long ask(int number, const unsigned char *pattern, const char *path)
{
	long at[ARGUMENTS];
	/* At one address: where it stands for something else it must be the same. */
	snprintf(asked_path, sizeof asked_path, "%s", path);
	for (int i = 0; i < ARGUMENTS; i++)
		at[i] = value(pattern[i], asked_path);
	long answer = syscall(number, at[0], at[1], at[2], at[3], at[4], at[5]);
	return answer < 0 ? errno : 0;
}

/* In a process of its own, since some calls take its memory away. What it did not come to stays 0 and 0. */
static void ask_all(int number, const char *host, const char *nowhere, struct answers *answers)
{
	pid_t child = fork();
	if (child == 0) {
		setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
		alarm(SECONDS);
		/* Some write, or read. */
		directory = open("/", O_PATH);
		int null = open("/dev/null", O_RDWR);
		for (int fd = 0; fd <= STDERR_FILENO; fd++)
			dup2(null, fd);
		for (int i = 0; i < COUNT; i++) {
			/* execve succeeds where it can: then nothing is noted, and the exit status tells. */
			answers->of[i][1] = ask(number, patterns[i], nowhere);
			answers->of[i][0] = ask(number, patterns[i], host);
			/* What answers differently to the same question does not tell anything. */
			if (ask(number, patterns[i], nowhere) != answers->of[i][1])
				answers->of[i][0] = answers->of[i][1];
			answers->done = i + 1;
		}
		_exit(0);
	}
	int status;
	waitpid(child, &status, 0);
	/* It has become the host's program, which exits with 77. */
	if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
		answers->of[answers->done++][0] = -1;
}

#if defined(__x86_64__)
static void ask_foreign(void)
{
	long answer;
	/* getpid and openat of i386, by its own gate. */
	static const long numbers[] = {20, 295};
	for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
		__asm__ volatile("int $0x80"
		                 : "=a"(answer)
		                 : "a"(numbers[i]), "b"(0), "c"(0), "d"(0)
		                 : "memory");
		if ((int)answer != -ENOSYS)
			printf("foreign %ld\n", numbers[i]);
	}
	if (syscall(0x40000000 | SYS_getpid) != -1 || errno != ENOSYS)
		printf("foreign x32\n");
}
#else
static void ask_foreign(void)
{
}
#endif

int main(int argc, char **argv)
{
	/* Some of the calls would change the machine for real. */
	if (argc != 3 || geteuid() == 0)
		return 2;
	struct answers *answers = mmap(NULL, sizeof *answers * (LAST + 1), PROT_READ | PROT_WRITE,
	                               MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int asked = 0;
	if (answers == MAP_FAILED)
		return 2;
	for (int number = 0; number <= LAST; number++) {
		if (is_left_out(number))
			continue;
		fflush(stdout);
		ask_all(number, argv[1], argv[2], &answers[number]);
		asked++;
		for (int i = 0; i < answers[number].done; i++)
			if (answers[number].of[i][0] != answers[number].of[i][1])
				printf("%d %d %ld %ld\n", number, i, answers[number].of[i][0],
				       answers[number].of[i][1]);
	}
	if (syscall(425, 1, buffer) >= 0 || errno != ENOSYS)
		printf("io_uring\n");
	pid_t untraced = (pid_t)syscall(SYS_clone, CLONE_UNTRACED | SIGCHLD, 0, 0, 0, 0);
	if (untraced == 0)
		_exit(0);
	if (untraced > 0)
		printf("pid %d\n", untraced);
	ask_foreign();
	printf("asked %d\n", asked);
	return 0;
}
