/* SPDX-License-Identifier: Apache-2.0 */
#include "mount_trial.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "namespaces.h"
#include "rootfs.h"

/* A mount that a namespace allows may still be forbidden by a security module or by the container around. */
int mount_trial_refused(const char *step, struct fault *fault)
{
	int error = errno;
	fault_set(fault, error, "%s", step);
	return namespaces_explain(error, fault);
}

/* What lies below is hidden in this mount namespace alone. */
int mount_trial_begin(struct fault *fault)
{
	static const char *const places[] = {"/tmp", "/mnt", "/srv", "/opt"};
	for (size_t i = 0; i < sizeof places / sizeof *places; i++)
		if (mount("tmpfs", places[i], "tmpfs", MS_NOSUID | MS_NODEV, "mode=700") == 0 &&
		    chdir(places[i]) == 0)
			return 0;
		else if (errno != ENOENT)
			break;
	return mount_trial_refused("mounting a tmpfs", fault);
}

static int make_directories(const char *const *names, size_t count, struct fault *fault)
{
	for (size_t i = 0; i < count; i++)
		if (mkdir(names[i], 0700) != 0)
			return mount_trial_refused("making a directory on a tmpfs", fault);
	return 0;
}

int mount_trial_bind(struct fault *fault)
{
	static const char *const names[] = {"bound", "proc"};
	if (make_directories(names, sizeof names / sizeof *names, fault) != 0)
		return -1;
	if (mount("bound", "bound", NULL, MS_BIND, NULL) != 0)
		return mount_trial_refused("mounting a directory at another place (bind)", fault);
	if (mount("/proc", "proc", NULL, MS_BIND | MS_REC, NULL) != 0)
		return mount_trial_refused("mounting /proc at another place (bind)", fault);
	return 0;
}

int mount_trial_overlay(struct fault *fault)
{
	static const char *const names[] = {"lower", "lower/below", "lower/gone", "upper", "work", "root"};
	const char *options = namespaces_inner() ? "lowerdir=lower,upperdir=upper,workdir=work,userxattr"
	                                         : "lowerdir=lower,upperdir=upper,workdir=work";
	if (make_directories(names, sizeof names / sizeof *names, fault) != 0)
		return -1;
	if (mount("overlay", "root", "overlay", 0, options) != 0)
		return mount_trial_refused("mounting an overlay (Linux 5.11 in a user namespace)", fault);
	if (mkdir("root/new", 0700) != 0 || rmdir("root/gone") != 0 || access("root/gone", F_OK) == 0 ||
	    rmdir("root/below") != 0 || mkdir("root/below", 0700) != 0)
		return mount_trial_refused("creating and removing in an overlay", fault);
	return umount2("root", MNT_DETACH) == 0 ? 0 : mount_trial_refused("leaving an overlay", fault);
}

int mount_trial_pivot(struct fault *fault)
{
	int root = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	return root < 0 ? mount_trial_refused("opening a new root", fault) : rootfs_enter(root, fault);
}
