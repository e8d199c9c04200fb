/* SPDX-License-Identifier: Apache-2.0
 * The settings only explain what a trial has shown: none of them decides anything. */
#include "namespace_probe.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define INSTALLED "/usr/local/libexec/rundle/launcher-1"

/* The number in a file of /proc/sys, `otherwise` when there is none. */
static long read_setting(const char *path, long otherwise)
{
	char text[32] = "";
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return otherwise;
	ssize_t got = read(fd, text, sizeof text - 1);
	close(fd);
	return got > 0 ? strtol(text, NULL, 10) : otherwise;
}

/* Ubuntu 23.10 and later: namespaces are created, but give rights only to programs with a profile. */
static void apparmor_remedy(const char *launcher, char *text, size_t size)
{
	snprintf(text, size,
	         "AppArmor restricts user namespaces here. An administrator can allow this launcher alone:\n"
	         "sudo mkdir -p /usr/local/libexec/rundle\n"
	         "%s | sudo tee " INSTALLED " >/dev/null\n"
	         "sudo chmod 755 " INSTALLED "\n"
	         "printf 'abi <abi/4.0>,\\nprofile rundle " INSTALLED
	         " flags=(unconfined) {\\n  userns,\\n}\\n' |"
	         " sudo tee /etc/apparmor.d/rundle >/dev/null\n"
	         "sudo apparmor_parser -r /etc/apparmor.d/rundle\n"
	         "or all programs: sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0",
	         launcher);
}

void namespace_remedy(const struct namespace_trial *trial, const char *launcher, char *text, size_t size)
{
	bool refused = trial->error == EPERM || trial->error == EACCES;
	text[0] = '\0';
	if (trial->failed == STEP_NONE)
		return;
	if (refused && read_setting("/proc/sys/kernel/apparmor_restrict_unprivileged_userns", 0) != 0)
		apparmor_remedy(launcher, text, size);
	else if (refused && read_setting("/proc/sys/kernel/unprivileged_userns_clone", 1) == 0)
		snprintf(text, size, "sudo sysctl -w kernel.unprivileged_userns_clone=1");
	else if (read_setting("/proc/sys/user/max_user_namespaces", 1) == 0)
		snprintf(text, size, "sudo sysctl -w user.max_user_namespaces=15000");
	else if (read_setting("/proc/sys/user/max_mnt_namespaces", 1) == 0)
		snprintf(text, size, "sudo sysctl -w user.max_mnt_namespaces=15000");
	else if (trial->error == ENOSPC)
		snprintf(text, size,
		         "the limit user.max_user_namespaces or user.max_mnt_namespaces is used up: raise it "
		         "with sysctl, or end other containers");
	else if (trial->failed == STEP_USER_NAMESPACE && (trial->error == EINVAL || trial->error == ENOSYS))
		snprintf(text, size,
		         "this kernel has no user namespaces (CONFIG_USER_NS); on RHEL 7 boot with "
		         "user_namespace.enable=1");
	else if (refused && trial->failed == STEP_USER_NAMESPACE)
		snprintf(text, size,
		         "a seccomp filter, a chroot or SELinux forbids it: start the bundle outside of the "
		         "surrounding container, or run that one with --security-opt seccomp=unconfined");
	else if (refused)
		snprintf(text, size,
		         "a security module or the surrounding container forbids mounts: start the bundle "
		         "outside of it, or run that one with --security-opt apparmor=unconfined");
}
