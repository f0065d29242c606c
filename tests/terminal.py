"""A terminal to run programs in and read the screen of: a pseudo-terminal, and pyte as the screen."""

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pyte

PICTURE = re.compile(rb"(?=\r\x1b\[2K\x1b\[1A)")
"""Where Rich begins to draw anew: it clears the line that it is on and goes up."""


@dataclass
class Session:
    """What a finished program left: the screen's lines, every screen seen on the way, and the raw output."""

    screen: list[str]
    screens: list[list[str]]
    raw: bytes
    status: int


def run_in_terminal(script: str, columns: int, lines: int = 40, seconds: float = 60.0) -> Session:
    """Run Python source in a terminal of this size and read its screen at every chunk of output."""
    return run_command_in_terminal([sys.executable, "-c", script], columns, lines, seconds)


def run_command_in_terminal(
    command: Sequence[str],
    columns: int,
    lines: int = 40,
    seconds: float = 60.0,
    stderr: int | None = None,
    environment: Mapping[str, str] = os.environ,
) -> Session:
    """Run a command in a terminal of this size; its error output goes to the descriptor ``stderr`` where one is given."""
    controller, terminal = pty.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
    environment = {**environment, "TERM": "xterm-256color", "PYTHONUNBUFFERED": "1"}
    for name in ("COLUMNS", "LINES", "NO_COLOR", "FORCE_COLOR", "CI"):
        environment.pop(name, None)
    process = subprocess.Popen(
        command, stdin=terminal, stdout=terminal, stderr=terminal if stderr is None else stderr, env=environment
    )
    os.close(terminal)
    screen = pyte.Screen(columns, lines)
    stream = pyte.ByteStream(screen)
    raw, screens, deadline = b"", [], time.monotonic() + seconds
    try:
        while chunk := _read(controller):
            raw += chunk
            # A reader that was kept waiting gets several pictures at once, and must see each.
            for part in PICTURE.split(chunk):
                stream.feed(part)
                screens.append([line.rstrip() for line in screen.display])
            assert time.monotonic() < deadline, "the program did not end in time"
        return Session([line.rstrip() for line in screen.display], screens, raw, process.wait(timeout=10))
    finally:
        process.kill()
        os.close(controller)


def _read(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 65536)
    except OSError:  # Linux reports the closed other end of a terminal as an input/output error
        return b""
