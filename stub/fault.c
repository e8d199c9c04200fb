/* SPDX-License-Identifier: Apache-2.0 */
#include "fault.h"

#include <stdarg.h>
#include <stdio.h>

int fault_set(struct fault *fault, int error, const char *format, ...)
{
	if (fault->text[0] != '\0')
		return -1;
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(fault->text, sizeof fault->text, format, arguments);
	va_end(arguments);
	fault->error = error;
	return -1;
}

int fault_hint(struct fault *fault, const char *format, ...)
{
	if (fault->hint[0] != '\0')
		return -1;
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(fault->hint, sizeof fault->hint, format, arguments);
	va_end(arguments);
	return -1;
}

void fault_clear(struct fault *fault)
{
	fault->error = 0;
	fault->text[0] = '\0';
	fault->hint[0] = '\0';
}
