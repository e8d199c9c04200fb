/* SPDX-License-Identifier: Apache-2.0 */
#include "check_report.h"

#include <inttypes.h>
#include <stdarg.h>

#include "message.h"

void check_report_open(struct check_report *report, FILE *stream, bool as_json, uint64_t bytes,
                       uint32_t sections)
{
	*report = (struct check_report){.stream = stream, .as_json = as_json, .json = {.stream = stream}};
	if (!as_json)
		return;
	json_open(&report->json, NULL, '{');
	json_number(&report->json, "sections", sections);
	json_number(&report->json, "bytes", bytes);
	json_open(&report->json, "faults", '[');
}

void check_report_fault(struct check_report *report, const char *section, uint64_t offset, const char *format,
                        ...)
{
	if (report->count++ >= CHECK_REPORT_MAX)
		return;
	char message[1536];
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(message, sizeof message, format, arguments);
	va_end(arguments);
	if (report->as_json) {
		json_open(&report->json, NULL, '{');
		json_text(&report->json, "section", section);
		json_number(&report->json, "offset", offset);
		json_text(&report->json, "message", message);
		json_close(&report->json, '}');
	} else {
		fprintf(report->stream, "%s at %" PRIu64 ": ", section, offset);
		message_escaped(report->stream, message);
		fputc('\n', report->stream);
	}
}

void check_report_close(struct check_report *report)
{
	if (report->as_json) {
		json_close(&report->json, ']');
		json_number(&report->json, "count", report->count);
		json_boolean(&report->json, "ok", report->count == 0);
		json_close(&report->json, '}');
		fputc('\n', report->stream);
	} else if (report->count > CHECK_REPORT_MAX) {
		fprintf(report->stream, "and %" PRIu64 " more\n", report->count - CHECK_REPORT_MAX);
	} else if (report->count == 0) {
		fprintf(report->stream, "ok\n");
	}
}
