/* SPDX-License-Identifier: Apache-2.0
 * Directories that are being filled. Each stays open while the walker or a queued file needs it, so trees of
 * any depth need few descriptors; the last user of a complete one sets its attributes. */
#ifndef RUNDLE_EXTRACT_DIRECTORY_H
#define RUNDLE_EXTRACT_DIRECTORY_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "payload.h"

struct extract;

struct extract_directory {
	int fd;         /* -1 while nobody needs it */
	unsigned users; /* who need it open: the walker, queued files */
	bool held;      /* the walker is one of them */
	bool complete;  /* the walker has left it for good */
	dev_t device;
	ino_t inode;
	struct payload_inode attributes;
	char path[];
};

struct extract_directories {
	pthread_mutex_t lock;            /* for fd, users and complete of all */
	struct extract_directory **open; /* entered and not left, from the root on */
	size_t depth, capacity;
	size_t limit; /* how many of them the walker holds open */
};

/* 0, or -1 when memory is short. */
int extract_directories_open(struct extract_directories *directories, size_t limit);
void extract_directories_free(struct extract_directories *directories);

/* The directory entered last; its fd is open. */
struct extract_directory *extract_current(struct extract *extract);

/* Make and enter the directory `name` of the current one; with `name` NULL enter the request's own directory.
 * 0, or -1 after extract_fail. */
int extract_enter(struct extract *extract, const char *name, const char *path,
                  const struct payload_inode *inode);

/* Leave the current directory. 0, or -1 after extract_fail. */
int extract_leave(struct extract *extract);

/* Keep a directory open for one user more, or one less. */
void extract_pin(struct extract *extract, struct extract_directory *directory);
void extract_unpin(struct extract *extract, struct extract_directory *directory);

#endif
