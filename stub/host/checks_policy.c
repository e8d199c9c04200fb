/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/sendfile.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "host/checks.h"
#include "host/read.h"
#include "host/remedy.h"
#include "host/trial.h"
#include "root_emulation.h"

/* The filter that --root installs: with it a change of owner is accepted without being made. The file that
 * it is asked for does not exist, so that nothing changes without the filter either. */
static void install_filter(void *context)
{
	struct fault fault = {0};
	(void)context;
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	_exit(root_emulation_install(&fault) == 0 && chown("/proc/self/fd/none", 1, 1) == 0 ? 0 : 1);
}

void look_seccomp(const struct host *host, struct check *check)
{
	char mode[16] = "0", count[16] = "";
	struct fault fault = {0};
	host_read_field("/proc/self/status", "Seccomp", mode, sizeof mode);
	host_read_field("/proc/self/status", "Seccomp_filters", count, sizeof count);
	bool works = trial_run(install_filter, NULL, &fault) == 0;
	bool filtered = mode[0] == '2';
	check_set(check,
	          works                 ? CHECK_PASS
	          : host->options->root ? CHECK_WARN
	                                : CHECK_INFO,
	          "filters %s; %s", works ? "work" : "do not work, and so neither does --root",
	          filtered ? "this process is under one already" : "none is in force");
	if (filtered && count[0] != '\0')
		check_add(check, " (%s)", count);
	check_value(check, "%s%s", works ? "works" : "no", filtered ? ", filtered" : "");
}

/* What PRoot does to every process. */
static void trace_child(void *context)
{
	int status;
	(void)context;
	pid_t child = fork();
	if (child == 0) {
		if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) != 0)
			_exit(1);
		raise(SIGSTOP);
		_exit(0);
	}
	if (child < 0 || waitpid(child, &status, 0) != child || !WIFSTOPPED(status) ||
	    ptrace(PTRACE_CONT, child, NULL, NULL) != 0 || waitpid(child, &status, 0) != child ||
	    !WIFEXITED(status))
		_exit(1);
}

void look_ptrace(const struct host *host, struct check *check)
{
	struct fault fault = {0};
	bool works = trial_run(trace_child, NULL, &fault) == 0;
	check_set(check,
	          works                        ? CHECK_PASS
	          : host->chosen == TIER_COUNT ? CHECK_FAIL
	                                       : CHECK_INFO,
	          works ? "a process can trace its children" : "a process cannot trace its children");
	check_value(check, works ? "yes" : "no");
	if (!works && remedy_in_container(host, "docker"))
		check_remedy(check, "docker run --cap-add SYS_PTRACE ...");
}

void look_apparmor(const struct host *host, struct check *check)
{
	char enabled[8], profile[128];
	bool restricts = host_read_number("/proc/sys/kernel/apparmor_restrict_unprivileged_userns", 0) != 0;
	if (!host_read_line("/sys/module/apparmor/parameters/enabled", enabled, sizeof enabled) ||
	    enabled[0] != 'Y') {
		check_set(check, CHECK_INFO, "not in force");
		check_value(check, "off");
		return;
	}
	if (!host_read_line("/proc/self/attr/apparmor/current", profile, sizeof profile))
		host_read_line("/proc/self/attr/current", profile, sizeof profile);
	bool refused = restricts && !host->survey->steps[SURVEY_ENTER].works;
	check_set(check, refused ? CHECK_WARN : CHECK_PASS, "in force, profile %s%s",
	          profile[0] != '\0' ? profile : "unknown",
	          refused     ? "; it keeps user namespaces from programs without a profile"
	          : restricts ? "; it restricts user namespaces, but not this launcher's"
	                      : "");
	check_value(check, "%s%s", profile[0] != '\0' ? profile : "on", restricts ? ", restricts" : "");
	if (refused)
		check_remedy(check, "sudo %s --setup-host", host->app);
}

void look_selinux(const struct host *host, struct check *check)
{
	(void)host;
	char context[160];
	long enforce = host_read_number("/sys/fs/selinux/enforce", -1);
	if (enforce < 0) {
		check_set(check, CHECK_INFO, "not in force");
		check_value(check, "off");
		return;
	}
	host_read_line("/proc/self/attr/current", context, sizeof context);
	check_set(check, CHECK_INFO, "%s, context %s", enforce == 1 ? "enforcing" : "permissive", context);
	check_value(check, "%s %s", enforce == 1 ? "enforcing" : "permissive", context);
}

/* Reading a brother's memory, as ranks of MPI do to copy messages once instead of twice (CMA). */
static void read_sibling(void *context)
{
	static char source[] = "rundle";
	char copy[sizeof source] = "";
	(void)context;
	int result = 1, gate[2];
	if (pipe2(gate, O_CLOEXEC) != 0)
		_exit(1);
	pid_t owner = fork();
	if (owner == 0) {
		close(gate[1]);
		(void)!read(gate[0], copy, 1);
		_exit(0);
	}
	pid_t reader = owner < 0 ? -1 : fork();
	if (reader == 0) {
		struct iovec to = {copy, sizeof copy}, from = {source, sizeof source};
		_exit(process_vm_readv(owner, &to, 1, &from, 1, 0) == (ssize_t)sizeof copy ? 0 : 1);
	}
	if (reader > 0)
		waitpid(reader, &result, 0);
	close(gate[1]);
	close(gate[0]);
	while (owner > 0 && waitpid(owner, NULL, 0) < 0 && errno == EINTR)
		;
	_exit(result == 0 ? 0 : 1);
}

void look_yama(const struct host *host, struct check *check)
{
	struct fault fault = {0};
	(void)host;
	long scope = host_read_number("/proc/sys/kernel/yama/ptrace_scope", -1);
	bool works = trial_run(read_sibling, NULL, &fault) == 0;
	check_set(check, works ? CHECK_PASS : CHECK_INFO,
	          works ? "ranks of MPI can read one another's memory (CMA)"
	                : "ranks of MPI cannot read one another's memory (CMA), and copy twice");
	if (scope >= 0)
		check_add(check, "; ptrace_scope is %ld", scope);
	check_value(check, "%s", works ? "yes" : "no");
	if (!works && scope > 0)
		check_remedy(check, "sudo sysctl -w kernel.yama.ptrace_scope=0");
}

static void execute_memory(void *context)
{
	char path[48];
	(void)context;
	int from = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	int to = memfd_create("rundle", MFD_CLOEXEC);
	ssize_t copied = 1;
	while (from >= 0 && to >= 0 && copied > 0)
		copied = sendfile(to, from, NULL, 1 << 20);
	if (copied == 0) {
		snprintf(path, sizeof path, "/proc/self/fd/%d", to);
		trial_execute(path);
	}
	_exit(1);
}

/* Nothing here needs it; programs that make code at run time may. */
void look_memfd(const struct host *host, struct check *check)
{
	struct fault fault = {0};
	(void)host;
	bool works = trial_run(execute_memory, NULL, &fault) == 0;
	long noexec = host_read_number("/proc/sys/vm/memfd_noexec", 0);
	check_set(check, works ? CHECK_PASS : CHECK_INFO, "a file in memory can%s be executed",
	          works ? "" : "not");
	if (noexec > 0)
		check_add(check, "; vm.memfd_noexec is %ld", noexec);
	check_value(check, works ? "yes" : "no");
	if (!works && noexec > 0)
		check_remedy(check, "sudo sysctl -w vm.memfd_noexec=0");
}
