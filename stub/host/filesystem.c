/* SPDX-License-Identifier: Apache-2.0 */
#include "host/filesystem.h"

#include <stdint.h>
#include <stdio.h>
#include <sys/statfs.h>

/* statfs(2), and the file systems' own sources for those that the kernel does not come with. */
static const struct {
	uint32_t magic;
	bool shared;
	const char *name;
} types[] = {
    {0xef53, false, "ext4"},        {0x58465342, false, "xfs"},      {0x9123683e, false, "btrfs"},
    {0x01021994, false, "tmpfs"},   {0x858458f6, false, "ramfs"},    {0x794c7630, false, "overlay"},
    {0x2fc12fc1, false, "zfs"},     {0xf2f52010, false, "f2fs"},     {0x65735546, false, "fuse"},
    {0xf15f, false, "ecryptfs"},    {0x73717368, false, "squashfs"}, {0xe0f5e1e2, false, "erofs"},
    {0x01021997, true, "9p"},       {0x6969, true, "nfs"},           {0x0bd00bd0, true, "lustre"},
    {0x47504653, true, "gpfs"},     {0x19830326, true, "beegfs"},    {0x00c36400, true, "ceph"},
    {0xff534d42, true, "cifs"},     {0xfe534d42, true, "smb2"},      {0x5346414f, true, "afs"},
    {0x20030528, true, "orangefs"}, {0xaad7aaea, true, "panfs"},     {0x53464846, false, "wslfs"},
};

bool filesystem_type(const char *path, char *name, size_t size)
{
	struct statfs status;
	if (statfs(path, &status) != 0) {
		snprintf(name, size, "unknown");
		return false;
	}
	uint32_t magic = (uint32_t)status.f_type;
	for (size_t i = 0; i < sizeof types / sizeof *types; i++)
		if (types[i].magic == magic) {
			snprintf(name, size, "%s", types[i].name);
			return types[i].shared;
		}
	snprintf(name, size, "0x%x", magic);
	return false;
}
