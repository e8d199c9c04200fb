/* SPDX-License-Identifier: Apache-2.0 */
#include "fuse_server.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/uio.h>
#include <unistd.h>

#include "fuse_operations.h"
#include "fuse_read_ahead.h"

/* Large enough for every request of a read-only tree; the kernel refuses to read into less than 8 KiB. */
#define INPUT_SIZE (64u << 10)

/* What a thread beyond the first takes for an answer and for decoding: taken from the cache, so that all of
 * the server stays below 48 MB however many there are. */
#define THREAD_COST (FUSE_REPLY_MAX + (512u << 10))

struct session {
	const struct fuse_server_request *request;
	int device;
	char *input, *reply;
};

static int session_open(struct session *session, const struct fuse_server_request *request, int device)
{
	*session = (struct session){.request = request, .device = device};
	session->input = aligned_alloc(4096, INPUT_SIZE);
	session->reply = aligned_alloc(4096, FUSE_REPLY_MAX);
	return session->input && session->reply ? 0 : -1;
}

/* An answer that the kernel no longer wants (ENOENT: the request was interrupted) is no fault. */
static int send_answer(int device, uint64_t unique, int result, const void *bytes)
{
	struct fuse_out_header header = {.len = sizeof header, .unique = unique};
	if (result < 0)
		header.error = result;
	else
		header.len += (uint32_t)result;
	struct iovec parts[2] = {{&header, sizeof header}, {(void *)bytes, result > 0 ? (size_t)result : 0}};
	ssize_t written;
	do
		written = writev(device, parts, result > 0 ? 2 : 1);
	while (written < 0 && errno == EINTR);
	return written < 0 && errno != ENOENT ? -1 : 0;
}

static int answer_init(const struct session *session, const struct fuse_in_header *header, size_t length,
                       struct fault *fault)
{
	const struct fuse_init_in *in = (const void *)(session->input + sizeof *header);
	/* Fields behind the first 16 bytes came later (7.36); only those 16 are used. */
	if (length < sizeof *header + 16 || in->major != 7 || in->minor < 23) {
		send_answer(session->device, header->unique, -EPROTO, NULL);
		return fault_set(fault, EPROTO, "speaking FUSE 7.23 or later with this kernel");
	}
	struct fuse_init_out out = {
	    .major = 7,
	    .minor = FUSE_KERNEL_MINOR_VERSION < in->minor ? FUSE_KERNEL_MINOR_VERSION : in->minor,
	    .max_readahead = in->max_readahead,
	    .max_background = 64,
	    .congestion_threshold = 48,
	    .max_write = 4096,
	    .time_gran = 1000000000,
	    .max_pages = FUSE_REPLY_MAX / 4096,
	};
	out.flags = in->flags & (FUSE_ASYNC_READ | FUSE_DO_READDIRPLUS | FUSE_PARALLEL_DIROPS |
	                         FUSE_CACHE_SYMLINKS | FUSE_NO_OPEN_SUPPORT | FUSE_NO_OPENDIR_SUPPORT |
	                         FUSE_MAX_PAGES | FUSE_EXPLICIT_INVAL_DATA);
	if (send_answer(session->device, header->unique, sizeof out, &out) < 0)
		return fault_set(fault, errno, "starting the FUSE connection");
	return 0;
}

/* One request: 1 when answered, 0 when the connection has ended, -1 on a fault. */
static int serve_one(struct session *session, bool expect_init, struct fault *fault)
{
	ssize_t length = read(session->device, session->input, INPUT_SIZE);
	if (length < 0) {
		if (errno == ENODEV)
			return 0;
		/* ENOENT: the request was taken back before it could be read. */
		return errno == EINTR || errno == EAGAIN || errno == ENOENT
		           ? 1
		           : fault_set(fault, errno, "reading a FUSE request");
	}
	const struct fuse_in_header *header = (const void *)session->input;
	if ((size_t)length < sizeof *header || header->len != (size_t)length)
		return fault_set(fault, EPROTO, "reading a FUSE request");
	if (expect_init != (header->opcode == FUSE_INIT))
		return fault_set(fault, EPROTO, "starting the FUSE connection");
	if (expect_init)
		return answer_init(session, header, (size_t)length, fault) < 0 ? -1 : 1;
	if (header->opcode == FUSE_FORGET || header->opcode == FUSE_BATCH_FORGET ||
	    header->opcode == FUSE_INTERRUPT)
		return 1;
	struct fuse_request request = {
	    .header = header,
	    .body = header + 1,
	    .length = (size_t)length - sizeof *header,
	    .reply = session->reply,
	};
	int result = fuse_answer(session->request, &request);
	if (send_answer(session->device, header->unique, result, session->reply) < 0 && errno == ENODEV)
		return 0;
	return 1;
}

static void serve(struct session *session)
{
	struct fault ignored = {0};
	while (serve_one(session, false, &ignored) > 0)
		;
}

static void *run_thread(void *argument)
{
	struct session *session = argument;
	serve(session);
	free(session->input);
	free(session->reply);
	free(session);
	return NULL;
}

/* A further thread with a queue of its own: its descriptor joins the connection by FUSE_DEV_IOC_CLONE.
 * Serving goes on without it when it cannot be had. */
static void start_thread(const struct fuse_server_request *request, int device)
{
	uint32_t source = (uint32_t)request->devices[0];
	struct session *session = calloc(1, sizeof *session);
	pthread_attr_t attributes;
	pthread_t thread;
	if (session == NULL)
		return;
	pthread_attr_init(&attributes);
	pthread_attr_setstacksize(&attributes, 256u << 10);
	pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
	if (ioctl(device, FUSE_DEV_IOC_CLONE, &source) != 0 || session_open(session, request, device) != 0 ||
	    pthread_create(&thread, &attributes, run_thread, session) != 0) {
		free(session->input);
		free(session->reply);
		free(session);
	}
	pthread_attr_destroy(&attributes);
}

int fuse_serve(const struct fuse_server_request *request, struct fault *fault)
{
	struct session first;
	if (session_open(&first, request, request->devices[0]) < 0)
		return fault_set(fault, ENOMEM, "starting the FUSE server");
	if (serve_one(&first, true, fault) <= 0)
		return -1;
	payload_limit_data(request->payload, PAYLOAD_CACHE_DATA - (request->device_count - 1) * THREAD_COST);
	fuse_read_ahead_start(request->payload);
	for (unsigned index = 1; index < request->device_count; index++)
		start_thread(request, request->devices[index]);
	serve(&first);
	return 0;
}
