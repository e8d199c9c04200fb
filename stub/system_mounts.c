/* SPDX-License-Identifier: Apache-2.0 */
#include "system_mounts.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "device_directory.h"
#include "empty_directory.h"
#include "mount_inside.h"

static int bind_host(int root, const char *path, struct fault *fault)
{
	int source = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (source < 0)
		return fault_set(fault, errno, "opening the host's %s", path);
	int result = mount_inside_bind(root, source, path, PATH_MAKE_DIRECTORY, true, 0, 0, fault);
	close(source);
	return result;
}

/* A new procfs shows all of /proc, so the kernel wants to see nothing of the present one hidden. */
static int mount_proc(const struct system_mounts_request *request, struct fault *fault)
{
	if (!request->pid)
		return bind_host(request->root, "/proc", fault);
	if (mount_inside_new(request->root, "proc", "/proc", PATH_MAKE_DIRECTORY,
	                     MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL, fault) == 0)
		return 0;
	return fault_hint(
	    fault, "A container engine hides parts of /proc, and then no new one can be mounted: start "
	           "without --pid, or the outer container with its /proc unmasked.");
}

/* A new network namespace has a /sys of its own; without leave for that the host's is better than none. */
static int mount_sys(const struct system_mounts_request *request, struct fault *fault)
{
	struct fault ignored = {0};
	if (request->net &&
	    mount_inside_new(request->root, "sysfs", "/sys", PATH_MAKE_DIRECTORY,
	                     MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL, &ignored) == 0)
		return 0;
	return bind_host(request->root, "/sys", fault);
}

static int mount_dev(const struct system_mounts_request *request, struct fault *fault)
{
	int root = request->root;
	if (!request->ipc)
		return bind_host(root, "/dev", fault);
	/* Nothing is created in what is the host's: without the mount points there has to be another /dev. */
	bool complete = access("/dev/shm", F_OK) == 0 && access("/dev/mqueue", F_OK) == 0;
	if ((complete ? bind_host(root, "/dev", fault) : device_directory_make(root, fault)) != 0)
		return -1;
	if (mount_inside_new(root, "tmpfs", "/dev/shm", PATH_FAIL, MS_NOSUID | MS_NODEV, "mode=1777",
	                     fault) != 0)
		return -1;
	return mount_inside_new(root, "mqueue", "/dev/mqueue", PATH_FAIL, MS_NOSUID | MS_NODEV | MS_NOEXEC,
	                        NULL, fault);
}

static int mount_tmpfs(int root, const char *path, const char *mode, struct fault *fault)
{
	return mount_inside_new(root, "tmpfs", path, PATH_MAKE_DIRECTORY, MS_NOSUID | MS_NODEV, mode, fault);
}

/* The device number of what `path` leads to; 0 when it leads nowhere. */
static dev_t device_of(int root, const char *path)
{
	struct stat status;
	int descriptor = path_inside_open(root, path, PATH_FAIL);
	if (descriptor < 0)
		return 0;
	dev_t device = fstat(descriptor, &status) == 0 ? status.st_dev : 0;
	close(descriptor);
	return device;
}

static bool on_tmpfs(int root, const char *path)
{
	dev_t device = device_of(root, path);
	return device != 0 && (device == device_of(root, "/run") || device == device_of(root, "/tmp"));
}

int system_mounts_make(const struct system_mounts_request *request, struct fault *fault)
{
	int root = request->root;
	if (mount_proc(request, fault) != 0 || mount_sys(request, fault) != 0 ||
	    mount_dev(request, fault) != 0 || mount_tmpfs(root, "/tmp", "mode=1777", fault) != 0 ||
	    mount_tmpfs(root, "/run", "mode=0755", fault) != 0)
		return -1;
	/* In most images both are links to /run and /run/lock. */
	int lock = path_inside_open(root, "/run/lock", PATH_MAKE_DIRECTORY);
	if (lock >= 0) {
		char path[48];
		snprintf(path, sizeof path, "/proc/self/fd/%d", lock);
		chmod(path, 01777);
		close(lock);
	}
	if (path_inside_exists(root, "/var/run") && !on_tmpfs(root, "/var/run") &&
	    mount_tmpfs(root, "/var/run", "mode=0755", fault) != 0)
		return -1;
	if (path_inside_exists(root, "/var/lock") && !on_tmpfs(root, "/var/lock") &&
	    mount_tmpfs(root, "/var/lock", "mode=1777", fault) != 0)
		return -1;
	return 0;
}

static bool is_empty(int root, const char *path)
{
	int found = path_inside_open(root, path, PATH_FAIL);
	bool empty = found >= 0 && directory_is_empty(found, NULL);
	if (found >= 0)
		close(found);
	return empty;
}

/* Where an empty directory of the image is all that there is of the way to `home`, as /home mostly is, a
 * tmpfs on it takes the rest: nothing has to be made in the image. */
static bool cover_empty_parent(int root, const char *home)
{
	struct fault ignored = {0};
	char parent[PATH_MAX];
	if (snprintf(parent, sizeof parent, "%s", home) >= (int)sizeof parent)
		return false;
	for (char *slash; (slash = strrchr(parent, '/')) != NULL && slash != parent;) {
		*slash = '\0';
		if (!path_inside_exists(root, parent))
			continue;
		return !on_tmpfs(root, parent) && is_empty(root, parent) &&
		       mount_tmpfs(root, parent, "mode=0755", &ignored) == 0;
	}
	return false;
}

void system_mounts_home(int root, const char *home)
{
	struct fault ignored = {0};
	if (path_inside_exists(root, home))
		return;
	bool covered = cover_empty_parent(root, home);
	int created = path_inside_open(root, home, PATH_MAKE_DIRECTORY);
	if (created < 0)
		return;
	char path[48];
	snprintf(path, sizeof path, "/proc/self/fd/%d", created);
	/* Under /tmp or /run it has come to be on a tmpfs already. */
	if (covered || on_tmpfs(root, home))
		chmod(path, 0700);
	else
		mount_tmpfs(root, home, "mode=0700", &ignored);
	close(created);
}
