/* SPDX-License-Identifier: Apache-2.0
 * The cleaner's own life: waiting until the container is gone, and removing its directory. */
#ifndef RUNDLE_CLEANER_WATCH_H
#define RUNDLE_CLEANER_WATCH_H

#include "container_processes.h"
#include "tree_lock.h"

/* The only message of the launcher: remove the directory now, and end. */
enum { CLEANER_FINISH = 'f' };

struct cleaner_watch {
	int control; /* to the launcher; it closes with the launcher's end or when the program starts */
	int inotify; /* -1 without */
	int program; /* pidfd of the launcher, which becomes the program; -1 before Linux 5.3 */
	int death;   /* signalfd of the parent-death signal, where there is no pidfd */
	pid_t starter;
	int parent; /* directory that holds the directory `name` */
	char name[TREE_NAME_SIZE];
	struct container_mark *mark;
};

/* Make sure that the end of watch->starter, this process's parent, will be noticed. Returns -1 with errno
 * when it has ended already. */
int cleaner_watch_prepare(struct cleaner_watch *watch);

/* Wait, then remove the directory. */
void cleaner_watch_run(struct cleaner_watch *watch);

#endif
