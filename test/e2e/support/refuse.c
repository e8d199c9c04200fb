/* SPDX-License-Identifier: Apache-2.0
 * refuse TYPE ERRNO COMMAND...: runs COMMAND where file systems whose type begins with TYPE cannot be
 * mounted: mount(2) and fsopen(2) fail with ERRNO, as on a kernel without that file system or under a policy
 * that forbids it. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

union descriptor {
	struct cmsghdr header;
	char space[CMSG_SPACE(sizeof(int))];
};

static void die(const char *what)
{
	perror(what);
	exit(2);
}

static int install_filter(void)
{
	struct sock_filter program[] = {
	    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
	    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_mount, 1, 0),
	    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_fsopen, 0, 1),
	    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF),
	    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog filter = {sizeof program / sizeof *program, program};
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
		die("no_new_privs");
	int listener =
	    (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &filter);
	if (listener < 0)
		die("seccomp");
	return listener;
}

static void send_descriptor(int channel, int descriptor)
{
	union descriptor control = {0};
	struct iovec text = {"", 1};
	struct msghdr message = {
	    .msg_iov = &text, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
	control.header.cmsg_level = SOL_SOCKET;
	control.header.cmsg_type = SCM_RIGHTS;
	control.header.cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(&control.header), &descriptor, sizeof(int));
	if (sendmsg(channel, &message, 0) != 1)
		die("sendmsg");
}

static int receive_descriptor(int channel)
{
	union descriptor control;
	char byte;
	struct iovec text = {&byte, 1};
	struct msghdr message = {
	    .msg_iov = &text, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
	int descriptor;
	if (recvmsg(channel, &message, MSG_CMSG_CLOEXEC) != 1 || CMSG_FIRSTHDR(&message) == NULL)
		exit(2);
	memcpy(&descriptor, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof(int));
	return descriptor;
}

/* Whether the call is about a file system of this type. Whoever calls may be gone already. */
static int concerns(const struct seccomp_notif *call, const char *type)
{
	char found[16] = "";
	uint64_t address = call->data.nr == SYS_mount ? call->data.args[2] : call->data.args[0];
	struct iovec here = {found, strlen(type)};
	struct iovec there = {(void *)(uintptr_t)address, strlen(type)};
	return address != 0 && process_vm_readv((pid_t)call->pid, &here, 1, &there, 1, 0) > 0 &&
	       strcmp(found, type) == 0;
}

static void answer(int listener, const char *type, int error)
{
	struct seccomp_notif call = {0};
	if (ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &call) != 0)
		return;
	struct seccomp_notif_resp response = {.id = call.id};
	if (concerns(&call, type))
		response.error = -error;
	else
		response.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
	(void)ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &response);
}

int main(int argc, char **argv)
{
	int ends[2], status;
	if (argc < 4 || strlen(argv[1]) > 15 || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
		return 2;
	pid_t child = fork();
	if (child == 0) {
		send_descriptor(ends[1], install_filter());
		execvp(argv[3], argv + 3);
		die(argv[3]);
	}
	close(ends[1]);
	int listener = receive_descriptor(ends[0]);
	while (waitpid(child, &status, WNOHANG) == 0) {
		struct pollfd polled = {.fd = listener, .events = POLLIN};
		if (poll(&polled, 1, 20) > 0 && (polled.revents & POLLIN) != 0)
			answer(listener, argv[1], atoi(argv[2]));
	}
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
