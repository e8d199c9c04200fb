/* SPDX-License-Identifier: Apache-2.0 */
#include "host/read.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

bool host_read(const char *path, char *text, size_t size)
{
	text[0] = '\0';
	int file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (file < 0)
		return false;
	size_t used = 0;
	ssize_t got;
	while (used < size - 1 && (got = read(file, text + used, size - 1 - used)) > 0)
		used += (size_t)got;
	text[used] = '\0';
	close(file);
	return used > 0;
}

bool host_read_line(const char *path, char *text, size_t size)
{
	bool found = host_read(path, text, size);
	text[strcspn(text, "\n")] = '\0';
	return found;
}

long host_read_number(const char *path, long missing)
{
	char text[64], *end;
	host_read(path, text, sizeof text);
	long value = strtol(text, &end, 10);
	return end == text ? missing : value;
}

bool host_read_field(const char *path, const char *key, char *text, size_t size)
{
	static char content[16384];
	size_t length = strlen(key);
	text[0] = '\0';
	host_read(path, content, sizeof content);
	for (char *line = content; line != NULL; line = strchr(line, '\n')) {
		line += *line == '\n';
		size_t blanks = strspn(line + (strncmp(line, key, length) == 0 ? length : 0), " \t:=");
		if (strncmp(line, key, length) != 0 || blanks == 0)
			continue;
		char *value = line + length + blanks;
		size_t end = strcspn(value, "\n");
		if (end >= 2 && (*value == '"' || *value == '\'') && value[end - 1] == *value) {
			value++;
			end -= 2;
		}
		snprintf(text, size, "%.*s", (int)end, value);
		return true;
	}
	return false;
}
