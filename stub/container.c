/* SPDX-License-Identifier: Apache-2.0 */
#include "container.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "capability.h"
#include "file_inside.h"
#include "identity.h"
#include "identity_files.h"
#include "mount_attributes.h"
#include "mount_inside.h"
#include "namespace_probe.h"
#include "namespaces.h"
#include "path_inside.h"
#include "root_emulation.h"
#include "rootfs.h"
#include "run_directories.h"
#include "substitute.h"
#include "supervise.h"
#include "system_mounts.h"
#include "user_mounts.h"

/* What is found out while this process still stands where the user does. */
struct surroundings {
	struct identity identity; /* inside */
	bool user_namespace;
	bool mapped_root; /* user 0 of a user namespace */
	char directory[PATH_MAX];
	char home[PATH_MAX];   /* of the host */
	char *rc;              /* contents of --rc; NULL without */
	const char *home_name; /* HOME of the program */
};

static int read_rc(const char *path, char **text, struct fault *fault)
{
	enum { LIMIT = 1 << 20 };
	int file = open(path, O_RDONLY | O_CLOEXEC);
	char *bytes = calloc(1, LIMIT + 1);
	size_t used = 0;
	ssize_t got = file < 0 || bytes == NULL ? -1 : 1;
	while (got > 0 && used < LIMIT) {
		got = read(file, bytes + used, LIMIT - used);
		used += got > 0 ? (size_t)got : 0;
	}
	int error = errno;
	if (file >= 0)
		close(file);
	if (got == 0 && strlen(bytes) == used) {
		*text = bytes;
		return 0;
	}
	free(bytes);
	return got < 0 ? fault_set(fault, error, "reading the script %.400s", path)
	               : fault_set(fault, 0, "the script %.400s is over 1 MiB or holds a NUL", path);
}

/* Whose home and which directory are meant. */
static int find_directories(const struct container_request *request, struct surroundings *here,
                            struct fault *fault)
{
	identity_lookup(&here->identity);
	const char *home = getenv("HOME");
	bool usable = home != NULL && home[0] == '/' && strlen(home) < sizeof here->home;
	snprintf(here->home, sizeof here->home, "%s", usable ? home : here->identity.home);
	here->home_name = environment_value(request->environment, "HOME", strlen("HOME"));
	if (request->mount_cwd && getcwd(here->directory, sizeof here->directory) == NULL)
		return fault_set(fault, errno, "finding the current directory, which is to be mounted");
	return 0;
}

static int look_around(const struct container_request *request, struct surroundings *here,
                       struct fault *fault)
{
	if (find_directories(request, here, fault) != 0)
		return -1;
	if (request->rc != NULL && read_rc(request->rc, &here->rc, fault) != 0)
		return -1;
	if (request->tree->directory >= 0 && fchdir(request->tree->directory) != 0)
		return fault_set(fault, errno, "entering the tree %.400s", request->tree->path);
	return 0;
}

/* The ids that the program sees; with --root those of user 0, whose entry images have. */
static void become_root(struct identity *identity)
{
	identity->uid = 0;
	identity->gid = 0;
	snprintf(identity->name, sizeof identity->name, "root");
	snprintf(identity->group, sizeof identity->group, "root");
	snprintf(identity->home, sizeof identity->home, "/root");
}

static int mount_system(const struct container_request *request, int root, struct fault *fault)
{
	const struct system_mounts_request system = {root, request->pid, request->net, request->ipc};
	if (system_mounts_make(&system, fault) != 0)
		return -1;
	/* This file system lives as long as the container's mount namespace. */
	int run = path_inside_open(root, "/run", PATH_FAIL);
	if (run >= 0) {
		char path[48];
		snprintf(path, sizeof path, "/proc/self/fd/%d", run);
		cleaner_watch_mount(&request->tree->cleaner, path);
		close(run);
	}
	return 0;
}

static int cover(void *root, const char *path, const char *first, const char *rest, struct fault *fault)
{
	return file_inside_cover(*(const int *)root, path, first, rest, fault);
}

/* The files that are not the image's own. */
static int mount_files(const struct container_request *request, const struct surroundings *here, int root,
                       struct fault *fault)
{
	identity_files_bind_host(root);
	struct identity identity = here->identity;
	identity_await_group();
	if (!request->root)
		identity_lookup(&identity);
	if (identity_files_add_user(root, &identity, cover, &root, fault) != 0)
		return -1;
	if (here->mapped_root && identity_files_tell_apt(root, cover, &root, fault) != 0)
		return -1;
	return here->rc != NULL ? file_inside_cover(root, "/etc/rc", here->rc, "", fault) : 0;
}

/* Home and current directory keep their paths; where HOME leads elsewhere, as with --root, home is there too.
 */
static int mount_requested(const struct container_request *request, const struct surroundings *here, int root,
                           struct fault *fault)
{
	if (request->mount_home) {
		if (user_mounts_directory(root, here->home, here->home, fault) != 0)
			return -1;
		if (here->home_name != NULL && here->home_name[0] == '/' &&
		    strcmp(here->home_name, here->home) != 0 &&
		    user_mounts_directory(root, here->home, here->home_name, fault) != 0)
			return -1;
	} else {
		system_mounts_home(root, here->home_name != NULL && here->home_name[0] == '/'
		                             ? here->home_name
		                             : here->identity.home);
	}
	run_directories_bind(root, request->environment);
	if (request->mount_cwd && user_mounts_directory(root, here->directory, here->directory, fault) != 0)
		return -1;
	return user_mounts_make(root, request->mounts, request->mount_count, fault);
}

