/* SPDX-License-Identifier: Apache-2.0
 * libFuzzer target for the payload reader: the input is an image, which is read in every way the launcher
 * can. */
#include <sys/mman.h>
#include <unistd.h>

#include "../../test/stub/payload_exercise.h"
#include "image_mutator.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

size_t LLVMFuzzerCustomMutator(uint8_t *bytes, size_t size, size_t limit, unsigned seed)
{
	return mutate_image(bytes, size, limit, 0, seed);
}

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
