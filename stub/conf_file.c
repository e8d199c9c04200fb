/* SPDX-License-Identifier: Apache-2.0 */
#include "conf_file.h"

#include <string.h>

#include "text_file.h"

static void trim_end(char *text)
{
	size_t length = strlen(text);
	while (length > 0 && (text[length - 1] == ' ' || text[length - 1] == '\t'))
		text[--length] = '\0';
}

/* What follows `word` and blanks in `line`, or NULL when the line does not begin so. */
static char *after_word(char *line, const char *word)
{
	size_t length = strlen(word);
	if (strncmp(line, word, length) != 0 || (line[length] != ' ' && line[length] != '\t'))
		return NULL;
	return text_skip_blanks(line + length);
}

/* `#ENROOT_X=y` is a setting; quotes around the value are taken off. */
static int read_directive(char *line, struct configuration *configuration, struct fault *fault)
{
	if (strncmp(line, "#ENROOT_", 8) != 0)
		return 0;
	char *value = strchr(line, '=');
	if (value == NULL)
		return 0;
	value++;
	size_t length = strlen(value);
	if (length >= 2 && (*value == '"' || *value == '\'') && value[length - 1] == *value) {
		memmove(value, value + 1, length - 2);
		value[length - 2] = '\0';
	}
	return string_list_push(&configuration->settings, line + 1, fault);
}

/* Enroot's configuration scripts define functions; each has an option here. */
static int refuse(const char *path, size_t number, const char *line, struct fault *fault)
{
	static const struct {
		const char *name, *instead;
	} functions[] = {
	    {"environ", "write 'env KEY=VAL' lines, or use --env or --env-file"},
	    {"mounts", "write 'mount SRC:DST' lines, or use --mount"},
	    {"rc", "use --rc SCRIPT"},
	    {"hooks", "do that work before the start, or in the script given by --rc"},
	};
	fault_set(fault, 0,
	          "'%.300s', line %zu: '%.100s' is not understood, and nothing is executed from here", path,
	          number, line);
	const char *name = strncmp(line, "function ", 9) == 0 ? line + 9 : line;
	for (size_t i = 0; i < sizeof functions / sizeof *functions; i++) {
		size_t length = strlen(functions[i].name);
		if (strncmp(name, functions[i].name, length) == 0 && strchr(" \t({", name[length]) != NULL)
			return fault_hint(fault, "in place of %s(): %s", functions[i].name,
			                  functions[i].instead);
	}
	return fault_hint(fault, "lines are '#ENROOT_X=y', 'env KEY=VAL', 'mount SRC:DST' and comments;\n"
	                         "in place of a script use --env, --env-file, --mount and --rc");
}

int conf_file_read(const char *path, struct configuration *configuration, struct fault *fault)
{
	struct string_list lines = {0};
	if (text_file_lines(path, &lines, fault) != 0)
		return -1;
	for (size_t i = 0; i < lines.count; i++) {
		char *line = text_skip_blanks(lines.items[i]);
		char *value;
		int failed = 0;
		trim_end(line);
		if (*line == '#')
			failed = read_directive(line, configuration, fault);
		else if ((value = after_word(line, "env")) != NULL)
			failed = string_list_push(&configuration->environment, value, fault);
		else if ((value = after_word(line, "mount")) != NULL)
			failed = string_list_push(&configuration->mounts, value, fault);
		else if (*line != '\0')
			failed = refuse(path, i + 1, line, fault);
		if (failed)
			return -1;
	}
	return 0;
}
