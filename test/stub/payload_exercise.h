/* SPDX-License-Identifier: Apache-2.0
 * Does with an image whatever the launcher can do with one. For images that are damaged: results do not
 * matter, that it ends and touches nothing it must not does. */
#ifndef RUNDLE_PAYLOAD_EXERCISE_H
#define RUNDLE_PAYLOAD_EXERCISE_H

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "check_payload.h"
#include "payload.h"
#include "payload_walk.h"

static int exercise_xattr(void *context, const char *name, const void *value, size_t size)
{
	const unsigned char *bytes = value;
	unsigned sum = 0;
	for (size_t i = 0; i < size; i++)
		sum += bytes[i];
	*(unsigned *)context += sum;
	return strlen(name) > 255;
}

/* The first and last bytes and some between: a damaged size must not make this long. */
static void exercise_data(struct payload *payload, const struct payload_inode *inode)
{
	static unsigned char buffer[70000];
	uint64_t offsets[] = {0, 4095, inode->size / 2, inode->size - inode->size % 4096,
	                      inode->size > 0 ? inode->size - 1 : 0};
	for (size_t i = 0; i < sizeof offsets / sizeof *offsets; i++) {
		if (payload_read_data(payload, inode, offsets[i], buffer, sizeof buffer, NULL) >
		    (ssize_t)sizeof buffer)
			abort();
	}
}

static void exercise_directory(struct payload *payload, const struct payload_inode *inode)
{
	struct payload_listing listing;
	struct payload_entry entry = {.cookie = 0}, found;
	for (int count = 0; count < 40; count++) {
		if (payload_open_listing(payload, inode, entry.cookie, &listing, NULL) != 0 ||
		    payload_next_entry(payload, &listing, &entry, NULL) <= 0)
			return;
		if (entry.length == 0 || entry.length > PAYLOAD_NAME_MAX ||
		    strlen(entry.name) != entry.length || strchr(entry.name, '/') != NULL)
			abort();
		payload_lookup(payload, inode, entry.name, entry.length, &found, NULL);
	}
}

static void exercise_tree(struct payload *payload)
{
	struct payload_inode root;
	struct payload_walk *walk = NULL;
	struct payload_visit visit = {.step = PAYLOAD_END};
	struct fault fault = {0};
	if (payload_read_inode(payload, payload_root(payload), &root, &fault) == 0)
		walk = payload_walk_open(payload, &root, &fault);
	for (int errors = 0; walk != NULL && errors < 100;) {
		fault_clear(&fault);
		if (payload_walk_next(walk, &visit, &fault) != 0) {
			if (fault.text[0] == '\0')
				abort();
			errors++;
			continue;
		}
		if (visit.step == PAYLOAD_END)
			break;
		if (visit.step == PAYLOAD_LEAVE)
			continue;
		char target[PATH_MAX];
		payload_read_link(payload, &visit.inode, target, NULL);
		unsigned sum = 0;
		payload_visit_xattrs(payload, &visit.inode, exercise_xattr, &sum, NULL);
		if (S_ISREG(visit.inode.mode))
			exercise_data(payload, &visit.inode);
		if (S_ISDIR(visit.inode.mode))
			exercise_directory(payload, &visit.inode);
	}
	payload_walk_close(walk);
}

static void exercise_check(int fd, uint64_t size, FILE *sink)
{
	struct check_report report;
	struct fault fault = {0};
	check_report_open(&report, sink, true, size, 0);
	check_payload(&report, fd, 0, size, true, &fault);
	check_report_close(&report);
}

/* 1 if the image can be opened at all. */
static int exercise_payload(int fd, uint64_t size, FILE *sink)
{
	struct fault fault = {0};
	struct payload *payload = payload_open(fd, 0, size, &fault);
	if (payload == NULL) {
		if (fault.text[0] == '\0')
			abort();
		return 0;
	}
	exercise_tree(payload);
	payload_close(payload);
	exercise_check(fd, size, sink);
	return 1;
}

#endif
