/* SPDX-License-Identifier: Apache-2.0
 * refuse-call RULE... -- COMMAND...: runs COMMAND where system calls fail that a policy could forbid.
 *
 * A RULE is NAME=ERRNO, or NAME:GLOB=ERRNO for what concerns a path:
 *   unshare, mount, pivot_root, memfd_create, ptrace, seccomp   the calls of that name, and what does the
 * same write:GLOB    opening a path for writing execve:GLOB   executing a path The filter is installed with
 * the rights of the caller, who must be root, before COMMAND gives them up: no_new_privs stays as it is. What
 * a filter cannot see, a path, is decided by a process that leaves when the last one under the filter has.
 * Only calls of a tracer's own are looked at under ptrace: a path that a tracer would still change reaches
 * the kernel unchanged, so no rule for execve goes together with one. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <limits.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#define NAMESPACES                                                                                           \
	(CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS |           \
	 CLONE_NEWCGROUP)

enum { RULES = 16, PROGRAM = 256 };

struct rule {
	char name[32];
	const char *glob; /* NULL: a filter decides alone */
	int error;
};

/* Which calls a rule without a path is about. */
static const struct {
	const char *rule;
	int call;
} plain[] = {
    {"unshare", SYS_unshare},       {"mount", SYS_mount},
    {"mount", SYS_fsopen},          {"mount", SYS_open_tree},
    {"mount", SYS_move_mount},      {"mount", SYS_mount_setattr},
    {"pivot_root", SYS_pivot_root}, {"memfd_create", SYS_memfd_create},
    {"ptrace", SYS_ptrace},         {"seccomp", SYS_seccomp},
};

/* Which calls have a path, and where: argument of the directory (-1: none), of the path, of the open flags.
 */
static const struct path_call {
	const char *rule;
	int call, directory, path, flags;
} with_path[] = {
    {"write", SYS_open, -1, 0, 1},     {"write", SYS_openat, 0, 1, 2},     {"write", SYS_openat2, 0, 1, -1},
    {"execve", SYS_execve, -1, 0, -1}, {"execve", SYS_execveat, 0, 1, -1},
};

static struct rule rules[RULES];
static size_t rule_count;

static void die(const char *what)
{
	fprintf(stderr, "refuse-call: %s: %s\n", what, strerror(errno));
	exit(2);
}

static void add_rule(char *text)
{
	struct rule *rule = &rules[rule_count++];
	char *equals = strrchr(text, '='), *colon = strchr(text, ':');
	if (rule_count == RULES || equals == NULL)
		die(text);
	*equals = '\0';
	rule->error = atoi(equals + 1);
	if (colon != NULL) {
		*colon = '\0';
		rule->glob = colon + 1;
	}
	snprintf(rule->name, sizeof rule->name, "%s", text);
}

static struct sock_filter program[PROGRAM];
static size_t length;

static void add(struct sock_filter statement)
{
	if (length == PROGRAM)
		die("too many rules");
	program[length++] = statement;
}

#define LOAD(member)                                                                                         \
	add((struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, member)))
#define ARGUMENT(n) args[n] /* its low half, on a little-endian machine */

/* Give `answer` for `call`, if of the bits `mask` in argument `n` one is set; without a mask always. */
static void answer_call(int call, int n, uint32_t mask, uint32_t answer)
{
	uint8_t rest = mask != 0 ? 4 : 1;
	LOAD(nr);
	add((struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)call, 0, rest));
	if (mask != 0) {
		LOAD(ARGUMENT(n));
		add((struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, mask, 0, 1));
	}
	add((struct sock_filter)BPF_STMT(BPF_RET | BPF_K, answer));
	if (mask != 0)
		add((struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW));
}

static bool write_program(void)
{
	bool notifies = false;
	for (size_t r = 0; r < rule_count; r++) {
		uint32_t refused = SECCOMP_RET_ERRNO | (uint32_t)rules[r].error;
		size_t before = length;
		for (size_t i = 0; i < sizeof plain / sizeof *plain; i++)
			if (rules[r].glob == NULL && strcmp(rules[r].name, plain[i].rule) == 0)
				answer_call(plain[i].call, 0, 0, refused);
		/* As Docker's filter does: the flags of clone3 cannot be seen, and the C library goes on with
		 * clone. */
		if (strcmp(rules[r].name, "unshare") == 0) {
			answer_call(SYS_clone, 0, NAMESPACES, refused);
			answer_call(SYS_clone3, 0, 0, SECCOMP_RET_ERRNO | ENOSYS);
		}
		for (size_t i = 0; i < sizeof with_path / sizeof *with_path; i++) {
			const struct path_call *about = &with_path[i];
			if (rules[r].glob == NULL || strcmp(rules[r].name, about->rule) != 0)
				continue;
			answer_call(about->call, about->flags, about->flags < 0 ? 0 : O_ACCMODE,
			            SECCOMP_RET_USER_NOTIF);
			notifies = true;
		}
		if (length == before)
			die(rules[r].name);
	}
	add((struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW));
	return notifies;
}

