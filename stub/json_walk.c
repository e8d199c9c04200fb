/* SPDX-License-Identifier: Apache-2.0
 * A reader of JSON that keeps nothing: recursive descent with a bounded depth, path and string. */
#include "json.h"

#include <stdlib.h>
#include <string.h>

enum { DEPTH_LIMIT = 32, TEXT_LIMIT = 4096 };

struct walk {
	const char *next, *end;
	json_visitor *visit;
	void *context;
	unsigned depth;
	size_t path_length;
	char path[TEXT_LIMIT];
	char text[TEXT_LIMIT]; /* the last string, decoded */
};

static bool walk_value(struct walk *walk);

static void skip_space(struct walk *walk)
{
	while (walk->next < walk->end && memchr(" \t\r\n", *walk->next, 4) != NULL)
		walk->next++;
}

/* Skip `c` when it comes next, with the space before it. */
static bool skip(struct walk *walk, char c)
{
	skip_space(walk);
	if (walk->next == walk->end || *walk->next != c)
		return false;
	walk->next++;
	return true;
}

/* What does not fit is cut off: a long text is no reason to call the JSON invalid. */
static void append(struct walk *walk, size_t *length, unsigned byte)
{
	if (*length + 1 < sizeof walk->text)
		walk->text[(*length)++] = (char)byte;
}

/* UTF-8 of a code point; a lone surrogate of the range U+DC80 to U+DCFF is the byte that json.c wrote so. */
static void append_code_point(struct walk *walk, size_t *length, unsigned code)
{
	if (code == 0) {
		append(walk, length, '?'); /* a C string cannot hold it */
	} else if (code < 0x80 || (code >= 0xdc80 && code <= 0xdcff)) {
		append(walk, length, code & 0xff);
	} else if (code < 0x800) {
		append(walk, length, 0xc0 | code >> 6);
		append(walk, length, 0x80 | (code & 0x3f));
	} else if (code < 0x10000) {
		append(walk, length, 0xe0 | code >> 12);
		append(walk, length, 0x80 | (code >> 6 & 0x3f));
		append(walk, length, 0x80 | (code & 0x3f));
	} else {
		append(walk, length, 0xf0 | code >> 18);
		append(walk, length, 0x80 | (code >> 12 & 0x3f));
		append(walk, length, 0x80 | (code >> 6 & 0x3f));
		append(walk, length, 0x80 | (code & 0x3f));
	}
}

/* The four hex digits of a \u escape. */
static bool read_hex(struct walk *walk, unsigned *code)
{
	char digits[5] = "";
	if (walk->end - walk->next < 4)
		return false;
	memcpy(digits, walk->next, 4);
	if (strspn(digits, "0123456789abcdefABCDEF") != 4)
		return false;
	*code = (unsigned)strtoul(digits, NULL, 16);
	walk->next += 4;
	return true;
}

static bool read_escape(struct walk *walk, size_t *length)
{
	static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
	if (walk->next == walk->end)
		return false;
	char c = *walk->next++;
	const char *simple = c == '\0' ? NULL : strchr(from, c);
	if (simple != NULL) {
		append(walk, length, (unsigned char)to[simple - from]);
		return true;
	}
	unsigned code, low;
	if (c != 'u' || !read_hex(walk, &code))
		return false;
	if (code >= 0xd800 && code <= 0xdbff && walk->end - walk->next >= 6 && walk->next[0] == '\\' &&
	    walk->next[1] == 'u') {
		const char *mark = walk->next;
		walk->next += 2;
		if (!read_hex(walk, &low))
			return false;
		if (low >= 0xdc00 && low <= 0xdfff)
			code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
		else
			walk->next = mark;
	}
	append_code_point(walk, length, code);
	return true;
}

/* A string, its opening quote included, into walk->text. */
static bool read_string(struct walk *walk)
{
	size_t length = 0;
	if (!skip(walk, '"'))
		return false;
	while (walk->next < walk->end && *walk->next != '"') {
		unsigned char c = (unsigned char)*walk->next++;
		if (c < 0x20 || (c == '\\' && !read_escape(walk, &length)))
			return false;
		if (c != '\\')
			append(walk, &length, c);
	}
	walk->text[length] = '\0';
	return skip(walk, '"');
}

