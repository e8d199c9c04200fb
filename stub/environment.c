/* SPDX-License-Identifier: Apache-2.0 */
#include "environment.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "substitute.h"
#include "text_file.h"

#define DEFAULT_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

const char *const inherited_patterns[] = {
#define INHERIT(name) name,
#include "inherited_environment.h"
    NULL,
};

static const char *const kept_out[] = {
#define KEEP_OUT(name) name,
#include "inherited_environment.h"
    NULL,
};

/* Where these lead outside means nothing inside; a shell sets PWD anew. */
static const char *const outside_only[] = {"PATH", "PWD", "OLDPWD", "TMPDIR", NULL};

static bool matches_any(const char *name, size_t length, const char *const *patterns)
{
	for (; *patterns != NULL; patterns++) {
		size_t prefix = strcspn(*patterns, "*");
		bool family = (*patterns)[prefix] == '*';
		if ((family ? length >= prefix : length == prefix) && memcmp(name, *patterns, prefix) == 0)
			return true;
	}
	return false;
}

bool environment_is_inherited(const char *variable)
{
	size_t length = strcspn(variable, "=");
	return matches_any(variable, length, inherited_patterns) && !matches_any(variable, length, kept_out);
}

/* All assignments in the order in which they override each other; one without `=` removes the name. */
struct assignment {
	const char *text;
	size_t order;
};

static int compare(const void *left, const void *right)
{
	const struct assignment *a = left, *b = right;
	size_t length = strcspn(a->text, "="), other = strcspn(b->text, "=");
	int names = memcmp(a->text, b->text, length < other ? length : other);
	if (names == 0 && length != other)
		names = length < other ? -1 : 1;
	if (names != 0)
		return names;
	return a->order < b->order ? -1 : a->order > b->order;
}

static bool same_name(const char *a, const char *b)
{
	size_t length = strcspn(a, "=");
	return strcspn(b, "=") == length && memcmp(a, b, length) == 0;
}

/* The last assignment of each name, sorted by name: sorting keeps this fast for any number of variables. */
static char **settle(const struct string_list *list, struct fault *fault)
{
	struct assignment *sorted = calloc(list->count + 1, sizeof *sorted);
	char **result = calloc(list->count + 1, sizeof *result);
	if (sorted == NULL || result == NULL) {
		free(sorted);
		free(result);
		fault_set(fault, ENOMEM, "cannot hold an environment of %zu variables", list->count);
		return NULL;
	}
	for (size_t i = 0; i < list->count; i++)
		sorted[i] = (struct assignment){list->items[i], i};
	qsort(sorted, list->count, sizeof *sorted, compare);
	size_t count = 0;
	for (size_t i = 0; i < list->count; i++) {
		bool last = i + 1 == list->count || !same_name(sorted[i].text, sorted[i + 1].text);
		if (last && strchr(sorted[i].text, '=') != NULL)
			result[count++] = (char *)sorted[i].text;
	}
	free(sorted);
	return result;
}

static bool is_set(const struct string_list *list, const char *name)
{
	return environment_value(list->items, name, strlen(name)) != NULL;
}

/* Push NAME=VALUE. */
static int push_pair(struct string_list *list, const char *name, const char *value, struct fault *fault)
{
	char *text = NULL;
	if (asprintf(&text, "%s=%s", name, value) < 0)
		return fault_set(fault, ENOMEM, "cannot set the variable %s", name);
	return string_list_push(list, text, fault);
}

/* Push the host's variables that `wanted` accepts. From the last to the first, because getenv(3) takes the
 * first of equal names and here the last one wins. */
static int push_host(struct string_list *list, char *const *host, bool (*wanted)(const char *),
                     struct fault *fault)
{
	size_t count = 0;
	while (host != NULL && host[count] != NULL)
		count++;
	while (count-- > 0) {
		const char *variable = host[count];
		if (*variable == '=' || strchr(variable, '=') == NULL || !wanted(variable))
			continue;
		if (string_list_push(list, variable, fault) != 0)
			return -1;
	}
	return 0;
}

