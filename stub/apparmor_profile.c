/* SPDX-License-Identifier: Apache-2.0 */
#include "apparmor_profile.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "host_setup.h"

#define RESTRICTION "/proc/sys/kernel/apparmor_restrict_unprivileged_userns"
#define PROGRAM "rundle-program"

/* What both may do: all that AppArmor 4.0 mediates but for user namespaces, capabilities and executing. A
 * rule for each class, as what has none is denied. */
#define COMMON                                                                                               \
	"  file rwlkm /{**,},\n"                                                                             \
	"  network,\n"                                                                                       \
	"  unix,\n"                                                                                          \
	"  dbus,\n"                                                                                          \
	"  signal,\n"                                                                                        \
	"  ptrace,\n"                                                                                        \
	"  mqueue,\n"                                                                                        \
	"  io_uring,\n"

/* A container's root is a mount of another namespace, so its paths are disconnected from this one's. `px` and
 * not `pix`: where the second profile is missing nothing is executed. */
const char apparmor_profile[] = APPARMOR_MARK
    ".\n"
    "# The launcher of rundle's bundles may make user namespaces. What it starts may not, and has no\n"
    "# capabilities in the launcher's.\n"
    "abi <abi/4.0>,\n"
    "\n"
    "profile " APPARMOR_NAME " " HOST_LAUNCHER " flags=(attach_disconnected,mediate_deleted) {\n"
    "  userns,\n"
    "  capability,\n"
    "  mount,\n"
    "  remount,\n"
    "  umount,\n"
    "  pivot_root,\n" COMMON "  px /** -> " APPARMOR_NAME "//&" PROGRAM ",\n"
    "}\n"
    "\n"
    "profile " PROGRAM " flags=(attach_disconnected,mediate_deleted) {\n"
    "  audit deny userns,\n"
    "  audit deny capability,\n" COMMON "  ix /**,\n"
    "}\n";

static const char *const parsers[] = {"/usr/sbin/apparmor_parser", "/sbin/apparmor_parser"};

bool apparmor_restricts_namespaces(void)
{
	char value = '0';
	int fd = open(RESTRICTION, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	ssize_t got = read(fd, &value, 1);
	close(fd);
	return got == 1 && value != '0';
}

static const char *parser(void)
{
	for (size_t i = 0; i < sizeof parsers / sizeof *parsers; i++)
		if (access(parsers[i], X_OK) == 0)
			return parsers[i];
	return NULL;
}

const char *apparmor_no_profile(void)
{
	if (access(RESTRICTION, F_OK) != 0)
		return "this kernel keeps no user namespaces from programs without one";
	if (parser() == NULL)
		return "apparmor_parser, which loads one, is not installed";
	if (access(APPARMOR_DIRECTORY "/abi/4.0", F_OK) != 0)
		return "AppArmor's programs here are older than 4.0 and cannot grant user namespaces";
	return NULL;
}

bool apparmor_loaded(void)
{
	char line[512];
	bool found = false;
	FILE *profiles = fopen("/sys/kernel/security/apparmor/profiles", "re");
	if (profiles == NULL)
		return false;
	while (!found && fgets(line, sizeof line, profiles) != NULL)
		found = strncmp(line, APPARMOR_NAME " (", strlen(APPARMOR_NAME " (")) == 0;
	fclose(profiles);
	return found;
}

/* In the child: the profile on standard input, which a pipe holds as a whole. */
static void become_parser(const char *const *arguments, const int input[2], const int output[2])
{
	static const char *const environment[] = {"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C", NULL};
	sigset_t none;
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	if (write(input[1], apparmor_profile, sizeof apparmor_profile - 1) < 0 ||
	    dup2(input[0], STDIN_FILENO) < 0 || dup2(output[1], STDOUT_FILENO) < 0 ||
	    dup2(output[1], STDERR_FILENO) < 0)
		_exit(127);
	execve(arguments[0], (char *const *)arguments, (char *const *)environment);
	_exit(127);
}

/* The last line of what the parser says, which is its reason when it fails. */
static void read_last_line(int fd, char *line, int size)
{
	FILE *stream = fdopen(fd, "r");
	line[0] = '\0';
	while (stream != NULL && fgets(line, size, stream) != NULL)
		line[strcspn(line, "\n")] = '\0';
	if (stream != NULL)
		fclose(stream);
	else
		close(fd);
}

static int run_parser(const char *doing, const char *option, const char *file, struct fault *fault)
{
	const char *const arguments[] = {parser(), option, file, NULL};
	int input[2], output[2], status = -1;
	char said[400];
	if (arguments[0] == NULL)
		return fault_set(fault, ENOENT, "%s apparmor_parser", doing);
	if (pipe2(input, O_CLOEXEC) != 0)
		return fault_set(fault, errno, "starting %s", arguments[0]);
	if (pipe2(output, O_CLOEXEC) != 0) {
		fault_set(fault, errno, "starting %s", arguments[0]);
		close(input[0]);
		close(input[1]);
		return -1;
	}
	pid_t child = fork();
	if (child == 0)
		become_parser(arguments, input, output);
	int error = errno;
	close(input[0]);
	close(input[1]);
	close(output[1]);
	read_last_line(output[0], said, sizeof said);
	while (child > 0 && waitpid(child, &status, 0) < 0 && errno == EINTR)
		;
	if (child < 0)
		return fault_set(fault, error, "starting %s", arguments[0]);
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
		return fault_set(fault, 0, "%s %s: it %s with %d: %s", doing, arguments[0],
		                 WIFSIGNALED(status) ? "ended by a signal," : "failed",
		                 WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status), said);
	return 0;
}

int apparmor_check(struct fault *fault)
{
	return run_parser("reading the profile with", "-QK", NULL, fault);
}

int apparmor_load(struct fault *fault)
{
	return run_parser("loading the profile with", "-r", APPARMOR_DIRECTORY "/" APPARMOR_NAME, fault);
}

int apparmor_unload(struct fault *fault)
{
	return apparmor_loaded() ? run_parser("unloading the profile with", "-R", NULL, fault) : 0;
}
