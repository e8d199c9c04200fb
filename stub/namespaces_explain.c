/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "apparmor_profile.h"
#include "host_setup.h"
#include "invocation.h"
#include "mount_table.h"
#include "namespaces.h"

/* The first `size` - 1 bytes of a file; empty when it cannot be read. */
static void read_start(const char *path, char *text, size_t size)
{
	text[0] = '\0';
	int file = open(path, O_RDONLY | O_CLOEXEC);
	if (file < 0)
		return;
	ssize_t got = read(file, text, size - 1);
	text[got > 0 ? got : 0] = '\0';
	close(file);
}

/* Whether the sysctl exists and begins with that number. */
static bool sysctl_is(const char *path, long value)
{
	char text[32], *end;
	read_start(path, text, sizeof text);
	return strtol(text, &end, 10) == value && end != text;
}

/* A chroot without a mount of its own shows no mount at `/`; the kernel makes no user namespace there. */
static bool in_plain_chroot(void)
{
	FILE *mounts = fopen("/proc/self/mountinfo", "re");
	if (mounts == NULL)
		return false;
	char *line = NULL;
	size_t size = 0;
	bool found = false;
	while (!found && getline(&line, &size, mounts) >= 0) {
		struct mount_line mount;
		found = mount_line_read(&mount, line) && strcmp(mount.point, "/") == 0;
	}
	free(line);
	fclose(mounts);
	return !found;
}

static bool under_seccomp(void)
{
	char status[8192];
	read_start("/proc/self/status", status, sizeof status);
	return strstr(status, "\nSeccomp:\t2") != NULL;
}

/* A container's program cannot use what is installed: it runs under the launcher's profiles already. */
static int explain_apparmor(struct fault *fault)
{
	char label[128], command[256];
	read_start("/proc/self/attr/current", label, sizeof label);
	if (strncmp(label, APPARMOR_NAME, strlen(APPARMOR_NAME)) == 0)
		return fault_hint(fault, "AppArmor's profile of the installed launcher lets no program in a "
		                         "container make namespaces of its own.");
	host_setup_command(invocation_bundle(), command, sizeof command);
	return fault_hint(fault,
	                  "AppArmor gives user namespaces only to programs with a profile (the default of "
	                  "Ubuntu 24.04). As root, once: %s\n"
	                  "Until then bundles start in tier trace, which needs none and is slower.",
	                  command);
}

static int explain_refusal(struct fault *fault)
{
	if (apparmor_restricts_namespaces())
		return explain_apparmor(fault);
	if (sysctl_is("/proc/sys/kernel/unprivileged_userns_clone", 0))
		return fault_hint(fault, "This system keeps user namespaces to root. As root, once: "
		                         "sysctl -w kernel.unprivileged_userns_clone=1");
	if (in_plain_chroot())
		return fault_hint(fault, "The kernel makes no user namespace in a chroot; start it outside.");
	if (under_seccomp())
		return fault_hint(
		    fault, "A seccomp filter forbids it, as Docker's and Kubernetes' do: start the outer "
		           "container with --security-opt seccomp=unconfined (and apparmor=unconfined), in "
		           "Kubernetes with seccompProfile: Unconfined.");
	return fault_hint(
	    fault, "A security policy (SELinux, AppArmor, a container engine) forbids it; its log says "
	           "which: journalctl -k, ausearch -m avc.");
}

int namespaces_explain(int error, struct fault *fault)
{
	if (error == EPERM || error == EACCES)
		return explain_refusal(fault);
	if (error == ENOSPC || error == EUSERS)
		return fault_hint(fault,
		                  "The limit on namespaces is reached or 0. As root: "
		                  "sysctl -w user.max_user_namespaces=15000 user.max_mnt_namespaces=15000\n"
		                  "More than 32 user namespaces cannot stand in one another either.");
	if (error == EINVAL || error == ENOSYS)
		return fault_hint(
		    fault,
		    "This kernel has no user namespaces (CONFIG_USER_NS; WSL 1 has none, WSL 2 has). On "
		    "RHEL 7 they need the kernel argument user_namespace.enable=1.");
	return -1;
}
