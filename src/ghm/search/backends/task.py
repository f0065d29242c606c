"""The task that runs one trial on a worker: a plain function of plain data, for any executor.

It takes the lease of the trial's directory, starts the trial as a process of the worker with the same supervision as on
the search's own host, and obeys the search's orders. The directory says what finished: a second copy of the task waits
for the first one's lease, and then finds its outcome.
"""

import contextlib
import os
import socket
import subprocess
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ghm.io.safe_read import DamagedError
from ghm.io.sealed import read_sealed
from ghm.search.backends.heartbeat import BEATS, SearchWatch
from ghm.search.backends.lease import Lease, LostError, take
from ghm.search.backends.preflight import difference
from ghm.search.settings.command import training_command
from ghm.search.trials.forking import starter
from ghm.search.trials.gpus import visible_gpus
from ghm.search.trials.outcome import TrialRecord
from ghm.search.trials.process import Start
from ghm.search.trials.runner import TrialRunner
from ghm.search.trials.trial import Trial
from ghm.search.trials.workspace import record_outcome, unrecorded_outcome

# Orders are looked for this often: a stop is felt at once, and a file server is asked a few times a second.
LOOK_S = 0.5


@dataclass(frozen=True)
class Task:
    """What a worker has to know to run a trial."""

    trial: Trial
    results_dir: Path
    """The search's directory, at the same path on every host."""
    search: str
    """Which call of the search it is run for."""
    heartbeat: float
    """Seconds of silence after which the search, or the owner of a lease, counts as lost."""
    code: dict[str, str]
    """Versions that results depend on, as the search has them."""
    known: dict[str, Any] | None = None
    """The record of the trial that the search knows of; another one was made since."""
    command: tuple[str, ...] | None = None
    """What starts the training script; None: what the worker has."""
    trial_timeout: float | None = None
    """Seconds after which an attempt is stopped."""
    max_retries: int = 1
    """How often the trial is started again after an infrastructure failure."""
    popen: Start = subprocess.Popen
    """Starts a process; by default the worker forks trials from a warm one."""


@dataclass(frozen=True)
class Report:
    """What came of a task."""

    outcome: TrialRecord | None = None
    """How the trial ended; None if it was not run, since the search stops."""
    fault: str | None = None
    """Why this worker can run no trial of the search at all."""
    defect: str | None = None
    """Traceback of a fault of ours that ended the trial: no worker was lost."""


def run_task(task: Task, take_lease: Callable[..., Lease | None] = take) -> Report:
    """Run the trial, unless it has been run meanwhile, and record its outcome in its directory.

    Args:
        task: the trial and what it needs.
        take_lease: takes the lease of a directory; the tests' wrong variant takes none.

    Raises:
        LostError: when another process has taken the trial's directory, which then has the truth.
    """
    watch = SearchWatch(task.results_dir, task.search, task.heartbeat)
    if fault := _fault(task, watch):
        return Report(fault=f"worker on host {socket.gethostname()}: {fault}")
    try:
        lease = take_lease(task.trial.directory, task.heartbeat, lambda: watch.look() in ("stop", "kill"))
        if lease is None:
            return Report()
        try:
            return Report(_run(task, lease, watch))
        finally:
            lease.release()
    except OSError as error:  # of the records, not of the trial, whose errors are outcomes
        return Report(fault=f"worker on host {socket.gethostname()}: {error}")
    except LostError:
        raise
    except Exception:  # an executor would tell of it in the same words as of a worker that was lost
        return Report(defect=traceback.format_exc())


def _fault(task: Task, watch: SearchWatch) -> str | None:
    # A file server may show a file of another host some seconds late.
    until = time.monotonic() + task.heartbeat / 2
    while not watch.visible:
        if time.monotonic() > until:
            return f"it does not see --results_dir {task.results_dir} as the search writes it"
        time.sleep(LOOK_S)
    return difference(task.code)


def _run(task: Task, lease: Lease, watch: SearchWatch) -> TrialRecord:
    if told := recorded_since(task.trial, task.known) or unrecorded_outcome(task.trial):
        return told
    runner = TrialRunner(
        task.command or training_command(),
        visible_gpus() if task.trial.config.device == "cuda" else [],
        task.trial_timeout,
        task.max_retries,
        popen=starter(task.command, task.popen),
        # The next owner of the directory ends what this one left; that is no failure to be tried again beside it.
        before_attempt=lease.renew,
    )
    with _supervised(runner, lease, watch):
        outcome = runner.run(task.trial)
    lease.renew()  # who has lost the directory records nothing there
    record_outcome(task.trial, outcome)
    return outcome


def recorded_since(trial: Trial, known: dict[str, Any] | None) -> TrialRecord | None:
    """The end of the trial, or its pause at the rung, that was recorded since the record ``known``; None if none was."""
    try:
        outcome = TrialRecord.from_entry(read_sealed(trial.outcome_path))
    except (OSError, DamagedError):
        return None
    if outcome.trial_num != trial.number or outcome.to_entry() == known:
        return None
    come = outcome.status == "paused" and outcome.iterations >= trial.until
    return outcome if outcome.final or come else None


@contextlib.contextmanager
def _supervised(runner: TrialRunner, lease: Lease, watch: SearchWatch) -> Iterator[None]:
    """Renew the lease and pass the search's orders on to the runner, while the block runs."""
    ended = threading.Event()
    with ThreadPoolExecutor(1, thread_name_prefix=lease.directory.name) as executor:
        supervision = executor.submit(_supervise, runner, lease, watch, ended)
        try:
            yield
        finally:
            ended.set()
        supervision.result()


def _supervise(runner: TrialRunner, lease: Lease, watch: SearchWatch, ended: threading.Event) -> None:
    try:
        _pass_on_orders(runner, lease, watch, ended)
    except BaseException:
        runner.kill()  # nobody would renew the lease, or tell it to stop
        raise


def _pass_on_orders(runner: TrialRunner, lease: Lease, watch: SearchWatch, ended: threading.Event) -> None:
    standing = False
    while not ended.wait(min(LOOK_S, lease.term / 10)):
        order = watch.look()
        if _lost(lease):
            order = "kill"
        if standing != (order == "pause"):
            standing = not standing
            (runner.pause if standing else runner.go_on)()
        if order == "kill":
            runner.kill()
        elif order == "stop":
            runner.stop()


def _lost(lease: Lease) -> bool:
    """Renew the lease if it is time to; return whether the trial must end because of it."""
    if time.monotonic() - lease.renewed >= lease.term / BEATS:
        try:
            lease.renew()
        except LostError:
            return True
        except OSError:
            pass  # tried again until it is endangered
    return lease.endangered


def dask_setup(worker: Any) -> None:
    """Detach a worker that a search has started from its terminal, and close its HTTP port; Dask calls this in each.

    A Ctrl-C, or a closed terminal, must reach the search only, which then stops its trials in order.
    """
    worker.http_server.stop()
    with contextlib.suppress(PermissionError):  # it leads a session already
        os.setsid()
