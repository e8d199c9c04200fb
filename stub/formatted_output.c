/* SPDX-License-Identifier: Apache-2.0
 * The function below printf(3), snprintf(3) and their family, in place of the C library's: that one knows
 * wide characters, positions and long double, 12 KB that the launcher has no use for. What it understands:
 * flags `-` and `0`; width and precision as numbers or `*`; hh, h, l, ll, j, t, z; d, i, u, x, o, c, s, p, %
 * and, with at most 9 digits for numbers below 10^9, halves rounded up, f. Anything else is written as it
 * stands. */
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

/* Bytes are gathered, so that a line on standard error is one write(2). */
struct output {
	FILE *stream;
	size_t used;
	int total; /* -1 when the stream has refused something */
	char bytes[256];
};

struct conversion {
	bool left, zeros;
	int width, precision; /* precision -1: not given */
	char size, letter;    /* size: l for all of 64 bits */
};

static void drain(struct output *output)
{
	if (output->used != 0 && fwrite(output->bytes, 1, output->used, output->stream) != output->used)
		output->total = -1;
	output->used = 0;
}

static void put(struct output *output, const char *text, size_t length)
{
	for (; length > 0; length--, text++) {
		if (output->used == sizeof output->bytes)
			drain(output);
		output->bytes[output->used++] = *text;
		output->total += output->total >= 0;
	}
}

static void pad(struct output *output, char with, int count)
{
	for (; count > 0; count--)
		put(output, &with, 1);
}

/* `text` in its field; `prefix` bytes of it, a sign, come before zeros. */
static void put_field(struct output *output, const struct conversion *conversion, const char *text,
                      size_t length, size_t prefix)
{
	int missing = conversion->width - (int)length;
	if (!conversion->left && !conversion->zeros)
		pad(output, ' ', missing);
	put(output, text, prefix);
	if (!conversion->left && conversion->zeros)
		pad(output, '0', missing);
	put(output, text + prefix, length - prefix);
	if (conversion->left)
		pad(output, ' ', missing);
}

/* The digits before `end`, at least `least`; returns where they begin. */
static char *digits(char *end, uint64_t value, unsigned base, int least)
{
	for (; value != 0 || least > 0; least--, value /= base)
		*--end = "0123456789abcdef"[value % base];
	return end;
}

static void put_number(struct output *output, struct conversion *conversion, uint64_t value, bool negative)
{
	char text[96];
	char *end = text + sizeof text;
	int least = conversion->precision < 0 ? 1 : conversion->precision;
	unsigned base = conversion->letter == 'x' || conversion->letter == 'p' ? 16
	                : conversion->letter == 'o'                            ? 8
	                                                                       : 10;
	char *start = digits(end, value, base, least < 64 ? least : 64);
	if (conversion->letter == 'p') {
		*--start = 'x';
		*--start = '0';
	}
	if (negative)
		*--start = '-';
	if (conversion->precision >= 0)
		conversion->zeros = false;
	put_field(output, conversion, start, (size_t)(end - start), negative ? 1 : 0);
}

static void put_fraction(struct output *output, struct conversion *conversion, double value)
{
	char text[40];
	char *end = text + sizeof text;
	int places = conversion->precision < 0 ? 6 : conversion->precision > 9 ? 9 : conversion->precision;
	uint64_t scale = 1;
	bool negative = value < 0;
	for (int i = 0; i < places; i++)
		scale *= 10;
	uint64_t scaled = (uint64_t)((negative ? -value : value) * (double)scale + 0.5);
	char *start = digits(end, scaled % scale, 10, places);
	if (places > 0)
		*--start = '.';
	start = digits(start, scaled / scale, 10, 1);
	if (negative)
		*--start = '-';
	put_field(output, conversion, start, (size_t)(end - start), negative ? 1 : 0);
}

static int64_t signed_argument(const struct conversion *conversion, va_list *list)
{
	if (conversion->size == 'l')
		return va_arg(*list, int64_t);
	int value = va_arg(*list, int);
	return conversion->size == 'H' ? (signed char)value : conversion->size == 'h' ? (short)value : value;
}

static uint64_t unsigned_argument(const struct conversion *conversion, va_list *list)
{
	if (conversion->size == 'l')
		return va_arg(*list, uint64_t);
	unsigned value = va_arg(*list, unsigned);
	return conversion->size == 'H'   ? (unsigned char)value
	       : conversion->size == 'h' ? (unsigned short)value
	                                 : value;
}

static void put_string(struct output *output, const struct conversion *conversion, const char *text)
{
	if (text == NULL)
		text = "(null)";
	size_t length =
	    conversion->precision < 0 ? strlen(text) : strnlen(text, (size_t)conversion->precision);
	put_field(output, conversion, text, length, 0);
}

/* Returns false for what it does not know. */
static bool convert(struct output *output, struct conversion *conversion, va_list *list)
{
	int64_t value;
	char byte;
	switch (conversion->letter) {
	case 'd':
	case 'i':
		value = signed_argument(conversion, list);
		put_number(output, conversion, value < 0 ? -(uint64_t)value : (uint64_t)value, value < 0);
		return true;
	case 'p':
		conversion->size = 'l';
		/* fallthrough */
	case 'u':
	case 'x':
	case 'o':
		put_number(output, conversion, unsigned_argument(conversion, list), false);
		return true;
	case 'f':
		put_fraction(output, conversion, va_arg(*list, double));
		return true;
	case 's':
		put_string(output, conversion, va_arg(*list, const char *));
		return true;
	case 'c':
		byte = (char)va_arg(*list, int);
		put_field(output, conversion, &byte, 1, 0);
		return true;
	case '%':
		put(output, "%", 1);
		return true;
	default:
		return false;
	}
}

static int read_count(const char **format, va_list *list)
{
	int count = 0;
	if (**format == '*') {
		++*format;
		return va_arg(*list, int);
	}
	for (; **format >= '0' && **format <= '9' && count < 100000; ++*format)
		count = count * 10 + **format - '0';
	return count;
}

/* What stands behind a `%`. Returns its end. */
static const char *read_conversion(struct conversion *conversion, const char *format, va_list *list)
{
	*conversion = (struct conversion){.precision = -1};
	for (; *format == '-' || *format == '0'; format++) {
		conversion->left |= *format == '-';
		conversion->zeros |= *format == '0';
	}
	conversion->width = read_count(&format, list);
	if (conversion->width < 0) {
		conversion->left = true;
		conversion->width = -conversion->width;
	}
	if (*format == '.') {
		format++;
		conversion->precision = read_count(&format, list);
	}
	for (; *format != '\0' && strchr("hljtz", *format) != NULL; format++)
		conversion->size = *format != 'h' ? 'l' : conversion->size == 'h' ? 'H' : 'h';
	conversion->letter = *format;
	return *format == '\0' ? format : format + 1;
}

int vfprintf(FILE *restrict stream, const char *restrict format, va_list arguments)
{
	struct output output;
	struct conversion conversion;
	va_list list;
	output.stream = stream;
	output.used = 0;
	output.total = 0;
	va_copy(list, arguments);
	while (*format != '\0') {
		size_t plain = strcspn(format, "%");
		put(&output, format, plain);
		format += plain;
		if (*format == '\0')
			break;
		const char *end = read_conversion(&conversion, format + 1, &list);
		if (!convert(&output, &conversion, &list))
			put(&output, format, (size_t)(end - format));
		format = end;
	}
	va_end(list);
	drain(&output);
	return output.total;
}
