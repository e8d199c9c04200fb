/* SPDX-License-Identifier: Apache-2.0 */
#include "supervise.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "helper_process.h"

/* How often, 20 ms apart, a signal is followed that has met a child that blocks it. */
enum { CHECKS = 500, CHECK_NS = 20000000 };

/* How often, as far apart, is looked whether a child has stopped. */
enum { STOP_CHECKS = 50 };

struct supervisor {
	pid_t child;
	int proc;          /* the host's /proc; the child changes this process's root with its own */
	int death;         /* the signal that the child was killed for, 0 for none */
	uint64_t followed; /* a bit for each signal that was passed on while the child blocked it */
	unsigned checks;   /* how often they will still be looked at */
};

enum effect {
	EFFECT_OWN,     /* handled or ignored */
	EFFECT_PENDING, /* blocked, and waiting */
	EFFECT_BLOCKED,
	EFFECT_DEFAULT,
};

/* How the child takes `signal` at this moment, from its status file. */
static enum effect effect_now(const struct supervisor *supervisor, int signal)
{
	static const struct {
		const char *line;
		enum effect effect;
	} masks[] = {{"\nSigCgt:", EFFECT_OWN},
	             {"\nSigIgn:", EFFECT_OWN},
	             {"\nShdPnd:", EFFECT_PENDING},
	             {"\nSigBlk:", EFFECT_BLOCKED}};
	char status[8192];
	char path[32];
	snprintf(path, sizeof path, "%ld/status", (long)supervisor->child);
	int file = openat(supervisor->proc, path, O_RDONLY | O_CLOEXEC);
	ssize_t got = file < 0 ? -1 : read(file, status, sizeof status - 1);
	if (file >= 0)
		close(file);
	if (got <= 0)
		return EFFECT_OWN;
	status[got] = '\0';
	for (size_t i = 0; i < sizeof masks / sizeof *masks; i++) {
		const char *line = strstr(status, masks[i].line);
		if (line == NULL)
			return EFFECT_OWN;
		if ((strtoull(line + strlen(masks[i].line), NULL, 16) >> (signal - 1) & 1) != 0)
			return masks[i].effect;
	}
	return EFFECT_DEFAULT;
}

static bool stops(int signal)
{
	return signal == SIGTSTP || signal == SIGTTIN || signal == SIGTTOU;
}

static bool is_harmless(int signal)
{
	return signal == SIGCHLD || signal == SIGURG || signal == SIGWINCH || signal == SIGCONT;
}

void supervise_suffer(int signal)
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

/* Stop the child and wait until it has, because until then it may take what is typed for the shell. One that
 * is traced by another process may never do. */
static void stop_child(pid_t child)
{
	sigset_t changes;
	sigemptyset(&changes);
	sigaddset(&changes, SIGCHLD);
	kill(child, SIGSTOP);
	for (int checks = 0; checks < STOP_CHECKS; checks++) {
		siginfo_t info = {0};
		int options = WSTOPPED | WEXITED | WNOHANG | WNOWAIT;
		if (waitid(P_PID, (id_t)child, &info, options) != 0 || info.si_pid == child)
			return;
		const struct timespec pause = {.tv_nsec = CHECK_NS};
		sigtimedwait(&changes, NULL, &pause);
	}
}

/* Stop this process as well as the child, which may go on again by now, so that the shell sees a stopped job;
 * go on together. In a process group that nobody could continue the kernel does not stop this process, and
 * both go on at once. */
static void stop_with_child(const struct supervisor *supervisor, int signal)
{
	kill(supervisor->child, SIGSTOP);
	supervise_suffer(signal);
	kill(supervisor->child, SIGCONT);
}

/* Timers are this process's own and do not fire in the child; all else from the kernel comes from the
 * terminal, which has sent it to the child too. */
bool supervise_reached_child(const siginfo_t *info)
{
	return info->si_code == SI_KERNEL && info->si_signo != SIGALRM && info->si_signo != SIGVTALRM &&
	       info->si_signo != SIGPROF && info->si_signo != SIGXCPU;
}

/* What a signal does that nobody handles. */
static void take_default_effect(struct supervisor *supervisor, int signal)
{
	if (stops(signal)) {
		stop_child(supervisor->child);
		stop_with_child(supervisor, signal);
	} else {
		supervisor->death = signal;
		kill(supervisor->child, SIGKILL);
	}
}

void supervise_send(pid_t child, siginfo_t *info)
{
	if (info->si_code == SI_QUEUE)
		syscall(SYS_rt_sigqueueinfo, child, info->si_signo, info);
	else
		kill(child, info->si_signo);
}

static void pass_on(struct supervisor *supervisor, siginfo_t *info)
{
	int signal = info->si_signo;
	enum effect effect = is_harmless(signal) ? EFFECT_OWN : effect_now(supervisor, signal);
	if (effect == EFFECT_DEFAULT) {
		take_default_effect(supervisor, signal);
		return;
	}
	if (effect != EFFECT_OWN) {
		supervisor->followed |= (uint64_t)1 << (signal - 1);
		supervisor->checks = CHECKS;
	}
	if (!supervise_reached_child(info))
		supervise_send(supervisor->child, info);
}

/* A shell blocks signals for a moment now and then. One that came just then is dropped by the kernel when the
 * child unblocks it, which shows as neither blocked nor pending; taken by sigwait(3) it is still blocked. */
static void follow(struct supervisor *supervisor)
{
	if (supervisor->checks == 0 || --supervisor->checks == 0)
		supervisor->followed = 0;
	for (int signal = 1; signal <= 64; signal++) {
		uint64_t bit = (uint64_t)1 << (signal - 1);
		if ((supervisor->followed & bit) == 0)
			continue;
		enum effect effect = effect_now(supervisor, signal);
		if (effect == EFFECT_PENDING)
			continue;
		supervisor->followed &= ~bit;
		if (effect == EFFECT_DEFAULT)
			take_default_effect(supervisor, signal);
	}
}

_Noreturn void supervise_end_like(int status)
{
	if (WIFEXITED(status))
		_exit(WEXITSTATUS(status));
	int signal = WTERMSIG(status);
	/* The child has left a core file if there is to be one. */
	setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
	supervise_suffer(signal);
	_exit(128 + signal);
}

/* The child has changed state, or only seems to: ends with it. */
static void look_after(const struct supervisor *supervisor)
{
	int status;
	pid_t pid;
	while ((pid = waitpid(supervisor->child, &status, WNOHANG | WUNTRACED)) > 0) {
		if (WIFSTOPPED(status))
			stop_with_child(supervisor, SIGSTOP);
		else
			supervise_end_like(WIFSIGNALED(status) && supervisor->death != 0 ? supervisor->death
			                                                                 : status);
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
		follow(supervisor);
		const struct timespec pause = {.tv_nsec = CHECK_NS};
		if (sigtimedwait(&all, &info, supervisor->followed != 0 ? &pause : NULL) < 0)
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
	int proc = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
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
		if (proc >= 0)
			close(proc);
		sigprocmask(SIG_SETMASK, &before, NULL);
		return 0;
	}
	/* None of the caller's pipes may seem open because this process holds them. */
	int kept[] = {proc, ends[1]};
	helper_keep_descriptors(kept, sizeof kept / sizeof *kept);
	(void)!chdir("/");
	supervise(&(struct supervisor){.child = child, .proc = kept[0]});
}

void supervise_rearm(void)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
}
