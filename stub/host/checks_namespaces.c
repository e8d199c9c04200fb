/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fuse_device.h"
#include "host/checks.h"
#include "host/read.h"
#include "host/remedy.h"

/* The outcome of one step: `good` when it works, else why not. False when it does not, or was not tried. */
static bool judge(const struct host *host, struct check *check, enum survey_step step, const char *good)
{
	const struct survey *survey = host->survey;
	check->value[0] = '\0';
	if (!survey->steps[step].tried) {
		check_set(check, CHECK_INFO, "could not be tried, since a step before it failed");
	} else if (survey->steps[step].works) {
		check_set(check, CHECK_PASS, "%s", good);
		check_value(check, "yes");
		return true;
	} else {
		check_fault(check, check_hurts(host), &survey->steps[step].fault);
		remedy_namespaces(host, check, survey->steps[step].fault.error);
	}
	check_value(check, "no");
	return false;
}

/* The numbers behind a limit that is reached, or a switch that is off. */
static void add_settings(struct check *check)
{
	static const char *const names[] = {"user/max_user_namespaces", "user/max_mnt_namespaces",
	                                    "kernel/unprivileged_userns_clone",
	                                    "kernel/apparmor_restrict_unprivileged_userns"};
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		char path[80], text[24];
		snprintf(path, sizeof path, "/proc/sys/%s", names[i]);
		if (!host_read_line(path, text, sizeof text))
			continue;
		const char *slash = strchr(names[i], '/');
		check_add(check, "%s%.*s.%s=%s", i == 0 ? "; " : ", ", (int)(slash - names[i]), names[i],
		          slash + 1, text);
	}
}

void look_user_namespaces(const struct host *host, struct check *check)
{
	const struct survey *survey = host->survey;
	if (survey->user_namespace || !survey->steps[SURVEY_ENTER].works) {
		if (!judge(host, check, SURVEY_ENTER, "work, with all rights inside"))
			add_settings(check);
		return;
	}
	if (judge(host, check, SURVEY_USER_NAMESPACE, "work, though CAP_SYS_ADMIN makes do without"))
		return;
	check->result = CHECK_INFO;
	check->remedy[0] = '\0';
	check_add(check, "; CAP_SYS_ADMIN makes do without");
}

void look_nesting(const struct host *host, struct check *check)
{
	if (!judge(host, check, SURVEY_NESTING, "two more user namespaces fit inside"))
		check->result = CHECK_INFO;
}

void look_mounts(const struct host *host, struct check *check)
{
	if (judge(host, check, SURVEY_TMPFS, "") && judge(host, check, SURVEY_BIND, ""))
		judge(host, check, SURVEY_REMOUNT, "tmpfs, bind and read-only mounts work");
}

void look_pivot_root(const struct host *host, struct check *check)
{
	judge(host, check, SURVEY_PIVOT, "the root directory can be changed");
}

/* Where no namespace can be entered, whether the device can be opened is still worth knowing. */
void look_fuse(const struct host *host, struct check *check)
{
	struct fault fault = {0};
	if (judge(host, check, SURVEY_FUSE, "a FUSE file system can be mounted"))
		return;
	const struct fault *found = &host->survey->steps[SURVEY_FUSE].fault;
	if (!host->survey->steps[SURVEY_FUSE].tried) {
		int device = fuse_device_open(&fault);
		check_set(check, CHECK_INFO, "/dev/fuse can be opened, but a mount could not be tried");
		if (device < 0)
			check_fault(check, check_hurts(host), &fault);
		else
			close(device);
		found = &fault;
	}
	check->remedy[0] = '\0';
	if (found->text[0] != '\0')
		remedy_fuse(host, check, found->error);
}

/* Only a writable root in tier mount needs one, or a mount point that the image lacks. */
void look_overlay(const struct host *host, struct check *check)
{
	if (!judge(host, check, SURVEY_OVERLAY, "creating, removing and replacing work") &&
	    !host->options->writable) {
		check->result = CHECK_INFO;
		check_add(check, "; only --rw in tier mount needs it (Linux 5.11 in a user namespace)");
	}
}

void look_proc(const struct host *host, struct check *check)
{
	struct stat status;
	bool readable = access("/proc/self/status", R_OK) == 0;
	/* hidepid=1 forbids to read the directory, 2 and 4 hide it. */
	bool visible = stat("/proc/1", &status) == 0 && access("/proc/1/status", R_OK) == 0;
	bool renewed = judge(host, check, SURVEY_PROC, "");
	const struct fault *fault = &host->survey->steps[SURVEY_PROC].fault;
	char reason[256] = "";
	if (!renewed && fault->text[0] != '\0')
		snprintf(reason, sizeof reason, "; --pid does not work here: %.120s: %s", fault->text,
		         strerror(fault->error));
	check->remedy[0] = check->value[0] = '\0';
	check_set(check,
	          !readable ? check_hurts(host)
	          : renewed ? CHECK_PASS
	                    : CHECK_INFO,
	          "%s%s",
	          !readable ? "/proc is not mounted or cannot be read"
	          : visible ? "all processes are visible"
	                    : "processes of other users are hidden (hidepid)",
	          reason);
	check_value(check, "%s%s",
	            !readable ? "none"
	            : visible ? "visible"
	                      : "hidden",
	            renewed ? " new" : "");
	if (!readable)
		check_remedy(check, "sudo mount -t proc proc /proc");
	if (!renewed && host->options->pid && fault->error == EPERM && remedy_in_container(host, "docker"))
		check_remedy(check, "docker run --security-opt systempaths=unconfined ...");
}
