/* SPDX-License-Identifier: Apache-2.0
 * phase [-g] [-x EXECS] [-c CHILD] NUMBER COMMAND...: runs COMMAND as the leader of a process group and kills
 * it with SIGKILL at the entry of its NUMBERth system call, counted from its EXECSth execve after the one
 * that starts COMMAND (0: from the start). With -c it kills the CHILDth process that COMMAND starts from
 * there on, at that process's own NUMBERth call; with -g the whole process group as well. Prints `killed`, or
 * `ended` when it did not come to that, the execve calls so far, and how COMMAND ended: `exit N` or `signal
 * N`. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

static pid_t leader;
static bool whole_group;

static int trace(enum __ptrace_request request, pid_t pid, long data)
{
	return (int)ptrace(request, pid, NULL, (void *)data);
}

static bool enters_call(pid_t pid)
{
	struct __ptrace_syscall_info info = {0};
	return ptrace(PTRACE_GET_SYSCALL_INFO, pid, (void *)sizeof info, &info) > 0 &&
	       info.op == PTRACE_SYSCALL_INFO_ENTRY;
}

static void start(char **command)
{
	leader = fork();
	if (leader == 0) {
		int null = open("/dev/null", O_RDWR);
		setpgid(0, 0);
		dup2(null, STDIN_FILENO);
		dup2(null, STDOUT_FILENO);
		close(null);
		trace(PTRACE_TRACEME, 0, 0);
		execvp(command[0], command);
		_exit(127);
	}
	int status;
	if (waitpid(leader, &status, 0) != leader || !WIFSTOPPED(status))
		exit(2);
}

/* The signal that a process stopped for, to be handed on; 0 when the stop comes from being traced. */
static int own_signal(pid_t pid, int status)
{
	int signal = WSTOPSIG(status);
	bool by_tracing = status >> 16 != 0 || (signal & 0x7f) == SIGTRAP;
	return by_tracing || (pid != leader && signal == SIGSTOP) ? 0 : signal;
}

static _Noreturn void report(const char *what, int execs, int status)
{
	printf("%s %d %s %d\n", what, execs, WIFEXITED(status) ? "exit" : "signal",
	       WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status));
	exit(0);
}

/* Let go of everything and see how the leader ends. */
static _Noreturn void wait_and_report(const char *what, int execs)
{
	int status;
	for (;;) {
		pid_t pid = waitpid(-1, &status, __WALL);
		if (pid < 0)
			exit(2);
		if (WIFSTOPPED(status))
			trace(PTRACE_DETACH, pid, own_signal(pid, status));
		else if (pid == leader)
			report(what, execs, status);
	}
}

static _Noreturn void kill_at(pid_t target, int execs)
{
	if (whole_group)
		kill(-leader, SIGKILL);
	kill(target, SIGKILL);
	wait_and_report("killed", execs);
}

/* A new process that has stopped before its parent told of it; 0 for none. */
static pid_t early;

/* Wait until the new process `pid` has stopped, which it does before anything else. */
static bool has_stopped(pid_t pid)
{
	if (pid == early) {
		early = 0;
		return true;
	}
	int status;
	return waitpid(pid, &status, __WALL) == pid && WIFSTOPPED(status);
}

static void leave_out(pid_t pid)
{
	if (has_stopped(pid))
		trace(PTRACE_DETACH, pid, 0);
}

/* Take over the new process `pid`. */
static void follow(pid_t pid)
{
	if (!has_stopped(pid))
		return;
	trace(PTRACE_SETOPTIONS, pid, PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL);
	trace(PTRACE_SYSCALL, pid, 0);
}

int main(int argc, char **argv)
{
	int option, wanted_execs = 0, wanted_child = 0;
	while ((option = getopt(argc, argv, "+gx:c:")) != -1) {
		if (option == 'g')
			whole_group = true;
		else if (option == 'x')
			wanted_execs = atoi(optarg);
		else if (option == 'c')
			wanted_child = atoi(optarg);
	}
	long number = atol(argv[optind]);
	start(argv + optind + 1);
	trace(PTRACE_SETOPTIONS, leader,
	      PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL | PTRACE_O_TRACEEXEC | PTRACE_O_TRACEFORK |
	          PTRACE_O_TRACEVFORK | PTRACE_O_TRACECLONE);
	trace(PTRACE_SYSCALL, leader, 0);
	pid_t target = wanted_child == 0 ? leader : 0;
	int execs = 0, children = 0;
	for (;;) {
		int status;
		pid_t pid = waitpid(-1, &status, __WALL);
		if (pid < 0)
			return 2;
		if (!WIFSTOPPED(status)) {
			if (pid == leader)
				report("ended", execs, status);
			if (pid == target)
				wait_and_report("ended", execs);
			continue;
		}
		int signal = WSTOPSIG(status), event = status >> 16;
		if (pid != leader && pid != target) {
			early = pid;
			continue;
		}
		if (event == PTRACE_EVENT_EXEC) {
			execs += pid == leader;
		} else if (event != 0) {
			unsigned long child = 0;
			ptrace(PTRACE_GETEVENTMSG, pid, NULL, &child);
			if (pid == leader && execs >= wanted_execs && ++children == wanted_child) {
				target = (pid_t)child;
				follow(target);
			} else {
				leave_out((pid_t)child);
			}
		} else if (signal == (SIGTRAP | 0x80)) {
			if (pid == target && execs >= wanted_execs && enters_call(pid) && --number == 0)
				kill_at(target, execs);
		}
		trace(PTRACE_SYSCALL, pid, own_signal(pid, status));
	}
}
