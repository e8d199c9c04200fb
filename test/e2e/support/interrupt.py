# SPDX-License-Identifier: Apache-2.0
"""Run a shell command line on a terminal of its own, type Ctrl-C once it printed "ready", and print how it ended."""
import os
import pty
import sys

pid, terminal = pty.fork()
if pid == 0:
    os.execv("/bin/sh", ["sh", "-c", "exec " + sys.argv[1]])
seen = b""
try:
    while b"ready" not in seen:
        seen += os.read(terminal, 1024)
    os.write(terminal, b"\x03")
    while os.read(terminal, 1024):
        pass
except OSError:
    pass
_, status = os.waitpid(pid, 0)
if os.WIFSIGNALED(status):
    print("signal", os.WTERMSIG(status))
else:
    print("status", os.WEXITSTATUS(status))
