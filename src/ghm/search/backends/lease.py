"""The lease of a trial's directory: one process at a time runs the trial, on whichever host.

Engines run a task again while its first copy still lives. So whoever runs a trial takes a lease first: a file
``lease-N.json`` in the trial's directory, made exclusively, with N one more than before; the highest N holds. Numbers only
grow and files stay, so that nobody who was asleep can take for free what has been taken since. The owner renews its
file; who finds it unchanged for the term, by its own clock, makes N + 1. An owner that could not renew for half a term
ends its trial before others may begin; one that finds N + 1 has lost.
"""

import contextlib
import errno
import os
import re
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import msgspec

from ghm.io.atomic import write_atomically
from ghm.io.safe_read import DamagedError, read_bytes
from ghm.io.sealed import check_seal, seal
from ghm.search.backends.heartbeat import Seconds
from ghm.search.backends.process_identity import Owner, this_process
from ghm.search.trials.process import end_processes_of

_NAME = re.compile(r"lease-(\d{1,9})\.json\Z")

# A lease has some 300 bytes.
_MOST_BYTES = 4096

# A directory is looked at this often while somebody else holds it: as soon as people notice, and rarely enough for a server.
_LOOK_S = 0.25

_MOST_LEASES = 1_000_000
"""A number above it is none that grew one by one, and the next ones would not be read."""

_SILENT_S = 2.0
"""Waiting for longer than this is said."""


class LostError(Exception):
    """Another process has taken the trial's directory: this one's lease had expired."""


@dataclass
class Lease:
    """A lease that this process holds."""

    directory: Path
    number: int
    """N."""
    term: float
    """Seconds after which others may take an unchanged one."""
    owner: Owner
    beat: int = 0
    """How often it was written: what changes."""
    renewed: float = 0.0
    """When it was written last (monotonic seconds)."""

    def renew(self, released: bool = False) -> None:
        """Say that the owner lives.

        Raises:
            LostError: when another process has taken the directory.
            OSError: when the file cannot be written.
        """
        began = time.monotonic()
        if _newest(self.directory) > self.number:
            raise LostError(f"{self.directory}: another process has taken it over")
        self.beat += 1
        content = msgspec.to_builtins(_Held(self.owner, self.term, self.beat, released))
        # Not forced to disk: after a power cut nobody holds anything.
        write_atomically(_path(self.directory, self.number), seal(content), durable=False, own=1)
        self.renewed = began

    def release(self) -> None:
        """Let go of the directory: the next one need not wait. What fails here ends by itself with the term."""
        with contextlib.suppress(LostError, OSError):
            self.renew(released=True)

    @property
    def endangered(self) -> bool:
        """Whether it could not be renewed for so long that others may take it soon: the trial must end first."""
        return time.monotonic() - self.renewed >= self.term / 2


def take(directory: Path, term: float, hopeless: Callable[[], bool]) -> Lease | None:
    """The lease of ``directory``, which is made if missing; waits while another process holds it.

    Trial processes that a lost owner left on this machine are ended.

    Args:
        directory: the trial's directory.
        term: seconds without renewal after which an owner counts as lost.
        hopeless: asked again and again; once it is true nothing is waited for any more.

    Returns:
        The lease; None when it became hopeless.

    Raises:
        OSError: when the directory cannot be read or written, or holds a lease of an impossible number.
    """
    # Not its parents: a results directory that has vanished must be noticed, not made again.
    if not directory.is_symlink():
        directory.mkdir(exist_ok=True)
    seen: tuple[int, bytes] | None = None
    began = since = time.monotonic()
    told = False
    while not hopeless():
        number = _newest(directory)
        if number > _MOST_LEASES:
            raise OSError(errno.EINVAL, "no lease of this program: remove it", str(_path(directory, number)))
        found = (number, _read(_path(directory, number)) if number else b"")
        if found != seen:
            seen, since = found, time.monotonic()
        held = _Held.parse(found[1], term) if number else None
        lost = held is not None and not held.released
        if held is None or held.released or held.dead or time.monotonic() - since >= held.term:
            if lease := _make(directory, number + 1, term):
                if lost:
                    end_processes_of(directory)
                return lease
        elif not told and time.monotonic() - began >= _SILENT_S:
            told = True
            sys.stderr.write(
                f"waiting for {held}, which holds {directory}, for {held.term:.0f} s without a sign of it ...\n"
            )
        time.sleep(min(_LOOK_S, term / 10))
    return None


def holder(directory: Path) -> Owner | None:
    """Who holds the directory, or is not known not to; None when it is free or its owner is certainly dead."""
    number = _newest(directory)
    if not number:
        return None
    held = _Held.parse(_read(_path(directory, number)), 0.0)
    return None if held.released or held.dead else held.owner or Owner("unknown", "", 0, 0)


class _Held(msgspec.Struct, frozen=True):
    """What a lease's file says; a damaged or half-written one says nothing, and counts until its term is over."""

    owner: Owner | None
    term: Seconds
    beat: int = 0
    released: bool = False

    def __str__(self) -> str:
        return "an unknown process" if self.owner is None else str(self.owner)

    @property
    def dead(self) -> bool:
        return self.owner is not None and self.owner.dead

    @classmethod
    def parse(cls, data: bytes, term: float) -> "_Held":
        try:
            return msgspec.convert(check_seal(data), cls)
        except (DamagedError, msgspec.ValidationError):
            return cls(None, term)


def _make(directory: Path, number: int, term: float) -> Lease | None:
    """Lease ``number``, if nobody else has made it."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    try:
        os.close(os.open(_path(directory, number), flags, 0o666))
    except FileExistsError:
        return None
    lease = Lease(directory, number, term, this_process(), renewed=time.monotonic())
    try:
        lease.renew()
    except LostError:
        return None
    return lease


def _newest(directory: Path) -> int:
    return max((int(match[1]) for path in directory.iterdir() if (match := _NAME.match(path.name))), default=0)


def _read(path: Path) -> bytes:
    try:
        return read_bytes(path, _MOST_BYTES)
    except (DamagedError, FileNotFoundError):
        return b""


def _path(directory: Path, number: int) -> Path:
    return directory / f"lease-{number}.json"
