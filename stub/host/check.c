/* SPDX-License-Identifier: Apache-2.0 */
#include "host/check.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "host/lines.h"

static void append(char *text, size_t size, const char *format, va_list arguments)
{
	size_t used = strlen(text);
	vsnprintf(text + used, size - used, format, arguments);
}

void check_set(struct check *check, enum check_result result, const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	check->result = result;
	check->detail[0] = '\0';
	append(check->detail, sizeof check->detail, format, arguments);
	va_end(arguments);
}

void check_fault(struct check *check, enum check_result result, const struct fault *fault)
{
	check_set(check, result, "%.500s%s%s", fault->text, fault->error == 0 ? "" : ": ",
	          fault->error == 0 ? "" : strerror(fault->error));
}

void check_add(struct check *check, const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	append(check->detail, sizeof check->detail, format, arguments);
	va_end(arguments);
}

void check_value(struct check *check, const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	append(check->value, sizeof check->value, format, arguments);
	va_end(arguments);
}

void check_remedy(struct check *check, const char *format, ...)
{
	char line[600];
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(line, sizeof line, format, arguments);
	va_end(arguments);
	lines_add(check->remedy, sizeof check->remedy, line);
}
