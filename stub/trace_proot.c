/* SPDX-License-Identifier: Apache-2.0 */
#include "trace_proot.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>
#include <zstd.h>

#include "own_arch.h"

enum { SIZE_LIMIT = 4 << 20 };

bool trace_proot_is_there(const struct bundle *bundle)
{
	return bundle_section(bundle, SECTION_PROOT, OWN_ARCH, 0) != NULL;
}

static int write_program(int directory, const char *name, const char *bytes, size_t size, struct fault *fault)
{
	int file = openat(directory, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0700);
	size_t done = 0;
	ssize_t written = file < 0 ? -1 : 0;
	while (written >= 0 && done < size) {
		written = write(file, bytes + done, size - done);
		done += written > 0 ? (size_t)written : 0;
	}
	int error = errno;
	if (file >= 0 && close(file) != 0 && written >= 0)
		written = -1, error = errno;
	return written < 0 ? fault_set(fault, error, "writing PRoot into the temporary directory") : 0;
}

int trace_proot_unpack(const struct bundle *bundle, int directory, const char *name, struct fault *fault)
{
	const struct section *section = bundle_section(bundle, SECTION_PROOT, OWN_ARCH, 0);
	if (section == NULL)
		return fault_set(fault, 0, "the bundle holds no PRoot for this machine");
	char *frame = bundle_read_section(bundle, section, SIZE_LIMIT, fault);
	if (frame == NULL)
		return -1;
	unsigned long long size = ZSTD_getFrameContentSize(frame, (size_t)section->size);
	char *bytes = size > 0 && size <= SIZE_LIMIT ? malloc((size_t)size) : NULL;
	int result = -1;
	if (bytes == NULL ||
	    ZSTD_decompress(bytes, (size_t)size, frame, (size_t)section->size) != (size_t)size) {
		fault_set(fault, 0, "the PRoot in '%.400s' is damaged", bundle->path);
		fault_hint(fault, "--check says what else is; get the file again");
	} else {
		result = write_program(directory, name, bytes, (size_t)size, fault);
	}
	free(bytes);
	free(frame);
	return result;
}
