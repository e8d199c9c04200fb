/* SPDX-License-Identifier: Apache-2.0 */
#include "licenses.h"

#include <stdlib.h>
#include <string.h>

#include "json.h"
#include "manifest.h"
#include "message.h"

/* One walk through the list: first for what is there, then for the texts. */
struct view {
	FILE *stream;
	bool texts;
};

/* `path` begins with an index, as the list is an array. */
static void write_member(void *context, const char *path, const char *value)
{
	const struct view *view = context;
	const char *key = path + strspn(path, "0123456789");
	if (strcmp(key, ".name") == 0)
		fputs(view->texts ? "\n\n---- " : "\n\n", view->stream);
	else if (strncmp(key, ".text.", 6) == 0 && view->texts)
		fputs(strcmp(key, ".text.0") == 0 ? " ----\n\n" : "\n", view->stream);
	else if (!view->texts && (strcmp(key, ".version") == 0))
		putc(' ', view->stream);
	else if (!view->texts && (strcmp(key, ".license") == 0))
		fputs(": ", view->stream);
	else if (!view->texts && strncmp(key, ".source.", 8) == 0)
		fprintf(view->stream, "\n  %s ",
		        strcmp(key, ".source.url") == 0 ? "source:" : "SHA-256 of it:");
	else
		return;
	message_escaped(view->stream, value);
}

int licenses_write(FILE *stream, bool json, const struct bundle *bundle, struct fault *fault)
{
	char *manifest;
	size_t size = 0;
	if (manifest_read(bundle, &manifest, fault) != 0)
		return -1;
	char *list = manifest == NULL ? NULL : json_member(manifest, "licenses", &size);
	if (list == NULL) {
		free(manifest);
		return fault_set(fault, 0, "the manifest of this bundle says nothing of licences");
	}
	if (json) {
		struct json writer = {.stream = stream};
		list[size] = '\0';
		json_open(&writer, NULL, '{');
		json_raw(&writer, "licenses", list);
		json_close(&writer, '}');
	} else {
		struct view view = {.stream = stream};
		fputs("Programs that are in this file beside those of the image, which have licences of "
		      "their own:",
		      stream);
		json_walk(list, size, write_member, &view);
		view.texts = true;
		json_walk(list, size, write_member, &view);
		putc('\n', stream);
	}
	free(manifest);
	return 0;
}
