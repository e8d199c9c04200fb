/* SPDX-License-Identifier: Apache-2.0 */
#include "text_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { SIZE_LIMIT = 1 << 20 };

/* Read until the end or until the buffer of SIZE_LIMIT + 1 bytes is full; the number of bytes, or -1. */
static ssize_t read_all(int fd, char *bytes)
{
	size_t size = 0;
	while (size < SIZE_LIMIT + 1) {
		ssize_t got = read(fd, bytes + size, SIZE_LIMIT + 1 - size);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -1;
		if (got == 0)
			break;
		size += (size_t)got;
	}
	return (ssize_t)size;
}

static int split(char *bytes, size_t size, struct string_list *lines, struct fault *fault)
{
	char *end = bytes + size;
	if (size >= 3 && memcmp(bytes, "\xef\xbb\xbf", 3) == 0)
		bytes += 3;
	while (bytes < end) {
		char *line = bytes;
		char *stop = memchr(line, '\n', (size_t)(end - line));
		bytes = stop == NULL ? end : stop + 1;
		if (stop == NULL)
			stop = end;
		if (stop > line && stop[-1] == '\r')
			stop--;
		*stop = '\0';
		if (string_list_push(lines, line, fault) != 0)
			return -1;
	}
	return 0;
}

int text_file_lines(const char *path, struct string_list *lines, struct fault *fault)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (fd < 0)
		return fault_set(fault, errno, "cannot open '%.400s'", path);
	char *bytes = malloc(SIZE_LIMIT + 2);
	ssize_t size = bytes == NULL ? -1 : read_all(fd, bytes);
	int error = errno;
	close(fd);
	if (size < 0) {
		free(bytes);
		return fault_set(fault, error, "cannot read '%.400s'", path);
	}
	if (size > SIZE_LIMIT || memchr(bytes, '\0', (size_t)size) != NULL) {
		free(bytes);
		return fault_set(fault, 0, "'%.400s' is no text file of at most 1 MiB", path);
	}
	return split(bytes, (size_t)size, lines, fault);
}

char *text_skip_blanks(char *text)
{
	return text + strspn(text, " \t");
}
