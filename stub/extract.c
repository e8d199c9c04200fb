/* SPDX-License-Identifier: Apache-2.0
 * The walker goes through the payload, makes directories, links and special files, and queues the regular
 * files, which the other threads write. */
#include "extract.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "extract_internal.h"
#include "payload_walk.h"

#define THREADS_MAX 128
#define THREAD_STACK (512u << 10)
#define PROGRESS_NANOSECONDS 100000000

static const char *shown(const char *path)
{
	return path[0] != '\0' ? path : ".";
}

static int keep_fault(struct extract *extract, const struct fault *fault)
{
	pthread_mutex_lock(&extract->report);
	if (!atomic_load(&extract->failed))
		extract->fault = *fault;
	atomic_store(&extract->failed, true);
	pthread_mutex_unlock(&extract->report);
	return -1;
}

int extract_fail(struct extract *extract, int error, const char *path, const char *what)
{
	struct fault fault = {0};
	fault_set(&fault, error, "extracting: %s /%.900s", what, path);
	return keep_fault(extract, &fault);
}

int extract_fail_with(struct extract *extract, const struct fault *inner, const char *path)
{
	struct fault fault = {0};
	if (path != NULL)
		fault_set(&fault, inner->error, "extracting /%.500s: %.480s", path, inner->text);
	else
		fault_set(&fault, inner->error, "extracting %.1000s", inner->text);
	return keep_fault(extract, &fault);
}

bool extract_must_stop(struct extract *extract)
{
	const atomic_bool *stop = extract->request->stop;
	if (stop != NULL && atomic_load(stop) && !atomic_load(&extract->failed)) {
		struct fault fault = {0};
		fault_set(&fault, ECANCELED, "extracting the payload was stopped");
		keep_fault(extract, &fault);
	}
	return atomic_load(&extract->failed);
}

void extract_left_out(struct extract *extract, const char *path, const char *reason)
{
	if (extract->request->left_out == NULL)
		return;
	pthread_mutex_lock(&extract->report);
	extract->request->left_out(extract->request->context, shown(path), reason);
	pthread_mutex_unlock(&extract->report);
}

void extract_progress(struct extract *extract, uint64_t bytes)
{
	const struct extract_request *request = extract->request;
	atomic_fetch_add(&extract->done, bytes);
	if (request->progress == NULL || pthread_mutex_trylock(&extract->report) != 0)
		return;
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	int64_t passed = (int64_t)(now.tv_sec - extract->reported.tv_sec) * 1000000000 +
	                 (now.tv_nsec - extract->reported.tv_nsec);
	if (passed >= PROGRESS_NANOSECONDS) {
		extract->reported = now;
		/* Files that share their blocks count them more than once. */
		uint64_t done = atomic_load(&extract->done);
		request->progress(request->context, done < extract->total ? done : extract->total,
		                  extract->total);
	}
	pthread_mutex_unlock(&extract->report);
}

/* The root is kept open until the end: what else is made in it must be gone when its times are set. */
static int enter_root(struct extract *extract, const struct payload_visit *visit)
{
	if (extract_enter(extract, NULL, visit->path, &visit->inode) != 0)
		return -1;
	extract->root = extract_current(extract);
	extract_pin(extract, extract->root);
	return 0;
}

static int take_step(struct extract *extract, const struct payload_visit *visit)
{
	switch (visit->step) {
	case PAYLOAD_ENTER:
		if (extract->root == NULL)
			return enter_root(extract, visit);
		return extract_enter(extract, visit->name, visit->path, &visit->inode);
	case PAYLOAD_LEAVE:
		return extract_leave(extract);
	case PAYLOAD_ENTRY:
		return extract_entry(extract, extract_current(extract), visit->path, visit->name,
		                     &visit->inode, visit->seen);
	default:
		return 0;
	}
}

static int walk_tree(struct extract *extract, const struct payload_inode *root)
{
	struct fault fault = {0};
	struct payload_walk *walk = payload_walk_open(extract->payload, root, &fault);
	if (walk == NULL)
		return extract_fail_with(extract, &fault, NULL);
	struct payload_visit step;
	int result;
	do {
		result = payload_walk_next(walk, &step, &fault);
		if (result != 0)
			extract_fail_with(extract, &fault, NULL);
		else
			result = extract_must_stop(extract) ? -1 : take_step(extract, &step);
	} while (result == 0 && step.step != PAYLOAD_END);
	payload_walk_close(walk);
	return result;
}

