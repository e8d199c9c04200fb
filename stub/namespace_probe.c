/* SPDX-License-Identifier: Apache-2.0 */
#include "namespace_probe.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "namespaces.h"

/* What the child found; small enough for a pipe to carry it at once. */
struct trial {
	bool user_namespace;
	int result;
	struct fault fault;
};

_Static_assert(sizeof(struct trial) <= PIPE_BUF, "a trial must fit into one write");

/* A mount that a namespace allows may still be forbidden by a security module or by the container around. */
static int refuse(const char *step, struct fault *fault)
{
	int error = errno;
	fault_set(fault, error, "%s", step);
	return namespaces_explain(error, fault);
}

/* The first mount hides what lies below /tmp, in this mount namespace alone. */
static int build_root(struct fault *fault)
{
	if (mount("tmpfs", "/tmp", "tmpfs", MS_NOSUID | MS_NODEV, "mode=700") != 0)
		return refuse("mounting a tmpfs", fault);
	if (mkdir("/tmp/proc", 0700) != 0 || mkdir("/tmp/old", 0700) != 0)
		return refuse("making a directory on a tmpfs", fault);
	if (mount("/proc", "/tmp/proc", NULL, MS_BIND | MS_REC, NULL) != 0)
		return refuse("bind-mounting /proc", fault);
	if (syscall(SYS_pivot_root, "/tmp", "/tmp/old") != 0 || chdir("/") != 0)
		return refuse("changing the root with pivot_root", fault);
	if (umount2("/old", MNT_DETACH) != 0)
		return refuse("detaching the old root", fault);
	return 0;
}

static void try_in_child(int end)
{
	static const struct namespace_request plain;
	struct trial trial = {0};
	trial.result = namespaces_enter(&plain, &trial.user_namespace, &trial.fault);
	if (trial.result == 0)
		trial.result = build_root(&trial.fault);
	_exit(write(end, &trial, sizeof trial) == sizeof trial ? 0 : 1);
}

int namespace_try(bool *user_namespace, struct fault *fault)
{
	struct trial trial;
	int ends[2];
	if (pipe2(ends, O_CLOEXEC) != 0)
		return fault_set(fault, errno, "making a pipe");
	fflush(NULL);
	pid_t child = fork();
	int error = errno;
	if (child == 0)
		try_in_child(ends[1]);
	close(ends[1]);
	ssize_t got = child < 0 ? -1 : read(ends[0], &trial, sizeof trial);
	close(ends[0]);
	if (child < 0)
		return fault_set(fault, error, "starting a process");
	while (waitpid(child, NULL, 0) < 0 && errno == EINTR)
		;
	if (got != sizeof trial)
		return fault_set(fault, 0, "the process that tried the namespaces ended early");
	*user_namespace = trial.user_namespace;
	*fault = trial.fault;
	return trial.result;
}
