/* SPDX-License-Identifier: Apache-2.0 */
#include "unpack.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "extract.h"
#include "remove_tree.h"

static void write_escaped(FILE *stream, const char *text)
{
	for (const unsigned char *p = (const unsigned char *)text; *p != '\0'; p++) {
		if (*p < 0x20 || *p == 0x7f || *p == '\\')
			fprintf(stream, "\\x%02x", *p);
		else
			putc(*p, stream);
	}
}

static void report_left_out(void *context, const char *path, const char *reason)
{
	FILE *stream = context;
	write_escaped(stream, path);
	putc('\t', stream);
	write_escaped(stream, reason);
	putc('\n', stream);
}

/* The next entry of a directory, NULL behind the last one. */
static const char *next_name(DIR *stream)
{
	struct dirent *entry;
	while ((entry = readdir(stream)) != NULL) {
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			return entry->d_name;
	}
	return NULL;
}

static DIR *open_listing(int directory)
{
	int copy = openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return copy < 0 ? NULL : fdopendir(copy);
}

/* 1 when the directory holds nothing, 0 when it does, -1 with errno. */
static int is_empty(int directory)
{
	DIR *stream = open_listing(directory);
	if (stream == NULL)
		return -1;
	int empty = next_name(stream) == NULL;
	closedir(stream);
	return empty;
}

/* What cannot be removed stays: the first fault is the one to report. */
static void remove_contents(int directory)
{
	const char *name;
	DIR *stream = open_listing(directory);
	while (stream != NULL && (name = next_name(stream)) != NULL) {
		if (unlinkat(directory, name, 0) != 0)
			remove_tree(directory, name);
	}
	if (stream != NULL)
		closedir(stream);
}

/* Open `path`, which is made when it is missing; `*made` tells. */
static int open_target(const char *path, bool *made, struct fault *fault)
{
	*made = mkdir(path, 0700) == 0;
	if (!*made && errno != EEXIST)
		return fault_set(fault, errno, "cannot make the directory '%.400s'", path);
	int directory = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (directory < 0)
		return fault_set(fault, errno, "cannot open the directory '%.400s'", path);
	int empty = is_empty(directory);
	if (empty == 1)
		return directory;
	fault_set(fault, empty == 0 ? ENOTEMPTY : errno, "cannot unpack into '%.400s'", path);
	close(directory);
	return fault_hint(fault, "name a directory that is missing or empty");
}

static int extract_payload(const struct bundle *bundle, const struct section *section, const char *root,
                           int directory, FILE *report, struct fault *fault)
{
	struct payload *payload = payload_open(bundle->fd, section->offset, section->size, fault);
	if (payload == NULL)
		return -1;
	struct extract_request request = {
	    .payload = payload,
	    .root = root,
	    .directory = directory,
	    .owners = geteuid() == 0,
	    .left_out = report_left_out,
	    .context = report,
	};
	int result = extract_tree(&request, fault);
	payload_close(payload);
	return result;
}

int unpack_bundle(const struct bundle *bundle, const struct launch_config *config, const char *path,
                  FILE *report, struct fault *fault)
{
	const struct section *section =
	    bundle_section(bundle, SECTION_PAYLOAD, BUNDLE_ARCH_NONE, config->payload);
	if (section == NULL)
		return fault_set(fault, 0, "'%.400s' has no payload %u", bundle->path, config->payload);
	bool made;
	int directory = open_target(path, &made, fault);
	if (directory < 0)
		return -1;
	int result = extract_payload(bundle, section, config->root, directory, report, fault);
	if (result != 0) {
		remove_contents(directory);
		if (made)
			rmdir(path);
	}
	close(directory);
	return result;
}
