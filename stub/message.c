/* SPDX-License-Identifier: Apache-2.0 */
#include "message.h"

#include <stdarg.h>
#include <string.h>
#include <unistd.h>

void message_escaped(FILE *stream, const char *text)
{
	for (const unsigned char *p = (const unsigned char *)text; *p != '\0'; p++) {
		if (*p == 0xc2 && p[1] >= 0x80 && p[1] <= 0x9f) {
			fprintf(stream, "\\x%02x\\x%02x", p[0], p[1]);
			p++;
		} else if (*p < 0x20 || *p == 0x7f) {
			fprintf(stream, "\\x%02x", *p);
		} else {
			putc(*p, stream);
		}
	}
}

/* Collects a message and writes it at once, so that the lines of many ranks do not mix. */
struct collected {
	char bytes[8192];
	FILE *stream;
};

static void collect(struct collected *message)
{
	memset(message->bytes, 0, sizeof message->bytes);
	message->stream = fmemopen(message->bytes, sizeof message->bytes - 1, "w");
	if (message->stream == NULL)
		message->stream = stderr;
}

static void release(struct collected *message)
{
	fflush(message->stream);
	if (message->stream == stderr)
		return;
	fclose(message->stream);
	fflush(stdout);
	ssize_t written = write(STDERR_FILENO, message->bytes, strlen(message->bytes));
	(void)written; /* there is nobody left to tell */
}

/* A hint may hold several lines; each is indented. */
static void put_hint(FILE *stream, const char *hint)
{
	char line[sizeof((struct fault *)0)->hint];
	while (*hint != '\0') {
		size_t length = strcspn(hint, "\n");
		memcpy(line, hint, length);
		line[length] = '\0';
		fputs("  ", stream);
		message_escaped(stream, line);
		putc('\n', stream);
		hint += length + (hint[length] == '\n');
	}
}

void message_fault(const struct fault *fault)
{
	struct collected message;
	collect(&message);
	fputs("rundle: ", message.stream);
	message_escaped(message.stream, fault->text);
	if (fault->error != 0)
		fprintf(message.stream, ": %s", strerror(fault->error));
	putc('\n', message.stream);
	put_hint(message.stream, fault->hint);
	release(&message);
}

void message_notice(const char *format, ...)
{
	char text[1024];
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(text, sizeof text, format, arguments);
	va_end(arguments);
	struct collected message;
	collect(&message);
	fputs("rundle: ", message.stream);
	message_escaped(message.stream, text);
	putc('\n', message.stream);
	release(&message);
}
