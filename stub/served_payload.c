/* SPDX-License-Identifier: Apache-2.0 */
#include "served_payload.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "descriptors.h"
#include "fuse_device.h"
#include "fuse_server.h"
#include "helper_process.h"
#include "namespaces.h"

_Static_assert(FUSE_SERVER_THREADS < DESCRIPTORS_MAX, "one message hands over all of them");

/* While one decodes, another can answer look-ups. */
enum { THREADS_MIN = 4 };

/* What the container's side sends with the descriptors. */
struct mounted {
	uid_t uid;
	gid_t gid;
	bool owners;
	bool kept; /* the last descriptor is no device */
};

static _Noreturn void run_server(int channel, int bundle, const struct section *section, const char *root)
{
	static struct fault fault;
	struct payload_inode directory = {0};
	struct mounted mounted;
	int devices[DESCRIPTORS_MAX];
	int kept[] = {channel, bundle};
	helper_detach("rundle-server", kept, sizeof kept / sizeof *kept);
	struct payload *payload = payload_open(kept[1], section->offset, section->size, &fault);
	if (payload != NULL && payload_lookup_path(payload, root, &directory, &fault) == 0 &&
	    !S_ISDIR(directory.mode))
		fault_set(&fault, ENOTDIR, "opening the root directory %.400s of the payload", root);
	int count = descriptors_receive(kept[0], &mounted, sizeof mounted, devices);
	/* The answer is the fault, empty when there is none. */
	if (count <= 0 || send(kept[0], &fault, sizeof fault, MSG_NOSIGNAL) < 0 || fault.text[0] != '\0')
		_exit(1);
	close(kept[0]);
	const struct fuse_server_request request = {
	    .devices = devices,
	    .device_count = (unsigned)count - mounted.kept,
	    .payload = payload,
	    .root = directory.reference,
	    .owners = mounted.owners,
	    .uid = mounted.uid,
	    .gid = mounted.gid,
	};
	_exit(fuse_serve(&request, &fault) == 0 ? 0 : 1);
}

int served_payload_start(struct served_payload *server, const struct bundle *bundle,
                         const struct launch_config *config, struct fault *fault)
{
	int ends[2];
	*server = (struct served_payload){.channel = -1, .kept = -1};
	const struct section *section =
	    bundle_section(bundle, SECTION_PAYLOAD, BUNDLE_ARCH_NONE, config->payload);
	if (section == NULL)
		return fault_set(fault, 0, "'%.400s' holds no payload %u", bundle->path, config->payload);
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0)
		return fault_set(fault, errno, "preparing the server of the payload");
	pid_t child = helper_fork();
	if (child == 0)
		run_server(ends[1], bundle->fd, section, config->root);
	int error = errno;
	close(ends[1]);
	server->channel = ends[0];
	if (child > 0)
		return 0;
	close(ends[0]);
	return fault_set(fault, error, "starting the server of the payload");
}

/* One descriptor for each thread of the server. */
static unsigned open_devices(int *devices, struct fault *fault)
{
	cpu_set_t cpus;
	unsigned wanted = sched_getaffinity(0, sizeof cpus, &cpus) == 0 ? (unsigned)CPU_COUNT(&cpus) : 1;
	unsigned count = 0;
	while (count < FUSE_SERVER_THREADS && count < (wanted > THREADS_MIN ? wanted : THREADS_MIN)) {
		devices[count] = fuse_device_open(fault);
		if (devices[count] < 0)
			break;
		count++;
	}
	return count;
}

int served_payload_mount(const struct served_payload *server, const char *path, bool owners,
                         struct fault *fault)
{
	char options[128];
	int devices[DESCRIPTORS_MAX];
	unsigned count = open_devices(devices, fault);
	if (count == 0)
		return -1;
	fault_clear(fault); /* fewer threads will do */
	devices[count] = server->kept;
	const struct mounted mounted = {geteuid(), getegid(), owners, server->kept >= 0};
	snprintf(options, sizeof options,
	         "fd=%d,rootmode=40000,user_id=%u,group_id=%u,allow_other,default_permissions", devices[0],
	         mounted.uid, mounted.gid);
	int result = 0;
	if (mount("rundle", path, "fuse.rundle", MS_RDONLY | MS_NOSUID | MS_NODEV, options) != 0) {
		int error = errno;
		fault_set(fault, error, "mounting by FUSE (Linux 4.18 in a user namespace)");
		result = namespaces_explain(error, fault);
	} else if (descriptors_send(server->channel, &mounted, sizeof mounted, devices,
	                            count + mounted.kept) != 0) {
		result = fault_set(fault, errno, "handing /dev/fuse to the server of the payload");
	}
	while (count > 0)
		close(devices[--count]);
	return result;
}

int served_payload_await(struct served_payload *server, struct fault *fault)
{
	static struct fault answer;
	ssize_t got;
	do
		got = recv(server->channel, &answer, sizeof answer, 0);
	while (got < 0 && errno == EINTR);
	served_payload_close(server);
	if (got != sizeof answer)
		return fault_set(fault, ECONNRESET, "waiting for the server of the payload");
	if (answer.text[0] == '\0')
		return 0;
	fault_set(fault, answer.error, "%s", answer.text);
	return fault_hint(fault, "%s", answer.hint);
}

void served_payload_close(struct served_payload *server)
{
	if (server->channel >= 0)
		close(server->channel);
	server->channel = -1;
}
