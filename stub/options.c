/* SPDX-License-Identifier: Apache-2.0 */
#include "options.h"

#include <stdlib.h>
#include <string.h>

/* The arguments not looked at yet. */
struct cursor {
	char *const *next;
	char *const *end;
};

static const struct option_row *find_letter(char letter)
{
	for (size_t i = 0; i < option_count; i++) {
		if (letter != '\0' && option_table[i].letter == letter)
			return &option_table[i];
	}
	return NULL;
}

static const struct option_row *find_name(const char *name, size_t length)
{
	for (size_t i = 0; i < option_count; i++) {
		if (strlen(option_table[i].name) == length && memcmp(option_table[i].name, name, length) == 0)
			return &option_table[i];
	}
	return NULL;
}

static size_t smallest(size_t a, size_t b, size_t c)
{
	size_t smaller = a < b ? a : b;
	return smaller < c ? smaller : c;
}

/* Levenshtein distance of two names; names longer than any option's are far from all. */
static size_t distance(const char *a, size_t length, const char *b)
{
	enum { LONGEST = 32 };
	size_t row[LONGEST + 1];
	size_t width = strlen(b);
	if (length > LONGEST || width > LONGEST)
		return LONGEST + 1;
	for (size_t j = 0; j <= width; j++)
		row[j] = j;
	for (size_t i = 1; i <= length; i++) {
		size_t diagonal = row[0];
		row[0] = i;
		for (size_t j = 1; j <= width; j++) {
			size_t above = row[j];
			row[j] = smallest(above + 1, row[j - 1] + 1, diagonal + (a[i - 1] != b[j - 1]));
			diagonal = above;
		}
	}
	return row[width];
}

/* An option that begins with what was typed is nearer than any misspelling. */
static const struct option_row *nearest(const char *name, size_t length)
{
	const struct option_row *best = NULL;
	size_t least = length / 3 + 2;
	for (size_t i = 0; i < option_count; i++) {
		size_t far = distance(name, length, option_table[i].name);
		if (length >= 2 && strncmp(option_table[i].name, name, length) == 0)
			far = 0;
		if (far < least) {
			best = &option_table[i];
			least = far;
		}
	}
	return best;
}

static int unknown(const char *argument, const char *name, size_t length, struct fault *fault)
{
	const struct option_row *row = nearest(name, length);
	fault_set(fault, 0, "unknown option '%.200s'", argument);
	if (row != NULL)
		return fault_hint(fault, "did you mean --%s? --help lists all options", row->name);
	return fault_hint(fault, "--help lists all options; write -- before a COMMAND that begins with -");
}

static int store(struct options *options, const struct option_row *row, const char *value,
                 struct fault *fault)
{
	char *field = (char *)options + row->offset;
	switch (row->kind) {
	case OPTION_FLAG:
		*(bool *)field = true;
		return 0;
	case OPTION_VALUE:
		*(const char **)field = value;
		return 0;
	case OPTION_LIST:
		return string_list_push((struct string_list *)field, value, fault);
	}
	return -1;
}

/* Store `row` with the value at `attached`, or with the next argument when that is NULL. */
static int store_value(struct options *options, const struct option_row *row, const char *attached,
                       struct cursor *rest, struct fault *fault)
{
	const char *value = attached;
	if (value == NULL && rest->next < rest->end)
		value = *rest->next++;
	if (value == NULL || (*value == '\0' && row->kind == OPTION_VALUE))
		return fault_set(fault, 0, "option --%s needs a value: --%s %s", row->name, row->name,
		                 row->value);
	return store(options, row, value, fault);
}

static int parse_long(struct options *options, const char *argument, struct cursor *rest, struct fault *fault)
{
	const char *name = argument + 2;
	size_t length = strcspn(name, "=");
	const char *attached = name[length] == '=' ? name + length + 1 : NULL;
	const struct option_row *row = find_name(name, length);
	if (row == NULL)
		return unknown(argument, name, length, fault);
	if (row->kind != OPTION_FLAG)
		return store_value(options, row, attached, rest, fault);
	if (attached != NULL)
		return fault_set(fault, 0, "option --%s takes no value", row->name);
	return store(options, row, NULL, fault);
}

