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
from typing import Any, Literal, Self

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

BEATS = 6
"""Signs a heartbeat: three may fail before a trial is asked to stop."""

# Ctrl-Z waits this long for the order to be written before the search stands still.
_PAUSE_WAIT_S = 2.0


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
        self.superseded = found is not None and found.get("search") != self.token

    def _write(self) -> None:
        order = self._order
        self._beat += 1
        content = {
            "search": self.token,
            "owner": this_process().to_dict(),
            "heartbeat": self.heartbeat,
            "order": order,
            "beat": self._beat,
        }
        write_atomically(self._path, seal(content), durable=False, own=1)
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
        self._seen: dict[str, Any] | None = None
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
        if self._seen is not None and self._seen.get("search") != self._token:
            return "stop"  # the search was started again, and decides anew who runs this trial
        order = None if self._seen is None else self._seen.get("order")
        silence = now - self._news
        # One that stands still by Ctrl-Z gives no signs; its trials stand still with it.
        if order != "pause" and silence >= self._heartbeat / 2:
            return "kill" if silence >= self._heartbeat else "stop"
        if order == "over":
            return "stop"
        for known in ("pause", "stop", "kill"):
            if order == known:
                return known
        return "run"


def bounded(seconds: Any) -> float | None:
    """Seconds for which a search's or worker's silence may be waited for; None where a record says anything else."""
    number = isinstance(seconds, int | float) and not isinstance(seconds, bool)
    return float(seconds) if number and 0 < seconds <= MAX_HEARTBEAT else None


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
    ended = {**found, "search": secrets.token_hex(16), "order": "over"}
    write_atomically(path, seal(ended), durable=False, own=1)


def _refuse_living(results_dir: Path, path: Path, found: dict[str, Any]) -> None:
    """Refuse a directory whose search of another host lives; on this machine the lock tells."""
    heartbeat = bounded(found.get("heartbeat"))
    try:
        owner = Owner.from_dict(found.get("owner"))
    except DamagedError:
        return
    if heartbeat is None or owner.here or found.get("order") == "over":
        return
    sys.stderr.write(
        f"{results_dir} was last used by another search ({owner}); waiting {heartbeat / 2:.0f} s for signs of life ...\n"
    )
    until = time.monotonic() + heartbeat / 2
    while time.monotonic() < until:
        time.sleep(heartbeat / BEATS / 2)
        now = _read(path)
        if now is not None and now != found and now.get("order") != "over":
            raise UserError(
                f"--results_dir {results_dir} is in use by another search ({owner}), whose lock its file server does not "
                "pass on to this host; wait for it, stop it, or choose another directory"
            )


def _sign(results_dir: Path) -> Path:
    return results_dir / DIRECTORY / _NAME


def _read(path: Path) -> dict[str, Any] | None:
    try:
        return check_seal(read_bytes(path, _MOST_BYTES))
    except (OSError, DamagedError):
        return None
