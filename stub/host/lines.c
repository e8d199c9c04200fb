/* SPDX-License-Identifier: Apache-2.0 */
#include "host/lines.h"

#include <stdio.h>
#include <string.h>

bool lines_next(const char **next, char *line, size_t size)
{
	if (**next == '\0')
		return false;
	size_t length = strcspn(*next, "\n");
	snprintf(line, size, "%.*s", (int)length, *next);
	*next += length + ((*next)[length] == '\n');
	return true;
}

bool lines_hold(const char *lines, const char *wanted)
{
	size_t length = strlen(wanted);
	for (const char *line = lines; *line != '\0';) {
		size_t found = strcspn(line, "\n");
		if (found == length && memcmp(line, wanted, length) == 0)
			return true;
		line += found + (line[found] == '\n');
	}
	return false;
}

void lines_add(char *lines, size_t size, const char *more)
{
	char line[1200];
	while (lines_next(&more, line, sizeof line)) {
		size_t used = strlen(lines);
		if (line[0] != '\0' && !lines_hold(lines, line) && used + strlen(line) + 2 <= size)
			snprintf(lines + used, size - used, "%s%s", used == 0 ? "" : "\n", line);
	}
}
