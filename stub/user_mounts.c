/* SPDX-License-Identifier: Apache-2.0 */
#include "user_mounts.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "message.h"
#include "mount_inside.h"

static enum path_missing creation(const struct mount_spec *mount, int source)
{
	struct stat status;
	switch (mount->create) {
	case CREATE_DIRECTORY:
		return PATH_MAKE_DIRECTORY;
	case CREATE_FILE:
		return PATH_MAKE_FILE;
	case CREATE_AUTO:
		if (source >= 0 && fstat(source, &status) == 0 && !S_ISDIR(status.st_mode))
			return PATH_MAKE_FILE;
		return PATH_MAKE_DIRECTORY;
	case CREATE_NONE:
		break;
	}
	return PATH_FAIL;
}

static int open_source(int root, const struct mount_spec *mount, struct fault *fault)
{
	/* Enroot's volumes are a directory of the image mounted on itself, which x-create has to make first.
	 */
	int source = mount->source_inside ? path_inside_open(root, mount->source, creation(mount, -1))
	                                  : open(mount->source, O_PATH | O_CLOEXEC);
	if (source >= 0)
		return source;
	int error = errno;
	fault_set(fault, error, "the source %.400s of a mount", mount->source);
	return error == ENOENT ? fault_hint(fault, "Create it, or add the option nofail to go on without.")
	                       : -1;
}

static int bind(int root, const struct mount_spec *mount, struct fault *fault)
{
	int source = open_source(root, mount, fault);
	if (source < 0)
		return -1;
	int result = mount_inside_bind(root, source, mount->target, creation(mount, source), mount->recursive,
	                               mount->set, mount->clear, fault);
	close(source);
	return result;
}

static int move_or_detach(int root, const struct mount_spec *spec, struct fault *fault)
{
	char path[48];
	bool move = spec->action == MOUNT_MOVE;
	int point = path_inside_open(root, spec->target, move ? creation(spec, -1) : PATH_FAIL);
	if (point < 0)
		return fault_set(fault, errno, "opening the mount point %.400s in the container",
		                 spec->target);
	snprintf(path, sizeof path, "/proc/self/fd/%d", point);
	int result = move ? mount(spec->source, path, NULL, MS_MOVE, NULL) : umount2(path, MNT_DETACH);
	if (result != 0 && move)
		fault_set(fault, errno, "moving the mount %.300s to %.300s", spec->source, spec->target);
	else if (result != 0)
		fault_set(fault, errno, "detaching the mount %.400s", spec->target);
	close(point);
	return result;
}

static int propagate(int root, const struct mount_spec *spec, struct fault *fault)
{
	char path[48];
	int point = path_inside_open(root, spec->target, PATH_FAIL);
	if (point < 0)
		return fault_set(fault, errno, "opening the mount point %.400s in the container",
		                 spec->target);
	snprintf(path, sizeof path, "/proc/self/fd/%d", point);
	int result = mount(NULL, path, NULL, spec->propagation, NULL);
	if (result != 0)
		fault_set(fault, errno, "setting the propagation of the mount %.400s", spec->target);
	close(point);
	return result;
}

static int make(int root, const struct mount_spec *mount, struct fault *fault)
{
	int result = -1;
	switch (mount->action) {
	case MOUNT_BIND:
		result = bind(root, mount, fault);
		break;
	case MOUNT_NEW:
		result = mount_inside_new(root, mount->type, mount->target, creation(mount, -1), mount->set,
		                          mount->data[0] != '\0' ? mount->data : NULL, fault);
		break;
	case MOUNT_MOVE:
	case MOUNT_DETACH:
		result = move_or_detach(root, mount, fault);
		break;
	}
	if (result == 0 && mount->propagation != 0)
		result = propagate(root, mount, fault);
	return result;
}

int user_mounts_make(int root, const struct mount_spec *mounts, size_t count, struct fault *fault)
{
	for (size_t i = 0; i < count; i++) {
		struct fault reason = {0};
		if (make(root, &mounts[i], &reason) == 0)
			continue;
		if (!mounts[i].nofail) {
			*fault = reason;
			return -1;
		}
		if (!mounts[i].silent)
			message_notice("without the mount %s: %s%s%s", mounts[i].target, reason.text,
			               reason.error != 0 ? ": " : "",
			               reason.error != 0 ? strerror(reason.error) : "");
	}
	return 0;
}

int user_mounts_directory(int root, const char *source, const char *target, struct fault *fault)
{
	int directory = open(source, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (directory < 0)
		return fault_set(fault, errno, "opening %.400s, which is to be mounted", source);
	int result = mount_inside_bind(root, directory, target, PATH_MAKE_DIRECTORY, true, 0, 0, fault);
	close(directory);
	return result;
}
