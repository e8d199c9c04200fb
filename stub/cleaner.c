/* SPDX-License-Identifier: Apache-2.0 */
#include "cleaner.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cleaner_watch.h"
#include "container_processes.h"
#include "helper_process.h"
#include "tree_lock.h"

struct cleaner_shared {
	struct container_mark mark;
};

/* The helper itself. Its answer is 0, or why the directory could not be made. */
static _Noreturn void run_helper(struct cleaner_watch *watch, const char *name)
{
	int kept[] = {watch->control, watch->inotify, watch->program, watch->parent};
	helper_detach("rundle-cleaner", kept, sizeof kept / sizeof *kept);
	watch->control = kept[0];
	watch->inotify = kept[1];
	watch->program = kept[2];
	watch->parent = kept[3];
	snprintf(watch->name, sizeof watch->name, "%s", name);
	int lock = cleaner_watch_prepare(watch) == 0 ? tree_lock_create(watch->parent, watch->name) : -1;
	int error = lock < 0 ? errno : 0;
	(void)!write(watch->control, &error, sizeof error);
	if (lock < 0)
		_exit(1);
	cleaner_watch_run(watch);
	_exit(0);
}

static int await_reply(struct cleaner *cleaner, const char *name, struct fault *fault)
{
	int error = 0;
	ssize_t got;
	do
		got = read(cleaner->control, &error, sizeof error);
	while (got < 0 && errno == EINTR);
	if (got != sizeof error)
		error = ECHILD;
	if (error == 0)
		return 0;
	close(cleaner->control);
	if (cleaner->inotify >= 0)
		close(cleaner->inotify);
	while (waitpid(cleaner->pid, NULL, __WALL) < 0 && errno == EINTR)
		;
	cleaner->pid = 0;
	return fault_set(fault, error, "creating the temporary directory %s", name);
}

int cleaner_start(struct cleaner *cleaner, int parent, const char *name, struct fault *fault)
{
	int ends[2];
	*cleaner = (struct cleaner){.control = -1, .inotify = -1};
	cleaner->shared =
	    mmap(NULL, sizeof *cleaner->shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (cleaner->shared == MAP_FAILED || socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0)
		return fault_set(fault, errno, "preparing the helper that cleans up");
	snprintf(cleaner->shared->mark.temporary, sizeof cleaner->shared->mark.temporary, "%s", name);
	cleaner->inotify = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	struct cleaner_watch watch = {
	    .control = ends[1],
	    .inotify = cleaner->inotify,
	    .program = (int)syscall(SYS_pidfd_open, getpid(), 0),
	    .parent = parent,
	    .mark = &cleaner->shared->mark,
	    .starter = getpid(),
	};
	cleaner->pid = helper_fork();
	if (cleaner->pid == 0)
		run_helper(&watch, name);
	int error = errno;
	close(ends[1]);
	if (watch.program >= 0)
		close(watch.program);
	cleaner->control = ends[0];
	if (cleaner->pid < 0) {
		cleaner->pid = 0;
		close(ends[0]);
		return fault_set(fault, error, "starting the helper that cleans up");
	}
	return await_reply(cleaner, name, fault);
}

void cleaner_set_root(struct cleaner *cleaner, int directory)
{
	struct stat status;
	if (cleaner->pid == 0 || fstat(directory, &status) != 0)
		return;
	cleaner->shared->mark.root_device = status.st_dev;
	cleaner->shared->mark.root_inode = status.st_ino;
}

const struct container_mark *cleaner_doom(struct cleaner *cleaner, bool doomed)
{
	cleaner->shared->mark.doomed = doomed;
	return &cleaner->shared->mark;
}

void cleaner_set_namespaces(struct cleaner *cleaner, bool user_namespace)
{
	struct stat status;
	if (cleaner->pid == 0)
		return;
	if (stat("/proc/self/ns/mnt", &status) == 0)
		cleaner->shared->mark.mount_namespace = status.st_ino;
	if (user_namespace && stat("/proc/self/ns/user", &status) == 0)
		cleaner->shared->mark.user_namespace = status.st_ino;
}

void cleaner_watch_mount(struct cleaner *cleaner, const char *path)
{
	/* Any watch reports IN_UNMOUNT; this event itself never happens to the directory of a living mount.
	 */
	if (cleaner->pid != 0 && cleaner->inotify >= 0)
		inotify_add_watch(cleaner->inotify, path, IN_DELETE_SELF | IN_ONLYDIR);
}

void cleaner_finish(struct cleaner *cleaner)
{
	if (cleaner->pid == 0)
		return;
	(void)!write(cleaner->control, &(char){CLEANER_FINISH}, 1);
	while (waitpid(cleaner->pid, NULL, __WALL) < 0 && errno == EINTR)
		;
	close(cleaner->control);
	if (cleaner->inotify >= 0)
		close(cleaner->inotify);
	cleaner->pid = 0;
}
