"""A Dask cluster on loopback, its scheduler and workers processes of their own, and searches on it."""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

ROOT = Path(__file__).parents[2]
HEARTBEAT = "2"

# A worker or scheduler takes a second of CPU to start, on a machine that does other things more.
START_LIMIT_S = 60.0


def wait_until(condition: Callable[[], object], limit: float = START_LIMIT_S) -> None:
    until = time.monotonic() + limit
    while not condition():
        assert time.monotonic() < until, f"not within {limit} s"
        time.sleep(0.02)


class Clock:
    """Monotonic seconds that a test sets, and that pass while somebody waits."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


class Cluster:
    """A scheduler and two workers; what was killed is started again by `mend`."""

    def __init__(self, directory: Path, environment: dict[str, str], n_workers: int = 2) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self.file = directory / "scheduler.json"
        self.environment = environment
        self.log = (directory / "cluster.log").open("ab")
        self.scheduler: subprocess.Popen[bytes] | None = None
        self.workers: list[subprocess.Popen[bytes] | None] = [None] * n_workers

    def mend(self) -> None:
        if self.scheduler is None or self.scheduler.poll() is not None:
            self.file.unlink(missing_ok=True)
            self.scheduler = self._start("scheduler", "--port", "0", "--no-show")
            wait_until(self.file.exists)
        for number, worker in enumerate(self.workers):
            if worker is None or worker.poll() is not None:
                flags = ("--nthreads", "1", "--no-nanny", "--memory-limit", "0")
                self.workers[number] = self._start("worker", *flags)

    def _start(self, kind: str, *flags: str) -> "subprocess.Popen[bytes]":
        command = [sys.executable, "-m", f"distributed.cli.dask_{kind}", "--scheduler-file", str(self.file)]
        command += ["--host", "127.0.0.1", "--no-dashboard", "--dashboard-address", "127.0.0.1:0", *flags]
        return subprocess.Popen(command, cwd=ROOT, env=self.environment, stdout=self.log, stderr=self.log)

    @property
    def members(self) -> dict[str, list["subprocess.Popen[bytes]"]]:
        assert self.scheduler is not None
        return {"scheduler": [self.scheduler], "worker": [worker for worker in self.workers if worker is not None]}

    def close(self) -> None:
        for process in [*self.members["worker"], *self.members["scheduler"]]:
            process.kill()
            process.wait()
        self.log.close()


@contextmanager
def cluster(directory: Path, environment: dict[str, str] | None = None, n_workers: int = 2) -> Iterator[Cluster]:
    made = Cluster(directory, dict(os.environ) if environment is None else environment, n_workers)
    try:
        made.mend()
        yield made
    finally:
        made.close()


def search(made: Cluster, results_dir: Path, *settings: object) -> "subprocess.Popen[str]":
    """The search on the cluster, continued if it has a record, else started."""
    begun = (results_dir / "search.json").exists()
    flags = ["--resume", results_dir] if begun else [*settings, "--results_dir", results_dir]
    flags += ["--executor", "dask", "--dask_scheduler", made.file, "--heartbeat", HEARTBEAT]
    command = [sys.executable, "-m", "tests.search.support", *map(str, flags)]
    return subprocess.Popen(
        command, env=made.environment, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


def trials_of(results_dir: Path) -> list[psutil.Process]:
    """Processes that run trials of the search, anywhere on this machine."""
    found = []
    for process in psutil.process_iter():
        try:
            if any(str(results_dir.resolve()) in argument for argument in process.cmdline()):
                found += [process] if "--parent_pid" in process.cmdline() else []
        except psutil.Error:
            continue
    return [process for process in found if process.is_running() and process.status() != psutil.STATUS_ZOMBIE]


KINDS = ("worker", "driver", "scheduler", "trial")


def deck(rng: random.Random) -> Iterator[str]:
    """What to kill next: each kind once, then workers and searches more often, since those hold something."""
    yield from rng.sample(KINDS, len(KINDS))
    while True:
        yield rng.choices(KINDS, weights=[4, 3, 1, 2])[0]


def kill(what: str, made: Cluster, driver: "subprocess.Popen[str]", results_dir: Path, rng: random.Random) -> bool:
    """SIGKILL the search, a worker, a trial, or the scheduler; False if there was none any more."""
    if what == "driver":
        victims = [driver.pid] if driver.poll() is None else []
    elif what == "trial":
        victims = [process.pid for process in trials_of(results_dir)]
    else:
        victims = [process.pid for process in made.members[what] if process.poll() is None]
    try:
        os.kill(rng.choice(victims), signal.SIGKILL)
    except (IndexError, ProcessLookupError):
        return False
    return True
