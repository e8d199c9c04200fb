/* SPDX-License-Identifier: Apache-2.0 */
#include "trace_outside.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "container_processes.h"
#include "helper_process.h"
#include "supervise.h"
#include "trace_channel.h"
#include "trace_ruleset.h"

/* Every descriptor that would outlive an exec here is the caller's. Their number, -1 without /proc. */
static int list_descriptors(int **numbers)
{
	DIR *open_ones = opendir("/proc/self/fd");
	struct dirent *entry;
	size_t count = 0;
	*numbers = NULL;
	while (open_ones != NULL && (entry = readdir(open_ones)) != NULL) {
		int fd = atoi(entry->d_name);
		int flags = entry->d_name[0] == '.' ? -1 : fcntl(fd, F_GETFD);
		if (flags < 0 || (flags & FD_CLOEXEC) != 0)
			continue;
		int *longer = realloc(*numbers, (count + 1) * sizeof **numbers);
		if (longer == NULL)
			break;
		(*numbers = longer)[count++] = fd;
	}
	if (open_ones == NULL)
		return -1;
	closedir(open_ones);
	return (int)count;
}

/* The strings of the plan in a file without a name; its descriptor, or -1. */
static int write_plan(const struct program *program, char *const *environment, int directory,
                      struct trace_order *order)
{
	static const char name[] = "trace/plan";
	int file = openat(directory, name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (file < 0 || unlinkat(directory, name, 0) != 0)
		return -1;
	int copy = fcntl(file, F_DUPFD_CLOEXEC, 0);
	FILE *stream = copy < 0 ? NULL : fdopen(copy, "w");
	if (stream == NULL)
		return -1;
	fwrite(program->directory, 1, strlen(program->directory) + 1, stream);
	for (; order->arguments < program->arguments.count; order->arguments++) {
		const char *argument = program->arguments.items[order->arguments];
		fwrite(argument, 1, strlen(argument) + 1, stream);
	}
	for (; environment[order->variables] != NULL; order->variables++)
		fwrite(environment[order->variables], 1, strlen(environment[order->variables]) + 1, stream);
	return ferror(stream) == 0 && fclose(stream) == 0 ? file : -1;
}

int trace_outside_order(struct trace_outside *outside, int remote, const struct program *program,
                        char *const *environment, int directory, int ruleset, struct fault *fault)
{
	struct sigaction child;
	int *numbers;
	int count = list_descriptors(&numbers);
	struct trace_order order = {
	    .child_ignored = sigaction(SIGCHLD, NULL, &child) == 0 && child.sa_handler == SIG_IGN,
	    .confined = ruleset >= 0,
	    .group = getpgrp(),
	    .descriptors = count > 0 ? (uint32_t)count : 0,
	    .rc = program->rc,
	};
	for (int number = 1; number <= 64; number++)
		if (sigismember(&outside->mask, number) == 1)
			order.mask |= (uint64_t)1 << (number - 1);
	int plan = write_plan(program, environment, directory, &order);
	/* `> /dev/stderr` opens the caller's file anew. */
	for (int i = 0; i < count; i++)
		trace_ruleset_allow(ruleset, numbers[i]);
	int sent[] = {remote, plan, ruleset};
	int result =
	    plan < 0 ? -1
	             : descriptors_send(outside->order, &order, sizeof order, sent, order.confined ? 3 : 2);
	for (int done = 0; result == 0 && done < count; done += (int)DESCRIPTORS_MAX) {
		int batch[DESCRIPTORS_MAX] = {0};
		unsigned size =
		    count - done < (int)DESCRIPTORS_MAX ? (unsigned)(count - done) : DESCRIPTORS_MAX;
		memcpy(batch, numbers + done, size * sizeof *batch);
		result = descriptors_send(outside->order, batch, sizeof batch, batch, size);
	}
	int error = errno;
	close(remote);
	close(outside->order);
	if (plan >= 0)
		close(plan);
	free(numbers);
	/* PRoot's end comes first where it does not run; then that is what there is to tell. */
	if (result != 0 && error != EPIPE && error != ECONNRESET)
		return fault_set(fault, error, "giving the program to PRoot");
	return 0;
}

/* The program is stopped, as the kernel keeps it only for a moment under a tracer of PRoot's kind: hold
 * everything by stopping PRoot and having every thread wait for it. Then stop too, so that the shell sees a
 * stopped job, and go on together. */
static void stop_all(const struct trace_outside *outside, const struct container_mark *mark, int signal)
{
	kill(outside->proot, SIGSTOP);
	waitpid(outside->proot, NULL, WUNTRACED);
	container_processes_stop(mark);
	supervise_suffer(signal);
	container_processes_signal(mark, SIGCONT);
}

/* How things have changed; false when there is nothing more to be heard. */
static bool read_report(const struct trace_outside *outside, const struct container_mark *mark)
{
	struct trace_report report;
	ssize_t got;
	do
		got = recv(outside->channel, &report, sizeof report, MSG_DONTWAIT);
	while (got < 0 && errno == EINTR);
	if (got != sizeof report)
		return got < 0 && errno == EAGAIN;
	if (WIFSTOPPED(report.status)) {
		stop_all(outside, mark, WSTOPSIG(report.status));
		return true;
	}
	cleaner_doom(outside->cleaner, false);
	supervise_end_like(report.status);
}

/* Signals from before the program's start have not reached it, wherever they came from. */
static void pass_signals_on(int signals, pid_t program, bool early)
{
	struct signalfd_siginfo got;
	while (read(signals, &got, sizeof got) == sizeof got) {
		siginfo_t info = {.si_signo = (int)got.ssi_signo, .si_code = got.ssi_code};
		info.si_pid = (pid_t)got.ssi_pid;
		info.si_uid = got.ssi_uid;
		info.si_value.sival_ptr = (void *)(uintptr_t)got.ssi_ptr;
		bool own = info.si_signo == SIGCHLD && info.si_code != SI_USER && info.si_code != SI_QUEUE;
		if (!own && (early || !supervise_reached_child(&info)))
			supervise_send(program, &info);
	}
}

int trace_outside_follow(struct trace_outside *outside)
{
	struct trace_report report;
	sigset_t all;
	ssize_t got;
	sigfillset(&all);
	int signals = signalfd(-1, &all, SFD_CLOEXEC | SFD_NONBLOCK);
	do
		got = recv(outside->channel, &report, sizeof report, 0);
	while (got < 0 && errno == EINTR);
	if (got != sizeof report || signals < 0)
		return -1;
	pid_t program = report.program;
	const struct container_mark *mark = cleaner_doom(outside->cleaner, true);
	/* None of the caller's pipes may seem open because this process holds them. */
	int kept[] = {outside->channel, signals};
	helper_keep_descriptors(kept, sizeof kept / sizeof *kept);
	outside->channel = kept[0];
	(void)!chdir("/");
	signal(SIGCHLD, SIG_DFL);
	for (bool early = true;; early = false) {
		struct pollfd polled[] = {{.fd = kept[1], .events = POLLIN},
		                          {.fd = kept[0], .events = POLLIN}};
		pass_signals_on(kept[1], program, early);
		/* Asked first: what was reported before its end counts. */
		bool traced = waitpid(outside->proot, NULL, WNOHANG) == 0;
		if (!read_report(outside, mark) || !traced)
			break;
		poll(polled, sizeof polled / sizeof *polled, -1);
	}
	/* PRoot was killed, or what reports to this process. */
	container_processes_signal(mark, SIGKILL);
	supervise_end_like(SIGKILL);
}
