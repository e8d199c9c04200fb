/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "host/host.h"
#include "host/lines.h"
#include "message.h"

enum { WIDTH = 100, LABEL = 22 };

static const char *const tier_texts[] = {
    "the payload is mounted where it is",
    "each start extracts the tree first",
    "each start extracts the tree and translates every path, by PRoot",
};

struct page {
	FILE *stream;
	size_t column;
	char commands[8192]; /* that stand there already */
};

/* Words from `column` on, broken so that they fit and indented where they began. */
static void put(struct page *page, size_t indent, const char *text)
{
	while (*text != '\0') {
		char word[700];
		size_t blanks = strspn(text, " ");
		size_t length = strcspn(text + blanks, " ");
		snprintf(word, sizeof word, "%.*s", (int)length, text + blanks);
		if (page->column > indent && page->column + blanks + length > WIDTH) {
			fprintf(page->stream, "\n%*s", (int)indent, "");
			page->column = indent;
			blanks = 0;
		}
		fprintf(page->stream, "%*s", (int)blanks, "");
		message_escaped(page->stream, word);
		page->column += blanks + length;
		text += strspn(text, " ") + length;
	}
}

static void end_line(struct page *page)
{
	putc('\n', page->stream);
	page->column = 0;
}

/* A line with a mark and a name, and text beside it. */
static void put_row(struct page *page, const char *mark, const char *name, const char *text)
{
	fprintf(page->stream, "  %-5s %-*s", mark, LABEL - 9, name);
	putc(' ', page->stream);
	page->column = LABEL;
	put(page, LABEL, text);
	end_line(page);
}

/* Commands are never broken, and each stands on the page once. */
static void put_commands(struct page *page, size_t indent, const char *commands)
{
	char line[1200];
	while (lines_next(&commands, line, sizeof line)) {
		if (lines_hold(page->commands, line))
			continue;
		lines_add(page->commands, sizeof page->commands, line);
		fprintf(page->stream, "%*s", (int)indent, "");
		message_escaped(page->stream, line);
		putc('\n', page->stream);
	}
}

static void describe(const struct fault *fault, char *text, size_t size)
{
	snprintf(text, size, "%s%s%s", fault->text, fault->error != 0 ? ": " : "",
	         fault->error != 0 ? strerror(fault->error) : "");
}

static void put_verdict(struct page *page, const struct host *host)
{
	char text[1200];
	put(page, 0, host->config->name);
	if (host->chosen == TIER_COUNT) {
		put(page, 2, " does not run here:");
		const struct options *options = host->options;
		enum tier asked = options->keep || options->target != NULL ? TIER_EXTRACT : TIER_MOUNT;
		for (enum tier tier = 0; options->mode != NULL && tier < TIER_COUNT; tier++)
			if (strcmp(options->mode, tier_names[tier]) == 0)
				asked = tier;
		describe(&host->tiers[asked].reason, text, sizeof text);
	} else if (host->verdict == VERDICT_NONE) {
		snprintf(text, sizeof text, "does not run here: it needs more than this host has");
	} else {
		snprintf(text, sizeof text, "runs here%s: %s",
		         host->verdict == VERDICT_BEST ? " in the best way" : ", though not in the best way",
		         tier_texts[host->chosen]);
	}
	put(page, 2, " ");
	put(page, 2, text);
	end_line(page);
}

static void put_machine(struct page *page, const struct host *host)
{
	const struct host_facts *facts = &host->facts;
	char text[600];
	snprintf(text, sizeof text, "%s: %s%sLinux %s on %s, %u CPUs%s%s%s, %" PRIu64 " GiB%s%s%s%s%s%s",
	         facts->name, facts->distribution, facts->distribution[0] != '\0' ? ", " : "", facts->kernel,
	         facts->machine, facts->cpus, facts->cpu[0] != '\0' ? " (" : "", facts->cpu,
	         facts->cpu[0] != '\0' ? ")" : "", (facts->memory + (1 << 29)) >> 30,
	         facts->container != NULL ? ", in a container of " : "",
	         facts->container != NULL ? facts->container : "", facts->manager != NULL ? ", in job " : "",
	         facts->manager != NULL ? facts->job : "", facts->manager != NULL ? " of " : "",
	         facts->manager != NULL ? facts->manager : "");
	put(page, 2, "  ");
	put(page, 2, text);
	end_line(page);
}

static void put_tiers(struct page *page, const struct host *host)
{
	fputs("\nTiers\n", page->stream);
	for (enum tier tier = 0; tier < TIER_COUNT; tier++) {
		char text[1200];
		if (host->tiers[tier].works)
			snprintf(text, sizeof text, "%s%s%.500s", tier_texts[tier],
			         tier == TIER_EXTRACT ? ", to " : "",
			         tier == TIER_EXTRACT ? host->tree_directory : "");
		else
			describe(&host->tiers[tier].reason, text, sizeof text);
		put_row(page,
		        tier == host->chosen      ? "->"
		        : host->tiers[tier].works ? "ok"
		                                  : "no",
		        tier_names[tier], text);
		/* Who runs in the best tier need not be told how to get another one. */
		if (host->verdict != VERDICT_BEST)
			put_commands(page, LABEL, host->tier_remedies[tier]);
	}
}

static void put_requirements(struct page *page, const struct host *host)
{
	if (host->config->requirements.count > 0)
		fputs("\nThe bundle needs\n", page->stream);
	for (size_t i = 0; i < host->config->requirements.count; i++) {
		const struct requirement_finding *finding = &host->requirements[i];
		char text[240];
		snprintf(text, sizeof text, "%s%s", finding->met ? "" : "not met: ", finding->found);
		put_row(page, finding->met ? "ok" : "FAIL", host->config->requirements.items[i], text);
		put_commands(page, LABEL, finding->remedy);
	}
}

/* What is fine in one line for the whole group; what is not, one by one. */
static size_t put_group(struct page *page, const struct host *host, size_t first)
{
	static const char *const marks[] = {
	    [CHECK_PASS] = "ok", [CHECK_INFO] = "info", [CHECK_WARN] = "WARN", [CHECK_FAIL] = "FAIL"};
	const char *group = host->checks[first].group;
	char fine[500] = "";
	size_t end = first;
	for (; end < host->check_count && strcmp(host->checks[end].group, group) == 0; end++) {
		const struct check *check = &host->checks[end];
		size_t used = strlen(fine);
		if (check->result == CHECK_PASS && !check->shown)
			snprintf(fine + used, sizeof fine - used, "%s%s", used == 0 ? "" : ", ", check->id);
	}
	if (fine[0] != '\0')
		put_row(page, marks[CHECK_PASS], group, fine);
	for (size_t i = first; i < end; i++) {
		const struct check *check = &host->checks[i];
		if (check->result < CHECK_WARN && !check->shown)
			continue;
		put_row(page, marks[check->result], check->id, check->detail);
		put_commands(page, LABEL, check->remedy);
	}
	return end;
}

void host_write_text(FILE *stream, const struct host *host)
{
	static struct page page;
	page = (struct page){.stream = stream};
	put_verdict(&page, host);
	put_machine(&page, host);
	put_tiers(&page, host);
	put_requirements(&page, host);
	fputs("\nThis host\n", stream);
	for (size_t i = 0; i < host->check_count;)
		i = put_group(&page, host, i);
	fprintf(stream, "\n%s --verify --json says more.\n", host->app);
}
