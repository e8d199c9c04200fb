/* SPDX-License-Identifier: Apache-2.0 */
/* Names that libtalloc.a, which was compiled for glibc with _FORTIFY_SOURCE, wants of its C library. PRoot is
 * linked with musl, a quarter of glibc's size, which has the functions under their plain names alone. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

int __fprintf_chk(FILE *stream, int flag, const char *format, ...);
int __vsnprintf_chk(char *text, size_t size, int flag, size_t room, const char *format, va_list arguments);
unsigned long __isoc23_strtoul(const char *text, char **end, int base);

int __fprintf_chk(FILE *stream, int flag, const char *format, ...)
{
	va_list arguments;
	(void)flag;
	va_start(arguments, format);
	int written = vfprintf(stream, format, arguments);
	va_end(arguments);
	return written;
}

int __vsnprintf_chk(char *text, size_t size, int flag, size_t room, const char *format, va_list arguments)
{
	(void)flag;
	if (size > room)
		abort();
	return vsnprintf(text, size, format, arguments);
}

unsigned long __isoc23_strtoul(const char *text, char **end, int base)
{
	return strtoul(text, end, base);
}
