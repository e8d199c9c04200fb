# SPDX-License-Identifier: Apache-2.0
"""terminal.py COMMAND...: an interactive shell on a terminal of its own starts COMMAND as a job; says what came of
stopping it, continuing it and interrupting it."""
import os
import pty
import select
import shlex
import sys
import time

pid, terminal = pty.fork()
if pid == 0:
    os.environ["PS1"] = "prompt> "
    os.execvp("bash", ["bash", "--norc", "--noediting", "-i"])

seen = ""


def expect(text):
    """Read until `text` has come after what was expected before."""
    global seen
    end = time.time() + 20
    while text not in seen:
        if time.time() > end:
            sys.exit(f"waited for {text!r}, got {seen!r}")
        if select.select([terminal], [], [], 0.1)[0]:
            seen += os.read(terminal, 4096).decode("latin1")
    seen = seen.split(text, 1)[1]


def enter(text):
    os.write(terminal, text.encode())


expect("prompt> ")
enter("stty -echo\n")
expect("prompt> ")
enter(shlex.join(sys.argv[1:]) + "\n")
enter("one\n")
expect("one\r\n")
print("runs")
enter("\x1a")
expect("Stopped")
expect("prompt> ")
print("stops")
enter("fg\n")
enter("two\n")
expect("two\r\n")
print("goes on")
enter("\x03")
expect("prompt> ")
enter("echo status=$?\n")
expect("status=130")
print("is interrupted")
enter("exit\n")
