/* SPDX-License-Identifier: Apache-2.0 */
#include "host/remedy.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "host/read.h"

void remedy_quote(char *word, size_t size, const char *path)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./+,:@%-";
	size_t used = 0;
	bool quoted = path[0] == '\0' || strspn(path, plain) != strlen(path);
	used +=
	    (size_t)snprintf(word, size, "%s%s", quoted ? "'" : "", strchr(path, '/') == NULL ? "./" : "");
	for (; *path != '\0' && used + 6 < size; path++)
		used += (size_t)snprintf(word + used, size - used, *path == '\'' ? "'\\''" : "%c", *path);
	snprintf(word + used, size - used, "%s", quoted ? "'" : "");
}

bool remedy_in_container(const struct host *host, const char *engine)
{
	const char *found = host->facts.container;
	return engine == NULL ? found != NULL || strcmp(host->facts.kind, "container") == 0
	                      : found != NULL && strcmp(found, engine) == 0;
}

/* What the engine around must be told; nothing where there is none. */
static void tell_engine(const struct host *host, struct check *check, const char *more)
{
	static const char *const engines[] = {"docker", "podman"};
	for (size_t i = 0; i < sizeof engines / sizeof *engines; i++)
		if (remedy_in_container(host, engines[i]))
			check_remedy(check, "%s run %s...", engines[i], more);
}

void remedy_namespaces(const struct host *host, struct check *check, int error)
{
	static const char restricts[] = "kernel.apparmor_restrict_unprivileged_userns";
	bool refused = error == EPERM || error == EACCES;
	if (strcmp(host->facts.kind, "wsl1") == 0) {
		check_remedy(check, "wsl.exe --set-version \"$WSL_DISTRO_NAME\" 2");
	} else if (error == ENOSPC || error == EUSERS) {
		check_remedy(check,
		             "sudo sysctl -w user.max_user_namespaces=15000 user.max_mnt_namespaces=15000");
	} else if (error == EINVAL || error == ENOSYS) {
		check_remedy(check, "sudo grubby --update-kernel=ALL --args=user_namespace.enable=1");
	} else if (refused &&
	           host_read_number("/proc/sys/kernel/apparmor_restrict_unprivileged_userns", 0) != 0) {
		check_remedy(check, "sudo %s --setup-host", host->app);
		check_remedy(check, "sudo sysctl -w %s=0", restricts);
	} else if (refused && host_read_number("/proc/sys/kernel/unprivileged_userns_clone", 1) == 0) {
		check_remedy(check, "sudo sysctl -w kernel.unprivileged_userns_clone=1");
	} else if (refused && remedy_in_container(host, "kubernetes")) {
		check_remedy(check,
		             "kubectl edit pod  # securityContext: {seccompProfile: {type: Unconfined}, "
		             "appArmorProfile: {type: Unconfined}}");
	} else if (refused && remedy_in_container(host, NULL)) {
		tell_engine(host, check,
		            "--security-opt seccomp=unconfined --security-opt apparmor=unconfined ");
	} else if (refused && host_read_number("/sys/fs/selinux/enforce", 0) == 1) {
		check_remedy(check, "sudo ausearch -m avc -ts recent");
	}
}

void remedy_fuse(const struct host *host, struct check *check, int error)
{
	if (remedy_in_container(host, NULL) && error != EACCES)
		tell_engine(host, check, "--device /dev/fuse ");
	else if (error == EACCES)
		check_remedy(check, "sudo chmod 666 /dev/fuse");
	else if (error == ENOENT || error == ENODEV || error == ENXIO)
		check_remedy(check, "sudo modprobe fuse");
	else
		remedy_namespaces(host, check, error);
}