static void *work(void *context)
{
	struct extract *extract = context;
	unsigned char *buffer = malloc(payload_block_size(extract->payload));
	if (buffer == NULL)
		return NULL; /* the others, and at last the walker, do it */
	struct extract_part part;
	while (extract_queue_pop(&extract->queue, &part, true))
		extract_part(extract, &part, buffer);
	free(buffer);
	return NULL;
}

/* Signals are the calling thread's business. Where no more threads can be had, fewer will do. */
static unsigned start_threads(struct extract *extract, pthread_t *threads, unsigned wanted)
{
	sigset_t all, before;
	pthread_attr_t attributes;
	unsigned count = 0;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	pthread_attr_init(&attributes);
	pthread_attr_setstacksize(&attributes, THREAD_STACK);
	while (count < wanted && pthread_create(&threads[count], &attributes, work, extract) == 0)
		count++;
	pthread_attr_destroy(&attributes);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return count;
}

static void run(struct extract *extract, const struct payload_inode *root, unsigned thread_count)
{
	pthread_t threads[THREADS_MAX];
	unsigned started = start_threads(extract, threads, thread_count - 1);
	walk_tree(extract, root);
	extract_queue_close(&extract->queue);
	struct extract_part part;
	while (extract_queue_pop(&extract->queue, &part, false))
		extract_part(extract, &part, extract->buffer);
	while (started > 0)
		pthread_join(threads[--started], NULL);
}

static void finish(struct extract *extract)
{
	if (!atomic_load(&extract->failed))
		extract_remove_links(extract);
	if (extract->root != NULL)
		extract_unpin(extract, extract->root);
}

static unsigned core_count(void)
{
	cpu_set_t set;
	if (sched_getaffinity(0, sizeof set, &set) == 0)
		return (unsigned)CPU_COUNT(&set);
	long count = sysconf(_SC_NPROCESSORS_ONLN); /* more than CPU_SETSIZE processors */
	return count > 0 ? (unsigned)count : 1;
}

/* How many descriptors may be used: half of those that are free, guessed from the lowest free one. */
static size_t descriptor_budget(int directory)
{
	struct rlimit limit;
	int lowest = fcntl(directory, F_DUPFD_CLOEXEC, 0);
	if (lowest < 0)
		return 0;
	close(lowest);
	if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY)
		return 4096;
	return limit.rlim_cur > (rlim_t)lowest ? (size_t)(limit.rlim_cur - (rlim_t)lowest) / 2 : 0;
}

static size_t clamp(size_t value, size_t least, size_t most)
{
	return value < least ? least : value > most ? most : value;
}

static int open_resources(struct extract *extract, size_t budget, unsigned threads)
{
	extract->links = -1;
	pthread_mutex_init(&extract->report, NULL);
	extract->total = payload_data_bytes(extract->payload);
	extract->buffer = malloc(payload_block_size(extract->payload));
	/* Each thread has a file open, each place of the queue a file or a directory. */
	size_t rest = budget > threads ? budget - threads : 0;
	int result = extract->buffer == NULL ? -1 : 0;
	result |= extract_queue_open(&extract->queue, clamp(rest / 2, 4, 1024));
	result |= extract_directories_open(&extract->directories, clamp(rest / 4, 2, 64));
	return result == 0 ? 0 : extract_fail(extract, ENOMEM, "", "preparing for");
}

static void close_resources(struct extract *extract)
{
	if (extract->links >= 0)
		close(extract->links);
	extract_directories_free(&extract->directories);
	extract_queue_free(&extract->queue);
	free(extract->buffer);
	pthread_mutex_destroy(&extract->report);
}

int extract_tree(const struct extract_request *request, struct fault *fault)
{
	struct payload_inode root;
	if (payload_lookup_path(request->payload, request->root, &root, fault) != 0)
		return -1;
	struct extract *extract = calloc(1, sizeof *extract);
	if (extract == NULL)
		return fault_set(fault, ENOMEM, "extracting the payload");
	extract->request = request;
	extract->payload = request->payload;
	size_t budget = descriptor_budget(request->directory);
	unsigned threads = request->threads != 0 ? request->threads : core_count();
	threads = (unsigned)clamp(threads, 1, clamp(budget / 4, 1, THREADS_MAX));
	/* Modes are given at creation or set later, always in full. */
	mode_t mask = umask(0);
	if (open_resources(extract, budget, threads) == 0)
		run(extract, &root, threads);
	finish(extract);
	umask(mask);
	close_resources(extract);
	if (!atomic_load(&extract->failed) && request->progress != NULL)
		request->progress(request->context, extract->total, extract->total);
	int result = atomic_load(&extract->failed) ? -1 : 0;
	if (result != 0)
		*fault = extract->fault;
	free(extract);
	return result;
}
