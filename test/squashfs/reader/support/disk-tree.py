"""Makes a tree with one of everything that an image can hold below the directory given; needs root."""

import hashlib
import os
import socket
import stat
import sys


def noise(length, seed):
    block, out = hashlib.sha256(seed.encode()).digest(), b""
    while len(out) < length:
        out += block
        block = hashlib.sha256(block).digest()
    return out[:length]


def text(length, seed):
    return "".join(f"{seed} line {i} of {i * 7919 % 1009}\n" for i in range(length // 14 + 1)).encode()[:length]


def write(name, content, mode=0o644):
    with open(name, "wb") as file:
        file.write(content)
    os.chmod(name, mode)


def sparse(name, size, parts):
    with open(name, "wb") as file:
        for position, content in parts.items():
            file.seek(position)
            file.write(content)
        file.truncate(size)


os.chdir(sys.argv[1])
write("empty", b"")
write("small", b"a small file\n", 0o4755)
os.chown("small", 3_000_000_000, 70_000)
os.chmod("small", 0o4755)
write("twin", b"a small file\n")
write("text", text(700_000, "text"))
write("noise", noise(300_000, "noise"))
write("one-block", text(131072, "block"))
write("two-megabytes", text(2 * 1048576, "more") )
write("end-of-a-block", noise(131072 + 5, "end"))
write("program", open("/bin/dash", "rb").read(), 0o755)
sparse("hole", 3_000_000, {1_500_000: b"in the middle"})
sparse("only-hole", 1_048_576, {})
sparse("hole-at-the-end", 500_003, {0: text(4096, "start")})
os.mkdir("links")
write("links/one", b"a file with three names\n", 0o600)
os.link("links/one", "links/two")
os.link("links/one", "three")
os.symlink("links/one", "link")
os.symlink("x/" * 2000, "long-link")
os.mknod("char", 0o620 | stat.S_IFCHR, os.makedev(1, 3))
os.mknod("block", 0o660 | stat.S_IFBLK, os.makedev(259, 70_000))
os.mkfifo("fifo")
os.link("fifo", "fifo-again")
server = socket.socket(socket.AF_UNIX)
server.bind("socket")
server.close()
os.mkdir("empty-directory", 0o700)
os.makedirs("a/b/c/d/e/f/g")
os.chmod("a", 0o2775)
for name in ("plain", "a/b/attributes"):
    write(name, b"attributes")
    os.setxattr(name, "user.note", b"one set of two")
    os.setxattr(name, "trusted.kept", noise(600, "value"))
os.setxattr("a/b", "user.directory", b"")
os.setxattr("char", "trusted.device", b"\0\1\2")
os.setxattr("links/one", "security.rundle", noise(600, "value"))
os.setxattr("link", "trusted.link", b"link", follow_symlinks=False)
write(b"\xff\xfe not UTF-8", b"bytes")
write(b"n" * 255, b"long")
os.mkdir("many")
for i in range(int(sys.argv[2])):
    write(f"many/entry-{i:05}", str(i % 90).encode())
for folder, names, files in os.walk(".", topdown=False):
    for name in names + files:
        os.utime(os.path.join(folder, name), (0, 1_000_000_000 + len(name)), follow_symlinks=False)
os.utime(".", (0, 1_234_567_890))
