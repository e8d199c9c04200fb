/* SPDX-License-Identifier: Apache-2.0 */
#include "string_list.h"

#include <errno.h>
#include <stdlib.h>

int string_list_push(struct string_list *list, const char *item, struct fault *fault)
{
	if (list->count + 1 >= list->capacity) {
		size_t capacity = list->capacity == 0 ? 16 : list->capacity * 2;
		char **items = reallocarray(list->items, capacity, sizeof *items);
		if (items == NULL)
			return fault_set(fault, errno, "cannot hold a list of %zu strings", capacity);
		list->items = items;
		list->capacity = capacity;
	}
	list->items[list->count++] = (char *)item;
	list->items[list->count] = NULL;
	return 0;
}

int string_list_extend(struct string_list *list, char *const *items, struct fault *fault)
{
	for (; items != NULL && *items != NULL; items++) {
		if (string_list_push(list, *items, fault) != 0)
			return -1;
	}
	return 0;
}
