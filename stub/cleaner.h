/* SPDX-License-Identifier: Apache-2.0
 * The helper that removes a temporary directory when nobody needs it any more, however that came about.
 *
 * It is a clone of the launcher with exit signal 0, so that wait(2) in the program answers ECHILD; it has a
 * session of its own, no descriptor of the caller, all CPUs, and sleeps until there is a hint that the
 * container may be gone: the program's end (pidfd, Linux 5.3, else the parent-death signal), or the unmount
 * of a tmpfs that only the container's mount namespace holds (inotify). A hint is then checked in /proc. */
#ifndef RUNDLE_CLEANER_H
#define RUNDLE_CLEANER_H

#include <stdbool.h>
#include <sys/types.h>

#include "fault.h"

struct cleaner_shared;

struct cleaner {
	pid_t pid; /* 0: there is none */
	int control;
	int inotify;                   /* -1 when the user has no instance left */
	struct cleaner_shared *shared; /* lives until exec */
};

/* Start the helper and let it create the directory `name` (0700, with a held `lock`) in the directory
 * `parent`; When this returns 0 the directory exists
 * and whatever happens to this process, it will be removed. Returns -1 with a fault; fault->error is then
 * EEXIST if the name is taken. */
int cleaner_start(struct cleaner *cleaner, int parent, const char *name, struct fault *fault);

/* Tell the helper which tree the container's root is, once it is open. */
void cleaner_set_root(struct cleaner *cleaner, int directory);

/* Tell the helper that this process has entered the container's namespaces: from now on processes count that
 * share its mount namespace or, with `user_namespace`, live in its user namespace. */
void cleaner_set_namespaces(struct cleaner *cleaner, bool user_namespace);

/* Whether the helper kills the container's processes when this one ends, as it must when something other than
 * the program's end has ended it. Returns by what they are known. */
const struct container_mark *cleaner_doom(struct cleaner *cleaner, bool doomed);

/* Let the end of the file system mounted at `path` be a hint. Nothing happens without inotify. */
void cleaner_watch_mount(struct cleaner *cleaner, const char *path);

/* Have the directory removed now, and wait until it is gone and the helper too. */
void cleaner_finish(struct cleaner *cleaner);

#endif
