/* SPDX-License-Identifier: Apache-2.0 */
#include "identity.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { ANSWER_TIMEOUT_MS = 5000 };

/* Copy the `index`th field of a colon-separated line; false when there is none or it does not fit. */
static bool field_copy(const char *line, unsigned index, char *to, size_t size)
{
	while (index-- > 0) {
		line = strchr(line, ':');
		if (line == NULL)
			return false;
		line++;
	}
	size_t length = strcspn(line, ":\n");
	if (length >= size)
		return false;
	memcpy(to, line, length);
	to[length] = '\0';
	return true;
}

/* Whether the number in the third field of a passwd or group line is `id`. */
static bool has_id(const char *line, unsigned long id)
{
	char text[24], *end;
	if (!field_copy(line, 2, text, sizeof text) || text[0] < '0' || text[0] > '9')
		return false;
	return strtoul(text, &end, 10) == id && *end == '\0';
}

/* Find the line with that id in a stream of passwd or group lines. */
static bool find_line(FILE *stream, unsigned long id, char **line, size_t *size)
{
	while (getline(line, size, stream) >= 0)
		if (has_id(*line, id))
			return true;
	return false;
}

static bool ask_file(const char *path, unsigned long id, char **line, size_t *size)
{
	FILE *stream = fopen(path, "re");
	if (stream == NULL)
		return false;
	bool found = find_line(stream, id, line, size);
	fclose(stream);
	return found;
}

static void run_getent(int output, const char *database, unsigned long id)
{
	char number[24];
	snprintf(number, sizeof number, "%lu", id);
	int null = open("/dev/null", O_RDWR);
	dup2(null, STDIN_FILENO);
	dup2(null, STDERR_FILENO);
	dup2(output, STDOUT_FILENO);
	char *arguments[] = {"getent", (char *)database, number, NULL};
	execv("/usr/bin/getent", arguments);
	execv("/bin/getent", arguments);
	_exit(127);
}

/* `getent DATABASE ID`, which asks whatever the host is set up for: a process, and what it will answer. */
struct question {
	pid_t child;
	int answer; /* -1: not asked */
};

static struct question ask_getent(const char *database, unsigned long id)
{
	int ends[2];
	if (pipe2(ends, O_CLOEXEC) != 0)
		return (struct question){.answer = -1};
	/* With SIGCHLD ignored by the caller the child would vanish unseen, which is as good. */
	pid_t child = fork();
	if (child == 0)
		run_getent(ends[1], database, id);
	close(ends[1]);
	return (struct question){child, ends[0]};
}

/* The answer, given up after 5 s; false when there is none. */
static bool await_getent(struct question *question, unsigned long id, char *answer, size_t size)
{
	size_t used = 0;
	struct pollfd wait_for = {.fd = question->answer, .events = POLLIN};
	if (question->answer < 0)
		return false;
	while (question->child > 0 && used < size - 1 && poll(&wait_for, 1, ANSWER_TIMEOUT_MS) > 0) {
		ssize_t got = read(question->answer, answer + used, size - 1 - used);
		if (got <= 0)
			break;
		used += (size_t)got;
	}
	answer[used] = '\0';
	close(question->answer);
	question->answer = -1;
	if (question->child > 0) {
		kill(question->child, SIGKILL); /* it has answered, or it never will */
		while (waitpid(question->child, NULL, 0) < 0 && errno == EINTR)
			;
	}
	return has_id(answer, id);
}

/* A value that can stand in a passwd line. */
static bool is_clean(const char *text)
{
	for (const unsigned char *p = (const unsigned char *)text; *p != '\0'; p++)
		if (*p < 0x20 || *p == 0x7f || *p == ':')
			return false;
	return *text != '\0';
}

static void take_variable(const char *name, char *to, size_t size)
{
	const char *value = getenv(name);
	if (value != NULL && strlen(value) < size && is_clean(value))
		memcpy(to, value, strlen(value) + 1);
}

static void complete(struct identity *identity)
{
	if (!is_clean(identity->name))
		snprintf(identity->name, sizeof identity->name, "user%lu", (unsigned long)identity->uid);
	if (!is_clean(identity->group))
		snprintf(identity->group, sizeof identity->group, "group%lu", (unsigned long)identity->gid);
	if (!is_clean(identity->home) || identity->home[0] != '/')
		snprintf(identity->home, sizeof identity->home, "/tmp");
	if (!is_clean(identity->shell) || identity->shell[0] != '/')
		snprintf(identity->shell, sizeof identity->shell, "/bin/sh");
}

static bool has_name(const char *line, const char *name)
{
	size_t length = strlen(name);
	return strncmp(line, name, length) == 0 && line[length] == ':';
}

/* Whether the variables of the session describe the caller: a home directory of his own, and a name that is
 * nobody's in /etc/passwd. A login on a cluster sets them from the directory service, which 128 ranks that
 * start at once need not ask again. */
static bool ask_session(struct identity *identity)
{
	struct stat status;
	const char *user = getenv("USER"), *login = getenv("LOGNAME"), *home = getenv("HOME");
	if (user == NULL || !is_clean(user) || (login != NULL && strcmp(user, login) != 0) || home == NULL ||
	    home[0] != '/' || stat(home, &status) != 0 || !S_ISDIR(status.st_mode) ||
	    status.st_uid != identity->uid)
		return false;
	FILE *stream = fopen("/etc/passwd", "re");
	char *line = NULL;
	size_t size = 0;
	bool known = false;
	while (stream != NULL && !known && getline(&line, &size, stream) >= 0)
		known = has_name(line, user);
	free(line);
	if (stream != NULL)
		fclose(stream);
	return !known;
}

static struct identity known;
static struct question group_question = {.answer = -1};

static void take_session(struct identity *identity)
{
	take_variable("USER", identity->name, sizeof identity->name);
	take_variable("HOME", identity->home, sizeof identity->home);
	take_variable("SHELL", identity->shell, sizeof identity->shell);
}

static void look_up(struct identity *identity)
{
	static char answer[4096 + 2 * PATH_MAX];
	char *line = NULL;
	size_t size = 0;
	const char *entry = NULL;
	bool local = ask_file("/etc/passwd", identity->uid, &line, &size);
	if (local) {
		entry = line;
	} else if (!ask_session(identity)) {
		struct question question = ask_getent("passwd", identity->uid);
		if (await_getent(&question, identity->uid, answer, sizeof answer))
			entry = answer;
	}
	if (entry != NULL) {
		field_copy(entry, 0, identity->name, sizeof identity->name);
		field_copy(entry, 5, identity->home, sizeof identity->home);
		field_copy(entry, 6, identity->shell, sizeof identity->shell);
	} else {
		take_session(identity);
	}
	if (ask_file("/etc/group", identity->gid, &line, &size))
		field_copy(line, 0, identity->group, sizeof identity->group);
	else if (!local)
		group_question = ask_getent("group", identity->gid);
	free(line);
	complete(identity);
}

void identity_lookup(struct identity *identity)
{
	static bool is_known;
	if (!is_known) {
		known.uid = geteuid();
		known.gid = getegid();
		look_up(&known);
		is_known = true;
	}
	*identity = known;
}

void identity_await_group(void)
{
	char answer[4096];
	if (!await_getent(&group_question, known.gid, answer, sizeof answer))
		return;
	field_copy(answer, 0, known.group, sizeof known.group);
	complete(&known);
}
