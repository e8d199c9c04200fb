/* SPDX-License-Identifier: Apache-2.0
 * What the extract_*.c files share. */
#ifndef RUNDLE_EXTRACT_INTERNAL_H
#define RUNDLE_EXTRACT_INTERNAL_H

#include <pthread.h>
#include <time.h>

#include "extract.h"
#include "extract_directory.h"
#include "extract_queue.h"

struct extract {
	const struct extract_request *request;
	struct payload *payload;
	struct extract_queue queue;
	struct extract_directories directories;
	struct extract_directory *root; /* NULL until it is entered */
	unsigned char *buffer;          /* the walker's, one block */
	int links; /* directory with a name for each inode that has several; -1 until there is one */
	char links_name[32];
	pthread_mutex_t report; /* for what follows, and the request's callbacks */
	struct fault fault;
	atomic_bool failed;
	atomic_uint_fast64_t done;
	uint64_t total;
	struct timespec reported;
};

/* A regular file on its way to disk. Parts of it may be written by several threads; the last one finishes it.
 */
struct extract_file {
	struct extract_directory *directory; /* pinned; NULL once the file is open */
	int fd;                              /* -1: still to be created, by the only part's thread */
	atomic_ullong parts;                 /* not finished yet */
	atomic_bool has_holes;
	struct payload_inode inode;
	const char *name; /* last component of path */
	char path[];
};

/* Create what `inode` is in the pinned directory `parent`, or have it created. 0, or -1 after extract_fail.
 */
int extract_entry(struct extract *extract, struct extract_directory *parent, const char *path,
                  const char *name, const struct payload_inode *inode, bool seen);

/* Remove the directory that names hard links. */
int extract_remove_links(struct extract *extract);

/* Queue the contents of a file that is to be created as `name` in `directory`, a descriptor. `parent` is NULL
 * or what `directory` belongs to: then the file may be created later, by another thread. */
int extract_queue_file(struct extract *extract, int directory, struct extract_directory *parent,
                       const char *path, const char *name, const struct payload_inode *inode);

/* Write one part; `buffer` has room for a block. */
void extract_part(struct extract *extract, struct extract_part *part, unsigned char *buffer);

/* Owner, extended attributes, mode and times, in the order in which none undoes another. */
int extract_attributes(struct extract *extract, int fd, const struct payload_inode *inode, const char *path);

/* The same for what cannot be opened; the mode was given at creation. */
int extract_link_attributes(struct extract *extract, int directory, const char *name,
                            const struct payload_inode *inode, const char *path);

/* Keep the first failure, and make all threads stop soon; -1. `path` NULL: the fault names it. */
int extract_fail(struct extract *extract, int error, const char *path, const char *what);
int extract_fail_with(struct extract *extract, const struct fault *fault, const char *path);

/* Has anything failed, or did the caller ask to stop? */
bool extract_must_stop(struct extract *extract);

void extract_left_out(struct extract *extract, const char *path, const char *reason);

/* Count stored bytes as dealt with. */
void extract_progress(struct extract *extract, uint64_t bytes);

#endif
