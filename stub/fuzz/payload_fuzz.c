/* SPDX-License-Identifier: Apache-2.0
 * libFuzzer target for the payload reader: `make fuzz`, then build/fuzz/payload_fuzz CORPUS, where CORPUS
 * holds small images made with mksquashfs -comp zstd, best with uncompressed tables (-noI -noId -noF -noX).
 */
#include <sys/mman.h>
#include <unistd.h>

#include "../../test/stub/payload_exercise.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	static FILE *sink;
	if (sink == NULL)
		sink = fopen("/dev/null", "w");
	int fd = memfd_create("image", MFD_CLOEXEC);
	if (fd < 0 || write(fd, bytes, size) != (ssize_t)size)
		abort();
	exercise_payload(fd, size, sink);
	close(fd);
	return 0;
}
