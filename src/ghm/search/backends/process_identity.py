"""Which process of which machine: enough to tell on that machine whether it still lives."""

import os
import socket
import sys
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import msgspec
import psutil

Name = Annotated[str, msgspec.Meta(max_length=300)]
"""A longer one is no host's (RFC 1035 allows 253 characters)."""


@dataclass(frozen=True)
class Owner:
    """A process, as a file names it."""

    host: Name
    """Name of its host, for messages: two hosts may have the same."""
    machine: Name
    """Its machine, this boot of it, and its space of process numbers: a container has its own."""
    pid: int
    started: int
    """When it was started (clock ticks since the machine was; milliseconds of a date where there is no /proc), since process
    numbers are used again."""

    def __str__(self) -> str:
        return f"process {self.pid} on host {self.host}"

    @property
    def here(self) -> bool:
        """Whether it is a process of this machine, whose life can be looked up."""
        return self.machine == _machine()

    @property
    def dead(self) -> bool:
        """Whether it is certain that the process has ended; False for one of another machine."""
        return self.here and _started(self.pid) != self.started


def this_process() -> Owner:
    """The process that asks."""
    pid = os.getpid()
    return Owner(socket.gethostname(), _machine(), pid, _started(pid) or 0)


def _machine() -> str:
    if sys.platform != "linux":  # starts are dates there, so that a boot need not be known
        return f"{socket.gethostname()} {uuid.getnode():x}"
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    return f"{boot} {Path('/proc/self/ns/pid').readlink()}"


def _started(pid: int) -> int | None:
    """Start of the process (field 22 of proc(5)'s stat); None if there is none, or only what its parent has not fetched."""
    if sys.platform != "linux":
        return _started_elsewhere(pid)
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] == "Z" else int(fields[19])


def _started_elsewhere(pid: int) -> int | None:
    """The same where there is no /proc."""
    try:
        process = psutil.Process(pid)
        return None if process.status() == psutil.STATUS_ZOMBIE else round(1000 * process.create_time())
    except psutil.NoSuchProcess:
        return None
