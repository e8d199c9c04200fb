/* SPDX-License-Identifier: Apache-2.0 */
#include "verify.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "apparmor_profile.h"
#include "json.h"
#include "message.h"
#include "namespace_probe.h"
#include "own_arch.h"
#include "storage.h"

struct check {
	const char *name;
	bool passed;
	bool lesser; /* passed, but a start falls back to another tier */
	char detail[1200];
	char remedy[2048]; /* lines; empty when nothing is to be done */
};

struct subject {
	const struct bundle *bundle;
	const struct launch_config *config;
	const struct options *options;
};

typedef int check_function(const struct subject *subject, struct check *check, struct fault *fault);

static void from_fault(struct check *check, struct fault *reason)
{
	snprintf(check->detail, sizeof check->detail, "%s%s%s", reason->text, reason->error == 0 ? "" : ": ",
	         reason->error == 0 ? "" : strerror(reason->error));
	snprintf(check->remedy, sizeof check->remedy, "%s", reason->hint);
}

static int check_architecture(const struct subject *subject, struct check *check, struct fault *fault)
{
	struct utsname host;
	if (uname(&host) != 0)
		return fault_set(fault, errno, "cannot find out what machine this is");
	check->name = "architecture";
	check->passed = strcmp(subject->config->arch, OWN_ARCH_NAME) == 0;
	snprintf(check->detail, sizeof check->detail, "the bundle is for %s, this is %s with Linux %s",
	         subject->config->arch, host.machine, host.release);
	if (!check->passed)
		snprintf(check->remedy, sizeof check->remedy, "build it with --platform for this machine");
	return 0;
}

static int check_launcher(const struct subject *subject, struct check *check, struct fault *fault)
{
	(void)subject;
	(void)fault;
	char path[1024];
	ssize_t length = readlink("/proc/self/exe", path, sizeof path - 1);
	path[length < 0 ? 0 : length] = '\0';
	char *slash = strrchr(path, '/');
	if (slash != NULL)
		slash[slash == path] = '\0';
	check->name = "launcher";
	check->passed = true;
	snprintf(check->detail, sizeof check->detail, "runs from %s",
	         length < 0 ? "an unknown directory" : path);
	return 0;
}

static int check_namespaces(const struct subject *subject, struct check *check, struct fault *fault)
{
	(void)fault;
	struct fault reason = {0};
	bool user_namespace = false;
	check->name = "namespaces";
	check->passed = namespace_try(&(struct namespace_trial){.root = true}, &user_namespace, &reason) == 0;
	if (check->passed) {
		snprintf(check->detail, sizeof check->detail,
		         "mounts and a new root work %s a user namespace", user_namespace ? "in" : "without");
		return 0;
	}
	from_fault(check, &reason);
	if (apparmor_restricts_namespaces())
		apparmor_append_commands(subject->bundle, check->remedy, sizeof check->remedy);
	return 0;
}

/* Without this a start extracts the payload first: slower, but no failure. */
static int check_mount(const struct subject *subject, struct check *check, struct fault *fault)
{
	(void)subject;
	(void)fault;
	struct fault reason = {0};
	bool user_namespace;
	check->name = "mount";
	check->passed = true;
	if (namespace_try(&(struct namespace_trial){.fuse = true, .overlay = true}, &user_namespace,
	                  &reason) == 0) {
		snprintf(check->detail, sizeof check->detail,
		         "the payload can be mounted: starts at once, in tier mount");
		return 0;
	}
	from_fault(check, &reason);
	check->lesser = true;
	return 0;
}

/* The directory that a temporary tree would go to now, found as a start finds it. */
static int check_directory(const struct subject *subject, struct check *check, struct fault *fault)
{
	(void)fault;
	static struct storage storage;
	struct fault reason = {0};
	const struct storage_need need = {subject->config->size, subject->config->inodes};
	check->name = "directory";
	check->passed =
	    storage_choose(subject->options->temporary, subject->bundle->path, &need, &storage, &reason) == 0;
	if (!check->passed) {
		from_fault(check, &reason);
		return 0;
	}
	snprintf(check->detail, sizeof check->detail, "%.800s can execute and has room for %" PRIu64 " MB%s",
	         storage.path, need.size / 1000000 + 1, storage.memory ? ", in main memory" : "");
	close(storage.directory);
	return 0;
}

static void write_text(FILE *stream, const struct check *check)
{
	fprintf(stream, "%s  %-13s ", !check->passed ? "FAIL" : check->lesser ? "WARN" : "PASS", check->name);
	message_escaped(stream, check->detail);
	putc('\n', stream);
	for (const char *line = check->remedy; *line != '\0';) {
		char text[sizeof check->remedy];
		size_t length = strcspn(line, "\n");
		memcpy(text, line, length);
		text[length] = '\0';
		fputs("        ", stream);
		message_escaped(stream, text);
		putc('\n', stream);
		line += length + (line[length] == '\n');
	}
}

static void write_json(struct json *json, const struct check *check)
{
	json_open(json, NULL, '{');
	json_text(json, "name", check->name);
	json_boolean(json, "ok", check->passed);
	if (check->lesser)
		json_boolean(json, "lesserTier", true);
	json_text(json, "detail", check->detail);
	if (check->remedy[0] != '\0')
		json_text(json, "remedy", check->remedy);
	json_close(json, '}');
}

int verify_host(FILE *stream, const struct bundle *bundle, const struct launch_config *config,
                const struct options *options, struct fault *fault)
{
	static check_function *const functions[] = {check_architecture, check_launcher, check_directory,
	                                            check_namespaces, check_mount};
	enum { COUNT = sizeof functions / sizeof *functions };
	static struct check checks[COUNT];
	const struct subject subject = {bundle, config, options};
	struct json json = {.stream = stream};
	bool passed = true;
	for (size_t i = 0; i < COUNT; i++) {
		if (functions[i](&subject, &checks[i], fault) != 0)
			return -1;
		passed &= checks[i].passed;
	}
	if (!options->json) {
		for (size_t i = 0; i < COUNT; i++)
			write_text(stream, &checks[i]);
		return passed ? 0 : 1;
	}
	json_open(&json, NULL, '{');
	json_boolean(&json, "ok", passed);
	json_open(&json, "checks", '[');
	for (size_t i = 0; i < COUNT; i++)
		write_json(&json, &checks[i]);
	json_close(&json, ']');
	json_close(&json, '}');
	return passed ? 0 : 1;
}