static bool means_something_inside(const char *variable)
{
	return !matches_any(variable, strcspn(variable, "="), outside_only);
}

/* Push what a user wrote: KEY=VAL, or KEY for the host's value, which may be that it is not set. */
static int push_written(struct string_list *list, const char *text, char *const *host, struct fault *fault)
{
	size_t length = strcspn(text, "=");
	if (length == 0) {
		fault_set(fault, 0, "'%.200s' names no variable", text);
		return fault_hint(fault, "write KEY=VAL, or KEY for the host's value");
	}
	const char *value = environment_value(host, text, length);
	if (text[length] == '=' || value == NULL)
		return string_list_push(list, text, fault);
	return push_pair(list, text, value, fault);
}

/* Lines as Docker's --env-file takes them: KEY=VAL or KEY, `#` begins a comment line, quotes are part of the
 * value. */
static int push_file(struct string_list *list, const char *path, char *const *host, struct fault *fault)
{
	struct string_list lines = {0};
	if (text_file_lines(path, &lines, fault) != 0)
		return -1;
	for (size_t i = 0; i < lines.count; i++) {
		char *line = text_skip_blanks(lines.items[i]);
		if (*line == '\0' || *line == '#')
			continue;
		size_t length = strcspn(line, "=");
		if (length == 0 || strcspn(line, " \t") < length)
			return fault_set(fault, 0, "'%.300s', line %zu: '%.100s' is not KEY=VAL", path, i + 1,
			                 line);
		if (push_written(list, line, host, fault) != 0)
			return -1;
	}
	return 0;
}

static int push_image(struct string_list *list, const struct environment_sources *sources,
                      struct fault *fault)
{
	for (const char *const *item = sources->image; item != NULL && *item != NULL; item++) {
		const char *text = *item;
		if (strstr(text, "${") != NULL)
			text = substitute(text, sources->host, fault);
		if (text == NULL || string_list_push(list, text, fault) != 0)
			return -1;
	}
	return 0;
}

static int push_user(struct string_list *list, const struct environment_sources *sources, struct fault *fault)
{
	const struct options *options = sources->options;
	for (char *const *item = sources->configured; item != NULL && *item != NULL; item++) {
		const char *text = substitute(*item, sources->host, fault);
		if (text == NULL || push_written(list, text, sources->host, fault) != 0)
			return -1;
	}
	for (size_t i = 0; i < options->environment_files.count; i++) {
		if (push_file(list, options->environment_files.items[i], sources->host, fault) != 0)
			return -1;
	}
	for (size_t i = 0; i < options->environment.count; i++) {
		if (push_written(list, options->environment.items[i], sources->host, fault) != 0)
			return -1;
	}
	return 0;
}

char **environment_build(const struct environment_sources *sources, struct fault *fault)
{
	const struct options *options = sources->options;
	struct string_list list = {0};
	if (options->inherit_environment &&
	    push_host(&list, sources->host, means_something_inside, fault) != 0)
		return NULL;
	if (push_image(&list, sources, fault) != 0)
		return NULL;
	if (!options->clean_environment &&
	    push_host(&list, sources->host, environment_is_inherited, fault) != 0)
		return NULL;
	if (push_pair(&list, "HOME", sources->home, fault) != 0 ||
	    push_pair(&list, "USER", sources->name, fault) != 0 ||
	    push_pair(&list, "LOGNAME", sources->name, fault) != 0 ||
	    string_list_push(&list, "TMPDIR=/tmp", fault) != 0)
		return NULL;
	if (!is_set(&list, "PATH") && string_list_push(&list, "PATH=" DEFAULT_PATH, fault) != 0)
		return NULL;
	if (push_user(&list, sources, fault) != 0)
		return NULL;
	return settle(&list, fault);
}
