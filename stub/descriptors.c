/* SPDX-License-Identifier: Apache-2.0 */
#include "descriptors.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

union control {
	struct cmsghdr header;
	char space[CMSG_SPACE(DESCRIPTORS_MAX * sizeof(int))];
};

int descriptors_send(int channel, const void *bytes, size_t size, const int *descriptors, unsigned count)
{
	union control control = {0};
	struct iovec text = {(void *)bytes, size};
	struct msghdr message = {.msg_iov = &text, .msg_iovlen = 1};
	if (count > 0) {
		message.msg_control = &control;
		message.msg_controllen = CMSG_SPACE(count * sizeof(int));
		struct cmsghdr *header = CMSG_FIRSTHDR(&message);
		header->cmsg_level = SOL_SOCKET;
		header->cmsg_type = SCM_RIGHTS;
		header->cmsg_len = CMSG_LEN(count * sizeof(int));
		memcpy(CMSG_DATA(header), descriptors, count * sizeof(int));
	}
	return sendmsg(channel, &message, MSG_NOSIGNAL) == (ssize_t)size ? 0 : -1;
}

int descriptors_receive(int channel, void *bytes, size_t size, int *descriptors)
{
	union control control;
	struct iovec text = {bytes, size};
	struct msghdr message = {
	    .msg_iov = &text,
	    .msg_iovlen = 1,
	    .msg_control = &control,
	    .msg_controllen = sizeof control,
	};
	ssize_t got;
	do
		got = recvmsg(channel, &message, MSG_CMSG_CLOEXEC);
	while (got < 0 && errno == EINTR);
	if (got < 0)
		return -1;
	unsigned count = 0;
	struct cmsghdr *header = CMSG_FIRSTHDR(&message);
	if (header != NULL && header->cmsg_type == SCM_RIGHTS) {
		count = (unsigned)((header->cmsg_len - CMSG_LEN(0)) / sizeof(int));
		memcpy(descriptors, CMSG_DATA(header), count * sizeof(int));
	}
	if (got == (ssize_t)size)
		return (int)count;
	while (count > 0)
		close(descriptors[--count]);
	errno = ECONNRESET;
	return -1;
}
