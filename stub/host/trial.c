/* SPDX-License-Identifier: Apache-2.0 */
#include "host/trial.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum { SECONDS = 10 };

void *trial_shared(size_t size)
{
	void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	return memory == MAP_FAILED ? NULL : memory;
}

/* A trial that hangs, on a file system of a server that does not answer for example, must not hang this. */
static void limit_time(void)
{
	sigset_t alarms;
	signal(SIGALRM, SIG_DFL);
	sigemptyset(&alarms);
	sigaddset(&alarms, SIGALRM);
	sigprocmask(SIG_UNBLOCK, &alarms, NULL);
	alarm(SECONDS);
}

static void interrupt(int signal)
{
	(void)signal;
}

void trial_reap(void)
{
	struct sigaction action = {.sa_handler = interrupt}, before;
	sigaction(SIGALRM, &action, &before); /* without SA_RESTART */
	alarm(SECONDS);
	while (waitpid(-1, NULL, __WALL) > 0)
		;
	alarm(0);
	sigaction(SIGALRM, &before, NULL);
}

int trial_run(trial_function *function, void *context, struct fault *fault)
{
	int status = 0;
	prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
	fflush(NULL);
	pid_t child = fork();
	if (child < 0)
		return fault_set(fault, errno, "starting a process");
	if (child == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
		limit_time();
		function(context);
		_exit(0);
	}
	while (waitpid(child, &status, 0) < 0 && errno == EINTR)
		;
	if (WIFSIGNALED(status))
		return fault_set(fault, 0, "the process that tried it was ended by signal %d",
		                 WTERMSIG(status));
	return status == 0 ? 0
	                   : fault_set(fault, 0, "a program that was executed ended with status %d",
	                               WEXITSTATUS(status));
}

void trial_execute(const char *path)
{
	char *const arguments[] = {"launcher", "probe", NULL};
	execve(path, arguments, arguments + 2);
}
