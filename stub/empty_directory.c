/* SPDX-License-Identifier: Apache-2.0 */
#include "empty_directory.h"

#include <dirent.h>
#include <fcntl.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

bool directory_is_empty(int directory, const char *except)
{
	int again = openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *stream = again < 0 ? NULL : fdopendir(again);
	if (stream == NULL) {
		if (again >= 0)
			close(again);
		return false;
	}
	const struct dirent *entry;
	while ((entry = readdir(stream)) != NULL)
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0 &&
		    (except == NULL || strcmp(entry->d_name, except) != 0))
			break;
	closedir(stream);
	return entry == NULL;
}
