/* SPDX-License-Identifier: Apache-2.0
 * Compares the launcher's own vfprintf with the C library's: every form that it says it understands, with
 * numbers and strings at their edges. Prints what differs, and how much was compared. */
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int own_vfprintf(FILE *restrict stream, const char *restrict format, va_list arguments);
#define vfprintf own_vfprintf
#include "formatted_output.c"
#undef vfprintf

#pragma GCC diagnostic ignored "-Wformat-nonliteral"
#pragma GCC diagnostic ignored "-Wformat-security"

static unsigned compared, different;

__attribute__((format(printf, 1, 2))) static void compare(const char *format, ...)
{
	char expected[2000];
	char *text = NULL;
	size_t size = 0;
	va_list list, again;
	va_start(list, format);
	va_copy(again, list);
	int length = vsnprintf(expected, sizeof expected, format, list);
	FILE *stream = open_memstream(&text, &size);
	if (stream == NULL)
		exit(2);
	int own = own_vfprintf(stream, format, again);
	fclose(stream);
	va_end(again);
	va_end(list);
	compared++;
	if (own != length || strcmp(text, expected) != 0) {
		different++;
		printf("%s: '%s' (%d) where libc has '%s' (%d)\n", format, text, own, expected, length);
	}
	free(text);
}

static void compare_numbers(const char *field)
{
	static const long long numbers[] = {0,       1,        -1,        7,        10,   255,
	                                    256,     -128,     65535,     -40,      4096, INT_MAX,
	                                    INT_MIN, UINT_MAX, LLONG_MAX, LLONG_MIN};
	static const char *const sizes[] = {"hh", "h", "", "l", "ll", "j", "z", "t"};
	char format[64];
	for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
		for (size_t size = 0; size < sizeof sizes / sizeof *sizes; size++) {
			for (const char *letter = "diuxo"; *letter != '\0'; letter++) {
				snprintf(format, sizeof format, "<%%%s%s%c>", field, sizes[size], *letter);
				if (size < 3)
					compare(format, (int)numbers[i]);
				else
					compare(format, numbers[i]);
			}
		}
	}
}

int main(void)
{
	static const char *const fields[] = {"",   "5",  "-5",  "05",   "-30",  "030",
	                                     ".0", ".3", "8.3", "-8.3", "08.3", "1"};
	static const char *const strings[] = {"", "a", "abc", "with \xff and \x01 %s",
	                                      "0123456789012345678901234567890123"};
	static const double fractions[] = {0,    0.04,  0.06,  1,           1.5,   2.25,
	                                   9.96, 99.95, 999.9, 1234567.891, -0.26, -12.75};
	static char longest[1800];
	char format[64];
	memset(longest, 'x', sizeof longest - 1);
	for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
		compare_numbers(fields[i]);
		for (size_t k = 0; k < sizeof strings / sizeof *strings && strncmp(fields[i], "0", 1) != 0;
		     k++) {
			snprintf(format, sizeof format, "a %%%ss b", fields[i]);
			compare(format, strings[k]);
		}
		for (size_t k = 0; k < sizeof fractions / sizeof *fractions; k++) {
			snprintf(format, sizeof format, "%%%sf", fields[i]);
			compare(format, fractions[k]);
		}
	}
	compare("%s", longest);
	compare("%s%s|%%|%c%5c%-3c|", "", "100%", 'x', 'y', 'z');
	compare("%*d|%-*d|%*d|%.*s|%.*s|%*s", 7, 42, 7, 42, -7, 42, 2, "abc", 9, "abc", 6, "abc");
	compare("%.*f|%.*f|%.1f kB", 0, 2.6, 3, 2.0006, 12.34);
	compare("%p|%20p", (void *)&compared, (void *)longest);
	compare("nothing");
	compare("%s", "");
	printf("%u compared, %u different\n", compared, different);
	return different == 0 ? 0 : 1;
}