/* Everything that the root file system needs besides itself. */
static int furnish_root(const struct container_request *request, const struct surroundings *here, int root,
                        struct fault *fault)
{
	if (mount_system(request, root, fault) != 0 || mount_files(request, here, root, fault) != 0 ||
	    mount_requested(request, here, root, fault) != 0)
		return -1;
	if (!request->writable && mount_attributes_change(root, false, MS_RDONLY, 0) != 0)
		return fault_set(fault, errno, "making the root file system read-only");
	return 0;
}

/* Whether part of the image is to be writable in a root that is not: a directory mounted on itself. */
static bool has_volume(const struct container_request *request)
{
	for (size_t i = 0; i < request->mount_count; i++)
		if (request->mounts[i].source_inside && (request->mounts[i].set & MS_RDONLY) == 0)
			return true;
	return false;
}

/* The payload's own tree where every mount point exists, which is the common case and costs least; otherwise
 * once more with an overlay over it, where they can be made. */
static int build_on_payload(const struct container_request *request, const struct surroundings *here,
                            struct fault *fault)
{
	for (bool overlay = request->writable || has_volume(request);; overlay = true) {
		int root = payload_root_open(request->payload, overlay, request->overlay, fault);
		if (root < 0)
			return -1;
		(void)path_inside_was_read_only();
		int result = furnish_root(request, here, root, fault);
		if (path_inside_was_read_only() && !overlay) {
			close(root);
			fault_clear(fault);
			continue;
		}
		if (result == 0)
			result = rootfs_enter(root, fault);
		close(root);
		return result;
	}
}

static int build_on_tree(const struct container_request *request, const struct surroundings *here,
                         struct fault *fault)
{
	int root = rootfs_bind(request->tree->path, fault);
	if (root < 0)
		return -1;
	int result = furnish_root(request, here, root, fault);
	if (result == 0)
		result = rootfs_enter(root, fault);
	close(root);
	return result;
}

static int settle_privileges(const struct surroundings *here, struct fault *fault)
{
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
		return fault_set(fault, errno, "giving up the gain of privileges (no_new_privs)");
	if (here->mapped_root)
		return root_emulation_install(fault);
	return here->identity.uid != 0 ? capability_drop_all(fault) : 0;
}

static int enter_mounts(const struct container_request *request, struct surroundings *here,
                        struct fault *fault)
{
	if (request->payload == NULL)
		return namespaces_enter(request->root, &here->user_namespace, fault);
	here->user_namespace = request->payload->user_namespace;
	return payload_root_join(request->payload, fault);
}

/* The sources of mounts must stay in sight while the payload is mounted somewhere. */
int container_mount_payload(const struct container_request *request, const struct served_payload *server,
                            struct payload_root *payload, struct fault *fault)
{
	static struct surroundings here;
	bool user_namespace;
	if (find_directories(request, &here, fault) != 0)
		return -1;
	if (request->writable &&
	    namespace_try(&(struct namespace_trial){.overlay = true}, &user_namespace, fault) != 0)
		return -1;
	const char **avoided = calloc(request->mount_count + 4, sizeof *avoided);
	const char **points = calloc(request->mount_count + 3, sizeof *points);
	if (avoided == NULL || points == NULL)
		return fault_set(fault, errno, "preparing the root file system");
	size_t count = 0, point = 0;
	for (size_t i = 0; i < request->mount_count; i++) {
		if (request->mounts[i].source[0] == '/')
			avoided[count++] = request->mounts[i].source;
		if (request->mounts[i].create != CREATE_NONE)
			points[point++] = request->mounts[i].target;
	}
	if (request->mount_home)
		points[point++] = avoided[count++] = here.home;
	if (request->mount_cwd)
		points[point++] = avoided[count++] = here.directory;
	if (request->overlay != NULL)
		avoided[count++] = request->overlay->path;
	const struct payload_root_request wanted = {
	    .server = server,
	    .root = request->root,
	    .avoided = avoided,
	    .points = points,
	    .overlay = has_volume(request),
	    .prefetch = {request->program, environment_value(request->environment, "PATH", strlen("PATH"))},
	};
	int result = payload_root_make(&wanted, payload, fault);
	free(points);
	free(avoided);
	return result;
}

int container_enter(const struct container_request *request, struct fault *fault)
{
	static struct surroundings here;
	here = (struct surroundings){0};
	if (look_around(request, &here, fault) != 0)
		return -1;
	const struct namespace_request namespaces = {
	    .pid = request->pid,
	    .net = request->net,
	    .ipc = request->ipc,
	    .uts = request->uts,
	};
	if (enter_mounts(request, &here, fault) != 0 || namespaces_add(&namespaces, fault) != 0)
		return -1;
	cleaner_set_namespaces(&request->tree->cleaner, here.user_namespace);
	if (request->root)
		become_root(&here.identity);
	here.mapped_root = here.user_namespace && here.identity.uid == 0;
	if (request->pid) {
		/* Both are children of this process. */
		identity_await_group();
		if (request->payload != NULL)
			payload_root_reap(request->payload);
		if (supervise_fork(fault) != 0)
			return -1;
	}
	mode_t mask = umask(022); /* mount points that are created are for everybody */
	int result = request->payload != NULL ? build_on_payload(request, &here, fault)
	                                      : build_on_tree(request, &here, fault);
	umask(mask);
	free(here.rc);
	if (result != 0 || settle_privileges(&here, fault) != 0)
		return -1;
	if (request->pid)
		supervise_rearm();
	else if (request->payload != NULL)
		payload_root_reap(request->payload);
	return 0;
}
