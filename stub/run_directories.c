/* SPDX-License-Identifier: Apache-2.0 */
#include "run_directories.h"

#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "mount_inside.h"

/* Names; `*` at the end stands for a family. Values are a directory, or hold the path of a socket or file in
 * it behind something else (`pmix-server:1:/tmp/x/pmix-1`, `local:///run/flux/local`). */
static const char *const variables[] = {
    "PMIX_SERVER_TMPDIR", "PMIX_SYSTEM_TMPDIR", "PMIX_SERVER_URI*",
    "PRTE_LAUNCHER_URI",  "OMPI_FILE_LOCATION", "FLUX_URI",
    "SLURM_TMPDIR",       "PALS_SPOOL_DIR",     "CUDA_MPS_PIPE_DIRECTORY",
};

static bool is_named(const char *entry)
{
	size_t length = strcspn(entry, "=");
	for (size_t i = 0; i < sizeof variables / sizeof *variables; i++) {
		size_t wanted = strlen(variables[i]);
		bool family = variables[i][wanted - 1] == '*';
		wanted -= family;
		if ((family ? length >= wanted : length == wanted) &&
		    strncmp(entry, variables[i], wanted) == 0)
			return true;
	}
	return false;
}

/* The directory in a value; false when there is none that may be bound. */
static bool directory_in(const char *value, char directory[PATH_MAX])
{
	struct stat status;
	const char *start = value[0] == '/' ? value : strstr(value, ":/");
	if (start == NULL)
		return false;
	start += strspn(start, ":");
	while (start[0] == '/' && start[1] == '/')
		start++;
	size_t length = strcspn(start, ";,");
	if (length >= PATH_MAX)
		return false;
	memcpy(directory, start, length);
	directory[length] = '\0';
	if (strstr(directory, "/../") != NULL || stat(directory, &status) != 0)
		return false;
	while (length > 1 && directory[length - 1] == '/')
		directory[--length] = '\0';
	if (!S_ISDIR(status.st_mode))
		*strrchr(directory, '/') = '\0';
	return directory[0] == '/' && strchr(directory + 1, '/') != NULL;
}

bool run_directories_next(char *const **environment, char directory[PATH_MAX])
{
	while (*environment != NULL && **environment != NULL) {
		const char *variable = *(*environment)++, *value = strchr(variable, '=');
		if (value != NULL && is_named(variable) && directory_in(value + 1, directory))
			return true;
	}
	return false;
}

void run_directories_bind(int root, char *const *environment)
{
	char directory[PATH_MAX];
	while (run_directories_next(&environment, directory)) {
		struct fault ignored = {0};
		int source = open(directory, O_PATH | O_DIRECTORY | O_CLOEXEC);
		if (source < 0)
			continue;
		mount_inside_bind(root, source, directory, PATH_MAKE_DIRECTORY, true, MS_NOSUID | MS_NODEV, 0,
		                  &ignored);
		close(source);
	}
}
