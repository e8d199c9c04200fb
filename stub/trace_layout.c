/* SPDX-License-Identifier: Apache-2.0 */
#include "trace_layout.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include "identity.h"
#include "identity_files.h"
#include "message.h"
#include "path_inside.h"
#include "run_directories.h"
#include "substitute.h"
#include "trace_ruleset.h"

static bool is_below(const char *path, const char *directory)
{
	size_t length = strlen(directory);
	while (length > 0 && directory[length - 1] == '/')
		length--;
	return strncmp(path, directory, length) == 0 && (path[length] == '/' || path[length] == '\0');
}

/* Show `source`, a path without a colon, at `target`. What was bound there or below before is covered. PRoot
 * takes a `!` at the end for itself, and makes what is missing of the target, as far as it can. */
static int bind(struct trace_layout *layout, const char *source, const char *target, struct fault *fault)
{
	char *binding;
	size_t length = strlen(target);
	for (size_t i = 0; i < layout->targets.count; i++)
		if (is_below(layout->targets.items[i], target))
			layout->bindings.items[i] = NULL;
	if (asprintf(&binding, "%s:%s%s", source, target,
	             length > 0 && target[length - 1] == '!' ? "!" : "") < 0)
		return fault_set(fault, ENOMEM, "binding %.400s", target);
	if (string_list_push(&layout->bindings, binding, fault) != 0)
		return -1;
	/* PRoot fails later on what is no absolute path without links; a copy, as callers reuse theirs. */
	return string_list_push(&layout->targets, binding + strlen(source) + 1, fault);
}

/* The name of another file of PRoot's directory, relative to the private one. */
static const char *new_name(struct trace_layout *layout)
{
	char *name;
	return asprintf(&name, TRACE_DIRECTORY "/%u", layout->files++) < 0 ? NULL : name;
}

/* By a link: PRoot ends the name of a source at a colon. */
static int bind_host(struct trace_layout *layout, const char *source, const char *target, bool writable,
                     struct fault *fault)
{
	static char path[PATH_MAX];
	int file = open(source, O_PATH | O_CLOEXEC);
	const char *name = new_name(layout);
	if (file < 0 || name == NULL || realpath(source, path) == NULL ||
	    symlinkat(path, layout->directory, name) != 0) {
		fault_set(fault, errno, "opening %.400s, which is to be shown inside", source);
		if (file >= 0)
			close(file);
		return -1;
	}
	if (writable)
		trace_ruleset_allow(layout->ruleset, file);
	close(file);
	return bind(layout, name, target, fault);
}