/* The path of a call, made absolute by the caller's directory; false when it cannot be read any more. */
static bool path_of(const struct seccomp_notif *call, const struct path_call *about, char *path)
{
	char found[PATH_MAX] = "", link[64];
	uint64_t address = call->data.args[about->path];
	for (size_t got = 0; got < sizeof found - 1; got++) {
		/* Byte by byte: what follows the string may not be mapped. */
		struct iovec here = {found + got, 1}, there = {(void *)(uintptr_t)(address + got), 1};
		if (process_vm_readv((pid_t)call->pid, &here, 1, &there, 1, 0) != 1)
			return false;
		if (found[got] == '\0')
			break;
	}
	int directory = about->directory < 0 ? AT_FDCWD : (int)call->data.args[about->directory];
	if (directory == AT_FDCWD)
		snprintf(link, sizeof link, "/proc/%u/cwd", call->pid);
	else
		snprintf(link, sizeof link, "/proc/%u/fd/%d", call->pid, directory);
	char base[PATH_MAX];
	ssize_t size = found[0] == '/' ? 0 : readlink(link, base, sizeof base - 1);
	base[size < 0 ? 0 : size] = '\0';
	return snprintf(path, 2 * PATH_MAX, "%s%s%s", base, found[0] == '/' || found[0] == '\0' ? "" : "/",
	                found) > 0;
}

static int error_for(const struct seccomp_notif *call)
{
	char path[2 * PATH_MAX];
	for (size_t i = 0; i < sizeof with_path / sizeof *with_path; i++) {
		if (call->data.nr != with_path[i].call || !path_of(call, &with_path[i], path))
			continue;
		for (size_t r = 0; r < rule_count; r++)
			if (rules[r].glob != NULL && strcmp(rules[r].name, with_path[i].rule) == 0 &&
			    fnmatch(rules[r].glob, path, 0) == 0)
				return rules[r].error;
	}
	return 0;
}

/* Decide until the last process under the filter has gone. */
static void supervise(int listener)
{
	int null = open("/dev/null", O_RDWR);
	for (int i = 0; i < 3; i++)
		dup2(null, i);
	struct pollfd polled = {.fd = listener, .events = POLLIN};
	while (poll(&polled, 1, -1) >= 0 && (polled.revents & POLLHUP) == 0) {
		struct seccomp_notif call = {0};
		if (ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &call) != 0)
			continue;
		int error = error_for(&call);
		struct seccomp_notif_resp response = {.id = call.id,
		                                      .error = -error,
		                                      .flags =
		                                          error != 0 ? 0 : SECCOMP_USER_NOTIF_FLAG_CONTINUE};
		(void)ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &response);
	}
	_exit(0);
}

int main(int argc, char **argv)
{
	int first = 1, ends[2];
	for (; first < argc && strcmp(argv[first], "--") != 0; first++)
		add_rule(argv[first]);
	if (first + 1 >= argc || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
		die("usage: refuse-call RULE... -- COMMAND...");
	bool notifies = write_program();
	struct sock_fprog filter = {(unsigned short)length, program};
	if (!notifies) {
		if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &filter) != 0)
			die("seccomp");
		execvp(argv[first + 1], argv + first + 1);
		die(argv[first + 1]);
	}
	/* The command is this process. Who decides takes the listener out of it, and is nobody's child. */
	pid_t command = getpid(), child = fork();
	if (child == 0) {
		int number;
		if (setsid() < 0 || fork() != 0)
			_exit(0);
		close(ends[1]);
		if (read(ends[0], &number, sizeof number) != sizeof number)
			_exit(1);
		int process = (int)syscall(SYS_pidfd_open, command, 0);
		int listener = (int)syscall(SYS_pidfd_getfd, process, number, 0);
		close(process);
		if (listener < 0 || write(ends[0], "", 1) != 1)
			_exit(1);
		close(ends[0]);
		supervise(listener);
	}
	waitpid(child, NULL, 0);
	close(ends[0]);
	int listener =
	    (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &filter);
	char taken;
	if (listener < 0 || write(ends[1], &listener, sizeof listener) != sizeof listener ||
	    read(ends[1], &taken, 1) != 1)
		die("seccomp");
	execvp(argv[first + 1], argv + first + 1);
	die(argv[first + 1]);
}
