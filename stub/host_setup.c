/* SPDX-License-Identifier: Apache-2.0 */
#include "host_setup.h"

#include <errno.h>
#include <grp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "apparmor_profile.h"
#include "host_file.h"
#include "invocation.h"
#include "message.h"
#include "own_arch.h"

enum { LAUNCHER_LIMIT = 4 << 20, NOBODY = 65534 };

struct setup {
	struct host_file launcher, profile;
	enum host_file_state launcher_state, profile_state;
	const char *no_profile; /* why there is none, or NULL */
	bool loaded;
};

void host_setup_command(const char *path, char *text, size_t size)
{
	static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_./+,:@%-";
	char quoted[200] = "'";
	size_t length = 1;
	for (const char *from = path; *from != '\0' && length < sizeof quoted - 6; from++)
		length += (size_t)snprintf(quoted + length, 5, *from == '\'' ? "'\\''" : "%c", *from);
	strcpy(quoted + length, "'");
	if (path[strspn(path, plain)] == '\0')
		snprintf(quoted, sizeof quoted, "%s", path);
	snprintf(text, size, "sudo %s --setup-host", strlen(path) < 150 ? quoted : "./app.run");
}

static int look(struct setup *setup, struct fault *fault)
{
	setup->loaded = apparmor_loaded();
	return host_file_look(&setup->launcher, &setup->launcher_state, fault) != 0 ||
	               host_file_look(&setup->profile, &setup->profile_state, fault) != 0
	           ? -1
	           : 0;
}

/* The launcher's bytes out of the bundle, and proof that they are whole. */
static int read_launcher(struct setup *setup, const struct bundle *bundle, struct fault *fault)
{
	unsigned char digest[SHA256_SIZE];
	const struct section *section = bundle_section(bundle, SECTION_LAUNCHER, OWN_ARCH, 0);
	if (section == NULL)
		return fault_set(fault, 0, "'%.400s' holds no launcher for this machine", bundle->path);
	setup->launcher.bytes = bundle_read_section(bundle, section, LAUNCHER_LIMIT, fault);
	if (setup->launcher.bytes == NULL)
		return -1;
	setup->launcher.size = (size_t)section->size;
	sha256_of(setup->launcher.bytes, setup->launcher.size, digest);
	if (memcmp(digest, section->sha256, sizeof digest) == 0)
		return 0;
	fault_set(fault, 0, "the launcher inside '%.400s' is damaged", bundle->path);
	return fault_hint(fault, "copy the bundle again; --check shows what else is wrong");
}

static const char *verb(enum host_file_state state)
{
	static const char *const verbs[] = {
	    [HOST_FILE_MISSING] = "write", [HOST_FILE_OTHER] = "replace", [HOST_FILE_SAME] = "keep"};
	return verbs[state];
}

static void print_installation(const struct setup *setup, const char *command)
{
	printf("So that bundles can use user namespaces on this host, this will\n"
	       "  %s %s: the launcher of this bundle, %zu bytes, root's, mode 0755\n",
	       verb(setup->launcher_state), HOST_LAUNCHER, setup->launcher.size);
	if (setup->no_profile != NULL) {
		printf("and no AppArmor profile: %s.\n", setup->no_profile);
	} else {
		printf("  %s " APPARMOR_DIRECTORY "/" APPARMOR_NAME ":\n\n", verb(setup->profile_state));
		for (const char *line = apparmor_profile; *line != '\0'; line += strcspn(line, "\n") + 1)
			printf("      %.*s\n", (int)strcspn(line, "\n"), line);
		printf("\n  load it: apparmor_parser -r " APPARMOR_DIRECTORY "/" APPARMOR_NAME "\n");
	}
	fputs("Undone by: ", stdout);
	message_escaped(stdout, command);
	puts(" --remove");
}

static void print_removal(const struct setup *setup)
{
	puts("This will");
	if (setup->loaded)
		puts("  unload the AppArmor profile " APPARMOR_NAME "; containers that run go on without it");
	if (setup->profile_state != HOST_FILE_MISSING)
		puts("  remove " APPARMOR_DIRECTORY "/" APPARMOR_NAME);
	if (setup->launcher_state != HOST_FILE_MISSING)
		puts("  remove " HOST_LAUNCHER);
}

/* 1 for yes, 0 for no, -1 with a fault when nobody can be asked. */
static int confirm(const struct options *options, struct fault *fault)
{
	char answer[8] = "";
	if (options->yes)
		return 1;
	if (fflush(stdout) == 0 && isatty(STDIN_FILENO)) {
		fputs("Go on? [y/N] ", stdout);
		fflush(stdout);
		if (fgets(answer, sizeof answer, stdin) != NULL &&
		    (strcmp(answer, "y\n") == 0 || strcmp(answer, "yes\n") == 0))
			return 1;
		puts("Nothing was changed.");
		return 0;
	}
	fault_set(fault, 0, "standard input is no terminal, so nobody can be asked; nothing was changed");
	return fault_hint(fault, "--yes goes on without a question");
}

