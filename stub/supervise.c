/* SPDX-License-Identifier: Apache-2.0 */
#include "supervise.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "helper_process.h"

struct supervisor {
	pid_t child;
	int proc;  /* the child's directory in the host's /proc */
	int death; /* the signal that the child was killed for, 0 for none */
};

/* How the child takes `signal`, from its status file. */
static bool has_default_effect(const struct supervisor *supervisor, int signal)
{
	char status[8192];
	int file = openat(supervisor->proc, "status", O_RDONLY | O_CLOEXEC);
	ssize_t got = file < 0 ? -1 : read(file, status, sizeof status - 1);
	if (file >= 0)
		close(file);
	if (got <= 0)
		return false;
	status[got] = '\0';
	static const char *const lines[] = {"\nSigBlk:", "\nSigIgn:", "\nSigCgt:"};
	for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
		const char *line = strstr(status, lines[i]);
		if (line == NULL || (strtoull(line + strlen(lines[i]), NULL, 16) >> (signal - 1) & 1) != 0)
			return false;
	}
	return true;
}

static bool stops(int signal)
{
	return signal == SIGTSTP || signal == SIGTTIN || signal == SIGTTOU;
}

static bool is_harmless(int signal)
{
	return signal == SIGCHLD || signal == SIGURG || signal == SIGWINCH || signal == SIGCONT;
}

/* Let `signal` have its default effect on this process. */
static void suffer(int signal)
{
	sigset_t one;
	struct sigaction action = {.sa_handler = SIG_DFL};
	sigemptyset(&one);
	sigaddset(&one, signal);
	sigaction(signal, &action, NULL);
	kill(getpid(), signal);
	sigprocmask(SIG_UNBLOCK, &one, NULL);
	sigprocmask(SIG_BLOCK, &one, NULL);
}

/* Stop the child and then this process, so that the shell sees a stopped job; go on together. In a process
 * group that nobody could continue the kernel does not stop this process, and both go on at once. */
static void stop_both(const struct supervisor *supervisor, int signal)
{
	kill(supervisor->child, SIGSTOP);
	suffer(signal);
	kill(supervisor->child, SIGCONT);
}

/* Timers are this process's own and do not fire in the child; all else from the kernel comes from the
 * terminal, which has sent it to the child too. */
static bool reached_child(const siginfo_t *info)
{
	return info->si_code == SI_KERNEL && info->si_signo != SIGALRM && info->si_signo != SIGVTALRM &&
	       info->si_signo != SIGPROF && info->si_signo != SIGXCPU;
}

static void pass_on(struct supervisor *supervisor, siginfo_t *info)
{
	int signal = info->si_signo;
	if (has_default_effect(supervisor, signal) && !is_harmless(signal)) {
		if (stops(signal)) {
			stop_both(supervisor, signal);
		} else {
			supervisor->death = signal;
			kill(supervisor->child, SIGKILL);
		}
		return;
	}
	if (reached_child(info))
		return;
	if (info->si_code == SI_QUEUE)
		syscall(SYS_rt_sigqueueinfo, supervisor->child, signal, info);
	else
		kill(supervisor->child, signal);
}

static _Noreturn void end_like(const struct supervisor *supervisor, int status)
{
	if (WIFEXITED(status))
		_exit(WEXITSTATUS(status));
	int signal = supervisor->death != 0 ? supervisor->death : WTERMSIG(status);
	/* The child has left a core file if there is to be one. */
	setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
	suffer(signal);
	_exit(128 + signal);
}

/* The child has changed state, or only seems to: ends with it. */
static void look_after(const struct supervisor *supervisor)
{
	int status;
	pid_t pid;
	while ((pid = waitpid(supervisor->child, &status, WNOHANG | WUNTRACED)) > 0) {
		if (WIFSTOPPED(status))
			stop_both(supervisor, SIGSTOP);
		else
			end_like(supervisor, status);
	}
}

static _Noreturn void supervise(struct supervisor *supervisor)
{
	sigset_t all;
	sigfillset(&all);
	/* Ignored, it would keep the child's end from waitpid. */
	struct sigaction action = {.sa_handler = SIG_DFL};
	sigaction(SIGCHLD, &action, NULL);
	for (;;) {
		siginfo_t info;
		look_after(supervisor);
		if (sigwaitinfo(&all, &info) < 0)
			continue;
		if (info.si_signo != SIGCHLD || info.si_code == SI_USER || info.si_code == SI_QUEUE)
			pass_on(supervisor, &info);
	}
}

/* In the child: whether the parent still lives, by the pipe whose other end only it holds. */
static bool parent_lives(int pipe_end)
{
	struct pollfd polled = {.fd = pipe_end, .events = POLLIN};
	return poll(&polled, 1, 0) == 0;
}

int supervise_fork(struct fault *fault)
{
	int ends[2];
	sigset_t all, before;
	if (pipe2(ends, O_CLOEXEC) != 0)
		return fault_set(fault, errno, "making a pipe to the container's first process");
	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, &before);
	pid_t child = fork();
	if (child < 0) {
		int error = errno;
		sigprocmask(SIG_SETMASK, &before, NULL);
		fault_set(fault, error, "starting the container's first process");
		return fault_hint(
		    fault, "The number of processes may be limited: ulimit -u, or pids.max of the cgroup.");
	}
	if (child == 0) {
		close(ends[1]);
		supervise_rearm();
		if (!parent_lives(ends[0]))
			_exit(125);
		close(ends[0]);
		sigprocmask(SIG_SETMASK, &before, NULL);
		return 0;
	}
	char path[32];
	snprintf(path, sizeof path, "/proc/%ld", (long)child);
	/* None of the caller's pipes may seem open because this process holds them. */
	int kept[] = {open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC), ends[1]};
	helper_keep_descriptors(kept, sizeof kept / sizeof *kept);
	(void)!chdir("/");
	supervise(&(struct supervisor){.child = child, .proc = kept[0]});
}

void supervise_rearm(void)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
}
