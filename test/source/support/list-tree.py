"""Lists a directory as JSON, one object a path, for comparison with a merged tree.

Bytes are written as text of one character a byte (latin-1). Names of one inode share `link`, their first path.
"""
import hashlib
import json
import os
import stat
import sys

KINDS = {
    stat.S_IFREG: "file",
    stat.S_IFDIR: "directory",
    stat.S_IFLNK: "symlink",
    stat.S_IFCHR: "character-device",
    stat.S_IFBLK: "block-device",
    stat.S_IFIFO: "fifo",
    stat.S_IFSOCK: "socket",
}


def describe(path, first_names, name):
    status = os.lstat(path)
    kind = KINDS[stat.S_IFMT(status.st_mode)]
    entry = {
        "kind": kind,
        "mode": stat.S_IMODE(status.st_mode),
        "uid": status.st_uid,
        "gid": status.st_gid,
        "mtime": status.st_mtime_ns // 10**9,
        "xattrs": {
            attribute: os.getxattr(path, attribute, follow_symlinks=False).hex()
            for attribute in sorted(os.listxattr(path, follow_symlinks=False))
        },
    }
    if kind == "file":
        with open(path, "rb") as file:
            content = file.read()
        entry["size"] = len(content)
        entry["sha256"] = hashlib.sha256(content).hexdigest()
    if kind == "symlink":
        entry["target"] = os.readlink(path).decode("latin-1")
    if kind.endswith("device"):
        entry["device"] = [os.major(status.st_rdev), os.minor(status.st_rdev)]
    if kind != "directory":
        entry["link"] = first_names.setdefault((status.st_dev, status.st_ino), name)
    return entry


def walk(directory, prefix, first_names, listing):
    for name in sorted(os.listdir(directory)):
        path = directory + b"/" + name
        shown = prefix + name.decode("latin-1")
        entry = describe(path, first_names, shown)
        listing[shown] = entry
        if entry["kind"] == "directory":
            walk(path, shown + "/", first_names, listing)


root = os.fsencode(sys.argv[1])
result = {"": describe(root, {}, "")}
walk(root, "", {}, result)
json.dump(result, sys.stdout)
