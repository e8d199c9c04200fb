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

#include "fuse_device.h"
#include "namespaces.h"

/* What the child found; small enough for a pipe to carry it at once. */
struct finding {
	bool user_namespace;
	int result;
	struct fault fault;
};

_Static_assert(sizeof(struct finding) <= PIPE_BUF, "a finding must fit into one write");

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

/* The kernel takes the mount without an answer from the server, which a start brings along. */
static int mount_fuse(struct fault *fault)
{
	char options[96];
	int device = fuse_device_open(fault);
	if (device < 0)
		return -1;
	snprintf(options, sizeof options, "fd=%d,rootmode=40000,user_id=%u,group_id=%u", device, geteuid(),
	         getegid());
	if (mount("rundle", "/tmp", "fuse.rundle", MS_RDONLY | MS_NOSUID | MS_NODEV, options) != 0)
		return refuse("mounting by FUSE (Linux 4.18 in a user namespace)", fault);
	return 0;
}

static int mount_overlay(bool user_namespace, struct fault *fault)
{
	const char *options = user_namespace ? "lowerdir=lower,upperdir=upper,workdir=work,userxattr"
	                                     : "lowerdir=lower,upperdir=upper,workdir=work";
	if (mount("tmpfs", "/tmp", "tmpfs", MS_NOSUID | MS_NODEV, "mode=700") != 0 || chdir("/tmp") != 0 ||
	    mkdir("lower", 0700) != 0 || mkdir("lower/below", 0700) != 0 || mkdir("upper", 0700) != 0 ||
	    mkdir("work", 0700) != 0 || mkdir("root", 0700) != 0)
		return refuse("mounting a tmpfs", fault);
	if (mount("overlay", "root", "overlay", 0, options) != 0)
		return refuse("mounting an overlay (Linux 5.11 in a user namespace)", fault);
	if (rmdir("root/below") != 0 || mkdir("root/below", 0700) != 0)
		return refuse("writing to an overlay", fault);
	return chdir("/") == 0 ? 0 : refuse("leaving the overlay", fault);
}

static void try_in_child(const struct namespace_trial *trial, int end)
{
	struct finding finding = {0};
	struct fault *fault = &finding.fault;
	finding.result = namespaces_enter(false, &finding.user_namespace, fault);
	if (finding.result == 0 && trial->overlay)
		finding.result = mount_overlay(finding.user_namespace, fault);
	if (finding.result == 0 && trial->fuse)
		finding.result = mount_fuse(fault);
	if (finding.result == 0 && trial->root)
		finding.result = build_root(fault);
	_exit(write(end, &finding, sizeof finding) == sizeof finding ? 0 : 1);
}

int namespace_try(const struct namespace_trial *trial, bool *user_namespace, struct fault *fault)
{
	struct finding finding;
	int ends[2];
	if (pipe2(ends, O_CLOEXEC) != 0)
		return fault_set(fault, errno, "making a pipe");
	fflush(NULL);
	pid_t child = fork();
	int error = errno;
	if (child == 0)
		try_in_child(trial, ends[1]);
	close(ends[1]);
	ssize_t got = child < 0 ? -1 : read(ends[0], &finding, sizeof finding);
	close(ends[0]);
	if (child < 0)
		return fault_set(fault, error, "starting a process");
	while (waitpid(child, NULL, 0) < 0 && errno == EINTR)
		;
	if (got != sizeof finding)
		return fault_set(fault, 0, "the process that tried the namespaces ended early");
	*user_namespace = finding.user_namespace;
	*fault = finding.fault;
	return finding.result;
}
