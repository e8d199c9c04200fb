/* SPDX-License-Identifier: Apache-2.0 */
#include "mount_spec.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "mount_options.h"
#include "substitute.h"

enum { FIELD_LIMIT = 6 };

/* Names of file system types that can stand alone as a third field. Others are taken with four fields. */
static const char *const types[] = {"none",   "tmpfs",   "ramfs",  "proc",    "sysfs", "devpts",
                                    "mqueue", "overlay", "cgroup", "cgroup2", "bind"};

static bool is_type(const char *text)
{
	for (size_t i = 0; i < sizeof types / sizeof *types; i++)
		if (strcmp(text, types[i]) == 0)
			return true;
	return false;
}

/* Split at blanks; `\ooo` stands for a byte, as in fstab(5). Returns the number of fields. */
static size_t split_blanks(char *text, char *fields[FIELD_LIMIT])
{
	size_t count = 0;
	char *state = NULL;
	for (char *field = strtok_r(text, " \t\n", &state); field != NULL && count < FIELD_LIMIT;
	     field = strtok_r(NULL, " \t\n", &state)) {
		fields[count++] = field;
		char *to = field;
		for (const char *from = field; *from != '\0'; to++) {
			bool octal = from[0] == '\\' && from[1] >= '0' && from[1] <= '3' && from[2] >= '0' &&
			             from[2] <= '7' && from[3] >= '0' && from[3] <= '7';
			*to = octal ? (char)((from[1] - '0') << 6 | (from[2] - '0') << 3 | (from[3] - '0'))
			            : *from;
			from += octal ? 4 : 1;
		}
		*to = '\0';
	}
	return count;
}

/* Split at colons; `\:` is a colon of the name. Returns the number of fields, or FIELD_LIMIT + 1. */
static size_t split_colons(char *text, char *fields[FIELD_LIMIT])
{
	size_t count = 0;
	fields[count++] = text;
	char *to = text;
	for (const char *from = text; *from != '\0'; from++) {
		if (from[0] == '\\' && from[1] == ':') {
			*to++ = *++from;
		} else if (*from == ':') {
			if (count == FIELD_LIMIT)
				return FIELD_LIMIT + 1;
			*to++ = '\0';
			fields[count++] = to;
		} else {
			*to++ = *from;
		}
	}
	*to = '\0';
	return count;
}

/* An fstab line has its target behind a blank; a blank in a name of the other form is followed by a colon
 * sooner or later. */
static bool is_fstab_line(const char *text)
{
	text += strspn(text, " \t");
	const char *second = text + strcspn(text, " \t");
	if (memchr(text, ':', (size_t)(second - text)) != NULL && *text == '/')
		return false;
	second += strspn(second, " \t");
	return *second == '/' || strncmp(second, "${", 2) == 0 || strncmp(second, "none ", 5) == 0;
}

static int copy_path(char *to, const char *text, char *const *environment, const char *what,
                     struct fault *fault)
{
	char *path = substitute(text, environment, fault);
	if (path == NULL)
		return -1;
	int result = 0;
	if (strlen(path) >= PATH_MAX)
		result = fault_set(fault, 0, "the %s is too long", what);
	else if (path[0] == '\0')
		result = fault_set(fault, 0, "the %s is empty", what);
	else
		memcpy(to, path, strlen(path) + 1);
	free(path);
	return result;
}

/* Source and target. */
static int parse_paths(const char *source, const char *target, char *const *environment,
                       struct mount_spec *spec, struct fault *fault)
{
	static const char rootfs[] = "${ENROOT_ROOTFS}";
	if (strncmp(source, rootfs, strlen(rootfs)) == 0) {
		spec->source_inside = true;
		source += strlen(rootfs);
		if (*source == '\0')
			source = "/";
	}
	if (copy_path(spec->source, source, environment, "source", fault) != 0 ||
	    copy_path(spec->target, target, environment, "destination", fault) != 0)
		return -1;
	if (spec->target[0] != '/')
		return fault_set(fault, 0, "the destination `%s` is not an absolute path", spec->target);
	return 0;
}

