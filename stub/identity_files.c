/* SPDX-License-Identifier: Apache-2.0 */
#include "identity_files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "file_inside.h"
#include "mount_inside.h"
#include "path_inside.h"

static const unsigned long passive = MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC;

static const char *const host_files[] = {"/etc/hosts", "/etc/hostname", "/etc/resolv.conf",
                                         "/etc/machine-id"};

static void bind_file(int root, const char *path, enum path_missing missing)
{
	struct fault ignored = {0};
	struct stat status;
	int source = open(path, O_PATH | O_CLOEXEC); /* a symbolic link is followed on the host */
	if (source < 0)
		return;
	if (fstat(source, &status) == 0 && S_ISREG(status.st_mode))
		mount_inside_bind(root, source, path, missing, false, passive, 0, &ignored);
	close(source);
}

void identity_files_bind_host(int root)
{
	for (size_t i = 0; i < sizeof host_files / sizeof *host_files; i++)
		bind_file(root, host_files[i], PATH_MAKE_FILE);
	/* A link leads into the image's zoneinfo, which must not be covered. */
	struct stat status;
	int etc = path_inside_open(root, "/etc", PATH_FAIL);
	if (etc >= 0 && fstatat(etc, "localtime", &status, AT_SYMLINK_NOFOLLOW) == 0 &&
	    S_ISREG(status.st_mode))
		bind_file(root, "/etc/localtime", PATH_FAIL);
	if (etc >= 0)
		close(etc);
}

int identity_files_copy_host(identity_place *place, void *context, struct fault *fault)
{
	int host = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC), result = 0;
	for (size_t i = 0; result == 0 && i < sizeof host_files / sizeof *host_files; i++) {
		char *text = file_inside_read(host, host_files[i]);
		if (text != NULL && *text != '\0')
			result = place(context, host_files[i], text, "", fault);
		free(text);
	}
	close(host);
	return result;
}

/* Whether a line of a passwd or group file has that id in its third field, and that name unless it is NULL.
 */
static bool has_entry(const char *text, const char *name, unsigned long id)
{
	for (const char *line = text; *line != '\0'; line += strcspn(line, "\n"), line += *line == '\n') {
		size_t length = strcspn(line, ":\n");
		const char *field = line + length;
		if (*field != ':' ||
		    (name != NULL && (length != strlen(name) || memcmp(line, name, length) != 0)))
			continue;
		field++;
		field += strcspn(field, ":\n");
		char *end;
		if (*field == ':' && field[1] >= '0' && field[1] <= '9' &&
		    strtoul(field + 1, &end, 10) == id && *end == ':')
			return true;
	}
	return false;
}

int identity_files_add_user(int root, const struct identity *identity, identity_place *place, void *context,
                            struct fault *fault)
{
	static char line[2 * PATH_MAX + 1024];
	int result = 0;
	char *text = file_inside_read(root, "/etc/passwd");
	if (text == NULL)
		return fault_set(fault, errno, "reading the image's /etc/passwd");
	/* The image's root stays root; another user of that number must not give the caller a strange name.
	 */
	if (!has_entry(text, identity->uid == 0 ? NULL : identity->name, identity->uid)) {
		snprintf(line, sizeof line, "%s:x:%lu:%lu::%s:%s\n", identity->name,
		         (unsigned long)identity->uid, (unsigned long)identity->gid, identity->home,
		         path_inside_exists(root, identity->shell) ? identity->shell : "/bin/sh");
		result = place(context, "/etc/passwd", line, text, fault);
	}
	free(text);
	if (result != 0)
		return -1;
	text = file_inside_read(root, "/etc/group");
	if (text == NULL)
		return fault_set(fault, errno, "reading the image's /etc/group");
	if (!has_entry(text, NULL, identity->gid)) {
		snprintf(line, sizeof line, "%s:x:%lu:\n", identity->group, (unsigned long)identity->gid);
		result = place(context, "/etc/group", line, text, fault);
	}
	free(text);
	return result;
}

int identity_files_tell_apt(int root, identity_place *place, void *context, struct fault *fault)
{
	if (!path_inside_exists(root, "/etc/apt/apt.conf.d"))
		return 0;
	return place(context, "/etc/apt/apt.conf.d/99rundle", "APT::Sandbox::User \"root\";\n", "", fault);
}
