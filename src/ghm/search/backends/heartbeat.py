"""Heartbeat of a search, and its orders, in a file that the workers of other hosts watch.

``.workers/search.json`` is written anew some times a heartbeat. It names the search's process and this call of it: a trial
that was started for another call stops. A trial whose search has been silent for half a heartbeat stops in order, after a
whole one it is killed: no lost search leaves one running for longer.
"""

import contextlib
import queue
import secrets
import sys
import threading
import time
from pathlib import Path
from typing import Annotated, Literal, Self

import msgspec

from ghm.errors import UserError
from ghm.io.atomic import write_atomically
from ghm.io.safe_read import DamagedError, read_bytes, refuse_links
from ghm.io.sealed import check_seal, seal
from ghm.search.backends.process_identity import Owner, this_process
from ghm.search.settings.config import MAX_HEARTBEAT

Order = Literal["run", "pause", "stop", "kill", "over"]
"""What a search wants of its trials; ``over``: it has ended."""

DIRECTORY = ".workers"
_NAME = "search.json"

# The sign has some 300 bytes.
_MOST_BYTES = 4096

Seconds = Annotated[float, msgspec.Meta(gt=0, le=MAX_HEARTBEAT)]
"""For which a search's or worker's silence may be waited for."""

BEATS = 6
"""Signs a heartbeat: three may fail before a trial is asked to stop."""

# Ctrl-Z waits this long for the order to be written before the search stands still.
_PAUSE_WAIT_S = 2.0


class Sign(msgspec.Struct, frozen=True):
    """What the file says."""

    search: str
    """Which call of the search."""
    owner: Owner
    heartbeat: Seconds
    order: Order
    beat: int
    """How often it was written: what changes."""


class Heartbeat:
    """Writes a search's heartbeat, from a thread of its own, until it is closed.

    Args:
        results_dir: the search's directory.
        heartbeat: seconds of silence after which the search counts as lost.
    """

    def __init__(self, results_dir: Path, heartbeat: float) -> None:
        self.token = secrets.token_hex(16)
        """Names this call of the search."""
        self.superseded = False
        """Whether another search has taken the directory, which a lock should have prevented."""
        self._path = _sign(results_dir)
        self.heartbeat = heartbeat
        self._order: Order = "run"
        self._written: Order | None = None
        # Unlike an event, it may be put to from a signal's handler that interrupts another one.
        self._orders: queue.SimpleQueue[Order] = queue.SimpleQueue()
        self._beat = 0
        self._fault: Exception | None = None
        self._thread = threading.Thread(target=self._run, name="heartbeat", daemon=True)

    def __enter__(self) -> Self:
        """Begin.

        Raises:
            OSError: when the directory cannot be written.
        """
        self._path.parent.mkdir(exist_ok=True)
        self._write()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Say that the search is over."""
        self.order("over")
        self._thread.join()

    def order(self, order: Order, *, wait: bool = False) -> None:
        """Give an order; with ``wait`` return once it is written, or after a moment in which it could not be."""
        self._order = order
        self._orders.put(order)
        until = time.monotonic() + _PAUSE_WAIT_S
        while wait and self._written != order and time.monotonic() < until:
            time.sleep(0.01)

    def require_alive(self) -> None:
        """Raise what ended the thread, if anything did: trials would stop one by one without a reason."""
        if self._fault is not None:
            raise self._fault

    def _run(self) -> None:
        try:
            self._give_signs()
        except Exception as error:  # a thread's exception ends nothing but the thread
            self._fault = error

    def _give_signs(self) -> None:
        while self._written != "over":
            with contextlib.suppress(queue.Empty):
                self._orders.get(timeout=self.heartbeat / BEATS)
            try:
                self._notice_another()
                if self.superseded:
                    return
                self._write()
            except OSError:
                if self._order == "over":
                    return  # the trials notice the silence

    def _notice_another(self) -> None:
        found = _read(self._path)
        self.superseded = found is not None and found.search != self.token

    def _write(self) -> None:
        order = self._order
        self._beat += 1
        _put(self._path, Sign(self.token, this_process(), self.heartbeat, order, self._beat))
        self._written = order


class SearchWatch:
    """Watches a search's heartbeat for a trial.

    Args:
        results_dir: the search's directory.
        token: which call of the search the trial was started for.
        heartbeat: seconds of silence after which it counts as lost.
    """

    def __init__(self, results_dir: Path, token: str, heartbeat: float) -> None:
        self._path, self._token, self._heartbeat = _sign(results_dir), token, heartbeat
        self._seen: Sign | None = None
        self._news = time.monotonic()

    @property
    def visible(self) -> bool:
        """Whether the search's sign can be read, now."""
        return _read(self._path) is not None

    def look(self) -> Literal["run", "pause", "stop", "kill"]:
        """What the trial is to do now."""
        found, now = _read(self._path), time.monotonic()
        if found is not None and found != self._seen:
            self._seen, self._news = found, now
        if self._seen is not None and self._seen.search != self._token:
            return "stop"  # the search was started again, and decides anew who runs this trial
        order = "run" if self._seen is None else self._seen.order
        silence = now - self._news
        # One that stands still by Ctrl-Z gives no signs; its trials stand still with it.
        if order != "pause" and silence >= self._heartbeat / 2:
            return "kill" if silence >= self._heartbeat else "stop"
        return "stop" if order == "over" else order


def take_over(results_dir: Path) -> None:
    """Tell the workers of earlier searches in the directory, which this one holds the lock of, to stop.

    Raises:
        UserError: when one of another host still gives signs: its file server does not pass locks on.
        OSError: when the directory cannot be written.
    """
    try:
        refuse_links(results_dir / DIRECTORY)
    except DamagedError as error:
        raise UserError(str(error)) from error
    path = _sign(results_dir)
    found = _read(path)
    if found is None:
        if path.exists():
            path.unlink()  # damaged: its search is told by the silence
        return
    _refuse_living(results_dir, path, found)
    _put(path, msgspec.structs.replace(found, search=secrets.token_hex(16), order="over"))


def _refuse_living(results_dir: Path, path: Path, found: Sign) -> None:
    """Refuse a directory whose search of another host lives; on this machine the lock tells."""
    heartbeat, owner = found.heartbeat, found.owner
    if owner.here or found.order == "over":
        return
    sys.stderr.write(
        f"{results_dir} was last used by another search ({owner}); waiting {heartbeat / 2:.0f} s for its heartbeat ...\n"
    )
    until = time.monotonic() + heartbeat / 2
    while time.monotonic() < until:
        time.sleep(heartbeat / BEATS / 2)
        now = _read(path)
        if now is not None and now != found and now.order != "over":
            raise UserError(
                f"--results_dir {results_dir} is in use by another search ({owner}), whose lock its file server does not "
                "pass on to this host; wait for it, stop it, or choose another directory"
            )


def _sign(results_dir: Path) -> Path:
    return results_dir / DIRECTORY / _NAME


def _read(path: Path) -> Sign | None:
    try:
        return msgspec.convert(check_seal(read_bytes(path, _MOST_BYTES)), Sign)
    except (OSError, DamagedError, msgspec.ValidationError):
        return None


def _put(path: Path, sign: Sign) -> None:
    write_atomically(path, seal(msgspec.to_builtins(sign)), durable=False, own=1)
