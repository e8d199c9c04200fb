/* SPDX-License-Identifier: Apache-2.0 */
#include "payload_root.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "descriptors.h"
#include "namespaces.h"
#include "path_inside.h"
#include "rootfs.h"

/* What the process that makes it reports; the descriptors come with it, in the order of struct payload_root.
 */
struct report {
	int result;
	bool user_namespace;
	struct fault fault;
};

/* Directories that every Linux system has and that are seldom a mount's source. */
static const char *const places[] = {"/srv", "/media", "/mnt", "/opt", "/boot", "/var/tmp", "/tmp", NULL};

/* Whether one path is the other, or lies below it. */
static bool overlap(const char *one, const char *other)
{
	size_t shorter = strlen(one) < strlen(other) ? strlen(one) : strlen(other);
	const char *longer = strlen(one) < strlen(other) ? other : one;
	return strncmp(one, other, shorter) == 0 && (longer[shorter] == '\0' || longer[shorter] == '/');
}

static const char *choose_place(const char *const *avoided)
{
	struct stat status;
	for (const char *const *place = places; *place != NULL; place++) {
		bool wanted = false;
		for (const char *const *path = avoided; *path != NULL; path++)
			wanted = wanted || overlap(*place, *path);
		if (!wanted && lstat(*place, &status) == 0 && S_ISDIR(status.st_mode))
			return *place;
	}
	return NULL;
}

static void path_in(int base, const char *name, char path[64])
{
	snprintf(path, 64, "/proc/self/fd/%d/%s", base, name);
}

/* A tmpfs at `place` with directories for the mounts; its descriptor, or -1 with a fault. */
static int make_base(const char *place, struct fault *fault)
{
	static const char *const names[] = {"payload", "root", "upper", "work"};
	if (place == NULL)
		return fault_set(fault, ENOENT, "finding a directory to mount the payload at");
	if (mount("tmpfs", place, "tmpfs", MS_NOSUID | MS_NODEV, "mode=0700") != 0) {
		int error = errno;
		fault_set(fault, error, "mounting a tmpfs at %s", place);
		return namespaces_explain(error, fault);
	}
	int base = open(place, O_PATH | O_DIRECTORY | O_CLOEXEC);
	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		if (mkdirat(base, names[i], 0755) != 0) {
			fault_set(fault, errno, "making directories in a new tmpfs");
			close(base);
			return -1;
		}
	return base;
}

/* The changes live in `changes`, or with -1 in the tmpfs. */
static int mount_overlay(const struct payload_root *payload, int changes, const char *target,
                         struct fault *fault)
{
	char options[256];
	int upper = changes >= 0 ? changes : payload->base;
	snprintf(options, sizeof options,
	         "lowerdir=/proc/self/fd/%d/payload,upperdir=/proc/self/fd/%d/upper,workdir=/proc/self/fd/%d/"
	         "work%s",
	         payload->base, upper, upper, namespaces_inner() ? ",userxattr" : "");
	if (mount("overlay", target, "overlay", MS_NOSUID | MS_NODEV, options) == 0)
		return 0;
	fault_set(fault, errno, "making the root file system writable by an overlay");
	return fault_hint(
	    fault, changes >= 0 ? "That takes Linux 5.11 in a user namespace, and a directory on a local "
	                          "file system with extended attributes, such as ext4, xfs or btrfs."
	                        : "That takes Linux 5.11 in a user namespace; --mode extract works "
	                          "without.");
}

/* Below these nothing is the payload's. */
static bool is_covered(const char *point)
{
	static const char *const mounted[] = {"/tmp/", "/run/", "/dev/", "/proc/", "/sys/"};
	for (size_t i = 0; i < sizeof mounted / sizeof *mounted; i++)
		if (strncmp(point, mounted[i], strlen(mounted[i])) == 0)
			return true;
	return false;
}

/* Whether the container cannot do without an overlay; looked up where the payload is mounted. */
static bool needs_overlay(const struct payload_root_request *request, int base)
{
	char path[64];
	bool needed = request->overlay;
	if (needed || request->points[0] == NULL)
		return needed;
	path_in(base, "payload", path);
	int payload = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	for (const char *const *point = request->points; !needed && *point != NULL; point++)
		needed = !is_covered(*point) && !path_inside_exists(payload, *point);
	close(payload);
	return needed;
}

