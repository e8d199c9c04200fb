/* SPDX-License-Identifier: Apache-2.0 */
#include "info.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "environment.h"
#include "json.h"
#include "manifest.h"
#include "message.h"
#include "tier.h"
#include "trace_proot.h"

enum { LABEL_WIDTH = 17, LINE_WIDTH = 100 };

/* What both forms show. */
struct facts {
	const struct bundle *bundle;
	const struct launch_config *config;
	const struct section *payload; /* NULL when it is missing */
	char payload_sha256[2 * SHA256_SIZE + 1];
	const char *architectures[BUNDLE_MAX_SECTIONS + 1];
	const char *tiers[TIER_COUNT + 1];
	char *manifest; /* NULL when there is none that can be used */
};

static int gather(struct facts *facts, struct fault *fault)
{
	const struct bundle *bundle = facts->bundle;
	size_t count = 0;
	for (uint32_t i = 0; i < bundle->count; i++) {
		const struct section *section = &bundle->sections[i];
		if (section->kind == SECTION_LAUNCH_CONFIG)
			facts->architectures[count++] = bundle_architecture_name(section->arch);
		if (section->kind == SECTION_PAYLOAD && section->index == facts->config->payload) {
			facts->payload = section;
			sha256_hex(section->sha256, facts->payload_sha256);
		}
	}
	/* The last one needs a program that some bundles come without. */
	memcpy(facts->tiers, tier_names, sizeof facts->tiers);
	if (!trace_proot_is_there(bundle))
		facts->tiers[TIER_TRACE] = NULL;
	return manifest_read(bundle, &facts->manifest, fault);
}

static const char *const *texts(const struct string_list *list)
{
	return (const char *const *)list->items;
}

static void write_json(FILE *stream, const struct facts *facts)
{
	const struct launch_config *config = facts->config;
	struct json json = {.stream = stream};
	json_open(&json, NULL, '{');
	json_text(&json, "name", config->name);
	json_text(&json, "architecture", config->arch);
	json_texts(&json, "architectures", facts->architectures);
	json_texts(&json, "tiers", facts->tiers);
	json_number(&json, "fileSize", facts->bundle->size);
	json_number(&json, "payloadSize", facts->payload == NULL ? 0 : facts->payload->size);
	json_text(&json, "payloadSha256", facts->payload_sha256);
	json_text(&json, "root", config->root);
	json_text(&json, "id", config->id);
	json_number(&json, "extractedSize", config->size);
	json_number(&json, "inodes", config->inodes);
	if (config->target != NULL)
		json_text(&json, "target", config->target);
	json_boolean(&json, "rc", config->rc);
	json_texts(&json, "entrypoint", texts(&config->entrypoint));
	json_texts(&json, "cmd", texts(&config->cmd));
	json_text(&json, "workdir", config->workdir);
	json_texts(&json, "env", texts(&config->environment));
	json_texts(&json, "mounts", texts(&config->mounts));
	json_texts(&json, "require", texts(&config->requirements));
	json_boolean(&json, "mountHome", config->mount_home);
	json_boolean(&json, "mountCwd", config->mount_cwd);
	json_texts(&json, "inheritedEnvironment", inherited_patterns);
	if (facts->manifest != NULL)
		json_raw(&json, "manifest", facts->manifest);
	json_close(&json, '}');
}

static void write_label(FILE *stream, const char *label)
{
	fprintf(stream, "%-*s", LABEL_WIDTH, label);
}

static void write_line(FILE *stream, const char *label, const char *text)
{
	write_label(stream, label);
	message_escaped(stream, text);
	putc('\n', stream);
}

/* One string a line, all under one label; nothing when there are none. */
static void write_lines(FILE *stream, const char *label, const struct string_list *list)
{
	for (size_t i = 0; i < list->count; i++)
		write_line(stream, i == 0 ? label : "", list->items[i]);
}

/* Quoted words, so that one with blanks can be told from two. */
static void write_words(FILE *stream, const char *label, const struct string_list *list)
{
	struct json word = {.stream = stream};
	if (list->count == 0)
		return;
	write_label(stream, label);
	for (size_t i = 0; i < list->count; i++) {
		fputs(i == 0 ? "" : " ", stream);
		json_text(&word, NULL, list->items[i]);
	}
	putc('\n', stream);
}

/* Short words in as many lines as they need. */
static void write_wrapped(FILE *stream, const char *label, const char *const *words)
{
	size_t column = LABEL_WIDTH;
	write_label(stream, label);
	for (; *words != NULL; words++) {
		size_t width = strlen(*words) + 1;
		bool first = column == LABEL_WIDTH;
		if (!first && column + width > LINE_WIDTH) {
			fprintf(stream, "\n%*s", LABEL_WIDTH, "");
			column = LABEL_WIDTH;
			first = true;
		}
		fprintf(stream, "%s%s", first ? "" : " ", *words);
		column += width;
	}
	putc('\n', stream);
}

