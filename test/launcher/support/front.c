/* SPDX-License-Identifier: Apache-2.0
 * Runs one module of the launcher's front at a time and prints what it gave as JSON: front DUTY [ARG...].
 * A fault goes to standard output too, as {"fault": TEXT, "hint": TEXT}, with exit status 1. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "conf_file.h"
#include "environment.h"
#include "host_setup.h"
#include "json.h"
#include "message.h"
#include "program.h"
#include "settings.h"
#include "substitute.h"

static struct fault fault;
static struct json json;

static const char *const *vector(const struct string_list *list)
{
	return (const char *const *)list->items;
}

/* The bytes of a file, at most 2 MiB; in memory of their exact size, so that reading beyond is seen. */
static char *read_file(const char *path, size_t *size)
{
	char *bytes = malloc(2 << 20);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t got;
	*size = 0;
	while (bytes != NULL && fd >= 0 && (got = read(fd, bytes + *size, (2 << 20) - *size)) > 0)
		*size += (size_t)got;
	if (fd < 0 || bytes == NULL)
		abort();
	close(fd);
	return realloc(bytes, *size == 0 ? 1 : *size);
}

static void show_options(const struct options *options)
{
	json_open(&json, "options", '{');
	for (size_t i = 0; i < option_count; i++) {
		const struct option_row *row = &option_table[i];
		const char *field = (const char *)options + row->offset;
		if (row->kind == OPTION_FLAG && *(const bool *)field)
			json_boolean(&json, row->name, true);
		if (row->kind == OPTION_VALUE && *(char *const *)field != NULL)
			json_text(&json, row->name, *(char *const *)field);
		if (row->kind == OPTION_LIST && ((const struct string_list *)field)->count != 0)
			json_texts(&json, row->name, vector((const struct string_list *)field));
	}
	json_close(&json, '}');
	json_texts(&json, "operands", (const char *const *)options->operands);
	if (options->temporary != NULL)
		json_text(&json, "temporary", options->temporary);
}

static void show_config(const struct launch_config *config)
{
	json_text(&json, "arch", config->arch);
	json_number(&json, "payload", config->payload);
	json_text(&json, "root", config->root);
	json_text(&json, "id", config->id);
	json_number(&json, "size", config->size);
	json_number(&json, "inodes", config->inodes);
	json_text(&json, "name", config->name);
	json_texts(&json, "entrypoint", vector(&config->entrypoint));
	json_texts(&json, "cmd", vector(&config->cmd));
	json_texts(&json, "env", vector(&config->environment));
	json_texts(&json, "mounts", vector(&config->mounts));
	json_text(&json, "workdir", config->workdir);
	json_boolean(&json, "rc", config->rc);
	json_boolean(&json, "mountHome", config->mount_home);
	json_boolean(&json, "mountCwd", config->mount_cwd);
	if (config->target != NULL)
		json_text(&json, "target", config->target);
}

/* Options and configuration files as a start reads them. */
static int read_options(struct options *options, struct configuration *configuration, int count,
                        char **arguments)
{
	if (options_parse(options, count, arguments, &fault) != 0)
		return -1;
	for (size_t i = 0; i < options->configurations.count; i++) {
		if (conf_file_read(options->configurations.items[i], configuration, &fault) != 0)
			return -1;
	}
	return settings_apply(options, environ, configuration->settings.items, &fault);
}

static int read_config(struct launch_config *config, const char *path)
{
	size_t size;
	char *bytes = read_file(path, &size);
	return launch_config_parse(config, bytes, size, &fault);
}

static void visit(void *context, const char *path, const char *value)
{
	(void)context;
	json_text(&json, path, value);
}

/* options ARG... */
static int duty_options(int count, char **arguments)
{
	struct options options;
	struct configuration configuration = {0};
	if (read_options(&options, &configuration, count, arguments) != 0)
		return -1;
	show_options(&options);
	json_texts(&json, "configuredEnv", vector(&configuration.environment));
	json_texts(&json, "configuredMounts", vector(&configuration.mounts));
	return 0;
}

/* config FILE */
static int duty_config(int count, char **arguments)
{
	struct launch_config config;
	if (count != 1 || read_config(&config, arguments[0]) != 0)
		return -1;
	show_config(&config);
	return 0;
}

