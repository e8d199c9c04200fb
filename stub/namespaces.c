/* SPDX-License-Identifier: Apache-2.0 */
#include "namespaces.h"

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "capability.h"

static int write_file(const char *path, const char *text)
{
	int file = open(path, O_WRONLY | O_CLOEXEC);
	if (file < 0)
		return -1;
	ssize_t written = write(file, text, strlen(text));
	int saved = errno;
	close(file);
	errno = saved;
	return written == (ssize_t)strlen(text) ? 0 : -1;
}

/* Map one id; an ordinary user may map its own only, and its group only after setgroups is off for good. */
static int map_ids(uid_t uid, gid_t gid, bool root, struct fault *fault)
{
	char text[64];
	/* ENOENT: before Linux 3.19 there is no such file and no such need. */
	if (write_file("/proc/self/setgroups", "deny") != 0 && errno != ENOENT)
		goto failed;
	snprintf(text, sizeof text, "%lu %lu 1\n", root ? 0UL : (unsigned long)uid, (unsigned long)uid);
	if (write_file("/proc/self/uid_map", text) != 0)
		goto failed;
	snprintf(text, sizeof text, "%lu %lu 1\n", root ? 0UL : (unsigned long)gid, (unsigned long)gid);
	if (write_file("/proc/self/gid_map", text) != 0)
		goto failed;
	return 0;
failed:;
	int error = errno;
	fault_set(fault, error, "mapping the caller's ids into a new user namespace");
	return namespaces_explain(error, fault);
}

static int raise_loopback(struct fault *fault)
{
	struct ifreq request = {0};
	memcpy(request.ifr_name, "lo", sizeof "lo");
	int any = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (any < 0)
		return fault_set(fault, errno, "opening a socket to bring up the interface lo");
	int result = ioctl(any, SIOCGIFFLAGS, &request);
	request.ifr_flags |= IFF_UP | IFF_RUNNING;
	if (result == 0)
		result = ioctl(any, SIOCSIFFLAGS, &request);
	int error = errno;
	close(any);
	return result == 0 ? 0 : fault_set(fault, error, "bringing up the interface lo");
}

int namespaces_enter_user(bool root, struct fault *fault)
{
	uid_t uid = geteuid();
	gid_t gid = getegid();
	if (unshare(CLONE_NEWNS | CLONE_NEWUSER) != 0) {
		int error = errno;
		fault_set(fault, error, "entering a user namespace");
		return namespaces_explain(error, fault);
	}
	return map_ids(uid, gid, root, fault);
}

static int unshare_mounts(bool root, bool *user_namespace, struct fault *fault)
{
	*user_namespace = false;
	/* Who is to be 0 inside and is not outside needs the mapping. */
	if (capability_effective(CAPABILITY_SYS_ADMIN) && (!root || geteuid() == 0)) {
		if (unshare(CLONE_NEWNS) == 0)
			return 0;
		if (errno != EPERM)
			return fault_set(fault, errno, "entering a mount namespace");
	}
	*user_namespace = true;
	return namespaces_enter_user(root, fault);
}

int namespaces_enter(bool root, bool *user_namespace, struct fault *fault)
{
	if (unshare_mounts(root, user_namespace, fault) != 0)
		return -1;
	if (mount(NULL, "/", NULL, MS_SLAVE | MS_REC, NULL) == 0)
		return 0;
	int error = errno;
	fault_set(fault, error, "keeping the container's mounts from the host");
	if (error == EINVAL)
		return fault_hint(fault,
		                  "The root directory is no mount point, as in a plain chroot; start it "
		                  "outside of the chroot, or bind the chroot's directory on itself first.");
	return namespaces_explain(error, fault);
}

bool namespaces_inner(void)
{
	const unsigned long first = 0xEFFFFFFD; /* include/linux/proc_ns.h */
	struct stat status;
	return stat("/proc/self/ns/user", &status) == 0 && status.st_ino != first;
}

int namespaces_add(const struct namespace_request *request, struct fault *fault)
{
	int flags = (request->pid ? CLONE_NEWPID : 0) | (request->net ? CLONE_NEWNET : 0) |
	            (request->ipc ? CLONE_NEWIPC : 0) | (request->uts ? CLONE_NEWUTS : 0);
	if (flags != 0 && unshare(flags) != 0) {
		int error = errno;
		fault_set(fault, error, "entering the namespaces asked for");
		return namespaces_explain(error, fault);
	}
	return request->net ? raise_loopback(fault) : 0;
}