static void write_size(FILE *stream, const char *label, uint64_t bytes)
{
	write_label(stream, label);
	if (bytes < 1000000)
		fprintf(stream, "%.1f kB", (double)bytes / 1e3);
	else
		fprintf(stream, "%.1f MB", (double)bytes / 1e6);
}

/* What is shown of the manifest. With images for several architectures `own` begins the paths of the one for
 * `arch`; with one it is empty. */
struct manifest_view {
	FILE *stream;
	const char *arch;
	char own[sizeof "platforms.255."];
};

static bool starts_with(const char *text, const char *start)
{
	return strncmp(text, start, strlen(start)) == 0;
}

static void find_own_image(void *context, const char *path, const char *value)
{
	static const char list[] = "platforms.";
	struct manifest_view *view = context;
	if (!starts_with(path, list) || strcmp(value, view->arch) != 0)
		return;
	size_t length = sizeof list - 1 + strspn(path + sizeof list - 1, "0123456789") + 1;
	if (length < sizeof view->own && strcmp(path + length - 1, ".arch") == 0)
		snprintf(view->own, sizeof view->own, "%.*s", (int)length, path);
}

/* Of the manifest people want to see what it describes and where it came from. */
static void write_member(void *context, const char *path, const char *value)
{
	const struct manifest_view *view = context;
	static const char *const groups[] = {"labels.", "provenance.", "created"};
	bool wanted = starts_with(path, "overrides.");
	if (*value == '\0')
		return;
	if (strcmp(path, "description") == 0)
		write_line(view->stream, "Description:", value);
	/* Without images of their own the paths begin with nothing, as all do. */
	if (starts_with(path, view->own))
		path += strlen(view->own);
	else if (!wanted)
		return;
	for (size_t i = 0; i < sizeof groups / sizeof *groups; i++)
		wanted |= starts_with(path, groups[i]);
	if (!wanted)
		return;
	write_label(view->stream, "");
	message_escaped(view->stream, path);
	fputs(": ", view->stream);
	message_escaped(view->stream, value);
	putc('\n', view->stream);
}

static void write_manifest(FILE *stream, const char *manifest, const char *arch)
{
	struct manifest_view view = {.stream = stream, .arch = arch};
	json_walk(manifest, strlen(manifest), find_own_image, &view);
	json_walk(manifest, strlen(manifest), write_member, &view);
}

static void write_text(FILE *stream, const struct facts *facts)
{
	const struct launch_config *config = facts->config;
	write_line(stream, "Name:", config->name);
	if (facts->manifest != NULL)
		write_manifest(stream, facts->manifest, config->arch);
	write_wrapped(stream, "Architectures:", facts->architectures);
	write_wrapped(stream, "Tiers:", facts->tiers);
	write_size(stream, "File:", facts->bundle->size);
	if (facts->payload != NULL)
		fprintf(stream, ", payload %" PRIu64 " bytes", facts->payload->size);
	putc('\n', stream);
	write_size(stream, "Extracted:", config->size);
	fprintf(stream, " in %" PRIu64 " files and directories\n", config->inodes);
	write_line(stream, "Payload SHA-256:", facts->payload_sha256);
	write_label(stream, "Target:");
	message_escaped(stream, config->target == NULL ? "./" : config->target);
	message_escaped(stream, config->target == NULL ? config->name : "");
	fputs(" (with --keep or --extract)\n", stream);
	if (config->rc)
		write_line(stream, "Starts:", "/etc/rc");
	write_words(stream, "Entrypoint:", &config->entrypoint);
	write_words(stream, "Command:", &config->cmd);
	write_line(stream, "Directory:", config->workdir);
	write_lines(stream, "Environment:", &config->environment);
	write_lines(stream, "Mounts:", &config->mounts);
	write_lines(stream, "Needs:", &config->requirements);
	if (config->mount_home || config->mount_cwd)
		write_line(stream, "Shown inside:",
		           !config->mount_cwd    ? "home directory"
		           : !config->mount_home ? "current directory"
		                                 : "home and current directory");
	write_wrapped(stream, "Host variables:", inherited_patterns);
}

int info_write(FILE *stream, bool json, const struct bundle *bundle, const struct launch_config *config,
               struct fault *fault)
{
	struct facts facts = {.bundle = bundle, .config = config};
	if (gather(&facts, fault) != 0)
		return -1;
	if (json)
		write_json(stream, &facts);
	else
		write_text(stream, &facts);
	free(facts.manifest);
	return 0;
}