/* A relative source starts where the user stands now; later the launcher stands elsewhere. */
static int make_absolute(struct mount_spec *spec, struct fault *fault)
{
	if (spec->source[0] == '/' || spec->source_inside || spec->action == MOUNT_DETACH)
		return 0;
	char path[2 * PATH_MAX];
	if (getcwd(path, PATH_MAX) == NULL)
		return fault_set(fault, errno, "finding the current directory, where `%s` starts",
		                 spec->source);
	size_t used = strlen(path);
	if (used + 1 + strlen(spec->source) >= PATH_MAX)
		return fault_set(fault, ENAMETOOLONG, "the source");
	path[used] = '/';
	memcpy(path + used + 1, spec->source, strlen(spec->source) + 1);
	memcpy(spec->source, path, strlen(path) + 1);
	return 0;
}

static int decide(struct mount_spec *spec, const char *type, const struct mount_choice *choice,
                  struct fault *fault)
{
	bool typed = *type != '\0' && strcmp(type, "none") != 0 && strcmp(type, "bind") != 0;
	bool asked = choice->bind || choice->rbind || choice->move || choice->detach;
	spec->action = choice->move ? MOUNT_MOVE : choice->detach ? MOUNT_DETACH : MOUNT_BIND;
	if (typed && !asked) {
		if (strlen(type) >= sizeof spec->type)
			return fault_set(fault, 0, "the file system type `%s` is too long", type);
		memcpy(spec->type, type, strlen(type) + 1);
		spec->action = MOUNT_NEW;
		if (!choice->create)
			spec->create = CREATE_DIRECTORY;
		return 0;
	}
	if (spec->data[0] != '\0') {
		fault_set(fault, 0, "unknown mount option `%s`", spec->data);
		return fault_hint(
		    fault, "A mount is SRC:DST[:OPTIONS] with options such as ro, nosuid, nodev, noexec, "
		           "nofail, x-create=dir.");
	}
	spec->recursive = choice->rbind || !choice->bind;
	if (spec->action != MOUNT_DETACH && !choice->create)
		spec->create = CREATE_AUTO;
	return make_absolute(spec, fault);
}

static int parse_fields(char *text, char *const *environment, struct mount_spec *spec, struct fault *fault)
{
	char *fields[FIELD_LIMIT] = {NULL};
	size_t count = is_fstab_line(text) ? split_blanks(text, fields) : split_colons(text, fields);
	if (count == 0 || count > FIELD_LIMIT) {
		fault_set(fault, 0, "it has %s", count == 0 ? "no field" : "too many fields");
		return fault_hint(fault, "Write a colon in a name as `\\:`.");
	}
	const char *source = fields[0], *target = count > 1 ? fields[1] : fields[0];
	const char *type = "", *options = "";
	if (count > 3 || (count == 3 && is_type(fields[2])))
		type = fields[2];
	else if (count == 3)
		options = fields[2];
	if (count > 3)
		options = fields[3];
	/* `tmpfs:/scratch` alone means what it says. */
	if (*type == '\0' && source != target && source[0] != '/' && is_type(source))
		type = source;
	struct mount_choice choice = {0};
	if (parse_paths(source, target, environment, spec, fault) != 0 ||
	    mount_options_parse(options, spec, &choice, fault) != 0)
		return -1;
	return decide(spec, type, &choice, fault);
}

int mount_parse(const char *spec, char *const *environment, struct mount_spec *out, struct fault *fault)
{
	memset(out, 0, sizeof *out);
	char *text = strdup(spec);
	if (text == NULL)
		return fault_set(fault, ENOMEM, "reading the mount `%s`", spec);
	struct fault inner = {0};
	int result = parse_fields(text, environment, out, &inner);
	free(text);
	if (result != 0) {
		fault_set(fault, inner.error, "the mount `%.300s` cannot be understood: %.400s", spec,
		          inner.text);
		if (inner.hint[0] != '\0')
			fault_hint(fault, "%s", inner.hint);
	}
	return result;
}
