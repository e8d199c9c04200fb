/* SPDX-License-Identifier: Apache-2.0 */
#include "apparmor_profile.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "own_arch.h"

#define DIRECTORY "/usr/local/libexec/rundle"
#define INSTALLED DIRECTORY "/launcher-1"
#define PROFILE "/etc/apparmor.d/rundle"

bool apparmor_restricts_namespaces(void)
{
	char value = '0';
	int fd = open("/proc/sys/kernel/apparmor_restrict_unprivileged_userns", O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	ssize_t got = read(fd, &value, 1);
	close(fd);
	return got == 1 && value != '0';
}

void apparmor_append_commands(const struct bundle *bundle, char *text, size_t size)
{
	const struct section *launcher = bundle_section(bundle, SECTION_LAUNCHER, OWN_ARCH, 0);
	size_t length = strlen(text);
	if (launcher == NULL)
		return;
	snprintf(text + length, size - length,
	         "%sThe launcher is installed from this file, here called app.run, by:\n"
	         "sudo mkdir -p " DIRECTORY "\n"
	         "tail -c +%" PRIu64 " app.run | head -c %" PRIu64 " | sudo tee " INSTALLED " >/dev/null\n"
	         "sudo chmod 755 " INSTALLED "\n"
	         "printf 'abi <abi/4.0>,\\nprofile rundle " INSTALLED
	         " flags=(unconfined) {\\n  userns,\\n}\\n' |"
	         " sudo tee " PROFILE " >/dev/null\n"
	         "sudo apparmor_parser -r " PROFILE,
	         length == 0 ? "" : "\n", launcher->offset + 1, launcher->size);
}
