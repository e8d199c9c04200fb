/* SPDX-License-Identifier: Apache-2.0
 * Parts of files that wait for a thread: first in, first out, with a fixed number of places. */
#ifndef RUNDLE_EXTRACT_QUEUE_H
#define RUNDLE_EXTRACT_QUEUE_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "payload.h"

struct extract_file;

struct extract_part {
	struct extract_file *file;
	struct payload_blocks blocks; /* stands before the first block of the part */
	uint64_t end;                 /* index of the block behind the last one */
};

struct extract_queue {
	pthread_mutex_t lock;
	pthread_cond_t filled;
	struct extract_part *parts;
	size_t capacity, first, count;
	bool closed;
};

/* 0, or -1 when memory is short. */
int extract_queue_open(struct extract_queue *queue, size_t capacity);
void extract_queue_free(struct extract_queue *queue);

/* False when all places are taken. */
bool extract_queue_push(struct extract_queue *queue, const struct extract_part *part);

/* The part that waits longest. When there is none: with `wait`, wait for one until the queue is closed.
 * False: none. */
bool extract_queue_pop(struct extract_queue *queue, struct extract_part *part, bool wait);

/* Nothing will be pushed any more. */
void extract_queue_close(struct extract_queue *queue);

#endif
