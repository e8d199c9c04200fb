/* SPDX-License-Identifier: Apache-2.0 */
#include "cleaner_watch.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/inotify.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "stale_trees.h"

/* Polling is for kernels without pidfd_open only, and for processes that cannot be watched. */
enum { POLL_MS = 1000, SHORT_MS = 20, REMOVE_ATTEMPTS = 10 };

int cleaner_watch_prepare(struct cleaner_watch *watch)
{
	watch->death = -1;
	if (watch->program < 0) {
		sigset_t signals;
		sigemptyset(&signals);
		sigaddset(&signals, SIGUSR1);
		watch->death = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
		prctl(PR_SET_PDEATHSIG, SIGUSR1, 0, 0, 0);
	}
	return getppid() == watch->starter ? 0 : (errno = ESRCH, -1);
}

static void drop(int *descriptor)
{
	if (*descriptor >= 0)
		close(*descriptor);
	*descriptor = -1;
}

static void drain(int descriptor)
{
	char events[4096];
	while (read(descriptor, events, sizeof events) > 0)
		;
}

/* The watched mount is gone, and with it the mount namespace and all that could share it. Its numbers are
 * free for the next container then, whose processes must not be taken for this one's. */
static void read_mount_events(struct cleaner_watch *watch)
{
	_Alignas(struct inotify_event) char events[4096];
	ssize_t length;
	while ((length = read(watch->inotify, events, sizeof events)) > 0)
		for (char *at = events; at < events + length;
		     at += sizeof(struct inotify_event) + ((struct inotify_event *)at)->len)
			if (((struct inotify_event *)at)->mask & IN_UNMOUNT)
				watch->mark->mount_namespace = watch->mark->user_namespace = 0;
}

enum outcome { GO_ON, HINT, FINISH };

/* Sleep until something happens, `timeout` in milliseconds or -1. */
static enum outcome wait_for_hint(struct cleaner_watch *watch, int straggler, int timeout)
{
	struct pollfd polled[] = {
	    {.fd = watch->control, .events = POLLIN}, {.fd = watch->program, .events = POLLIN},
	    {.fd = watch->death, .events = POLLIN},   {.fd = watch->inotify, .events = POLLIN},
	    {.fd = straggler, .events = POLLIN},
	};
	int ready = poll(polled, sizeof polled / sizeof *polled, timeout);
	if (ready <= 0)
		return ready == 0 ? HINT : GO_ON;
	enum outcome outcome = GO_ON;
	if (polled[0].revents != 0) {
		char message;
		if (read(watch->control, &message, 1) == 1 && message == CLEANER_FINISH)
			return FINISH;
		drop(&watch->control); /* the program has started, or the launcher has ended */
	}
	if (polled[1].revents != 0) {
		drop(&watch->program);
		outcome = HINT;
	}
	if (polled[2].revents != 0) {
		drain(watch->death);
		/* The signal also tells of the end of a thread, and anybody of this user can send it. */
		if (getppid() != watch->starter) {
			drop(&watch->death);
			outcome = HINT;
		}
	}
	if (polled[3].revents != 0) {
		read_mount_events(watch);
		outcome = HINT;
	}
	if (polled[4].revents != 0)
		outcome = HINT;
	return outcome;
}

/* Processes are still there: wait until the one that was seen ends, or its namespace does. */
static enum outcome wait_for_straggler(struct cleaner_watch *watch, pid_t pid)
{
	int straggler = (int)syscall(SYS_pidfd_open, pid, 0);
	int timeout = straggler >= 0 ? -1 : errno == ESRCH ? SHORT_MS : POLL_MS;
	enum outcome outcome;
	do
		outcome = wait_for_hint(watch, straggler, timeout);
	while (outcome == GO_ON);
	if (straggler >= 0)
		close(straggler);
	return outcome;
}

static void remove_directory(struct cleaner_watch *watch)
{
	/* A second attempt meets what a dying thread has still written, or NFS has kept for a moment. */
	for (int attempt = 0; attempt < REMOVE_ATTEMPTS; attempt++) {
		if (tree_lock_remove(watch->parent, watch->name) == 0)
			return;
		nanosleep(&(struct timespec){.tv_nsec = 100000000}, NULL);
	}
}

void cleaner_watch_run(struct cleaner_watch *watch)
{
	stale_trees_remove(watch->parent);
	enum outcome outcome = GO_ON;
	/* While the program lives nothing is removed, whatever /proc looks like. */
	while (outcome != FINISH && (watch->program >= 0 || watch->death >= 0))
		outcome = wait_for_hint(watch, -1, -1);
	if (outcome != FINISH && watch->mark->doomed)
		container_processes_signal(watch->mark, SIGKILL);
	pid_t straggler;
	while (outcome != FINISH && container_processes_find(watch->mark, &straggler) > 0)
		outcome = wait_for_straggler(watch, straggler);
	remove_directory(watch);
}
