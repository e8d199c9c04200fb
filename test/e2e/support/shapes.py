"""shapes.py make ROOT: a tree of what is largest, longest and oddest, in the empty directory ROOT of a tmpfs (ext4 has
not enough links). shapes.py describe ROOT: every entry of a tree in the order of its listings, one line each."""

import hashlib
import os
import stat
import subprocess
import sys

BIG = 5 << 30
FAR = (3 << 30) + 12345


def noise(length, seed):
    return hashlib.shake_256(seed).digest(length)


def write(path, content=b""):
    with open(path, "wb") as file:
        file.write(content)


def make_sparse(at):
    for name, size, parts in (
        ("big", BIG, {0: b"start", FAR: noise(300_000, b"far"), BIG - 3: b"end"}),
        ("hole", (1 << 30) + 5, {}),
    ):
        with open(os.path.join(at, name), "wb") as file:
            for offset, content in parts.items():
                file.seek(offset)
                file.write(content)
            file.truncate(size)


def make_many(at):
    for number in range(100_000):
        write(b"%s/entry-%06d" % (os.fsencode(at), number))


def make_names(at):
    os.chdir(at)
    for byte in range(1, 256):
        if byte not in b"./":
            write(bytes([byte]) * 255, b"%d" % byte)
    for number in range(200):
        name = noise(255, b"%d" % number).translate(bytes.maketrans(b"\0/", b"ab"))
        write(name, name)


def make_deep(at):
    os.chdir(at)
    for _ in range(2000):
        os.mkdir("d")
        os.chdir("d")
    write("bottom", b"at the bottom")


def make_long(at):
    """The file's path in an archive is ./shapes/long/... with 4095 bytes, the most that a system call takes."""
    os.chdir(at)
    for _ in range(15):
        os.mkdir(b"\xe9" * 255)
        os.chdir(b"\xe9" * 255)
    write(b"f" * (4095 - len("./shapes/long") - 15 * 256 - 1), b"far away")


def make_links(at):
    os.chdir(at)
    write("00001", b"one of many")
    for number in range(2, 65_536):
        os.link("00001", "%05d" % number)


def make_special(at):
    os.chdir(at)
    os.mknod("character", stat.S_IFCHR | 0o620, os.makedev(4095, 1_048_575))
    os.mknod("block", stat.S_IFBLK | 0o660, os.makedev(259, 70_000))
    os.mkfifo("fifo", 0o622)
    os.symlink("t" * 4095, "symlink")
    for name in ("empty", "empty/also", "empty/too"):
        os.mkdir(name)
    for number in range(5):
        write("nothing-%d" % number)


def make_attributes(at):
    os.chdir(at)
    write("file", b"x")
    os.setxattr("file", "user.short", b"value")
    os.setxattr("file", "user.long", noise(8000, b"value"))
    os.setxattr("file", "trusted.secret", b"\0\1\2")
    os.mkdir("directory")
    os.setxattr("directory", "user.of-directory", b"")
    write("many")
    for number in range(100):
        os.setxattr("many", "user.attribute-%d" % number, b"%d" % number)
    write("program", b"#!/bin/sh\n")
    subprocess.run(["setcap", "cap_net_raw+ep", "program"], check=True)


def make_times(at):
    os.chdir(at)
    for seconds in (-86_400, -1, 0, 1, 2**31 - 1, 2**31, 2**32 - 1, 2**32, 2**33):
        write("at %d" % seconds)
        os.utime("at %d" % seconds, (seconds, seconds))


def make(root):
    for name, fill in (
        ("sparse", make_sparse),
        ("many", make_many),
        ("names", make_names),
        ("deep", make_deep),
        ("long", make_long),
        ("links", make_links),
        ("special", make_special),
        ("attributes", make_attributes),
        ("times", make_times),
    ):
        path = os.path.join(root, name)
        os.mkdir(path)
        fill(path)


def content_of(path, size):
    """Hash of a whole file; of the parts with data and some holes when it is large."""
    digest = hashlib.sha256()
    with open(path, "rb", buffering=0) as file:
        if size <= 64 << 20:
            digest.update(file.read())
        else:
            for offset in (0, 131_072 * 1000 - 5000, FAR - 70_000, FAR + 250_000, size - 70_000):
                if offset < size:
                    digest.update(os.pread(file.fileno(), 140_000, offset))
    return digest.hexdigest()


def attributes_of(path):
    names = sorted(os.listxattr(path, follow_symlinks=False))
    return [(name, hashlib.sha256(os.getxattr(path, name, follow_symlinks=False)).hexdigest()) for name in names]


def describe_entry(name, depth, seen):
    status = os.lstat(name)
    kind = stat.S_IFMT(status.st_mode)
    line = [depth, name, oct(status.st_mode), status.st_uid, status.st_gid, status.st_ino]
    line += [status.st_nlink, status.st_rdev, int(status.st_mtime)]
    if kind != stat.S_IFDIR:
        line.append(status.st_size)
    if kind == stat.S_IFLNK:
        line.append(os.readlink(name))
    # Once for all links; the hundred thousand are empty.
    if status.st_ino not in seen and not name.startswith(b"entry-"):
        seen.add(status.st_ino)
        attributes = attributes_of(name)
        # The kernel counts attributes as blocks of the file that has them.
        line.append(attributes or status.st_blocks)
        if kind == stat.S_IFREG:
            line.append(content_of(name, status.st_size))
    print(line)
    return kind == stat.S_IFDIR


def describe(root):
    """By changing directories: paths below are longer than a system call takes."""
    os.chdir(root)
    seen = set()
    print(os.lstat(b".").st_mode)
    rests = [os.listdir(b".")[::-1]]
    while rests:
        if not rests[-1]:
            rests.pop()
            if rests:
                os.chdir(b"..")
            continue
        name = rests[-1].pop()
        if describe_entry(name, len(rests), seen):
            os.chdir(name)
            rests.append(os.listdir(b".")[::-1])


if __name__ == "__main__":
    {"make": make, "describe": describe}[sys.argv[1]](sys.argv[2])