/* What was not there before goes again. */
static int undo(const struct setup *setup)
{
	struct fault ignored = {0};
	if (setup->no_profile == NULL && setup->profile_state == HOST_FILE_MISSING)
		host_file_remove(&setup->profile, false, &ignored);
	if (setup->launcher_state == HOST_FILE_MISSING)
		host_file_remove(&setup->launcher, true, &ignored);
	return -1;
}

static int install(const struct setup *setup, struct fault *fault)
{
	bool profile = setup->no_profile == NULL;
	if (profile && apparmor_check(fault) != 0)
		return -1;
	if (setup->launcher_state != HOST_FILE_SAME && host_file_write(&setup->launcher, fault) != 0)
		return undo(setup);
	if (profile && setup->profile_state != HOST_FILE_SAME && host_file_write(&setup->profile, fault) != 0)
		return undo(setup);
	return profile && apparmor_load(fault) != 0 ? undo(setup) : 0;
}

static int take_away(const struct setup *setup, struct fault *fault)
{
	return apparmor_unload(fault) != 0 || host_file_remove(&setup->profile, false, fault) != 0 ||
	               host_file_remove(&setup->launcher, true, fault) != 0
	           ? -1
	           : 0;
}

/* A hang-up or an impatient ^C does not come between two steps; they take a second at most. */
static int undisturbed(int (*work)(const struct setup *, struct fault *), const struct setup *setup,
                       struct fault *fault)
{
	sigset_t signals, before;
	sigemptyset(&signals);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGHUP);
	sigaddset(&signals, SIGQUIT);
	sigprocmask(SIG_BLOCK, &signals, &before);
	int result = work(setup, fault);
	sigprocmask(SIG_SETMASK, &before, NULL);
	return result;
}

/* Whether the installed launcher starts this bundle in the best tier for the user who called sudo, or for
 * nobody: 0 or 1; -1 when that user cannot read the bundle. */
static int try_as_user(const struct bundle *bundle)
{
	const char *caller = getenv("SUDO_UID");
	int status = 0;
	uid_t user = caller != NULL && atol(caller) > 0 ? (uid_t)atol(caller) : NOBODY;
	pid_t child = fork();
	if (child == 0) {
		if (setgroups(0, NULL) != 0 || setresgid(user, user, user) != 0 ||
		    setresuid(user, user, user) != 0 || access(bundle->path, R_OK) != 0 ||
		    freopen("/dev/null", "w", stdout) == NULL || freopen("/dev/null", "w", stderr) == NULL)
			_exit(3);
		execl(HOST_LAUNCHER, HOST_LAUNCHER, "installed", "0", bundle->path, "--verify", (char *)NULL);
		_exit(3);
	}
	while (child > 0 && waitpid(child, &status, 0) < 0 && errno == EINTR)
		;
	if (child < 0 || !WIFEXITED(status) || WEXITSTATUS(status) >= 3)
		return -1;
	return WEXITSTATUS(status) == 0 ? 1 : 0;
}

static int add(struct setup *setup, const struct bundle *bundle, const struct options *options,
               struct fault *fault)
{
	char command[256];
	host_setup_command(bundle->path, command, sizeof command);
	setup->no_profile = apparmor_no_profile();
	if (read_launcher(setup, bundle, fault) != 0 || look(setup, fault) != 0)
		return -1;
	print_installation(setup, command);
	int agreed = confirm(options, fault);
	if (agreed <= 0)
		return agreed < 0 ? -1 : 1;
	if (undisturbed(install, setup, fault) != 0)
		return -1;
	puts("Done.");
	int works = try_as_user(bundle);
	if (works == 1)
		puts("Tried as an ordinary user: bundles start in tier mount.");
	else if (works == 0)
		puts("Tried as an ordinary user: tier mount still does not work; --verify says why.");
	return 0;
}

static int subtract(struct setup *setup, const struct options *options, struct fault *fault)
{
	if (look(setup, fault) != 0)
		return -1;
	if (setup->launcher_state == HOST_FILE_MISSING && setup->profile_state == HOST_FILE_MISSING &&
	    !setup->loaded) {
		puts("Nothing is installed.");
		return 0;
	}
	print_removal(setup);
	int agreed = confirm(options, fault);
	if (agreed <= 0)
		return agreed < 0 ? -1 : 1;
	if (undisturbed(take_away, setup, fault) != 0)
		return -1;
	puts("Done.");
	return 0;
}

int host_setup(const struct bundle *bundle, const struct options *options, struct fault *fault)
{
	struct setup setup = {
	    .launcher = {HOST_LAUNCHER_DIRECTORY, HOST_LAUNCHER_NAME, LAUNCHER_MARK, 0755, "", 0},
	    .profile = {APPARMOR_DIRECTORY, APPARMOR_NAME, APPARMOR_MARK, 0644, apparmor_profile,
	                strlen(apparmor_profile)},
	};
	if (geteuid() != 0) {
		char command[256];
		host_setup_command(bundle->path, command, sizeof command);
		fault_set(fault, EPERM, "only root can set up this host");
		return fault_hint(fault, "%s%s", command, options->remove ? " --remove" : "");
	}
	return options->remove ? subtract(&setup, options, fault) : add(&setup, bundle, options, fault);
}
