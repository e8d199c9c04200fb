/* SPDX-License-Identifier: Apache-2.0 */
#include "namespace_probe.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* Write `text` to a file of /proc in one write, as the id maps demand. */
static int write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	ssize_t written = write(fd, text, strlen(text));
	int error = errno;
	close(fd);
	errno = error;
	return written == (ssize_t)strlen(text) ? 0 : -1;
}

static int map_identity(uid_t uid, gid_t gid)
{
	char map[64];
	if (write_file("/proc/self/setgroups", "deny") != 0)
		return -1;
	snprintf(map, sizeof map, "%u %u 1\n", uid, uid);
	if (write_file("/proc/self/uid_map", map) != 0)
		return -1;
	snprintf(map, sizeof map, "%u %u 1\n", gid, gid);
	return write_file("/proc/self/gid_map", map);
}

/* The first mount hides what lies below /tmp, in this mount namespace alone. */
static enum namespace_step build_root(void)
{
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0)
		return STEP_MOUNT_NAMESPACE;
	if (mount("tmpfs", "/tmp", "tmpfs", MS_NOSUID | MS_NODEV, "mode=700") != 0)
		return STEP_TMPFS;
	if (mkdir("/tmp/proc", 0700) != 0 || mkdir("/tmp/old", 0700) != 0)
		return STEP_TMPFS;
	if (mount("/proc", "/tmp/proc", NULL, MS_BIND | MS_REC, NULL) != 0)
		return STEP_BIND;
	if (syscall(SYS_pivot_root, "/tmp", "/tmp/old") != 0 || chdir("/") != 0 ||
	    umount2("/old", MNT_DETACH) != 0)
		return STEP_PIVOT_ROOT;
	return STEP_NONE;
}

static struct namespace_trial try_steps(void)
{
	struct namespace_trial trial = {.privileged = unshare(CLONE_NEWNS) == 0};
	uid_t uid = geteuid();
	gid_t gid = getegid();
	errno = 0;
	if (!trial.privileged && unshare(CLONE_NEWUSER) != 0)
		trial.failed = STEP_USER_NAMESPACE;
	else if (!trial.privileged && map_identity(uid, gid) != 0)
		trial.failed = STEP_ID_MAPS;
	else if (!trial.privileged && unshare(CLONE_NEWNS) != 0)
		trial.failed = STEP_MOUNT_NAMESPACE;
	else
		trial.failed = build_root();
	trial.error = trial.failed == STEP_NONE ? 0 : errno;
	return trial;
}

int namespace_try(struct namespace_trial *trial, struct fault *fault)
{
	int ends[2];
	if (pipe2(ends, O_CLOEXEC) != 0)
		return fault_set(fault, errno, "cannot make a pipe");
	fflush(NULL);
	pid_t child = fork();
	if (child == 0) {
		*trial = try_steps();
		ssize_t written = write(ends[1], trial, sizeof *trial);
		_exit(written == sizeof *trial ? 0 : 1);
	}
	int error = errno;
	close(ends[1]);
	ssize_t got = child < 0 ? -1 : read(ends[0], trial, sizeof *trial);
	close(ends[0]);
	if (child < 0)
		return fault_set(fault, error, "cannot start a process");
	while (waitpid(child, NULL, 0) < 0 && errno == EINTR)
		;
	if (got != sizeof *trial)
		return fault_set(fault, 0, "the process that tried the namespaces ended early");
	return 0;
}

const char *namespace_step_name(enum namespace_step step)
{
	static const char *const names[] = {
	    [STEP_USER_NAMESPACE] = "creating a user namespace",
	    [STEP_ID_MAPS] = "writing the id maps of a user namespace",
	    [STEP_MOUNT_NAMESPACE] = "creating a mount namespace",
	    [STEP_TMPFS] = "mounting a tmpfs",
	    [STEP_BIND] = "bind-mounting /proc",
	    [STEP_PIVOT_ROOT] = "changing the root with pivot_root",
	    [STEP_NONE] = "nothing",
	};
	return names[step];
}
