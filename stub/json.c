/* SPDX-License-Identifier: Apache-2.0 */
#include "json.h"

#include <inttypes.h>
#include <string.h>

/* The length of the well-formed UTF-8 sequence at `bytes` (RFC 3629: shortest form, no surrogates), 0 if
 * there is none. A NUL ends every sequence, so nothing behind the string is read. */
static size_t utf8_length(const unsigned char *bytes)
{
	unsigned char lead = bytes[0];
	size_t length = lead < 0x80   ? 1
	                : lead < 0xc2 ? 0
	                : lead < 0xe0 ? 2
	                : lead < 0xf0 ? 3
	                : lead < 0xf5 ? 4
	                              : 0;
	for (size_t i = 1; i < length; i++) {
		if ((bytes[i] & 0xc0) != 0x80)
			return 0;
	}
	if ((lead == 0xe0 && bytes[1] < 0xa0) || (lead == 0xed && bytes[1] > 0x9f) ||
	    (lead == 0xf0 && bytes[1] < 0x90) || (lead == 0xf4 && bytes[1] > 0x8f))
		return 0;
	return length;
}

/* A byte that is no UTF-8 becomes the lone surrogate U+DC00 + byte: valid as an escape, and it can be undone.
 */
static void put_string(FILE *stream, const char *value)
{
	putc('"', stream);
	for (const unsigned char *p = (const unsigned char *)value; *p != '\0';) {
		size_t length = utf8_length(p);
		if (length == 0)
			fprintf(stream, "\\udc%02x", *p);
		else if (*p == '"' || *p == '\\')
			fprintf(stream, "\\%c", *p);
		else if (*p < 0x20 || *p == 0x7f)
			fprintf(stream, "\\u%04x", *p);
		else if (*p == 0xc2 && p[1] < 0xa0)
			fprintf(stream, "\\u%04x", p[1]); /* C1 controls steer terminals */
		else
			fwrite(p, 1, length, stream);
		p += length == 0 ? 1 : length;
	}
	putc('"', stream);
}

static void break_line(const struct json *json)
{
	if (!json->one_line)
		fprintf(json->stream, "\n%*s", (int)(2 * json->depth), "");
}

/* What stands before a value: the comma, a line of its own, the name. */
static void lead_in(struct json *json, const char *name)
{
	if (json->depth > 0) {
		if (json->filled[json->depth])
			putc(',', json->stream);
		break_line(json);
		json->filled[json->depth] = true;
	}
	if (name != NULL) {
		put_string(json->stream, name);
		fputs(json->one_line ? ":" : ": ", json->stream);
	}
}

void json_open(struct json *json, const char *name, char bracket)
{
	bool has_place = json->at != NULL && name == NULL && bracket == '{';
	lead_in(json, name);
	if (has_place && json->depth > 0)
		putc('\n', json->stream);
	putc(bracket, json->stream);
	if (json->depth + 1 < sizeof json->filled)
		json->depth++;
	json->filled[json->depth] = false;
	if (has_place)
		json_text(json, "at", json->at);
}

void json_close(struct json *json, char bracket)
{
	bool filled = json->filled[json->depth];
	json->depth--;
	if (filled)
		break_line(json);
	putc(bracket, json->stream);
	if (json->depth == 0)
		putc('\n', json->stream);
}

void json_text(struct json *json, const char *name, const char *value)
{
	lead_in(json, name);
	put_string(json->stream, value);
}

void json_number(struct json *json, const char *name, uint64_t value)
{
	lead_in(json, name);
	fprintf(json->stream, "%" PRIu64, value);
}

void json_boolean(struct json *json, const char *name, bool value)
{
	lead_in(json, name);
	fputs(value ? "true" : "false", json->stream);
}

void json_texts(struct json *json, const char *name, const char *const *values)
{
	json_open(json, name, '[');
	for (; values != NULL && *values != NULL; values++)
		json_text(json, NULL, *values);
	json_close(json, ']');
}

void json_null(struct json *json, const char *name)
{
	json_raw(json, name, "null");
}

void json_raw(struct json *json, const char *name, const char *value)
{
	lead_in(json, name);
	fputs(value, json->stream);
}
