/* SPDX-License-Identifier: Apache-2.0
 * A growing list of strings, always closed by NULL, as execve(2) wants its vectors. */
#ifndef RUNDLE_STRING_LIST_H
#define RUNDLE_STRING_LIST_H

#include <stddef.h>

#include "fault.h"

/* Zero-initialised it is the empty list. `items` is NULL until the first push. */
struct string_list {
	char **items;
	size_t count;
	size_t capacity;
};

/* Append `item`, which is borrowed: it must live as long as the list. Fails only without memory. */
int string_list_push(struct string_list *list, const char *item, struct fault *fault);

/* Append all strings of a NULL-terminated vector; NULL stands for the empty one. */
int string_list_extend(struct string_list *list, char *const *items, struct fault *fault);

#endif
