/* SPDX-License-Identifier: Apache-2.0 */
#include "host/trial_overlay.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "empty_directory.h"
#include "remove_tree.h"

static int open_directory(const char *path)
{
	return open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

void trial_overlay_begin(struct trial_overlay *overlay, const char *path)
{
	*overlay = (struct trial_overlay){.path = path};
	int directory = path == NULL ? -1 : open_directory(path);
	overlay->missing = path != NULL && directory < 0 && errno == ENOENT;
	overlay->empty = directory >= 0 && directory_is_empty(directory, "");
	if (directory >= 0)
		close(directory);
}

void trial_overlay_end(const struct trial_overlay *overlay)
{
	static const char *const names[] = {"work", "upper"};
	if (!overlay->missing && !overlay->empty)
		return;
	int directory = open_directory(overlay->path);
	if (directory < 0)
		return;
	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		(void)remove_tree(directory, names[i]);
	(void)unlinkat(directory, "rundle-overlay", 0);
	close(directory);
	if (overlay->missing)
		(void)rmdir(overlay->path);
}
