"""Wrong variants of what workers run: without the lease, and a holder of leases to measure against."""

import dataclasses
import time
from collections.abc import Callable
from pathlib import Path

from ghm.search.backends.lease import Lease, take
from ghm.search.backends.process_identity import this_process
from ghm.search.backends.task import Report, Task, run_task


@dataclasses.dataclass
class NoLease(Lease):
    """Everybody gets one, and nobody loses it."""

    def renew(self, released: bool = False) -> None:
        self.renewed = time.monotonic()


def take_none(directory: Path, term: float, hopeless: Callable[[], bool]) -> Lease:
    directory.mkdir(exist_ok=True)
    return NoLease(directory, 0, term, this_process(), renewed=time.monotonic())


def run_without_lease(task: Task) -> Report:
    return run_task(task, take_none)


def enter_and_leave(directory: Path, times: int) -> int:
    """Take the lease again and again; return how often somebody else was inside."""
    met = 0
    for _ in range(times):
        lease = take(directory, 5.0, lambda: False)
        assert lease is not None
        inside = directory / "inside"
        try:
            inside.touch(exist_ok=False)
            time.sleep(0.005)
            inside.unlink()
        except FileExistsError:
            met += 1
        lease.release()
    return met


def hold(directory: Path, term: float, seconds: float) -> None:
    """Take the lease and keep it without renewing it."""
    take(directory, term, lambda: False)
    time.sleep(seconds)