static const char *skip_digits(const char *text)
{
	return text + strspn(text, "0123456789");
}

static bool is_number(const char *text)
{
	if (*text == '-')
		text++;
	const char *digits = text;
	text = skip_digits(text);
	if (text == digits || (*digits == '0' && text - digits > 1))
		return false;
	if (*text == '.') {
		digits = text + 1;
		text = skip_digits(digits);
		if (text == digits)
			return false;
	}
	if (*text == 'e' || *text == 'E') {
		digits = text + 1 + (text[1] == '+' || text[1] == '-');
		text = skip_digits(digits);
		if (text == digits)
			return false;
	}
	return *text == '\0';
}

/* A number, true, false or null into walk->text. */
static bool read_word(struct walk *walk)
{
	size_t length = 0;
	while (walk->next < walk->end && *walk->next != '\0' &&
	       strchr("+-.0123456789abcdefghijklmnopqrstuvwxyzE", *walk->next) != NULL) {
		append(walk, &length, (unsigned char)*walk->next++);
	}
	walk->text[length] = '\0';
	return strcmp(walk->text, "true") == 0 || strcmp(walk->text, "false") == 0 ||
	       strcmp(walk->text, "null") == 0 || is_number(walk->text);
}

/* Walk through one value under `name`, which is added to the path. */
static bool walk_member(struct walk *walk, const char *name)
{
	size_t before = walk->path_length, size = strlen(name);
	if (before + size + 2 > sizeof walk->path)
		return false;
	if (before > 0)
		walk->path[walk->path_length++] = '.';
	memcpy(walk->path + walk->path_length, name, size + 1);
	walk->path_length += size;
	bool valid = walk_value(walk);
	walk->path_length = before;
	walk->path[before] = '\0';
	return valid;
}

static bool walk_object(struct walk *walk)
{
	if (skip(walk, '}'))
		return true;
	do {
		if (!read_string(walk) || !skip(walk, ':') || !walk_member(walk, walk->text))
			return false;
	} while (skip(walk, ','));
	return skip(walk, '}');
}

static bool walk_array(struct walk *walk)
{
	if (skip(walk, ']'))
		return true;
	size_t index = 0;
	do {
		char name[24];
		snprintf(name, sizeof name, "%zu", index++);
		if (!walk_member(walk, name))
			return false;
	} while (skip(walk, ','));
	return skip(walk, ']');
}

static bool walk_value(struct walk *walk)
{
	skip_space(walk);
	char first = walk->next < walk->end ? *walk->next : '\0';
	if (first == '{' || first == '[') {
		if (walk->depth == DEPTH_LIMIT)
			return false;
		walk->next++;
		walk->depth++;
		bool valid = first == '{' ? walk_object(walk) : walk_array(walk);
		walk->depth--;
		return valid;
	}
	if (!(first == '"' ? read_string(walk) : read_word(walk)))
		return false;
	if (walk->visit != NULL)
		walk->visit(walk->context, walk->path, walk->text);
	return true;
}

bool json_walk(const char *text, size_t size, json_visitor *visit, void *context)
{
	struct walk walk = {.next = text, .end = text + size, .visit = visit, .context = context};
	if (!walk_value(&walk))
		return false;
	skip_space(&walk);
	return walk.next == walk.end;
}

char *json_member(char *text, const char *name, size_t *size)
{
	struct walk walk = {.next = text, .end = text + strlen(text)};
	if (!skip(&walk, '{'))
		return NULL;
	do {
		if (!read_string(&walk) || !skip(&walk, ':'))
			return NULL;
		bool found = strcmp(walk.text, name) == 0;
		skip_space(&walk);
		const char *value = walk.next;
		if (!walk_value(&walk))
			return NULL;
		if (found) {
			*size = (size_t)(walk.next - value);
			return text + (value - text);
		}
	} while (skip(&walk, ','));
	return NULL;
}
