/* SPDX-License-Identifier: Apache-2.0
 * A payload that is mounted, not extracted, as the root file system. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "rootfs.h"

/* Directories that every Linux system has and that are seldom a mount's source. */
static const char *const places[] = {"/srv", "/media", "/mnt", "/opt", "/boot", "/var/tmp", "/tmp", NULL};

/* Whether one path is the other, or lies below it. */
static bool overlap(const char *one, const char *other)
{
	size_t shorter = strlen(one) < strlen(other) ? strlen(one) : strlen(other);
	const char *longer = strlen(one) < strlen(other) ? other : one;
	return strncmp(one, other, shorter) == 0 && (longer[shorter] == '\0' || longer[shorter] == '/');
}

static const char *choose_place(char *const *avoided)
{
	struct stat status;
	for (const char *const *place = places; *place != NULL; place++) {
		bool wanted = false;
		for (char *const *path = avoided; *path != NULL; path++)
			wanted = wanted || overlap(*place, *path);
		if (!wanted && lstat(*place, &status) == 0 && S_ISDIR(status.st_mode))
			return *place;
	}
	return NULL;
}

static void path_in(const struct rootfs_payload *payload, const char *name, char path[64])
{
	snprintf(path, 64, "/proc/self/fd/%d/%s", payload->base, name);
}

int rootfs_mount_payload(struct rootfs_payload *payload, struct served_payload *server, bool user_namespace,
                         bool owners, char *const *avoided, struct fault *fault)
{
	char path[64];
	const char *place = choose_place(avoided);
	payload->user_namespace = user_namespace;
	if (place == NULL)
		return fault_set(fault, ENOENT, "finding a directory to mount the payload at");
	if (mount("tmpfs", place, "tmpfs", MS_NOSUID | MS_NODEV, "mode=0700") != 0)
		return fault_set(fault, errno, "mounting a tmpfs at %s", place);
	payload->base = open(place, O_PATH | O_DIRECTORY | O_CLOEXEC);
	static const char *const names[] = {"payload", "root", "upper", "work"};
	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		if (mkdirat(payload->base, names[i], 0755) != 0)
			return fault_set(fault, errno, "making directories in a new tmpfs");
	path_in(payload, "payload", path);
	return served_payload_mount(server, path, owners, fault);
}

static int mount_overlay(const struct rootfs_payload *payload, const char *target, struct fault *fault)
{
	char options[256];
	int base = payload->base;
	snprintf(options, sizeof options,
	         "lowerdir=/proc/self/fd/%d/payload,upperdir=/proc/self/fd/%d/upper,workdir=/proc/self/fd/%d/"
	         "work%s",
	         base, base, base, payload->user_namespace ? ",userxattr" : "");
	if (mount("overlay", target, "overlay", MS_NOSUID | MS_NODEV, options) == 0)
		return 0;
	fault_set(fault, errno, "making the root file system writable by an overlay");
	return fault_hint(fault, "That takes Linux 5.11 in a user namespace; --mode extract works without.");
}

int rootfs_payload_root(const struct rootfs_payload *payload, bool writable, struct fault *fault)
{
	char source[64], target[64];
	path_in(payload, "payload", source);
	path_in(payload, "root", target);
	(void)umount2(target, MNT_DETACH); /* EINVAL the first time */
	if (writable) {
		if (mount_overlay(payload, target, fault) != 0)
			return -1;
	} else if (mount(source, target, NULL, MS_BIND, NULL) != 0) {
		return fault_set(fault, errno, "making the payload the root file system");
	}
	int root = open(target, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return root >= 0 ? root : fault_set(fault, errno, "opening the root file system");
}
