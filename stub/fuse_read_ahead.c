/* SPDX-License-Identifier: Apache-2.0 */
#include "fuse_read_ahead.h"

#include <pthread.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

enum {
	CREDIT_START = 16,
	CREDIT_MAX = 32,
	REWARD = 2,      /* for a block that was then read: every second one has to be */
	TRIAL_EVERY = 8, /* without credit one in so many is tried */
	NICE = 5,        /* readers come first where processors are short */
};

static struct {
	pthread_mutex_t lock;
	pthread_cond_t wanted;
	struct payload *payload;
	struct payload_block next; /* the latest wish: an older one is not worth it any more */
	bool pending;
	int credit;
	unsigned skipped;
} ahead = {.lock = PTHREAD_MUTEX_INITIALIZER, .wanted = PTHREAD_COND_INITIALIZER, .credit = CREDIT_START};

static void follow(void *context, const struct payload_block *next, bool hit)
{
	(void)context;
	pthread_mutex_lock(&ahead.lock);
	if (hit && ahead.credit < CREDIT_MAX)
		ahead.credit += REWARD;
	if (ahead.credit > 0 || ++ahead.skipped % TRIAL_EVERY == 0) {
		ahead.credit -= ahead.credit > 0;
		ahead.next = *next;
		ahead.pending = true;
		pthread_cond_signal(&ahead.wanted);
	}
	pthread_mutex_unlock(&ahead.lock);
}

static void *run(void *unused)
{
	(void)unused;
	setpriority(PRIO_PROCESS, (id_t)syscall(SYS_gettid), NICE);
	pthread_mutex_lock(&ahead.lock);
	for (;;) {
		while (!ahead.pending)
			pthread_cond_wait(&ahead.wanted, &ahead.lock);
		struct payload_block next = ahead.next;
		ahead.pending = false;
		pthread_mutex_unlock(&ahead.lock);
		payload_load_ahead(ahead.payload, &next);
		pthread_mutex_lock(&ahead.lock);
	}
	return NULL;
}

void fuse_read_ahead_start(struct payload *payload)
{
	pthread_t thread;
	pthread_attr_t attributes;
	ahead.payload = payload;
	pthread_attr_init(&attributes);
	pthread_attr_setstacksize(&attributes, 256u << 10);
	pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
	if (pthread_create(&thread, &attributes, run, NULL) == 0)
		payload_set_follower(payload, follow, NULL);
	pthread_attr_destroy(&attributes);
}