/* `-kq`, `-kt DIR`, `-tDIR`; and `-t=DIR`, which people type: no value here can begin with `=`. */
static int parse_short(struct options *options, const char *argument, struct cursor *rest,
                       struct fault *fault)
{
	for (const char *letter = argument + 1; *letter != '\0'; letter++) {
		const struct option_row *row = find_letter(*letter);
		if (row == NULL)
			return unknown(argument, argument + 1, strcspn(argument + 1, "="), fault);
		if (row->kind != OPTION_FLAG) {
			const char *attached = letter[1] == '=' ? letter + 2 : letter + 1;
			return store_value(options, row, letter[1] == '\0' ? NULL : attached, rest, fault);
		}
		if (store(options, row, NULL, fault) != 0)
			return -1;
	}
	return 0;
}

static int refuse_both(const char *a, const char *b, struct fault *fault)
{
	return fault_set(fault, 0, "options --%s and --%s contradict each other", a, b);
}

/* Faults for combinations of which one half would silently do nothing. */
static int check_combination(const struct options *options, struct fault *fault)
{
	static const char *const duties[] = {"info", "check", "verify", "extract", "setup-host"};
	const bool given[] = {options->info, options->check, options->verify, options->extract,
	                      options->setup_host};
	const char *duty = NULL;
	for (size_t i = 0; i < sizeof given; i++) {
		if (given[i] && duty != NULL)
			return refuse_both(duty, duties[i], fault);
		if (given[i])
			duty = duties[i];
	}
	if (options->inherit_environment && options->clean_environment)
		return refuse_both("inherit-env", "clean-env", fault);
	if (options->no_entrypoint && options->rc != NULL)
		return refuse_both("no-entrypoint", "rc", fault);
	if (duty != NULL && options->operand_count != 0)
		return fault_set(fault, 0, "--%s starts no program, but COMMAND '%.200s' was given", duty,
		                 options->operands[0]);
	if (options->licenses && !options->info) {
		fault_set(fault, 0, "--licenses is a part of --info");
		return fault_hint(fault, "use --info --licenses");
	}
	if (options->json && !options->info && !options->check && !options->verify) {
		fault_set(fault, 0, "--json has nothing to print");
		return fault_hint(fault, "use it with --info, --check or --verify");
	}
	if (!options->setup_host && (options->remove || options->yes))
		return fault_set(fault, 0, "--%s goes with --setup-host only",
		                 options->remove ? "remove" : "yes");
	if (options->workdir != NULL && options->workdir[0] != '/')
		return fault_set(fault, 0, "--workdir '%.200s' is not an absolute path", options->workdir);
	if (options->mode != NULL && strcmp(options->mode, "extract") != 0 &&
	    strcmp(options->mode, "mount") != 0 && strcmp(options->mode, "trace") != 0) {
		fault_set(fault, 0, "this bundle cannot start in mode '%.60s'", options->mode);
		return fault_hint(fault, "the modes are mount, extract and trace");
	}
	if (options->overlay != NULL && options->mode != NULL && strcmp(options->mode, "extract") == 0)
		return refuse_both("overlay", "mode extract", fault);
	if (options->overlay != NULL && (options->extract || options->keep || options->target != NULL))
		return refuse_both("overlay",
		                   options->extract ? "extract"
		                   : options->keep  ? "keep"
		                                    : "target",
		                   fault);
	return 0;
}

int options_parse(struct options *options, int count, char *const *arguments, struct fault *fault)
{
	struct cursor rest = {arguments, arguments + count};
	*options = (struct options){0};
	while (rest.next < rest.end) {
		const char *argument = *rest.next;
		if (argument[0] != '-' || argument[1] == '\0')
			break;
		rest.next++;
		if (strcmp(argument, "--") == 0)
			break;
		int failed = argument[1] == '-' ? parse_long(options, argument, &rest, fault)
		                                : parse_short(options, argument, &rest, fault);
		if (failed)
			return -1;
	}
	options->operands = rest.next;
	options->operand_count = (size_t)(rest.end - rest.next);
	options->writable |= options->overlay != NULL;
	if (options->help || options->version)
		return 0;
	return check_combination(options, fault);
}
