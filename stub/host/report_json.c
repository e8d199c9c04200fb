/* SPDX-License-Identifier: Apache-2.0 */
#include "host/host.h"
#include "host/lines.h"
#include "json.h"
#include "usage.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { SCHEMA = 1 };

static void put(struct json *json, const char *name, const char *value)
{
	if (value != NULL && value[0] != '\0')
		json_text(json, name, value);
	else
		json_null(json, name);
}

/* From the environment, so of any length. */
static void put_start(struct json *json, const char *name, const char *value)
{
	char text[256];
	snprintf(text, sizeof text, "%s", value != NULL ? value : "");
	put(json, name, text);
}

static void put_lines(struct json *json, const char *name, const char *lines)
{
	char line[1200];
	json_open(json, name, '[');
	while (lines_next(&lines, line, sizeof line))
		json_text(json, NULL, line);
	json_close(json, ']');
}

static void put_bundle(struct json *json, const struct host *host)
{
	json_open(json, "bundle", '{');
	json_text(json, "name", host->config->name);
	json_text(json, "id", host->config->id);
	json_open(json, "arch", '[');
	for (uint32_t i = 0; i < host->bundle->count; i++)
		if (host->bundle->sections[i].kind == SECTION_LAUNCH_CONFIG)
			json_text(json, NULL, bundle_architecture_name(host->bundle->sections[i].arch));
	json_close(json, ']');
	json_close(json, '}');
}

static void put_host(struct json *json, const struct host_facts *facts)
{
	json_open(json, "host", '{');
	json_text(json, "name", facts->name);
	json_text(json, "machine", facts->machine);
	json_text(json, "kernel", facts->kernel);
	json_text(json, "distribution", facts->distribution);
	json_text(json, "kind", facts->kind);
	put(json, "container", facts->container);
	if (facts->manager == NULL) {
		json_null(json, "job");
	} else {
		json_open(json, "job", '{');
		json_text(json, "manager", facts->manager);
		put_start(json, "id", facts->job);
		put_start(json, "node", facts->node);
		put_start(json, "rank", facts->rank);
		json_close(json, '}');
	}
	json_text(json, "cpu", facts->cpu);
	json_number(json, "cpus", facts->cpus);
	json_number(json, "memory", facts->memory);
	json_number(json, "uid", geteuid());
	json_close(json, '}');
}

static void put_tiers(struct json *json, const struct host *host)
{
	json_open(json, "tiers", '[');
	for (enum tier tier = 0; tier < TIER_COUNT; tier++) {
		const struct fault *reason = &host->tiers[tier].reason;
		char text[sizeof reason->text + 64];
		snprintf(text, sizeof text, "%s%s%s", reason->text, reason->error != 0 ? ": " : "",
		         reason->error != 0 ? strerror(reason->error) : "");
		json_open(json, NULL, '{');
		json_text(json, "name", tier_names[tier]);
		json_boolean(json, "works", host->tiers[tier].works);
		put(json, "reason", host->tiers[tier].works ? NULL : text);
		put_lines(json, "remedy", host->tier_remedies[tier]);
		json_close(json, '}');
	}
	json_close(json, ']');
}

static void put_requirements(struct json *json, const struct host *host)
{
	json_open(json, "requirements", '[');
	for (size_t i = 0; i < host->config->requirements.count; i++) {
		json_open(json, NULL, '{');
		json_text(json, "text", host->config->requirements.items[i]);
		json_boolean(json, "met", host->requirements[i].met);
		json_text(json, "found", host->requirements[i].found);
		put_lines(json, "remedy", host->requirements[i].remedy);
		json_close(json, '}');
	}
	json_close(json, ']');
}

static void put_checks(struct json *json, const struct host *host)
{
	static const char *const results[] = {
	    [CHECK_PASS] = "pass", [CHECK_INFO] = "info", [CHECK_WARN] = "warn", [CHECK_FAIL] = "fail"};
	json_open(json, "checks", '[');
	for (size_t i = 0; i < host->check_count; i++) {
		const struct check *check = &host->checks[i];
		json_open(json, NULL, '{');
		json_text(json, "id", check->id);
		json_text(json, "group", check->group);
		json_text(json, "result", results[check->result]);
		json_text(json, "detail", check->detail);
		put(json, "value", check->value);
		put_lines(json, "remedy", check->remedy);
		json_close(json, '}');
	}
	json_close(json, ']');
}

void host_write_json(FILE *stream, const struct host *host)
{
	static const char *const verdicts[] = {
	    [VERDICT_BEST] = "best", [VERDICT_NONE] = "none", [VERDICT_LESSER] = "lesser"};
	struct json json = {.stream = stream, .one_line = true};
	char at[sizeof host->facts.name + 16];
	snprintf(at, sizeof at, "%s/%d", host->facts.name, (int)getpid());
	/* Slurm forwards lines of up to 1024 bytes whole and mixes the pieces of longer ones with those of
	 * other nodes: in a job each line is short and says whose it is. */
	if (host->facts.manager != NULL && !isatty(fileno(stream)))
		json.at = at;
	json_open(&json, NULL, '{');
	json_number(&json, "schema", SCHEMA);
	json_text(&json, "rundle", RUNDLE_VERSION);
	json_text(&json, "verdict", verdicts[host->verdict]);
	json_number(&json, "exitStatus", host->verdict);
	put(&json, "tier", host->verdict == VERDICT_NONE ? NULL : tier_names[host->chosen]);
	put_bundle(&json, host);
	put_host(&json, &host->facts);
	put_tiers(&json, host);
	put_requirements(&json, host);
	put_checks(&json, host);
	json_close(&json, '}');
}
