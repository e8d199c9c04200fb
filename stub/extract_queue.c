/* SPDX-License-Identifier: Apache-2.0 */
#include "extract_queue.h"

#include <stdlib.h>

int extract_queue_open(struct extract_queue *queue, size_t capacity)
{
	*queue = (struct extract_queue){.capacity = capacity};
	pthread_mutex_init(&queue->lock, NULL);
	pthread_cond_init(&queue->filled, NULL);
	queue->parts = calloc(capacity, sizeof *queue->parts);
	return queue->parts == NULL ? -1 : 0;
}

void extract_queue_free(struct extract_queue *queue)
{
	free(queue->parts);
	pthread_cond_destroy(&queue->filled);
	pthread_mutex_destroy(&queue->lock);
}

bool extract_queue_push(struct extract_queue *queue, const struct extract_part *part)
{
	pthread_mutex_lock(&queue->lock);
	bool room = queue->count < queue->capacity;
	if (room) {
		queue->parts[(queue->first + queue->count++) % queue->capacity] = *part;
		pthread_cond_signal(&queue->filled);
	}
	pthread_mutex_unlock(&queue->lock);
	return room;
}

bool extract_queue_pop(struct extract_queue *queue, struct extract_part *part, bool wait)
{
	pthread_mutex_lock(&queue->lock);
	while (wait && queue->count == 0 && !queue->closed)
		pthread_cond_wait(&queue->filled, &queue->lock);
	bool found = queue->count > 0;
	if (found) {
		*part = queue->parts[queue->first];
		queue->first = (queue->first + 1) % queue->capacity;
		queue->count--;
	}
	pthread_mutex_unlock(&queue->lock);
	return found;
}

void extract_queue_close(struct extract_queue *queue)
{
	pthread_mutex_lock(&queue->lock);
	queue->closed = true;
	pthread_cond_broadcast(&queue->filled);
	pthread_mutex_unlock(&queue->lock);
}