static int make(const struct payload_root_request *request, struct payload_root *root, struct fault *fault)
{
	char path[64];
	if (namespaces_enter(request->root, &root->user_namespace, fault) != 0)
		return -1;
	mode_t mask = umask(022);
	root->base = make_base(choose_place(request->avoided), fault);
	umask(mask);
	if (root->base < 0)
		return -1;
	path_in(root->base, "payload", path);
	if (served_payload_mount(request->server, path, !root->user_namespace, fault) != 0)
		return -1;
	path_in(root->base, "root", path); /* payload_root_open takes what is here away */
	if (rootfs_try(path, fault) != 0)
		return -1;
	if (needs_overlay(request, root->base) && mount_overlay(root, -1, path, fault) != 0)
		return -1;
	root->mount = open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC);
	root->host = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	root->directory = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	root->user = root->user_namespace ? open("/proc/self/ns/user", O_RDONLY | O_CLOEXEC) : root->mount;
	if (root->mount < 0 || root->user < 0 || root->host < 0 || root->directory < 0)
		return fault_set(fault, errno, "opening the namespaces of the payload's mount");
	return 0;
}

static _Noreturn void make_and_send(const struct payload_root_request *request, int channel)
{
	static struct report report;
	struct payload_root root = {0};
	report.result = make(request, &root, &report.fault);
	report.user_namespace = root.user_namespace;
	const int descriptors[] = {root.user, root.mount, root.host, root.directory, root.base};
	if (descriptors_send(channel, &report, sizeof report, descriptors, report.result == 0 ? 5 : 0) != 0 ||
	    report.result != 0)
		_exit(1);
	/* There is time for more until the container is built. */
	char path[64];
	path_in(root.base, "payload", path);
	prefetch_startup(open(path, O_PATH | O_DIRECTORY | O_CLOEXEC), &request->prefetch);
	_exit(0);
}

void payload_root_close(const struct payload_root *root)
{
	close(root->user);
	close(root->mount);
	close(root->host);
	close(root->directory);
	close(root->base);
}

void payload_root_reap(const struct payload_root *root)
{
	while (waitpid(root->maker, NULL, 0) < 0 && errno == EINTR)
		;
}

static int enter_user_namespace(const struct payload_root *root, struct fault *fault)
{
	if (!root->user_namespace || setns(root->user, CLONE_NEWUSER) == 0)
		return 0;
	int error = errno;
	fault_set(fault, error, "entering the user namespace of the payload's mount");
	if (error == EINVAL) /* as in a process with several threads, which emulators are */
		return fault_hint(fault, "An emulator of another architecture cannot do that.");
	return namespaces_explain(error, fault);
}

int payload_root_make(const struct payload_root_request *request, struct payload_root *root,
                      struct fault *fault)
{
	static struct report report;
	int descriptors[DESCRIPTORS_MAX], ends[2];
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0)
		return fault_set(fault, errno, "preparing the mount of the payload");
	fflush(NULL);
	pid_t child = fork();
	int error = errno;
	if (child == 0)
		make_and_send(request, ends[1]);
	close(ends[1]);
	int count = child < 0 ? -1 : descriptors_receive(ends[0], &report, sizeof report, descriptors);
	close(ends[0]);
	if (child < 0)
		return fault_set(fault, error, "starting the process that mounts the payload");
	*root = (struct payload_root){.maker = child};
	if (count == 5 && report.result == 0) {
		root->user_namespace = report.user_namespace;
		root->user = descriptors[0];
		root->mount = descriptors[1];
		root->host = descriptors[2];
		root->directory = descriptors[3];
		root->base = descriptors[4];
		if (enter_user_namespace(root, fault) == 0)
			return 0;
		payload_root_reap(root);
		payload_root_close(root);
		return -1;
	}
	payload_root_reap(root);
	if (count != 0 || report.result == 0)
		return fault_set(fault, 0, "the process that was to mount the payload ended early");
	*fault = report.fault;
	return -1;
}

/* Entering a mount namespace leads to its root; in a chroot the caller's is another. Threads of an emulator
 * share root and working directory with this one, which the kernel does not allow. */
int payload_root_join(const struct payload_root *root, struct fault *fault)
{
	if (unshare(CLONE_FS) != 0 || setns(root->mount, CLONE_NEWNS) != 0 || fchdir(root->host) != 0 ||
	    chroot(".") != 0 || fchdir(root->directory) != 0)
		return fault_set(fault, errno, "entering the namespaces of the payload's mount");
	return 0;
}

int payload_root_open(const struct payload_root *payload, bool writable,
                      const struct overlay_directory *overlay, struct fault *fault)
{
	char source[64], target[64];
	path_in(payload->base, "payload", source);
	path_in(payload->base, "root", target);
	(void)umount2(target, MNT_DETACH); /* EINVAL the first time */
	if (writable) {
		int changes = overlay == NULL ? -1 : overlay_directory_reopen(overlay, fault);
		if (overlay != NULL && changes < 0)
			return -1;
		int result = mount_overlay(payload, changes, target, fault);
		if (changes >= 0)
			close(changes);
		if (result != 0)
			return -1;
	} else if (mount(source, target, NULL, MS_BIND, NULL) != 0) {
		return fault_set(fault, errno, "making the payload the root file system");
	}
	int root = open(target, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return root >= 0 ? root : fault_set(fault, errno, "opening the root file system");
}