/* environment CONFIG ARG... */
static int duty_environment(int count, char **arguments)
{
	struct launch_config config;
	struct options options;
	struct configuration configuration = {0};
	if (read_config(&config, arguments[0]) != 0 ||
	    read_options(&options, &configuration, count - 1, arguments + 1) != 0)
		return -1;
	struct environment_sources sources = {
	    .host = environ,
	    .image = vector(&config.environment),
	    .name = "someone",
	    .home = "/home/someone",
	    .configured = configuration.environment.items,
	    .options = &options,
	};
	char **environment = environment_build(&sources, &fault);
	if (environment == NULL)
		return -1;
	json_texts(&json, "environment", (const char *const *)environment);
	return 0;
}

/* program CONFIG ARG...: what would be started */
static int duty_program(int count, char **arguments)
{
	struct launch_config config;
	struct options options;
	struct program program;
	if (read_config(&config, arguments[0]) != 0 ||
	    options_parse(&options, count - 1, arguments + 1, &fault) != 0 ||
	    program_choose(&program, &config, &options, options.mount_cwd ? "/caller" : NULL, &fault) != 0)
		return -1;
	json_texts(&json, "arguments", vector(&program.arguments));
	json_text(&json, "directory", program.directory);
	json_boolean(&json, "rc", program.rc);
	return 0;
}

/* execute CONFIG ARG...: start it on this host; a failure's status and fault */
static int duty_execute(int count, char **arguments)
{
	struct launch_config config;
	struct options options;
	struct program program;
	if (read_config(&config, arguments[0]) != 0 ||
	    options_parse(&options, count - 1, arguments + 1, &fault) != 0 ||
	    program_choose(&program, &config, &options, NULL, &fault) != 0)
		return -1;
	int status = program_execute(&program, environ, &fault);
	json_number(&json, "status", (uint64_t)status);
	return -1;
}

/* substitute TEXT */
static int duty_substitute(int count, char **arguments)
{
	char *result = count == 1 ? substitute(arguments[0], environ, &fault) : NULL;
	if (result == NULL)
		return -1;
	json_text(&json, "result", result);
	return 0;
}

/* json FILE */
static int duty_json(int count, char **arguments)
{
	size_t size;
	char *bytes = count == 1 ? read_file(arguments[0], &size) : NULL;
	if (bytes == NULL)
		return -1;
	json_open(&json, "members", '{');
	bool valid = json_walk(bytes, size, visit, NULL);
	json_close(&json, '}');
	json_boolean(&json, "valid", valid);
	return 0;
}

/* setup PATH: the command that sets up a host for the bundle at PATH */
static int duty_setup(int count, char **arguments)
{
	char text[256];
	if (count != 1)
		return -1;
	host_setup_command(arguments[0], text, sizeof text);
	json_text(&json, "result", text);
	return 0;
}

/* message TEXT HINT: on standard error */
static int duty_message(int count, char **arguments)
{
	if (count != 2)
		return -1;
	fault_set(&fault, ENOENT, "%s", arguments[0]);
	fault_hint(&fault, "%s", arguments[1]);
	message_fault(&fault);
	fault_clear(&fault);
	return 0;
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		int (*run)(int count, char **arguments);
	} duties[] = {
	    {"options", duty_options}, {"config", duty_config},   {"environment", duty_environment},
	    {"program", duty_program}, {"execute", duty_execute}, {"substitute", duty_substitute},
	    {"json", duty_json},       {"message", duty_message}, {"setup", duty_setup},
	};
	json.stream = stdout;
	json_open(&json, NULL, '{');
	for (size_t i = 0; argc > 1 && i < sizeof duties / sizeof *duties; i++) {
		if (strcmp(argv[1], duties[i].name) != 0)
			continue;
		int result = duties[i].run(argc - 2, argv + 2);
		if (result != 0) {
			json_text(&json, "fault", fault.text);
			json_text(&json, "hint", fault.hint);
			json_number(&json, "error", (uint64_t)fault.error);
		}
		json_close(&json, '}');
		return result == 0 ? 0 : 1;
	}
	return 2;
}