/* An empty directory in place of a tmpfs. */
static int bind_empty(struct trace_layout *layout, const char *name, const char *target, mode_t mode,
                      struct fault *fault)
{
	int made = -1;
	if (name != NULL && mkdirat(layout->directory, name, 0700) == 0)
		made = openat(layout->directory, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (made < 0 || fchmod(made, mode) != 0)
		return fault_set(fault, errno, "making a directory for %.400s", target);
	trace_ruleset_allow(layout->ruleset, made);
	close(made);
	return bind(layout, name, target, fault);
}

/* identity_place */
static int place(void *context, const char *path, const char *first, const char *rest, struct fault *fault)
{
	struct trace_layout *layout = context;
	const char *name = new_name(layout);
	int file = name == NULL ? -1
	                        : openat(layout->directory, name,
	                                 O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
	size_t sizes[] = {strlen(first), strlen(rest)};
	if (file < 0 || fchmod(file, 0644) != 0 || write(file, first, sizes[0]) != (ssize_t)sizes[0] ||
	    write(file, rest, sizes[1]) != (ssize_t)sizes[1] || close(file) != 0)
		return fault_set(fault, errno, "writing the container's %.400s", path);
	return bind(layout, name, path, fault);
}

static int bind_system(struct trace_layout *layout, struct fault *fault)
{
	static const char *const directories[] = {"/proc", "/sys", "/dev"};
	int tree = layout->start->tree.directory;
	for (size_t i = 0; i < sizeof directories / sizeof *directories; i++)
		if (bind_host(layout, directories[i], directories[i], true, fault) != 0)
			return -1;
	if (bind_empty(layout, "tmp", "/tmp", 01777, fault) != 0 ||
	    bind_empty(layout, "run", "/run", 0755, fault) != 0 ||
	    mkdirat(layout->directory, "run/lock", 0700) != 0 ||
	    fchmodat(layout->directory, "run/lock", 01777, 0) != 0)
		return fault_set(fault, errno, "making the directory /run/lock");
	struct stat status;
	static const char *const names[] = {"var/run", "var/lock"};
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		char target[16];
		snprintf(target, sizeof target, "/%s", names[i]);
		if (fstatat(tree, names[i], &status, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(status.st_mode) &&
		    bind_empty(layout, new_name(layout), target, 01777, fault) != 0)
			return -1;
	}
	return 0;
}

static int bind_files(struct trace_layout *layout, const struct identity *identity, struct fault *fault)
{
	struct stat status;
	const struct container_request *request = &layout->start->container;
	int tree = layout->start->tree.directory;
	if (identity_files_copy_host(place, layout, fault) != 0 ||
	    identity_files_add_user(tree, identity, place, layout, fault) != 0)
		return -1;
	if (fstatat(tree, "etc/localtime", &status, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(status.st_mode) &&
	    access("/etc/localtime", R_OK) == 0 &&
	    bind_host(layout, "/etc/localtime", "/etc/localtime", false, fault) != 0)
		return -1;
	if (request->root && geteuid() != 0 && identity_files_tell_apt(tree, place, layout, fault) != 0)
		return -1;
	return request->rc != NULL ? bind_host(layout, request->rc, "/etc/rc", false, fault) : 0;
}

/* As container.c does: home and current directory keep their paths, and home is where HOME leads too. */
static int bind_home(struct trace_layout *layout, const struct identity *identity, struct fault *fault)
{
	static char current[PATH_MAX], directory[PATH_MAX];
	const struct container_request *request = &layout->start->container;
	const char *inside = environment_value(request->environment, "HOME", strlen("HOME"));
	const char *home = getenv("HOME");
	if (home == NULL || home[0] != '/')
		home = identity->home;
	if (inside == NULL || inside[0] != '/')
		inside = request->root ? "/root" : identity->home;
	if (request->mount_home) {
		if (bind_host(layout, home, home, true, fault) != 0 ||
		    (strcmp(home, inside) != 0 && bind_host(layout, home, inside, true, fault) != 0))
			return -1;
	} else if (!path_inside_exists(layout->start->tree.directory, inside) &&
	           bind_empty(layout, "home", inside, 0700, fault) != 0) {
		return -1;
	}
	for (char *const *variable = request->environment; run_directories_next(&variable, directory);)
		if (bind_host(layout, directory, directory, true, fault) != 0)
			fault_clear(fault);
	if (!request->mount_cwd)
		return 0;
	if (getcwd(current, sizeof current) == NULL)
		return fault_set(fault, errno, "finding the current directory, which is to be mounted");
	return bind_host(layout, current, current, true, fault);
}

/* A directory of the image shown at another place of it, or made writable where it is. */
static int bind_volume(struct trace_layout *layout, const struct mount_spec *mount, bool writable,
                       struct fault *fault)
{
	static char source[PATH_MAX];
	char link[48];
	int file = path_inside_open(layout->start->tree.directory, mount->source,
	                            mount->create == CREATE_NONE   ? PATH_FAIL
	                            : mount->create == CREATE_FILE ? PATH_MAKE_FILE
	                                                           : PATH_MAKE_DIRECTORY);
	if (file < 0)
		return fault_set(fault, errno, "the source %.400s of a mount", mount->source);
	snprintf(link, sizeof link, "/proc/self/fd/%d", file);
	ssize_t length = readlink(link, source, sizeof source - 1);
	source[length > 0 ? length : 0] = '\0';
	if (writable)
		trace_ruleset_allow(layout->ruleset, file);
	close(file);
	return strcmp(mount->source, mount->target) == 0
	           ? 0
	           : bind_host(layout, source, mount->target, writable, fault);
}

static int bind_requested(struct trace_layout *layout, const struct mount_spec *mount, struct fault *fault)
{
	bool writable = (mount->set & MS_RDONLY) == 0;
	if (mount->action == MOUNT_BIND) {
		if (!writable && layout->ruleset < 0)
			message_notice("the mount %s is not read-only in tier trace: this kernel has no "
			               "Landlock of Linux 5.19",
			               mount->target);
		if (mount->source_inside)
			return bind_volume(layout, mount, writable, fault);
		if (access(mount->source, F_OK) == 0)
			return bind_host(layout, mount->source, mount->target, writable, fault);
		fault_set(fault, errno, "the source %.400s of a mount", mount->source);
		return errno == ENOENT
		           ? fault_hint(fault, "Create it, or add the option nofail to go on without.")
		           : -1;
	}
	if (mount->action == MOUNT_NEW &&
	    (strcmp(mount->type, "tmpfs") == 0 || strcmp(mount->type, "ramfs") == 0))
		return bind_empty(layout, new_name(layout), mount->target, 01777, fault);
	fault_set(fault, 0, "the mount %.400s cannot be made in tier trace, which mounts nothing",
	          mount->target);
	return fault_hint(fault, "It shows directories of the host, and an empty one for a tmpfs; add the "
	                         "option nofail to go on without.");
}

static int bind_all_requested(struct trace_layout *layout, struct fault *fault)
{
	const struct container_request *request = &layout->start->container;
	for (size_t i = 0; i < request->mount_count; i++) {
		const struct mount_spec *mount = &request->mounts[i];
		struct fault reason = {0};
		if (bind_requested(layout, mount, &reason) == 0)
			continue;
		if (!mount->nofail) {
			*fault = reason;
			return -1;
		}
		if (!mount->silent)
			message_notice("without the mount %s: %s%s%s", mount->target, reason.text,
			               reason.error != 0 ? ": " : "",
			               reason.error != 0 ? strerror(reason.error) : "");
	}
	return 0;
}

static int copy_launcher(int directory, const char *name, struct fault *fault)
{
	int from = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	int to = openat(directory, name, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0700);
	ssize_t copied = from < 0 || to < 0 ? -1 : 1;
	while (copied > 0)
		copied = sendfile(to, from, NULL, 1 << 20);
	int error = errno;
	if (from >= 0)
		close(from);
	if (to >= 0)
		close(to);
	return copied == 0 ? 0 : fault_set(fault, error, "copying the launcher for PRoot");
}

/* The launcher's copy, in a directory that no mount covers: it is gone before the program starts. */
static int place_launcher(struct trace_layout *layout, struct fault *fault)
{
	bool covered = false;
	for (size_t i = 0; i < layout->start->container.mount_count; i++)
		covered |= is_below("/run", layout->start->container.mounts[i].target);
	layout->inside = covered ? "/.rundle-inside" : "/run/.rundle-inside";
	return copy_launcher(covered ? layout->start->tree.directory : layout->directory, layout->inside + 1,
	                     fault);
}

int trace_layout_make(struct trace_layout *layout, struct fault *fault)
{
	static struct identity identity;
	const struct container_request *request = &layout->start->container;
	bool confined = !request->writable;
	for (size_t i = 0; i < request->mount_count; i++)
		confined |= (request->mounts[i].set & MS_RDONLY) != 0;
	layout->ruleset = confined ? trace_ruleset_open() : -1;
	if (request->writable)
		trace_ruleset_allow(layout->ruleset, layout->start->tree.directory);
	else if (layout->ruleset < 0 && !layout->start->tree.temporary && !layout->start->options->quiet)
		message_notice("the tree %.400s can be changed by the program in tier trace: this kernel has "
		               "no Landlock of Linux 5.19",
		               layout->start->tree.path);
	if (bind_system(layout, fault) != 0)
		return -1;
	identity_lookup(&identity);
	identity_await_group();
	identity_lookup(&identity);
	if (request->root) {
		identity.uid = identity.gid = 0;
		strcpy(identity.name, "root");
		strcpy(identity.group, "root");
		strcpy(identity.home, "/root");
	}
	if (bind_files(layout, &identity, fault) != 0 || bind_home(layout, &identity, fault) != 0 ||
	    bind_all_requested(layout, fault) != 0)
		return -1;
	return place_launcher(layout, fault);
}
