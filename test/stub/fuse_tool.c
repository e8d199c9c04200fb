/* SPDX-License-Identifier: Apache-2.0
 * `fuse_tool IMAGE DIRECTORY [THREADS]` mounts a payload and serves it until it is unmounted; prints
 * "mounted" when it is. Needs root: the launcher does the same inside a user namespace. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fuse_server.h"

int main(int argc, char **argv)
{
	struct fault fault = {0};
	struct stat status;
	char options[128];
	int image = argc >= 3 ? open(argv[1], O_RDONLY | O_CLOEXEC) : -1;
	int devices[FUSE_SERVER_THREADS];
	unsigned threads = argc > 3 ? (unsigned)atoi(argv[3]) : 1;
	for (unsigned i = 0; i < threads && i < FUSE_SERVER_THREADS; i++)
		devices[i] = open("/dev/fuse", O_RDWR | O_CLOEXEC);
	if (image < 0 || threads == 0 || threads > FUSE_SERVER_THREADS || devices[threads - 1] < 0 ||
	    fstat(image, &status) != 0) {
		perror("fuse_tool");
		return 1;
	}
	struct payload *payload = payload_open(image, 0, (uint64_t)status.st_size, &fault);
	snprintf(options, sizeof options,
	         "fd=%d,rootmode=40000,user_id=0,group_id=0,allow_other,default_permissions", devices[0]);
	if (payload == NULL ||
	    mount("rundle", argv[2], "fuse.rundle", MS_RDONLY | MS_NOSUID | MS_NODEV, options) != 0) {
		fprintf(stderr, "%s\n", payload == NULL ? fault.text : "mount");
		return 1;
	}
	puts("mounted");
	fflush(stdout);
	const struct fuse_server_request request = {
	    .devices = devices,
	    .device_count = threads,
	    .payload = payload,
	    .root = payload_root(payload),
	    .owners = true,
	};
	int result = fuse_serve(&request, &fault);
	if (result != 0)
		fprintf(stderr, "%s: %s\n", fault.text, strerror(fault.error));
	return result == 0 ? 0 : 1;
}
