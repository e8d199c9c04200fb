/* SPDX-License-Identifier: Apache-2.0 */
#include "substitute.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum { RESULT_LIMIT = 1 << 20 };

const char *environment_value(char *const *environment, const char *name, size_t length)
{
	for (; environment != NULL && *environment != NULL; environment++) {
		if (strncmp(*environment, name, length) == 0 && (*environment)[length] == '=')
			return *environment + length + 1;
	}
	return NULL;
}

static bool begins_name(unsigned char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

/* The length of NAME in a `${NAME}` that begins at `text`, 0 when none begins there. */
static size_t reference_at(const char *text)
{
	if (text[0] != '$' || text[1] != '{' || !begins_name((unsigned char)text[2]))
		return 0;
	size_t length = 1;
	while (begins_name((unsigned char)text[2 + length]) ||
	       (text[2 + length] >= '0' && text[2 + length] <= '9'))
		length++;
	return text[2 + length] == '}' ? length : 0;
}

/* One pass over `text`: write the result to `out` when that is not NULL, and return its length. */
static size_t expand(const char *text, char *const *environment, char *out)
{
	size_t length = 0;
	while (*text != '\0') {
		size_t name = reference_at(text);
		const char *piece = text;
		size_t size = 1;
		if (name != 0) {
			piece = environment_value(environment, text + 2, name);
			size = piece == NULL ? 0 : strlen(piece);
			text += name + 3;
		} else {
			text++;
		}
		if (out != NULL && size != 0)
			memcpy(out + length, piece, size);
		length += size;
		if (length > RESULT_LIMIT)
			break;
	}
	return length;
}

char *substitute(const char *text, char *const *environment, struct fault *fault)
{
	size_t length = expand(text, environment, NULL);
	if (length > RESULT_LIMIT) {
		fault_set(fault, E2BIG, "cannot substitute variables in '%.60s...'", text);
		return NULL;
	}
	char *result = malloc(length + 1);
	if (result == NULL) {
		fault_set(fault, errno, "cannot substitute variables in '%.60s'", text);
		return NULL;
	}
	expand(text, environment, result);
	result[length] = '\0';
	return result;
}
