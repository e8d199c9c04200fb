/* SPDX-License-Identifier: Apache-2.0 */
#include "check.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "check_payload.h"
#include "check_report.h"
#include "sha256.h"

/* Only the calling thread reads, and never two pieces at once. */
static unsigned char piece[256 << 10];

static size_t piece_size(uint64_t left)
{
	return left < sizeof piece ? (size_t)left : sizeof piece;
}

int check_zeros(struct check_report *report, const char *section, int fd, uint64_t start, uint64_t end)
{
	while (start < end) {
		size_t length = piece_size(end - start);
		if (bundle_read(fd, piece, length, start) != 0)
			return -1;
		for (size_t i = 0; i < length; i++) {
			if (piece[i] == 0)
				continue;
			check_report_fault(report, section, start + i, "not zero");
			return 0;
		}
		start += length;
	}
	return 0;
}

/* The faults of one section; what could not be read ends the check. */
static int check_section(const struct bundle *bundle, const struct section *section,
                         struct check_report *report, struct fault *fault)
{
	const char *name = bundle_section_name(section->kind);
	unsigned char digest[SHA256_SIZE];
	struct sha256 hash;
	sha256_start(&hash);
	for (uint64_t done = 0; done < section->size;) {
		size_t length = piece_size(section->size - done);
		if (bundle_read(bundle->fd, piece, length, section->offset + done) != 0)
			return fault_set(fault, errno, "reading the %s of %s", name, bundle->path);
		sha256_add(&hash, piece, length);
		done += length;
	}
	sha256_finish(&hash, digest);
	bool differs = memcmp(digest, section->sha256, sizeof digest) != 0;
	if (differs) {
		char wanted[2 * SHA256_SIZE + 1], found[2 * SHA256_SIZE + 1];
		sha256_hex(section->sha256, wanted);
		sha256_hex(digest, found);
		check_report_fault(report, name, section->offset,
		                   "the SHA-256 of its %" PRIu64 " bytes is %s instead of %s", section->size,
		                   found, wanted);
	}
	if (section->kind != SECTION_PAYLOAD)
		return 0;
	return check_payload(report, bundle->fd, section->offset, section->size, differs, fault);
}

/* What lies in no section, in front of `end`. The table, wherever it is, was verified when the bundle was
 * opened. */
static int check_gap(const struct bundle *bundle, uint64_t start, uint64_t end, struct check_report *report,
                     struct fault *fault)
{
	uint64_t table_end = bundle->table_offset + bundle->table_size;
	int result = 0;
	if (bundle->table_offset >= start && table_end <= end) {
		result = check_zeros(report, "padding", bundle->fd, start, bundle->table_offset);
		start = table_end;
	}
	if (result == 0)
		result = check_zeros(report, "padding", bundle->fd, start, end);
	return result == 0 ? 0 : fault_set(fault, errno, "reading %s", bundle->path);
}

int check_bundle(const struct bundle *bundle, FILE *stream, bool json, struct fault *fault)
{
	struct check_report report;
	check_report_open(&report, stream, json, bundle->size, bundle->count);
	uint64_t end = 0;
	int result = 0;
	for (uint32_t i = 0; i < bundle->count && result == 0; i++) {
		const struct section *section = &bundle->sections[i];
		result = check_gap(bundle, end, section->offset, &report, fault);
		if (result == 0)
			result = check_section(bundle, section, &report, fault);
		end = section->offset + section->size;
	}
	if (result == 0)
		result = check_gap(bundle, end, bundle->size - BUNDLE_FOOTER_SIZE, &report, fault);
	check_report_close(&report);
	return result != 0 ? -1 : report.count > 0;
}
