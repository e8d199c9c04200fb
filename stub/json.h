/* SPDX-License-Identifier: Apache-2.0
 * Writing JSON (RFC 8259), and walking through JSON that came with the bundle. */
#ifndef RUNDLE_JSON_H
#define RUNDLE_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* A writer of one value; commas are its business. Nesting is limited to 16. */
struct json {
	FILE *stream;
	bool one_line;
	const char *at; /* NULL, or a member of objects without a name, which then begin a line each */
	unsigned depth;
	bool filled[16];
};

/* All of these take the member's name inside an object, and NULL inside an array or for the outermost value.
 */
void json_open(struct json *json, const char *name, char bracket); /* '{' or '[' */
void json_close(struct json *json, char bracket);                  /* the outermost one ends its line */
void json_text(struct json *json, const char *name, const char *value);
void json_number(struct json *json, const char *name, uint64_t value);
void json_null(struct json *json, const char *name);
void json_boolean(struct json *json, const char *name, bool value);

/* An array of strings closed by NULL; NULL is the empty one. */
void json_texts(struct json *json, const char *name, const char *const *values);

/* A value that is JSON already, and was found valid by json_walk. */
void json_raw(struct json *json, const char *name, const char *value);

/* Called for each string, number, true, false and null: its path, member names and indexes joined by dots
 * ("source.digest", "layers.0.size"), and its text, decoded when it was a string. */
typedef void json_visitor(void *context, const char *path, const char *value);

/* Walk through the `size` bytes of a JSON text and call `visit`, which may be NULL. A string of more than
 * 4095 bytes is visited cut off. False when the text is not valid JSON, is nested deeper than 32 or has a
 * path longer than 4 KiB; what came before has been visited then. */
bool json_walk(const char *text, size_t size, json_visitor *visit, void *context);

/* The value of the member `name` of the object `text`, which json_walk found valid: where in `text` it
 * begins, and its bytes in `size`. NULL when there is no such member. */
char *json_member(char *text, const char *name, size_t *size);

#endif
