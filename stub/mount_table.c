/* SPDX-License-Identifier: Apache-2.0 */
#include "mount_table.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Undo the \ooo by which the kernel writes blanks, line ends and backslashes. */
static void unescape(char *text)
{
	char *to = text;
	for (const char *from = text; *from != '\0'; to++) {
		bool octal = from[0] == '\\' && from[1] != '\0' && from[2] != '\0' && from[3] != '\0';
		*to = octal ? (char)((from[1] - '0') << 6 | (from[2] - '0') << 3 | (from[3] - '0')) : *from;
		from += octal ? 4 : 1;
	}
	*to = '\0';
}

bool mount_line_read(struct mount_line *mount, char *line)
{
	char *rest, *field = NULL, *end;
	mount->id = strtol(line, &end, 10);
	mount->parent = strtol(end, &rest, 10);
	if (end == line || rest == end)
		return false;
	/* The device and the root of the mount stand before it. */
	for (int i = 0; i < 3; i++) {
		field = strtok_r(i == 0 ? rest : NULL, " \n", &end);
		if (field == NULL)
			return false;
	}
	unescape(field);
	mount->point = field;
	return true;
}

/* scanf would be shorter, and bring the floating-point numbers of the C library with it: 12 KB. */
long mount_id(int descriptor)
{
	static const char key[] = "mnt_id:";
	char path[48], line[64];
	snprintf(path, sizeof path, "/proc/self/fdinfo/%d", descriptor);
	FILE *stream = fopen(path, "re");
	if (stream == NULL)
		return -1;
	long id = -1;
	while (id < 0 && fgets(line, sizeof line, stream) != NULL)
		if (strncmp(line, key, sizeof key - 1) == 0)
			id = strtol(line + sizeof key - 1, NULL, 10);
	fclose(stream);
	return id;
}
